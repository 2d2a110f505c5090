"""Runs of days, and what happens to them: the window, clocks that jump, kills, and others at the same drafts."""

import asyncio
import math
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

from opentrain_async import AsyncOpenTrain, MemoryLedger, OutcomeStatus, SQLiteLedger
from opentrain_async.sandbox import Fault, Sandbox

from ..support import command
from ..support.clients import Connect
from ..support.virtual import VirtualClock
from ..support.waiting import cancelled, tasks_but_of_servers, until

DAY = 24 * 3600.0


class SkippingClock:
    """The sandbox's time, of which whoever sleeps skips as much: client and service live in the same days.

    None passes while *is_sending* is true: a request would take as many hours as there are drafts that wait for it.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.slept: list[float] = []
        self.is_sending: Callable[[], bool] = lambda: False

    def now(self) -> float:
        return self._sandbox.clock.now()

    def monotonic(self) -> float:
        return self._sandbox.clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        while self.is_sending():
            await asyncio.sleep(0.001)
        self._sandbox.advance(seconds=seconds)
        await asyncio.sleep(0)


@pytest.mark.parametrize("told", [20, None])
async def test_a_campaign_of_45_drafts_takes_three_days(
    sandbox: Sandbox, connect: Connect, tmp_path: Path, told: int | None
) -> None:
    """20, 20 and 5, with one request a draft, whether the limit is told or learned; no request is refused."""
    clock, ids = SkippingClock(sandbox), [sandbox.draft() for _ in range(45)]
    began = clock.now()
    client = connect(sandbox, clock=clock, daily_limit=told)
    shared = client._single_flight._joinable
    clock.is_sending = lambda: any(publish.phase == "sending" for publish in shared.values())
    report = await client.publish_many(ids, max_wait=math.inf, journal=tmp_path / "run.jsonl")
    assert len(report.published) == 45
    days = Counter(int((request.at - began) // DAY) for request in sandbox.requests)
    assert days == {0: 20, 1: 20, 2: 5}
    assert sandbox.refusals == 0
    assert max(clock.slept) <= 60


async def test_F17_two_processes_with_one_draft_are_charged_once(sandbox: Sandbox, tmp_path: Path) -> None:
    """Both succeed: for one it is published, for the other it may have been so already."""
    job_id, ledger = sandbox.draft(), str(tmp_path / "quota.sqlite3")
    both = [await command.start("publish", job_id, "--json", "--ledger", ledger, sandbox=sandbox) for _ in range(2)]
    ended = await asyncio.gather(*(command.end(process) for process in both))
    assert [finished.status for finished in ended] == [0, 0]
    statuses = Counter(outcome["status"] for finished in ended for outcome in finished.outcomes)
    assert statuses["published"] >= 1
    assert statuses.total() == 2
    async with (
        SQLiteLedger(ledger) as store,
        AsyncOpenTrain(sandbox.token, base_url=sandbox.url, ledger=store) as client,
    ):
        assert (await client.quota()).used == 1


async def test_F17_a_draft_that_comes_twice_in_a_run_has_one_outcome(sandbox: Sandbox, connect: Connect) -> None:
    """And one request, and one slot."""
    job_id = sandbox.draft()
    client = connect(sandbox)
    report = await client.publish_many([job_id, job_id, job_id])
    assert (len(report.published), len(report.outcomes), len(sandbox.requests)) == (1, 1, 1)
    assert (await client.quota()).used == 1


_KILLED = """
import asyncio, os, signal, sys
from opentrain_async import AsyncOpenTrain, SQLiteLedger
from opentrain_async._service.http.transport import Transport
from opentrain_async.quota import QuotaLedger

async def die(*_args, **_more):
    os.kill(os.getpid(), signal.SIGKILL)

async def main(ledger, job_id, where):
    setattr(*{"before": (Transport, "send"), "after": (QuotaLedger, "settle")}[where], die)
    async with SQLiteLedger(ledger) as store, AsyncOpenTrain(ledger=store, daily_limit=20) as client:
        await client.publish(job_id)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize(("where", "requests"), [("before", 1), ("after", 2)])
