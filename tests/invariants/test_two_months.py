"""The simulation of two months, in days: what it tells, and that it tells it of a library that is well."""

import asyncio
import logging
import math
from contextlib import suppress
from pathlib import Path

import pytest
from _two_months.audit import Audit
from _two_months.process import Process, Surroundings
from _two_months.table import table
from _two_months.world import Story, live_through, weather
from _virtual import LoopClock, VirtualLoop

from opentrain_async import AsyncOpenTrain, OutcomeStatus
from opentrain_async.sandbox import Sandbox


@pytest.mark.parametrize("elsewhere", [0.0, 6.0])
def test_some_days_of_an_account_lose_no_draft_and_waste_no_slot(
    elsewhere: float, caplog: pytest.LogCaptureFixture
) -> None:
    """Eight processes, killed at will, in any weather, with a claim in the middle: all that is said is true."""
    caplog.set_level(logging.CRITICAL, "opentrain_async")
    audit = live_through(Story(days=3, seed=1, elsewhere=elsewhere, kills_each=2.0, outages_each=10.0))
    seen = audit.in_all
    assert (seen.lost, audit.lies) == (0, [])
    assert elsewhere or not seen.is_wasteful
    assert (seen.limit, seen.published > 10, seen.kills > 10, seen.ill > 1) == (20, True, True, True)
    assert (seen.elsewhere > 0) == (elsewhere > 0)
    assert "| Days |" in table({"Days": audit}, "command")


def test_some_days_of_bad_weather_lose_no_draft(caplog: pytest.LogCaptureFixture) -> None:
    """A website that uses up the day, a gateway that says Retry-After as it likes, and a plan that is raised."""
    caplog.set_level(logging.CRITICAL, "opentrain_async")
    audit = live_through(weather(days=6, seed=1))
    seen = audit.in_all
    assert (seen.lost, audit.lies) == (0, [])
    assert (seen.limit, seen.published > 30, seen.elsewhere > 20) == (50, True, True)
    assert seen.refusals.total() < 4 * 6 + seen.elsewhere


CROWDED = Story(days=2, seed=2, arrivals=1.6, kills_each=6.0, outages_each=12.0)
"""More drafts than the account may publish, so that it is asked what its limit is."""


def test_what_is_refused_with_nobody_else_is_refused_for_a_reason(caplog: pytest.LogCaptureFixture) -> None:
    """To learn the limit, or to find out about what is in doubt: nothing is sent that is known to be in vain."""
    caplog.set_level(logging.CRITICAL, "opentrain_async")
    seen = live_through(CROWDED).in_all
    assert seen.refusals["learning"] > 0
    assert (seen.is_wasteful, seen.is_at_fault, seen.refusals["elsewhere"]) == (False, False, 0)


def test_those_who_wait_for_the_same_instant_come_there() -> None:
    """Also when it is nearer than the loop can tell: in months of seconds a float has no more."""

    async def turns(clock: LoopClock, at: float, later_by: int) -> int:
        taken = 0
        for _ in range(later_by):
            await asyncio.sleep(0)
        while clock.now() < at and taken < 1000:
            taken += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(clock.left_until(at)):
                    await asyncio.Event().wait()
        return taken

    async def all_of_them(loop: VirtualLoop) -> list[int]:
        clock = LoopClock(loop, 1_800_000_000.0)
        await clock.sleep(25 * 86_400.0)
        soon = math.nextafter(clock.now(), math.inf)
        return await asyncio.gather(*(turns(clock, soon, later_by) for later_by in range(4)))

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        assert max(runner.run(all_of_them(loop))) <= 2


class Talkative(Process):
    """A process that is not done yet when it is killed."""

    def _files(self) -> tuple[Path, ...]:
        return (self.around.ledger.with_name("journal"),)

    async def _work(self, client: AsyncOpenTrain) -> None:
        (journal,) = self._files()
        try:
            journal.write_text("one\n")
            await self.around.clock.sleep(3600)
        finally:
            journal.write_text("one\ntwo!\nthree\n")
            self._tell("draft", OutcomeStatus.PUBLISHED, None, 0)


def test_of_a_process_that_is_killed_nothing_more_is_seen_or_heard(tmp_path: Path) -> None:
    """It has a torn line in its journal, as after a real kill; it cannot be killed again, nor while it is dead."""

    async def killed(loop: VirtualLoop) -> Audit:
        sandbox = Sandbox()
        clock = sandbox.clock = LoopClock(loop, 0.0)
        audit = Audit.of(sandbox, sandbox.token, 20)
        around = Surroundings("http://127.0.0.1:1", sandbox.token, tmp_path / "ledger", loop, clock, audit)
        process = Talkative("talkative", around, 0.0, to_do={"draft": 0.0})
        running = asyncio.create_task(process.run(lambda: 3600.0))
        await clock.sleep(1)
        assert process.waiting == 1
        for _ in range(2):
            process.kill()
            assert process.waiting == 0
            await clock.sleep(1)
        running.cancel()
        await asyncio.wait({running})
        return audit

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        audit = runner.run(killed(loop))
    assert (tmp_path / "journal").read_text() == "one\ntw"
    assert (audit.in_all.kills, audit.told, audit.lies) == (1, {}, [])
