"""Slots that are settled along with the next step on their ledger."""

import asyncio
from collections.abc import Callable

import pytest

from opentrain_async import AsyncOpenTrain, OutcomeStatus
from opentrain_async.quota import QuotaLedger
from opentrain_async.sandbox import Sandbox

from .stores import BrokenStore, SlowStore
from .virtual import VirtualClock
from .waiting import until

Connect = Callable[..., AsyncOpenTrain]


def ledger_on(store: SlowStore, clock: VirtualClock) -> QuotaLedger:
    return QuotaLedger(store, "account", clock, daily_limit=1, lease=180.0)


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
    await until(lambda: ledger._line.length == 1)
    ledger.settle_soon(holder, "released")
    assert (await waiting).job == "waiting"
    assert clock.slept == []


async def test_a_snapshot_knows_what_is_to_be_settled(clock: VirtualClock) -> None:
    """Of one client's steps the later ones see what the earlier ones were to do."""
    ledger = ledger_on(SlowStore(), clock)
    ledger.settle_soon(await ledger.reserve("a", lambda _: None), "released")
    assert (await ledger.snapshot()).used == 0


async def test_who_waits_for_a_settlement_is_cancelled_after_it(clock: VirtualClock) -> None:
    """A cancellation is neither lost nor does it cut the settlement short."""
    store = SlowStore()
    ledger = ledger_on(store, clock)
    ledger.settle_soon(await ledger.reserve("a", lambda _: None), "published")
    store.go_on.clear()
    waiting = asyncio.create_task(ledger.settled())
    await until(lambda: store.begun == 2)
    for _ in range(2):
        waiting.cancel()
        await asyncio.sleep(0)
    assert not waiting.done()
    store.go_on.set()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    assert store.log.jobs["a"].kind == "spent"
