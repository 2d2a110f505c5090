"""Steps on a store: each within its time, and those that end a reservation to their end."""

import asyncio
from typing import TypeVar

import pytest

from opentrain_async import OutcomeStatus
from opentrain_async.errors import QuotaLedgerError
from opentrain_async.quota import _steps
from opentrain_async.quota._steps import AccountStore
from opentrain_async.quota._stores.protocol import Step
from opentrain_async.sandbox import Sandbox

from ..support.account import NOT_LIVE, PUBLISHED
from ..support.clients import Connect
from ..support.stores import BrokenStore, DroppingStore, SlowStore, ledger_on, reserve
from ..support.virtual import VirtualClock
from ..support.waiting import until

T = TypeVar("T")


async def in_mid_settlement(store: SlowStore | DroppingStore, clock: VirtualClock) -> "asyncio.Task[None]":
    """Begin to settle the publish of a draft; returns once the store has the step, which it holds back."""
    ledger = ledger_on(store, clock)
    mine = await reserve(ledger, "a", lambda _: None)
    store.go_on.clear()
    settling = asyncio.create_task(ledger.settle(mine, PUBLISHED))
    await until(lambda: store.begun == 2)
    return settling


async def test_a_ledger_lost_between_two_drafts_is_said_of_both(
    sandbox: Sandbox, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """The draft that is live stays published, its slot is in the log's warning, and the next is not sent."""
    client = connect(sandbox, ledger=BrokenStore(works_for=1))
    report = await client.publish_many([sandbox.draft(), sandbox.draft()], concurrency=1)
    assert [outcome.status for outcome in report.outcomes] == [OutcomeStatus.PUBLISHED, OutcomeStatus.NOT_SENT]
    assert caplog.text.count("could not settle") == 1
    assert len(sandbox.requests) == 1


async def test_a_draft_costs_two_steps_on_its_ledger(sandbox: Sandbox, connect: Connect) -> None:
    """One that reserves its slot and one that settles it; and each is settled at the end."""
    store = SlowStore()
    report = await connect(sandbox, ledger=store, daily_limit=20).publish_many(
        [sandbox.draft() for _ in range(9)], concurrency=1
    )
    assert len(report.published) == 9
    assert store.begun == 18
    assert {slot.kind for slot in store.log.jobs.values()} == {"spent"}


async def test_a_place_that_is_given_back_goes_to_who_waits_for_it(clock: VirtualClock) -> None:
    """One in line is woken when the settlement has been done, and not before."""
    clock.stands_still = True
    store = SlowStore()
    ledger = ledger_on(store, clock)
    holder = await reserve(ledger, "holder", lambda _: None)
    waiting = asyncio.create_task(reserve(ledger, "waiting", lambda _: None))
    await until(lambda: ledger.line.length == 1 and store.begun == 2)
    store.go_on.clear()
    settling = asyncio.create_task(ledger.settle(holder, NOT_LIVE))
    await until(lambda: store.begun == 3)
    assert not waiting.done()
    store.go_on.set()
    await settling
    assert (await waiting).job == "waiting"


async def test_who_waits_for_a_place_does_not_call_itself(clock: VirtualClock) -> None:
    """Looking for a place is no news for those in line, and least of all for the one who looks."""
    store = SlowStore()
    ledger = ledger_on(store, clock)
    await ledger.settle(await reserve(ledger, "a", lambda _: None), PUBLISHED)
    clock.stands_still = True
    waiting = [asyncio.create_task(reserve(ledger, job, lambda _: None)) for job in ("b", "c")]
    await until(lambda: len(clock.slept) == 2)
    await asyncio.sleep(0.01)
    looked = store.begun
    await asyncio.sleep(0.03)
    assert store.begun == looked
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)


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


async def test_F20_a_store_that_drops_a_step_by_itself_has_failed(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Its own cancellation is nobody else's: who reads is told of a failure; to settle is tried twice, and logged."""
    store = DroppingStore()
    ledger = ledger_on(store, clock)
    mine = await reserve(ledger, "mine", lambda _: None)
    store.lost = 3
    with pytest.raises(QuotaLedgerError, match="given up the step by itself"):
        await ledger.snapshot()
    await ledger.settle(mine, PUBLISHED)
    assert "could not settle" in caplog.text
    store.lost = 1
    await ledger.settle(mine, PUBLISHED)
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


@pytest.mark.parametrize("cancellations", [1, 2])
async def test_F20_who_settles_is_cancelled_after_it(clock: VirtualClock, cancellations: int) -> None:
    """A cancellation is neither lost nor does it cut the settlement short; a second one does, for its caller."""
    store = SlowStore()
    settling = await in_mid_settlement(store, clock)
    for _ in range(cancellations):
        settling.cancel()
        await asyncio.sleep(0.005)
    assert settling.done() is (cancellations == 2)
    store.go_on.set()
    await asyncio.wait({settling})
    assert settling.cancelled()
    await until(lambda: store.log.jobs["a"].kind == "spent")


async def test_F20_what_a_cancelled_caller_was_to_settle_is_settled_though_the_store_drops_it(
    clock: VirtualClock,
) -> None:
    """The step had not had its turn when its caller was cancelled: it is run once more."""
    store = DroppingStore()
    settling = await in_mid_settlement(store, clock)
    settling.cancel()
    store.go_on.set()
    await asyncio.wait({settling})
    assert settling.cancelled()
    assert (store.begun, store.log.jobs["a"].kind) == (3, "spent")


async def test_a_store_that_takes_too_long_has_failed(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Who reserves or reads is told so; to settle is logged, and the lease runs out."""
    store = SlowStore()
    ledger = ledger_on(store, clock)
    mine = await reserve(ledger, "mine", lambda _: None)
    store.go_on.clear()
    monkeypatch.setattr(AccountStore.run, "__defaults__", (0.01,))
    monkeypatch.setattr(_steps, "_SETTLE_SECONDS", 0.01)
    with pytest.raises(QuotaLedgerError, match=r"no answer within 0\.01 s"):
        await ledger.snapshot()
    await ledger.settle(mine, PUBLISHED)
    assert caplog.text.count("could not settle") == 1


async def test_a_line_that_moves_is_waited_in(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that says how far it has come is given up when it comes no further."""

    class Line(SlowStore):
        looks = 0

        @property
        def progress(self) -> int:
            self.looks += 1
            if self.looks == 9:
                self.go_on.set()
            return self.looks

    monkeypatch.setattr(AccountStore.run, "__defaults__", (0.001,))
    store = Line(goes_on=False)
    assert (await ledger_on(store, clock).snapshot()).used == 0
    assert store.looks >= 9


async def test_a_timeout_of_the_stores_own_is_its_error(clock: VirtualClock) -> None:
    """It is not said to be ours."""

    class LateStore(SlowStore):
        async def run(self, account: str, step: Step[T], now: float) -> T:
            raise TimeoutError("of the store")

    with pytest.raises(QuotaLedgerError, match="TimeoutError: of the store"):
        await ledger_on(LateStore(), clock).snapshot()
