"""What is interrupted, closed or cancelled by mistake still ends with the truth."""

import asyncio
import math
from collections.abc import AsyncIterator

import pytest

from opentrain_async import PublishOutcome, RetryPolicy
from opentrain_async.errors import ClientClosedError, NotPublishReadyError, QuotaLedgerError, ServerError
from opentrain_async.quota import _steps
from opentrain_async.sandbox import Fault, Sandbox

from ..support.account import NOT_LIVE
from ..support.clients import Connect
from ..support.stores import TO_SETTLE, SlowStore, accept_one, ledger_on, reserve
from ..support.virtual import VirtualClock
from ..support.waiting import in_mid_request, until


async def after(event: asyncio.Event, job_id: str) -> AsyncIterator[str]:
    """A source whose one draft comes when something has happened."""
    await event.wait()
    yield job_id


@pytest.mark.parametrize("bulk", [True, False])
async def test_F36_closing_while_a_slot_is_settled_takes_no_result_away(
    sandbox: Sandbox, connect: Connect, bulk: bool
) -> None:
    """A publish whose answer is known is reported as it was, and closing waits until its slot is settled."""
    store, job_id = SlowStore(stops_at=TO_SETTLE), sandbox.draft()
    client = connect(sandbox, ledger=store)
    call = asyncio.create_task(client.publish_many([job_id]) if bulk else client.publish(job_id))
    await until(lambda: store.begun == TO_SETTLE)
    closing = asyncio.create_task(client.close())
    await asyncio.sleep(0.01)
    assert not closing.done()
    store.go_on.set()
    await closing
    ended = await call
    assert len(ended.published) == 1 if bulk else ended.newly_published  # type: ignore[attr-defined]
    assert store.log.jobs[job_id].kind == "spent"


async def test_F36_closing_twice_at_once_loses_no_outcome(sandbox: Sandbox, connect: Connect) -> None:
    """Two who close one client at once do not end the workers of a run."""
    client = connect(sandbox, daily_limit=20)
    await accept_one(client)
    sandbox.fault(Fault.STALL, times=3)
    run = asyncio.create_task(client.publish_many([sandbox.draft() for _ in range(5)], concurrency=3))
    await until(lambda: len(sandbox.requests) == 3)
    await asyncio.gather(client.close(), client.close())
    report = await run
    assert (len(report.unknown), len(report.not_sent)) == (3, 2)


async def test_F36_a_cancelled_close_closes_the_session_all_the_same(sandbox: Sandbox, connect: Connect) -> None:
    """Whoever loses patience with a close leaves no connection open."""
    store, job_id = SlowStore(stops_at=TO_SETTLE), sandbox.draft()
    client = connect(sandbox, ledger=store)
    call = await in_mid_request(client, sandbox, job_id)
    closing = asyncio.create_task(client.close())
    await asyncio.sleep(0.01)
    closing.cancel()
    await asyncio.wait({closing})
    assert client._transport._session is not None
    assert client._transport._session.closed
    store.go_on.set()
    with pytest.raises(ClientClosedError):
        await call


async def test_F19_a_settlement_is_not_cut_short_by_a_cancellation(sandbox: Sandbox, connect: Connect) -> None:
    """A caller that is cancelled while its slot is settled waits for that, and the slot is right."""
    store, job_id = SlowStore(stops_at=TO_SETTLE), sandbox.draft()
    client = connect(sandbox, ledger=store)
    run = asyncio.create_task(client.publish_many([job_id]))
    await until(lambda: store.begun == TO_SETTLE)
    run.cancel()
    await asyncio.sleep(0.01)
    assert not run.done()
    store.go_on.set()
    await asyncio.wait({run})
    assert run.cancelled()
    assert store.log.jobs[job_id].kind == "spent"


async def test_another_caller_outlives_the_run_that_carries_its_draft(sandbox: Sandbox, connect: Connect) -> None:
    """A draft of a cancelled run for which somebody else waits is asked for again, in its old slot."""
    client, job_id = connect(sandbox), sandbox.draft()
    sandbox.fault(Fault.STALL, job_id=job_id, published=True)
    run = asyncio.create_task(client.publish_many([job_id]))
    await until(lambda: sandbox.requests)
    other = asyncio.create_task(client.publish(job_id))
    await asyncio.sleep(0)
    run.cancel()
    assert (await other).newly_published
    assert run.cancelled()
    assert (await client.quota()).used == 1
    assert len(sandbox.requests) == 2


