"""Clocks that are wrong, that jump, and that are set right, and what the quota makes of them."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from opentrain_async import AsyncOpenTrain, MemoryLedger, RedisLedger, SQLiteLedger
from opentrain_async._base.clock import SystemClock
from opentrain_async.quota import Wait
from opentrain_async.sandbox import Sandbox

from ..support.clients import Connect
from ..support.servers import RedisServer
from ..support.stores import ledger_on, publish, reserve
from ..support.virtual import VirtualClock
from ..support.waiting import until

DAY = 24 * 3600.0


async def test_F30_F31_a_hosts_wrong_clock_has_no_effect(redis_server: RedisServer) -> None:
    """25 hours ahead, a host is told the same as everybody, and waits as long."""
    right, wrong = SystemClock(), VirtualClock(time.time() + 25 * 3600)
    told: list[tuple[float, float]] = []

    def turned_away(wait: Wait) -> None:
        told.append((wait.until, wait.seconds))
        raise LookupError

    async with RedisLedger(redis_server.url) as store:
        ledgers = [ledger_on(store, clock, limit=1) for clock in (right, wrong)]
        await publish(ledgers[1], "a")
        for ledger in ledgers:
            with pytest.raises(LookupError):
                await reserve(ledger, "b", turned_away)
        first, second = told
        assert first[0] == second[0] == pytest.approx(time.time() + 24 * 3600, abs=60)
        assert first[1] == pytest.approx(24 * 3600, abs=60)


async def test_F31_a_caller_without_patience_is_not_kept_by_a_wrong_clock(
    redis_server: RedisServer, sandbox: Sandbox
) -> None:
    """On a host that is 25 hours ahead `max_wait=0` is no wait of a day."""
    async with RedisLedger(redis_server.url) as store:
        client = AsyncOpenTrain(
            sandbox.token, base_url=sandbox.url, ledger=store, daily_limit=1,
            clock=VirtualClock(time.time() + 25 * 3600),
        )  # fmt: skip
        async with client:
            report = await client.publish_many([sandbox.draft() for _ in range(3)])
    assert (len(report.published), len(report.deferred), len(sandbox.requests)) == (1, 2, 1)


async def test_F30_F31_a_clock_that_falls_behind_and_comes_back_lets_nobody_in_early(store: SQLiteLedger) -> None:
    """25 hours behind and back: no publish more than the limit in a window of true time."""
    clock = VirtualClock()
    ledger = ledger_on(store, clock, limit=2)
    turned_away: list[str] = []

    async def is_denied(job: str) -> bool:
        with pytest.raises(LookupError):
            await reserve(ledger, job, _raise)
        turned_away.append(job)
        return True

    await publish(ledger, "a")
    clock.time -= 25 * 3600
    await publish(ledger, "b")
    assert await is_denied("c")
    clock.time += 25 * 3600 + 60
    assert await is_denied("d")
    clock.time += DAY - 61
    assert await is_denied("e")
    clock.time += 61
    await publish(ledger, "f")


def _raise(denied: object) -> None:
    raise LookupError(denied)


class JumpingClock(VirtualClock):
    """A clock whose wall time jumps once, in a sleep, by so many seconds more than were slept: as in a suspend."""

    def __init__(self, jump: float) -> None:
        super().__init__()
        self._jump = jump
        self.up = 0.0

    def monotonic(self) -> float:
        return self.up

    async def sleep(self, seconds: float) -> None:
        self.up += seconds
        if self.up > 600:
            self.time, self._jump = self.time + self._jump, 0.0
        await super().sleep(seconds)


@pytest.mark.parametrize("jump", [8 * 3600.0, -8 * 3600.0, DAY, -DAY])
async def test_F30_a_wait_follows_the_wall_clock_wherever_it_jumps(jump: float) -> None:
    """A suspended machine goes on within a minute of the time; one whose clock is set back lets nobody in early."""
    clock = JumpingClock(jump)
    ledger = ledger_on(MemoryLedger(), clock, limit=1)
    await publish(ledger, "job_1")
    reservation = await reserve(ledger, "job_2", lambda _: None)
    assert reservation.job == "job_2"
    assert clock.up <= DAY + 60
    if jump < 0:
        assert clock.up >= DAY - 60
    else:
        assert clock.up <= max(660.0, DAY - jump + 60)


async def test_F30_a_local_clock_that_leaps_admits_nobody_early_where_redis_has_the_time(
    redis_server: RedisServer,
) -> None:
    """Whoever waits looks as soon as its own clock says that it is time, is turned away by the server's, and waits."""
    clock, looks = VirtualClock(time.time()), 0

    def denied(_: object) -> None:
        nonlocal looks
        looks += 1
        clock.time += DAY

    async with RedisLedger(redis_server.url, timeout=10) as store:
        ledger = ledger_on(store, clock, limit=1)
        await publish(ledger, "a")
        waiting = asyncio.create_task(reserve(ledger, "b", denied))
        await until(lambda: looks >= 10)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait({waiting})
    assert max(clock.slept) <= 60