async def test_F22_F23_a_process_that_is_killed_leaves_a_slot_that_counts_and_is_used_again(
    sandbox: Sandbox, connect: Connect, tmp_path: Path, where: str, requests: int
) -> None:
    """Killed before its request or after the answer, its slot is held; whoever tries the job again goes in it."""
    job_id, ledger = sandbox.draft(), str(tmp_path / "quota.sqlite3")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _KILLED, ledger, job_id, where, env=command.environment(sandbox)
    )
    assert await process.wait() == -9
    await ages_out(sandbox, job_id, Path(shutil.copytree(tmp_path, tmp_path / "copy")) / "quota.sqlite3")
    async with SQLiteLedger(ledger) as store:
        client = connect(sandbox, ledger=store, daily_limit=20)
        quota = await client.quota()
        assert [(slot.job_id, slot.state) for slot in quota.slots] == [(job_id, "held")]
        report = await client.publish_many([job_id])
        assert [outcome.status for outcome in report.outcomes] == [OutcomeStatus.PUBLISHED]
        quota = await client.quota()
        assert [(slot.job_id, slot.state) for slot in quota.slots] == [(job_id, "spent")]
        await client.close()
    assert len(sandbox.requests) == requests


async def ages_out(sandbox: Sandbox, job_id: str, ledger: Path) -> None:
    """The slot of a draft that nobody tries again leaves a window after its lease, and not before."""
    clock = VirtualClock(time.time())
    async with (
        SQLiteLedger(ledger) as store,
        AsyncOpenTrain(sandbox.token, base_url=sandbox.url, ledger=store, clock=clock) as client,
    ):
        (slot,) = (await client.quota()).slots
        assert slot.job_id == job_id
        lease = slot.frees_at.timestamp() - DAY - clock.time
        assert 0 < lease <= 180
        clock.time = slot.frees_at.timestamp() - 1
        assert [slot.state for slot in (await client.quota()).slots] == ["unknown"]
        clock.time += 1.001
        assert (await client.quota()).used == 0


@pytest.mark.parametrize("bulk", [True, False])
async def test_F21_a_sibling_that_fails_cancels_and_leaves_nothing_behind(
    sandbox: Sandbox, connect: Connect, bulk: bool
) -> None:
    """In a task group the failure is what is raised, as it is, and no task of the library's goes on."""
    sandbox.fault(Fault.STALL, times=5)
    client, ids = connect(sandbox, daily_limit=20), [sandbox.draft() for _ in range(5)]
    before = tasks_but_of_servers()

    async def fail() -> None:
        await until(lambda: sandbox.requests)
        raise LookupError("a sibling")

    async def publishing() -> None:
        await (client.publish_many(ids) if bulk else client.publish(ids[0]))

    async def together() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(publishing())
            group.create_task(fail())

    with pytest.raises(ExceptionGroup) as raised:
        await together()
    assert [type(error) for error in raised.value.exceptions] == [LookupError]
    await asyncio.sleep(0)
    assert tasks_but_of_servers() == before
    assert all(slot.state == "unknown" for slot in (await client.quota()).slots)


async def test_F21_what_a_gather_leaves_running_ends_with_its_client(sandbox: Sandbox, connect: Connect) -> None:
    """A gather that fails leaves its other awaitables alone; the block of the client does not."""
    sandbox.fault(Fault.STALL)
    before, client = tasks_but_of_servers(), connect(sandbox)

    async def fail() -> None:
        await until(lambda: sandbox.requests)
        raise LookupError("a sibling")

    with pytest.raises(LookupError):
        async with client:
            await asyncio.gather(client.publish(sandbox.draft()), fail())
    await until(lambda: tasks_but_of_servers() == before)


@pytest.mark.parametrize("bulk", [True, False])
async def test_F21_a_cancellation_is_nothing_else(sandbox: Sandbox, connect: Connect, bulk: bool) -> None:
    """What the caller sees inside is a plain CancelledError, which no error of the library's has caused."""
    sandbox.fault(Fault.STALL)
    client, before, seen = connect(sandbox), tasks_but_of_servers(), list[BaseException]()

    async def publishing() -> None:
        try:
            await (client.publish_many([sandbox.draft()]) if bulk else client.publish(sandbox.draft()))
        except BaseException as error:
            seen.append(error)
            raise

    call = asyncio.create_task(publishing())
    await until(lambda: sandbox.requests)
    await cancelled(call)
    assert [(type(error), error.__cause__) for error in seen] == [(asyncio.CancelledError, None)]
    assert tasks_but_of_servers() == before


