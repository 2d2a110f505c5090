"""Cancelled at any of its awaits, a call ends at once, and leaves nothing behind but the truth."""

import asyncio
import itertools
import math
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from opentrain_async import PublishReport, PublishResult
from opentrain_async._publish.journal.account import JournalAccount
from opentrain_async._publish.journal.file import JournalFile
from opentrain_async.errors import QuotaExceededError
from opentrain_async.quota import LedgerStore, MemoryLedger, SQLiteLedger
from opentrain_async.quota._steps import _SETTLE_SECONDS
from opentrain_async.sandbox import Fault, Sandbox

from ..support.account import NOT_LIVE
from ..support.clients import Connect
from ..support.grounds import (
    CoroutineLedger,
    Ground,
    SkippingRedisLedger,
    see_no_connections,
    see_that_it_is_true,
    see_that_nothing_is_left,
)
from ..support.servers import KINDS_OF_REDIS, RedisServer
from ..support.stepping import Stepper, When, stepping
from ..support.stores import TO_SETTLE, SlowStore, reserve
from ..support.virtual import LoopTime
from ..support.waiting import in_mid_request, tasks_but_of_servers, until

Call = Callable[[Ground], Coroutine[Any, Any, object]]
Make = Callable[["Scene"], Ground]

FEW = 12
"""Turns of the event loop, in which a call ends once its slots are settled: each of its tasks takes one to hear of it,
and one to tell; one that waits in the line takes one more, for its timer."""
SOME = 40
"""The same for one with a journal, whose file is let go of in a thread, while the service turns the loop too."""


@frozen
class Scene:
    """A call, and what meets it.

    Attributes:
        call: The call that is cancelled.
        before: What happens before it.
        beside: What goes on beside it, and is not cancelled.
        after: What happens before its drafts are published once more.
        drafts: How many there are.
        limit: As in `Ground`.
        account: As in `Ground`.
        points: At how many awaits it is cancelled, at the least.
        turns: In how many turns of the event loop it ends, at the most.
    """

    call: Call
    before: Call | None = None
    beside: Call | None = None
    after: Callable[[Ground], object] | None = None
    drafts: int = 1
    limit: int = 20
    account: str | None = None
    points: int = 4
    turns: int = FEW


async def one(ground: Ground) -> PublishResult:
    return await ground.client.publish(ground.jobs[0], max_wait=math.inf)


async def run(ground: Ground) -> PublishReport:
    return await ground.client.publish_many(ground.jobs, concurrency=2, max_wait=math.inf)


async def run_with_journal(ground: Ground) -> None:
    await ground.client.publish_many(ground.jobs, concurrency=2, journal=ground.journal)


async def run_that_tells(ground: Ground) -> None:
    async def tell(_: object) -> None:
        await asyncio.sleep(0)

    await ground.client.publish_many(ground.jobs, concurrency=2, on_outcome=tell, on_progress=tell)


async def run_with_preflight(ground: Ground) -> None:
    await ground.client.publish_many(ground.jobs, concurrency=2, preflight=True)


async def run_of_a_source(ground: Ground) -> None:
    async def source() -> AsyncIterator[str]:
        for job in ground.jobs:
            await asyncio.sleep(0)
            yield job

    await ground.client.publish_many(source(), concurrency=2)


async def stream(ground: Ground) -> None:
    async with ground.client.publish_stream(ground.jobs, concurrency=2) as outcomes:
        async for _ in outcomes:
            await asyncio.sleep(0)


async def stream_that_is_left(ground: Ground) -> None:
    async with ground.client.publish_stream(ground.jobs, concurrency=2, journal=ground.journal) as outcomes:
        await anext(outcomes)


def meets(kind: Fault, *, times: int = 1, **options: Any) -> Call:
    """Have the service fail at the first requests for so many drafts."""

    async def before(ground: Ground) -> None:
        for job in ground.jobs[:times]:
            ground.sandbox.fault(kind, job_id=job, **options)

    return before