@pytest.fixture
def middle_europe() -> Iterator[None]:
    """This process has its local time there."""
    try:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
            time.tzset()
            yield
    finally:
        time.tzset()


async def test_F30_the_hour_that_comes_twice_is_two_hours(middle_europe: None) -> None:
    """Where clocks are turned back in the night a window is 24 hours all the same, and its instants are in UTC."""
    night = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    clock = VirtualClock(night.timestamp())
    assert time.localtime(clock.time).tm_hour == time.localtime(clock.time + 3600).tm_hour == 2
    ledger = ledger_on(MemoryLedger(), clock)
    await publish(ledger, "a")
    quota = await ledger.snapshot()
    assert quota.next_slot_at == night + timedelta(hours=24)
    assert quota.next_slot_at.tzinfo is UTC
    clock.time += DAY - 1
    assert (await ledger.snapshot()).used == 1
    clock.time += 1
    await publish(ledger, "b")
    assert abs(SystemClock().now() - datetime.now(UTC).timestamp()) < 60


async def test_F31_what_a_clock_that_is_a_day_ahead_has_dated_leaves_a_day_from_now(
    store: SQLiteLedger, sandbox: Sandbox, connect: Connect
) -> None:
    """Not a day later than that: the container with the wrong clock locks nobody out who shares its file."""
    wrong = VirtualClock(sandbox.clock.now() + 25 * 3600)
    report = await connect(sandbox, ledger=store, daily_limit=3, clock=wrong).publish_many([
        sandbox.draft() for _ in range(3)
    ])
    assert len(report.published) == 3
    client, began = connect(sandbox, ledger=store, daily_limit=3), sandbox.clock.now()
    job_id = sandbox.draft()
    (outcome,) = (await client.publish_many([job_id])).outcomes
    assert outcome.retry_at is not None
    assert outcome.retry_at.timestamp() - began == pytest.approx(DAY, abs=60)
    sandbox.advance(hours=24)
    assert (await client.publish(job_id)).newly_published
    assert sandbox.refusals == 0


async def test_F31_a_leap_of_the_clock_is_corrected_by_the_services_refusal(
    store: SQLiteLedger, sandbox: Sandbox, connect: Connect
) -> None:
    """A host that has leapt ahead by 25 hours takes its day for free: one draft is sent to be refused, and no other."""
    clock = VirtualClock(sandbox.clock.now())
    client = connect(sandbox, ledger=store, daily_limit=20, clock=clock)
    await client.publish_many([sandbox.draft() for _ in range(20)])
    clock.time += 25 * 3600
    assert (await client.quota()).used == 0
    for _ in range(2):
        report = await client.publish_many([sandbox.draft() for _ in range(5)], concurrency=1)
        assert len(report.deferred) == 5
    assert (len(sandbox.requests), sandbox.refusals, (await client.quota()).used) == (21, 1, 20)
