"""Waiting for a place in the quota."""

import asyncio

import pytest

from opentrain_async.errors import QuotaLedgerError
from opentrain_async.quota import MemoryLedger, QuotaLedger
from opentrain_async.quota._slots import Denied

from ..support.stores import BrokenStore, SlowStore, ledger_on, publish
from ..support.virtual import VirtualClock

WINDOW = 24 * 3600.0


def ignore(denied: Denied) -> None:
    """Wait, however long it takes."""


async def settled() -> None:
    """Let everyone who can go on go on."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_place_goes_to_who_waited_longest(clock: VirtualClock) -> None:
    """Places that are given back go to the waiting in the order in which they came."""
    ledger = ledger_on(MemoryLedger(), clock)
    holder = await ledger.reserve("first", ignore)
    order: list[str] = []

    async def want(job: str) -> None:
        reservation = await ledger.reserve(job, ignore)
        order.append(job)
        await ledger.settle(reservation, "released")

    tasks = [asyncio.create_task(want(f"job_{number}")) for number in range(5)]
    await settled()
    assert order == []
    await ledger.settle(holder, "released")
    await asyncio.gather(*tasks)
    assert order == [f"job_{number}" for number in range(5)]
    assert clock.slept == []


async def test_a_newcomer_does_not_overtake_the_line(clock: VirtualClock) -> None:
    """A place that is free by chance is not taken by one who came later than those in line."""
    store = MemoryLedger()
    ledger = ledger_on(store, clock)
    holder = await ledger.reserve("first", ignore)
    waiting = asyncio.create_task(ledger.reserve("waiting", ignore))
    await settled()
    store.log_of("account").settle(holder, "released", clock.now())
    newcomer = asyncio.create_task(ledger.reserve("newcomer", ignore))
    await settled()
    assert not newcomer.done()
    await ledger.settle(holder, "released")
    await settled()
    assert waiting.done()
    await ledger.settle(await waiting, "released")
    assert (await newcomer).job == "newcomer"


async def test_F18_who_leaves_the_line_holds_nothing_and_wakes_the_next(clock: VirtualClock) -> None:
    """A cancelled waiter takes no place with it."""
    ledger = ledger_on(MemoryLedger(), clock)
    holder = await ledger.reserve("first", ignore)
    first, second = (asyncio.create_task(ledger.reserve(job, ignore)) for job in ("a", "b"))
    await settled()
    first.cancel()
    await settled()
    assert first.cancelled()
    await ledger.settle(holder, "released")
    assert (await second).job == "b"
    assert (await ledger.snapshot()).used == 1


async def test_F18_who_is_cancelled_as_it_is_called_calls_the_next(clock: VirtualClock) -> None:
    """The call for a place that it takes no more is not lost: nobody has to wait for a poll."""
    ledger = ledger_on(MemoryLedger(), clock)
    holder = await ledger.reserve("first", ignore)
    first, second = (asyncio.create_task(ledger.reserve(job, ignore)) for job in ("a", "b"))
    await settled()
    await ledger.settle(holder, "released")
    first.cancel()
    await settled()
    assert first.cancelled()
    assert (await second).job == "b"
    assert (clock.slept, ledger._queue.length) == ([], 0)


async def test_everyone_in_line_learns_that_the_window_is_full(clock: VirtualClock) -> None:
    """When the last place is spent, all who waited for it are told when the next one comes."""
    ledger = ledger_on(MemoryLedger(), clock)
    holder = await ledger.reserve("first", ignore)
    told: list[tuple[str, float]] = []

    async def want(job: str) -> None:
        await ledger.reserve(job, lambda denied: told.append((job, denied.retry_at)))

    tasks = [asyncio.create_task(want(job)) for job in ("a", "b", "c")]
    await settled()
    published_at = clock.now()
    clock.stands_still = True
    await ledger.settle(holder, "published")
    await settled()
    assert told == [(job, published_at + WINDOW) for job in ("a", "b", "c")]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_F30_waiting_for_the_window_looks_at_the_clock_each_minute(clock: VirtualClock) -> None:
    """A wait of a day is slept in pieces, so that a clock that jumps is noticed."""
    ledger = ledger_on(MemoryLedger(), clock)
    await ledger.settle(await ledger.reserve("first", ignore), "published")
    began = clock.now()
    await ledger.reserve("second", ignore)
    assert clock.now() - began == WINDOW
    assert max(clock.slept) == 60.0
    assert len(clock.slept) == WINDOW / 60


async def test_a_place_that_others_hold_is_polled_for(clock: VirtualClock) -> None:
    """Of what other processes do nobody tells: the ledger looks again, ever less often, up to once a second."""
    store = MemoryLedger()
    ours, theirs = ledger_on(store, clock), ledger_on(store, clock)
    await theirs.reserve("theirs", ignore)
    began = clock.now()
    waiting = asyncio.create_task(ours.reserve("ours", ignore))
    while len(clock.slept) < 7:
        await asyncio.sleep(0)
    assert clock.slept[:6] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    waiting.cancel()
    await asyncio.wait({waiting})
    assert clock.now() - began < 60


async def test_a_place_that_others_hold_after_weeks_of_waiting_is_polled_for(clock: VirtualClock) -> None:
    """However often somebody in line has looked, the next look is at most a second away."""
    store, looks = MemoryLedger(), 0
    ours, theirs = ledger_on(store, clock), ledger_on(store, clock)
    await publish(theirs, "first")

    def denied(_: object) -> None:
        nonlocal looks
        looks += 1

    waiting = asyncio.create_task(ours.reserve("ours", denied))
    while looks < 1_100:
        await asyncio.sleep(0)
    store.log_of("account").jobs.clear()
    held = await theirs.reserve("theirs", ignore)
    slept = len(clock.slept)
    while len(clock.slept) < slept + 3:
        await asyncio.sleep(0)
    assert clock.slept[-1] == 1.0
    await theirs.settle(held, "released")
    assert (await waiting).job == "ours"


async def test_F20_what_is_reserved_for_a_cancelled_caller_is_given_back(clock: VirtualClock) -> None:
    """A store that carries its step through leaves no place held for nobody."""
    store = SlowStore(goes_on=False)
    ledger = ledger_on(store, clock)
    caller = asyncio.create_task(ledger.reserve("a", ignore))
    await settled()
    caller.cancel()
    store.go_on.set()
    await asyncio.wait({caller})
    assert caller.cancelled()
    assert (await ledger.snapshot()).used == 0


async def test_a_ledger_that_cannot_be_read_says_so(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    """Before anything is sent a failing store is an error; afterwards it is a line in the log."""
    ledger = ledger_on(BrokenStore(), clock)
    with pytest.raises(QuotaLedgerError, match="disk on fire"):
        await ledger.reserve("a", ignore)
    with pytest.raises(QuotaLedgerError, match="disk on fire"):
        await ledger.snapshot()
    reservation = await ledger_on(MemoryLedger(), clock).reserve("a", ignore)
    await ledger.settle(reservation, "published")
    refused = await ledger.refused(reservation, "released", limit=3, window=None, retry_after=None)
    assert refused is None
    assert caplog.text.count("could not settle") == 2


async def test_accounts_do_not_share_their_quota(clock: VirtualClock) -> None:
    """One store keeps any number of accounts apart."""
    store = MemoryLedger()
    for account in ("a", "b"):
        ledger = ledger_on(store, clock, account=account)
        await ledger.settle(await ledger.reserve("job", ignore), "published")
        assert (await ledger.snapshot()).used == 1
    assert repr(store) == "MemoryLedger()"


async def test_a_snapshot_can_be_read_at_a_glance(clock: VirtualClock) -> None:
    """Of its slots the repr says how many: twenty of them would hide the rest."""
    ledger = ledger_on(MemoryLedger(), clock)
    await ledger.reserve("job", ignore)
    assert "slots=<1>, " in repr(await ledger.snapshot())


async def test_a_lease_is_no_longer_than_a_log_can_say() -> None:
    """Whatever deadline a client has: what is written is read again."""
    ledger = QuotaLedger(MemoryLedger(), "account", VirtualClock(), daily_limit=None, lease=1e300)
    assert ledger.lease == (await ledger.reserve("job_1", ignore)).lease == 366 * WINDOW