@pytest.mark.parametrize("bulk", [True, False])
async def test_F21_the_callers_own_timeout_is_a_timeout(sandbox: Sandbox, connect: Connect, bulk: bool) -> None:
    """`asyncio.timeout` around a publish or a run ends it, and is told as what it is."""
    sandbox.fault(Fault.STALL)
    client, job_id = connect(sandbox), sandbox.draft()

    async def time_out_once_sent(limit: asyncio.Timeout) -> None:
        await until(lambda: sandbox.requests)
        limit.reschedule(asyncio.get_running_loop().time())

    async def publish_in_time() -> None:
        async with asyncio.timeout(None) as limit, asyncio.TaskGroup() as group:
            group.create_task(time_out_once_sent(limit))
            await (client.publish_many([job_id]) if bulk else client.publish(job_id))

    with pytest.raises(TimeoutError):
        await publish_in_time()
    assert [slot.state for slot in (await client.quota()).slots] == ["unknown"]


_NEVER_CLOSED = """
import asyncio, gc, sys
from opentrain_async import AsyncOpenTrain

clients = []

async def main(job_id, journal):
    clients.append(AsyncOpenTrain())
    print(await clients[0].publish_many([job_id], journal=journal or None))
    assert len(asyncio.all_tasks()) == 1

async def forget():
    clients.clear()
    gc.collect()
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1

asyncio.run(main(*sys.argv[2:]))
if sys.argv[1] == "in a second loop":
    asyncio.run(forget())
clients.clear()
gc.collect()
"""


@pytest.mark.parametrize(("collected", "journal"), [("in no loop", "run.jsonl"), ("in a second loop", "")])
async def test_F36_a_client_that_is_never_closed_is_a_warning_and_no_more(
    sandbox: Sandbox, tmp_path: Path, collected: str, journal: str
) -> None:
    """The interpreter ends with 0; nothing but ResourceWarnings is said, and no task is left or begun."""
    arguments = [collected, sandbox.draft(), journal and str(tmp_path / journal)]
    ended = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-W", "always", "-c", _NEVER_CLOSED, *arguments],
        env=command.environment(sandbox), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (0, "1 draft: 1 published\n")
    said = {line for line in ended.stderr.splitlines() if "Warning: " in line or "Error" in line or "Task" in line}
    assert said
    assert {line for line in said if "ResourceWarning: " not in line} == set()
    assert "Traceback" not in ended.stderr


async def test_F36_a_client_that_is_closed_twice_is_closed(sandbox: Sandbox, connect: Connect) -> None:
    """The second time there is nothing left to do."""
    client = connect(sandbox)
    await client.publish(sandbox.draft())
    await client.close()
    await client.close()
    await client.aclose()


async def test_F40_a_slow_consumer_slows_the_source(sandbox: Sandbox, connect: Connect) -> None:
    """Nothing piles up: what was taken from the source and not yet consumed is never more than twice the workers."""
    client, taken, consumed, ahead = connect(sandbox, daily_limit=3), 0, 0, []

    def source() -> Iterator[str]:
        nonlocal taken
        for number in range(300):
            taken += 1
            yield f"job_{number}"

    async with client.publish_stream(source(), concurrency=10) as outcomes:
        async for _ in outcomes:
            consumed += 1
            await asyncio.sleep(0.001)
            ahead.append(taken - consumed)
    assert consumed == 300
    assert max(ahead) <= 2 * 10 + 1


async def test_many_accounts_share_a_session_and_a_ledger(sandbox: Sandbox, connect: Connect) -> None:
    """Each has its own day; the session is borrowed, and none of them closes it."""
    tokens = [sandbox.add_account() for _ in range(20)]
    drafts = [[sandbox.draft(token=token) for _ in range(25)] for token in tokens]
    ledger = MemoryLedger()
    async with aiohttp.ClientSession() as session:

        async def publish_for(token: str, ids: list[str]) -> Counter[OutcomeStatus]:
            client = connect(sandbox, token=token, session=session, ledger=ledger)
            report = await client.publish_many(ids, concurrency=3)
            await client.close()
            return Counter(outcome.status for outcome in report.outcomes)

        ended = await asyncio.gather(*(publish_for(*one) for one in zip(tokens, drafts, strict=True)))
        assert not session.closed
    assert ended == [{OutcomeStatus.PUBLISHED: 20, OutcomeStatus.DEFERRED: 5}] * 20
    assert sandbox.refusals == 0
