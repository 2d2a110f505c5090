"""How far a run is, and stopping one in good order."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from opentrain_async import OutcomeStatus, PublishOutcome, PublishProgress, RetryPolicy
from opentrain_async._base.clock import instant
from opentrain_async._publish.progress import BlockedBy, Progress
from opentrain_async.errors import ConfigurationError, QuotaExceededError
from opentrain_async.sandbox import Fault, Sandbox

from ..support.clients import Connect
from ..support.peers import AT_ONCE, Call, answer, client_of, job_of, live, peer
from ..support.stores import accept_one
from ..support.virtual import LoopTime, VirtualClock
from ..support.waiting import until

PUBLISHED, DEFERRED, NOT_SENT = OutcomeStatus.PUBLISHED, OutcomeStatus.DEFERRED, OutcomeStatus.NOT_SENT


async def test_a_run_tells_how_far_it_is(sandbox: Sandbox, connect: Connect) -> None:
    """From nothing to all, with what is under way, and once more at the end."""
    told: list[PublishProgress] = []
    ids = [sandbox.draft() for _ in range(25)]
    client = connect(sandbox, daily_limit=20)
    await client.publish_many([*ids, ids[0]], on_progress=told.append)
    assert (told[0].done, told[0].in_flight, told[0].total) == (0, 0, 26)
    assert (told[-1].done, told[-1].in_flight, told[-1].total) == (25, 0, 25)
    assert told[-1].counts == {status: {PUBLISHED: 20, DEFERRED: 5}.get(status, 0) for status in OutcomeStatus}
    assert told[-1].eta is not None
    assert told[-1].eta <= instant(sandbox.clock.now())


async def test_a_stream_tells_how_far_it_is(sandbox: Sandbox, connect: Connect) -> None:
    """Of a source whose length nobody knows there is no total and no end in sight."""
    told: list[PublishProgress] = []

    async def tell(progress: PublishProgress) -> None:
        told.append(progress)

    ids = (sandbox.draft() for _ in range(3))
    async with connect(sandbox).publish_stream(ids, on_progress=tell) as outcomes:
        assert len([outcome async for outcome in outcomes]) == 3
    assert (told[-1].done, told[-1].total, told[-1].eta) == (3, None, None)


async def test_what_stands_against_a_run_is_told(sandbox: Sandbox, connect: Connect) -> None:
    """That it waits for quota and until when; and that it is held, and when the next draft is tried."""
    told: list[PublishProgress] = []
    client = connect(sandbox, daily_limit=1)
    ids = [sandbox.draft() for _ in range(4)]
    run = asyncio.create_task(client.publish_many(ids, max_wait=float("inf"), on_progress=told.append))
    await until(lambda: told and told[-1].waiting_until)
    slot = (await client.quota()).next_slot_at
    assert slot is not None
    assert abs((told[-1].waiting_until or slot).timestamp() - slot.timestamp()) < 1
    assert told[-1].eta is not None
    assert told[-1].waiting_until is not None
    assert (told[-1].eta - told[-1].waiting_until).days == 2
    run.cancel()
    sandbox.fault(Fault.STATUS, times=100)
    other = connect(sandbox, daily_limit=20, ledger=None, retry=RetryPolicy(base_delay=60.0, max_delay=60.0))
    await accept_one(other)
    held = asyncio.create_task(other.publish_many(ids, on_progress=told.append))
    await until(lambda: told[-1].held_until)
    assert told[-1].held_until is not None
    assert 0 < told[-1].held_until.timestamp() - sandbox.clock.now() <= 60
    assert told[-1].eta is None
    assert told[-1].in_flight == 4
    held.cancel()
    await asyncio.wait({run, held})
    count = len(told)
    await asyncio.sleep(0.03)
    assert len(told) == count


async def test_F39_a_callback_that_fails_or_dawdles_changes_nothing(
    sandbox: Sandbox, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """What it raises is logged once, and counted; while it takes its time the run goes on without it."""
    count = 0
    dawdling = asyncio.Event()

    async def on_progress(progress: PublishProgress) -> None:
        nonlocal count
        count += 1
        if count == 1:
            await dawdling.wait()
        raise ValueError("no")

    def on_outcome(outcome: PublishOutcome) -> None:
        raise KeyError("no")

    ids = [sandbox.draft() for _ in range(5)]
    client = connect(sandbox)
    run = asyncio.create_task(client.publish_many(ids, on_progress=on_progress, on_outcome=on_outcome))
    await until(lambda: len(sandbox.live) == 5)
    dawdling.set()
    assert len((await run).published) == 5
    assert count == 2
    assert [record.getMessage().split(";")[0] for record in caplog.records if record.exc_info] == [
        "on_outcome raised", "on_progress raised",
    ]  # fmt: skip
    assert "on_outcome raised 5 times in all" in caplog.text
    assert "on_progress raised 2 times in all" in caplog.text


async def test_F39_a_slow_callback_stretches_no_deadline(sandbox: Sandbox, connect: Connect) -> None:
    """The next draft's begins with its first send, whatever time the callback for the last one took."""
    ids = [sandbox.draft() for _ in range(2)]
    sandbox.fault(Fault.STATUS, job_id=ids[1], times=2)
    told = []

    async def dawdle(outcome: PublishOutcome) -> None:
        sandbox.advance(hours=1)
        await asyncio.sleep(0.01)
        told.append(outcome)

    client = connect(sandbox, retry=AT_ONCE)
    report = await client.publish_many(ids, concurrency=1, on_outcome=dawdle)
    assert [outcome.attempts for outcome in report.published] == [1, 3]
    assert len(told) == 2