async def test_a_patient_caller_outlives_the_run_that_is_turned_away(unclaimed: Sandbox, connect: Connect) -> None:
    """A run that does not wait for the window leaves the draft to the caller that does."""
    client = connect(unclaimed, daily_limit=3)
    await client.publish_many([unclaimed.draft() for _ in range(2)])
    holder, job_id = unclaimed.draft(), unclaimed.draft()
    unclaimed.fault(Fault.DRIP, job_id=holder, published=True)
    holding = asyncio.create_task(client.publish(holder))
    await until(lambda: len(unclaimed.live) == 3)
    run = asyncio.create_task(client.publish_many([job_id]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    patient = asyncio.create_task(client.publish(job_id, max_wait=math.inf))
    assert (await holding).newly_published
    assert len((await run).deferred) == 1
    unclaimed.advance(hours=24, seconds=5)
    assert (await patient).newly_published


async def test_a_callback_that_is_cancelled_by_its_own_doing_ends_no_worker(
    sandbox: Sandbox, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """An `on_outcome` that awaits something cancelled is a callback that failed, and no more."""

    async def tell(outcome: PublishOutcome) -> None:
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        gone.cancel()
        await gone

    report = await connect(sandbox).publish_many([sandbox.draft() for _ in range(8)], on_outcome=tell)
    assert len(report.published) == 8
    assert caplog.text.count("on_outcome raised;") == 1


async def test_a_cancelled_run_cancels_its_callback(sandbox: Sandbox, connect: Connect) -> None:
    """A callback that waits does not outlive the run."""
    waits = asyncio.Event()

    async def tell(outcome: PublishOutcome) -> None:
        waits.set()
        await asyncio.Event().wait()

    run = asyncio.create_task(connect(sandbox).publish_many([sandbox.draft()], on_outcome=tell))
    await waits.wait()
    run.cancel()
    await asyncio.wait({run})
    assert run.cancelled()


async def test_a_source_that_is_cancelled_by_its_own_doing_is_a_source_that_failed(
    sandbox: Sandbox, connect: Connect
) -> None:
    """It ends the run with an error, and not without a word."""

    async def source() -> AsyncIterator[str]:
        yield sandbox.draft()
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        gone.cancel()
        await gone

    with pytest.raises(RuntimeError, match="source was cancelled") as raised:
        await connect(sandbox).publish_many(source(), concurrency=1)
    assert "1 published" in raised.value.__notes__[0]


async def test_a_cancelled_run_cancels_its_source(sandbox: Sandbox, connect: Connect) -> None:
    """A source that waits for its next id does not outlive the run."""
    waits = asyncio.Event()

    async def source() -> AsyncIterator[str]:
        waits.set()
        await asyncio.Event().wait()
        yield "never"

    run = asyncio.create_task(connect(sandbox).publish_many(source()))
    await waits.wait()
    run.cancel()
    await asyncio.wait({run})
    assert run.cancelled()


async def test_F20_a_reservation_that_comes_too_late_is_given_back(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that is too slow for the caller leaves no slot held for nobody."""
    monkeypatch.setattr(_steps.AccountStore.run, "__defaults__", (0.01,))
    store = SlowStore(goes_on=False)
    ledger = ledger_on(store, clock)
    reserving = asyncio.create_task(reserve(ledger, "a", lambda _: None))
    await until(lambda: store.begun == 2)
    store.go_on.set()
    with pytest.raises(QuotaLedgerError, match="TimeoutError"):
        await reserving
    assert (await ledger.snapshot()).used == 0


async def test_F18_whoever_was_behind_one_that_left_looks_again(clock: VirtualClock) -> None:
    """A caller that was told of one ahead, who has left by then, does not wait to be called by it."""
    store = SlowStore()
    clock.stands_still = True
    ledger = ledger_on(store, clock)
    holder = await reserve(ledger, "holder", lambda _: None)
    ahead = asyncio.create_task(reserve(ledger, "ahead", lambda _: None))
    await until(lambda: ledger.line.length == 1)
    store.log.settle(holder, NOT_LIVE, clock.now())
    store.go_on.clear()
    behind = asyncio.create_task(reserve(ledger, "behind", lambda _: None))
    await until(lambda: store.begun == 3)
    ahead.cancel()
    await asyncio.sleep(0)
    store.go_on.set()
    assert (await behind).job == "behind"


async def test_a_stream_that_was_left_is_over(sandbox: Sandbox, connect: Connect) -> None:
    """Iterating after the block ends at once."""
    async with connect(sandbox).publish_stream([sandbox.draft() for _ in range(9)], concurrency=2) as outcomes:
        await anext(outcomes)
    assert [outcome async for outcome in outcomes] == []


async def test_F30_nothing_is_attempted_after_the_deadline(sandbox: Sandbox, connect: Connect) -> None:
    """A retry for which its delay left no time, as on a suspended machine, is not made."""
    client, job_id = connect(sandbox, retry=RetryPolicy(deadline=5.0)), sandbox.draft()
    sandbox.fault(Fault.STATUS, job_id=job_id, retry_after="2")
    call = asyncio.create_task(client.publish(job_id))
    await until(lambda: sandbox.requests)
    await asyncio.sleep(0.01)
    sandbox.advance(seconds=60)
    with pytest.raises(ServerError):
        await call
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("ticks", range(4))
async def test_a_draft_that_a_run_comes_to_as_the_client_is_closed_is_not_sent(
    sandbox: Sandbox, connect: Connect, ticks: int
) -> None:
    """A run that finds its next draft under way, and being called off, neither hangs nor begins it anew."""
    client, job_id, go_on = connect(sandbox), sandbox.draft(), asyncio.Event()
    sandbox.fault(Fault.STALL, job_id=job_id)
    call = asyncio.create_task(client.publish(job_id))
    run = asyncio.create_task(client.publish_many(after(go_on, job_id)))
    await until(lambda: sandbox.requests)
    go_on.set()
    for _ in range(ticks):
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await client.close()
        (outcome,) = (await run).outcomes
    assert isinstance(outcome.error, ClientClosedError)
    assert outcome.error.__context__ is None
    with pytest.raises(ClientClosedError):
        await call
    assert len(sandbox.requests) == 1


async def test_a_draft_of_one_run_is_not_taken_over_by_another_after_the_client_was_closed(
    sandbox: Sandbox, connect: Connect
) -> None:
    """While a slot is still being settled, nothing new begins, and no session is opened for it."""
    store, job_id, go_on = SlowStore(), sandbox.draft(), asyncio.Event()
    client = connect(sandbox, ledger=store)
    sandbox.fault(Fault.STALL, job_id=job_id)
    runs = [asyncio.create_task(client.publish_many(ids)) for ids in ([job_id], after(go_on, job_id))]
    await until(lambda: sandbox.requests)
    store.go_on.clear()
    closing = asyncio.create_task(client.close())
    await until(lambda: store.begun == 2)
    go_on.set()
    await asyncio.sleep(0.01)
    store.go_on.set()
    await closing
    first, second = [(await run).outcomes[0] for run in runs]
    assert [first.status.value, second.status.value] == ["unknown", "not_sent"]
    assert first.error is not None
    assert first.error.__context__ is None
    assert len(sandbox.requests) == 1
    assert client._transport._session is not None
    assert client._transport._session.closed


async def test_who_waits_with_a_run_that_is_cancelled_learns_what_it_had_learned(
    sandbox: Sandbox, connect: Connect
) -> None:
    """A run cancelled while it settles a slot knows how the publish ended, and that is what the other is told."""
    store, job_id = SlowStore(stops_at=TO_SETTLE), sandbox.draft(missing=["experienceLevel"])
    client = connect(sandbox, ledger=store)
    run = asyncio.create_task(client.publish_many([job_id]))
    await until(lambda: store.begun == TO_SETTLE)
    other = asyncio.create_task(client.publish(job_id))
    await asyncio.sleep(0)
    run.cancel()
    store.go_on.set()
    with pytest.raises(NotPublishReadyError):
        await other
    assert len(sandbox.requests) == 1


async def test_a_publish_cancelled_by_a_stranger_leaves_nobody_waiting(sandbox: Sandbox, connect: Connect) -> None:
    """Whoever cancels all tasks hits the library's own too: its callers are told that the job may be live."""
    client, job_id = connect(sandbox), sandbox.draft()
    call = await in_mid_request(client, sandbox, job_id)
    task = client._single_flight._joinable[job_id].task
    assert task is not None
    task.cancel()
    with pytest.raises(ClientClosedError) as caught:
        await call
    assert caught.value.effect == "unknown"
