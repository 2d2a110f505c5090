"""Slots that are settled along with the next step on their ledger."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from opentrain_async import OutcomeStatus
from opentrain_async.errors import QuotaLedgerError
from opentrain_async.quota import _steps
from opentrain_async.sandbox import Sandbox

from ..support.clients import Connect
from ..support.stores import BrokenStore, DroppingStore, SlowStore, ledger_on
from ..support.virtual import VirtualClock
from ..support.waiting import cancelled, until


async def test_a_run_asks_its_ledger_once_a_draft(sandbox: Sandbox, connect: Connect) -> None:
    """What was published is settled in the step that reserves the next slot, and the last one at the end."""
    store = SlowStore()
    report = await connect(sandbox, ledger=store, daily_limit=20).publish_many(
        [sandbox.draft() for _ in range(9)], concurrency=1
    )
    assert len(report.published) == 9
    assert store.begun == 10
    assert {slot.kind for slot in store.log.jobs.values()} == {"spent"}


async def test_a_ledger_lost_between_two_drafts_is_said_of_both(
    sandbox: Sandbox, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """The draft that is live stays published, its slot is in the log's warning, and the next is not sent."""
    client = connect(sandbox, ledger=BrokenStore(works_for=1))
    report = await client.publish_many([sandbox.draft(), sandbox.draft()], concurrency=1)
    assert [outcome.status for outcome in report.outcomes] == [OutcomeStatus.PUBLISHED, OutcomeStatus.NOT_SENT]
    assert caplog.text.count("could not settle") == 1
    assert len(sandbox.requests) == 1


async def test_a_place_that_is_given_up_soon_goes_to_who_waits_for_it(clock: VirtualClock) -> None:
    """One in line is called when the settlement has been done, whoever's step took it along."""
    ledger = ledger_on(SlowStore(), clock)
    holder = await ledger.reserve("holder", lambda _: None)
    waiting = asyncio.create_task(ledger.reserve("waiting", lambda _: None))
    await until(lambda: ledger._queue.length == 1)
    ledger.settle_soon(holder, "released")
    assert (await waiting).job == "waiting"
    assert clock.slept == []


async def test_who_waits_for_a_place_does_not_call_itself(clock: VirtualClock) -> None:
    """Looking for a place is no news for those in line, and least of all for the one who looks."""
    store = SlowStore()
    ledger = ledger_on(store, clock)
    await ledger.settle(await ledger.reserve("a", lambda _: None), "published")
    clock.stands_still = True
    waiting = [asyncio.create_task(ledger.reserve(job, lambda _: None)) for job in ("b", "c")]
    await until(lambda: len(clock.slept) == 2)
    await asyncio.sleep(0.01)
    looked = store.begun
    await asyncio.sleep(0.03)
    assert store.begun == looked
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)


async def test_a_snapshot_knows_what_is_to_be_settled(clock: VirtualClock) -> None:
    """Of one client's steps the later ones see what the earlier ones were to do."""
    ledger = ledger_on(SlowStore(), clock)
    ledger.settle_soon(await ledger.reserve("a", lambda _: None), "released")
    assert (await ledger.snapshot()).used == 0


async def test_F20_who_waits_for_a_settlement_is_cancelled_after_it(clock: VirtualClock) -> None:
    """A cancellation is neither lost nor does it cut the settlement short; a second one does."""
    for cancellations in (1, 2):
        store = SlowStore()
        ledger = ledger_on(store, clock)
        ledger.settle_soon(await ledger.reserve("a", lambda _: None), "published")
        store.go_on.clear()
        waiting = asyncio.create_task(ledger.settled())
        await until(lambda store=store: store.begun == 2)  # type: ignore[misc]
        for _ in range(cancellations):
            waiting.cancel()
            await asyncio.sleep(0.005)
        assert waiting.done() is (cancellations == 2)
        store.go_on.set()
        await asyncio.wait({waiting})
        assert waiting.cancelled()
        await until(lambda store=store: store.log.jobs["a"].kind == "spent")  # type: ignore[misc]


async def test_a_slot_is_settled_before_its_outcome_is_told(sandbox: Sandbox, connect: Connect) -> None:
    """Whoever keeps what it was told, and is killed then, leaves no doubt behind that nobody will settle."""
    store = SlowStore()
    told: list[str | None] = []
    client = connect(sandbox, ledger=store, daily_limit=20)
    await client.publish_many(
        [sandbox.draft() for _ in range(3)], on_outcome=lambda outcome: told.append(store.log.jobs[outcome.job_id].kind)
    )
    async with client.publish_stream([sandbox.draft()]) as outcomes:
        told.extend([store.log.jobs[outcome.job_id].kind async for outcome in outcomes])
    assert told == ["spent"] * 4