@pytest.mark.parametrize(("blocked", "attempts"), [(15.0, 1), (31.0, 2)])
async def test_F39_a_callback_that_blocks_the_loop_changes_no_outcome(blocked: float, attempts: int) -> None:
    """The request beside it, if it is late by then, is given up and made again, and known to be the same draft."""
    calls, told, loop = Counter[str](), asyncio.Event(), LoopTime()

    async def behave(call: Call) -> None:
        job_id = job_of(call)
        calls[job_id] += 1
        await (server.arrived(2) if job_id == "job_1" else told.wait())
        call.writer.write(answer(live(job_id, already=calls[job_id] > 1)))

    def block(_: PublishOutcome) -> None:
        if not told.is_set():
            loop.block(blocked)
            told.set()

    async with peer(behave) as server, client_of(server.url, timeout=30.0, retry=AT_ONCE, daily_limit=3) as client:
        await accept_one(client)
        report = await client.publish_many(["job_1", "job_2"], on_outcome=block)
        assert (await client.quota()).used == 3
    assert [(outcome.job_id, outcome.status, outcome.attempts) for outcome in report.outcomes] == [
        ("job_1", PUBLISHED, 1), ("job_2", PUBLISHED, attempts),
    ]  # fmt: skip
    assert calls["job_2"] == attempts


async def test_F39_a_callback_that_never_returns_does_not_keep_a_run(
    sandbox: Sandbox, connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The run ends without it, and says so."""
    monkeypatch.setattr("opentrain_async._publish.progress._LAST_SECONDS", 0.02)

    async def hang(_: PublishProgress) -> None:
        await asyncio.Event().wait()

    report = await connect(sandbox).publish_many([sandbox.draft()], on_progress=hang)
    assert len(report.published) == 1
    assert "on_progress has not returned" in caplog.text


async def test_F39_a_callback_that_never_returns_is_waited_for_a_second(sandbox: Sandbox, connect: Connect) -> None:
    """Of the loop's time, give or take what the machine needs for its sockets."""

    async def hang(_: PublishProgress) -> None:
        await asyncio.Event().wait()

    run = asyncio.create_task(connect(sandbox).publish_many([sandbox.draft()], on_progress=hang))
    await until(lambda: sandbox.live)
    assert 0.5 < await LoopTime().passed_until(run.done, breath=0.001) < 10
    assert len((await run).published) == 1


async def test_a_source_may_stop_its_own_run(sandbox: Sandbox, connect: Connect) -> None:
    """The draft that it gives next is taken, and is told."""
    ids = [sandbox.draft() for _ in range(3)]

    async def source() -> AsyncIterator[str]:
        yield ids[0]
        stream.stop()
        yield ids[1]
        yield ids[2]

    stream = connect(sandbox).publish_stream(source(), concurrency=1)
    async with stream as outcomes:
        ended = [(outcome.job_id, outcome.status) async for outcome in outcomes]
    assert ended == [(ids[0], PUBLISHED), (ids[1], NOT_SENT)]


async def test_the_end_of_a_run_of_ages_is_the_end_of_the_calendar(clock: VirtualClock) -> None:
    """A hundred million drafts at 20 a day are no overflow."""
    denial = QuotaExceededError("no", limit=20, retry_at=instant(clock.time))
    progress = Progress(print, lambda: 10**8, lambda: BlockedBy(denial=denial), clock)
    eta = progress._now().eta
    assert eta is not None
    assert eta.year == 9999


async def test_what_cannot_be_told_is_refused(sandbox: Sandbox, connect: Connect) -> None:
    """At the call, by name."""
    with pytest.raises(ConfigurationError, match="on_progress has to be callable"):
        await connect(sandbox).publish_many([], on_progress="loud")  # type: ignore[arg-type]


async def test_the_end_is_estimated_from_the_rate(clock: VirtualClock) -> None:
    """Ten of thirty in ten seconds leave twenty more; without a limit that is known a wait has no end in sight."""
    obstacle = BlockedBy()
    progress = Progress(print, lambda: 30, lambda: obstacle, clock)
    assert progress._now().eta is None
    for number in range(10):
        progress.begun()
        progress.ended(PublishOutcome(f"job_{number}", PUBLISHED))
    clock.time += 10
    now = progress._now()
    assert (now.rate, now.eta) == (1.0, instant(clock.time + 20))
    obstacle = BlockedBy(denial=QuotaExceededError("no", retry_at=instant(clock.time + 5)))
    assert (progress._now().waiting_until, progress._now().eta) == (instant(clock.time + 5), None)


async def test_what_does_not_change_is_told_once_a_second(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what does, up to ten times."""
    monkeypatch.setattr("opentrain_async._publish.progress._TICK_SECONDS", 0.0005)
    told: list[PublishProgress] = []
    async with Progress(told.append, lambda: 30, BlockedBy, clock) as progress:
        await until(lambda: len(told) == 3)
        since = time.monotonic()
        progress.begun()
        await until(lambda: len(told) == 4)
        assert time.monotonic() - since < 1
    assert [one.in_flight for one in told[:4]] == [0, 0, 0, 1]


async def test_a_source_of_a_run_that_is_cancelled_while_it_stops(sandbox: Sandbox, connect: Connect) -> None:
    """To cancel wins over to stop."""

    async def ids() -> AsyncIterator[str]:
        await asyncio.Event().wait()
        yield "never"

    async def consume() -> None:
        async with connect(sandbox).publish_stream(ids(), concurrency=3) as stream:
            async for _ in stream:
                pass

    consumer = asyncio.create_task(consume())
    await asyncio.sleep(0.01)
    consumer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await consumer