async def full(ground: Ground) -> None:
    await ground.client.publish_many(ground.draft(3))


async def used_elsewhere(ground: Ground) -> None:
    ground.sandbox.publish_elsewhere(3, token=ground.token)


def freed_elsewhere(ground: Ground) -> None:
    del ground.charges[:3]
    ground.charged_before = 0


async def paused(ground: Ground) -> None:
    ground.client._api._retrier.throttle.extend(2.0)


async def hold_the_last_place(ground: Ground) -> None:
    await ground.client.publish_many(ground.draft(2))
    ground.holder = await reserve(ground.client._ledger, "holder", lambda wait: pytest.fail(str(wait)))
    ground.clock.stands_still = True  # or its lease would run out as soon as anybody sleeps


async def next_in_line(ground: Ground) -> None:
    """Wait behind the caller for the only place, which becomes free then."""
    line, caller = ground.client._ledger.line, ground.caller
    waiting = asyncio.create_task(ground.client.publish(ground.draft(1)[0]))
    assert caller is not None
    while line.length < 2 - caller.done():
        await asyncio.sleep(0)
    assert ground.holder is not None
    await ground.client._ledger.settle(ground.holder, NOT_LIVE)
    ground.clock.stands_still = False
    with suppress(QuotaExceededError):  # the caller has used it, or may have
        await waiting
        ground.charged_before += 1


async def another_one(ground: Ground) -> None:
    """Somebody else wants the same draft."""
    result = await ground.client.publish(ground.jobs[0])
    assert (result.job_id, result.status) == (ground.jobs[0], "OPEN")


async def another_run(ground: Ground) -> None:
    """A run wants the same draft, among others."""
    report = await ground.client.publish_many(ground.jobs)
    assert len(report.published) + len(report.already_published) == len(ground.jobs)


SCENES = {
    "publish": Scene(one),
    "publish after a 503": Scene(one, meets(Fault.STATUS), points=6),
    "publish after a lost answer": Scene(one, meets(Fault.RESET, published=True), points=6),
    "publish after a cut answer": Scene(one, meets(Fault.TRUNCATED, published=True), points=7),
    "publish that is throttled": Scene(one, meets(Fault.STATUS, status=429, retry_after="2"), points=6),
    "publish in a pause": Scene(one, paused, points=5),
    "publish that waits for the window": Scene(one, full, limit=3, points=4),
    "publish that is refused": Scene(one, used_elsewhere, after=freed_elsewhere, limit=3, points=7),
    "publish of a found account": Scene(one, account="auto", points=5),
    "publish in line": Scene(one, hold_the_last_place, next_in_line, limit=3, points=3),
    "publish that another one shares": Scene(one, beside=another_one),
    "publish that a run shares": Scene(one, beside=another_run, drafts=2),
    "run": Scene(run, drafts=5, points=9),
    "run that another one shares": Scene(run, beside=another_one, drafts=2),
    "run with a journal": Scene(run_with_journal, drafts=5, points=15, turns=SOME),
    "run that tells": Scene(run_that_tells, drafts=3, points=10),
    "run with a preflight": Scene(run_with_preflight, drafts=3, account="auto", points=8),
    "run of a source": Scene(run_of_a_source, drafts=3, points=9),
    "run through the window": Scene(run, drafts=4, limit=3, points=11),
    "run in an outage": Scene(run_with_journal, meets(Fault.STATUS, times=4), drafts=4, points=18, turns=SOME),
    "stream": Scene(stream, drafts=3, points=10),
    "stream that is left": Scene(stream_that_is_left, drafts=3, points=9, turns=SOME),
}