async def test_F20_what_a_cancelled_step_took_along_is_settled_all_the_same(clock: VirtualClock) -> None:
    """A step whose caller leaves before the store has begun it takes nothing with it."""
    store = SlowStore()
    ledger = ledger_on(store, clock, limit=2)
    ledger.settle_soon(await ledger.reserve("a", lambda _: None), "published")
    leaving = asyncio.create_task(ledger.reserve("b", lambda _: None))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait({leaving})
    assert {job: slot.kind for job, slot in store.log.jobs.items()} == {"a": "spent"}


async def test_a_run_waits_for_what_another_ones_step_has_taken_along(clock: VirtualClock) -> None:
    """Settled means settled, whoever does it."""
    store = SlowStore()
    ledger = ledger_on(store, clock, limit=2)
    ledger.settle_soon(await ledger.reserve("a", lambda _: None), "published")
    store.go_on.clear()
    looking = asyncio.create_task(ledger.snapshot())
    await asyncio.sleep(0)
    waiting = asyncio.create_task(ledger.settled())
    await asyncio.sleep(0.005)
    assert not waiting.done()
    store.go_on.set()
    await waiting
    assert store.log.jobs["a"].kind == "spent"
    assert (await looking).used == 1


@pytest.mark.parametrize("other_is_cancelled", [True, False])
async def test_F20_a_store_that_was_late_for_another_is_waited_for_again(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, other_is_cancelled: bool
) -> None:
    """It may be well again: whoever is cancelled has what was put off settled, by itself later or by others before."""
    store = SlowStore()
    ledger = ledger_on(store, clock, limit=2)
    mine, others = [await ledger.reserve(job, lambda _: None) for job in ("mine", "others")]
    store.go_on.clear()
    with monkeypatch.context() as hasty:
        hasty.setattr(_steps, "_STEP_SECONDS", 0.01)
        hasty.setattr(_steps, "_SETTLE_SECONDS", 0.01)
        if other_is_cancelled:
            await in_a_cancelled_task(lambda: ledger.settle(others, "unknown"))
            ledger.settle_soon(mine, "published")
        else:
            ledger.settle_soon(mine, "published")
            with pytest.raises(QuotaLedgerError):
                await ledger.snapshot()
    begun = store.begun
    store.go_on.set()
    await in_a_cancelled_task(ledger.settled)
    assert store.begun > begun
    assert store.log.jobs["mine"].kind == "spent"


@pytest.mark.parametrize("awaited", [True, False])
async def test_F20_what_a_cancelled_reader_took_along_is_settled_without_another_step(
    clock: VirtualClock, awaited: bool
) -> None:
    """By whoever waits for it already, and otherwise in a moment."""
    store = DroppingStore()
    ledger = ledger_on(store, clock, limit=2)
    ledger.settle_soon(await ledger.reserve("a", lambda _: None), "published")
    store.go_on.clear()
    reader = asyncio.create_task(ledger.snapshot())
    await until(lambda: store.begun == 2 and not ledger._store._is_due)
    waiting = asyncio.create_task(ledger.settled() if awaited else asyncio.sleep(0))
    await asyncio.sleep(0)
    await cancelled(reader)
    store.go_on.set()
    await waiting
    if not awaited:
        await until(lambda: store.log.jobs["a"].kind == "spent")
    assert store.log.jobs["a"].kind == "spent"
    assert not ledger._store._put_off


async def test_F20_a_store_that_drops_a_step_by_itself_has_failed(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Its own cancellation is nobody else's: who reads is told of a failure; to settle is tried twice, and logged."""
    store = DroppingStore()
    ledger = ledger_on(store, clock)
    mine = await ledger.reserve("mine", lambda _: None)
    store.lost = 3
    with pytest.raises(QuotaLedgerError, match="given up the step by itself"):
        await ledger.snapshot()
    await ledger.settle(mine, "published")
    assert "could not settle" in caplog.text
    store.lost = 1
    await ledger.settle(mine, "published")
    assert (await ledger.snapshot()).doubtful == 0


async def test_F20_who_was_cancelled_already_is_cancelled_at_a_step(clock: VirtualClock) -> None:
    """A cancellation that comes before the step is begun is not taken for a failure of the store."""
    ledger = ledger_on(DroppingStore(), clock)

    async def cancels_itself() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await ledger.snapshot()

    reading = asyncio.create_task(cancels_itself())
    await asyncio.wait({reading})
    assert reading.cancelled()


async def in_a_cancelled_task(work: Callable[[], Awaitable[None]]) -> None:
    """Do something that is done only once its task has been cancelled."""

    async def run() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await work()

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