@pytest.fixture
async def ledger(
    request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path, redis_of_kind: Callable[[str], RedisServer]
) -> AsyncIterator[LedgerStore]:
    """An empty ledger of that kind."""
    match request.param:
        case "memory":
            yield MemoryLedger()
        case "coroutine":
            yield CoroutineLedger()
        case "file":
            async with SQLiteLedger(tmp_path / "quota.sqlite3") as file:
                yield file
        case _:
            async with SkippingRedisLedger(redis_of_kind(KINDS_OF_REDIS[0]).url, sandbox) as redis:
                yield redis


@pytest.fixture
def make(sandbox: Sandbox, ledger: LedgerStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes grounds for scenes, on one ledger."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # what a disk takes for it is not what is waited for here
    numbers = itertools.count()

    def new(scene: Scene) -> Ground:
        journal = tmp_path / f"{next(numbers)}.jsonl"
        return Ground(sandbox, ledger, journal, scene.limit, scene.account, scene.drafts)

    return new


async def survey(make: Make, scene: Scene, when: When) -> list[Stepper]:
    """Cancel the call of a scene at each of its awaits in turn, each time on new ground; returns how that went."""
    cancelled, before = [], tasks_but_of_servers()
    with stepping() as stepper_for:
        for at in itertools.count(1):
            ground, stepper = make(scene), stepper_for(at, when)
            async with ground.client, asyncio.timeout(10):
                if scene.before is not None:
                    await scene.before(ground)
                ground.charged_before = len(ground.charges)
                ground.caller = stepper.begin(scene.call(ground))
                beside = None if scene.beside is None else asyncio.create_task(scene.beside(ground))
                ended = await end_of(ground.caller)
                if beside is not None:
                    await beside
                left = tasks_but_of_servers() - before
                if stepper.place:
                    cancelled.append(stepper)
                    try:
                        assert ended == "cancelled"
                        assert left == set(), [task.get_coro() for task in left]
                        see_that_nothing_is_left(ground)
                        await see_that_it_is_true(ground, scene.after)
                    except BaseException as error:
                        error.add_note(f"cancelled at await {at}, {stepper.place}; drafts: {ground.jobs}")
                        raise
            await see_no_connections(ground.sandbox)
            if stepper.awaits < at:
                break
    return cancelled


async def end_of(call: "asyncio.Task[object]") -> object:
    """How a call ends."""
    await asyncio.wait({call})
    return "cancelled" if call.cancelled() else call.exception() or call.result()


def see_that_it_was_seen(cancelled: list[Stepper], scene: Scene) -> None:
    """At enough awaits, and each time at once."""
    assert len(cancelled) >= scene.points
    slowest = max(cancelled, key=lambda stepper: stepper.turns)
    assert slowest.turns <= scene.turns, (slowest.turns, slowest.place)


ENDING = [
    "publish", "publish after a 503", "publish in a pause", "publish that waits for the window",
    "publish of a found account", "run", "run with a journal", "run with a preflight", "stream that is left",
]  # fmt: skip
SETTLING = ["publish", "publish that waits for the window", "publish in line", "run"]
CASES = [
    *[("memory", When.WAITING, name) for name in SCENES],
    *[("memory", When.ALL, name) for name in ENDING],
    *[("memory", When.ALL_WOKEN, name) for name in SETTLING],
    *[("coroutine", When.WAITING, name) for name in ["publish", "run", "run that tells"]],
    *[("file", When.WOKEN, name) for name in SCENES],
    *[("file", When.WAITING, name) for name in ["publish in line", "run"]],
    *[("redis", When.WAITING, name) for name in [*SETTLING, "publish that another one shares"]],
    *[("redis", When.WOKEN, name) for name in ["publish", "run"]],
    *[("redis", When.ALL, name) for name in ["publish", "publish that waits for the window"]],
]
"""Each scene on a ledger that takes no time and on one that does; each way to be cancelled on one that is far away."""


@pytest.mark.parametrize(
    ("ledger", "when", "name"), CASES, ids=[f"{name}-{ledger}-{when.name}" for ledger, when, name in CASES],
    indirect=["ledger"],
)  # fmt: skip
async def test_F18_F19_F20_a_call_cancelled_at_any_of_its_awaits_leaves_nothing_behind(
    make: Make, when: When, name: str
) -> None:
    """It ends at once; no task, connection, lock or held slot is left, and all that is told and counted is true."""
    scene = SCENES[name]
    see_that_it_was_seen(await survey(make, scene, when), scene)


@pytest.mark.parametrize("turns", [0, 50])
@pytest.mark.parametrize("call", [one, run, run_that_tells, run_of_a_source, stream])
async def test_F19_F20_a_store_that_hangs_holds_up_a_cancellation_for_two_seconds_at_the_most(
    sandbox: Sandbox, tmp_path: Path, call: Call, turns: int
) -> None:
    """Whichever step it hangs at, when that begins or later; once it goes on, no slot stays held."""
    loop, before = LoopTime(), tasks_but_of_servers()
    for hangs_at in itertools.count(1):
        store = SlowStore(stops_at=hangs_at)
        ground = Ground(sandbox, store, tmp_path / "none", 20, None, 1 if call is one else 3)
        async with ground.client:
            calling = asyncio.create_task(call(ground))
            while store.go_on.is_set() and not calling.done():
                await asyncio.sleep(0)
            if calling.done():
                break
            for _ in range(turns):
                await asyncio.sleep(0)
            calling.cancel()
            assert await loop.passed_until(calling.done) <= _SETTLE_SECONDS
            assert calling.cancelled()
            assert {task for task in tasks_but_of_servers() - before if not store.is_at(task)} == set()
            store.go_on.set()
        assert not any(slot.holders for slot in store.log.jobs.values())
    assert hangs_at >= (3 if call is one else 5)


@pytest.mark.parametrize("cancellations", [1, 2])
async def test_a_run_cancelled_as_it_lets_go_of_its_journal_has_let_go_of_it(
    connect: Connect, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cancellations: int
) -> None:
    """However long that takes: who catches the cancellation can go on with the journal; a second one cuts it short."""
    let_go, go_on, close = asyncio.Event(), threading.Event(), JournalFile.close
    loop = asyncio.get_running_loop()

    def close_slowly(file: JournalFile) -> None:
        loop.call_soon_threadsafe(let_go.set)
        go_on.wait(10)
        close(file)

    monkeypatch.setattr(JournalFile, "close", close_slowly)
    run = asyncio.create_task(connect(sandbox).publish_many([sandbox.draft()], journal=tmp_path / "run.jsonl"))
    await let_go.wait()
    for _ in range(cancellations):
        run.cancel()
        await asyncio.sleep(0.005)
    assert run.done() is (cancellations == 2)
    go_on.set()
    await asyncio.wait({run})
    assert run.cancelled()
    if cancellations == 1:
        JournalFile(tmp_path / "run.jsonl", JournalAccount(sandbox.url)).close()


@pytest.mark.parametrize("cancellations", [1, 2])
async def test_a_publish_cancelled_while_its_client_closes_waits_until_its_slot_is_settled(
    connect: Connect, sandbox: Sandbox, cancellations: int
) -> None:
    """Whoever catches the cancellation finds nothing under way; a second one cuts it short."""
    store = SlowStore(stops_at=TO_SETTLE)
    client = connect(sandbox, ledger=store)
    call = await in_mid_request(client, sandbox, sandbox.draft())
    closing = asyncio.create_task(client.close())
    await until(lambda: store.begun == TO_SETTLE)
    for _ in range(cancellations):
        call.cancel()
        await asyncio.sleep(0.005)
    assert call.done() is (cancellations == 2)
    store.go_on.set()
    await closing
    await asyncio.wait({call})
    assert call.cancelled()
    assert [slot.kind for slot in store.log.jobs.values()] == ["unknown"]
