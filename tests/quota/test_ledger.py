"""Waiting for a place in the quota."""

import asyncio
from typing import TypeVar

import pytest

from opentrain_async.errors import QuotaLedgerError
from opentrain_async.quota import MemoryLedger, QuotaLedger
from opentrain_async.quota._in_flight import FIRST_SECONDS
from opentrain_async.quota._slots import Wait
from opentrain_async.quota._stores.protocol import Step

from ..support.account import NOT_LIVE, PUBLISHED
from ..support.stores import BrokenStore, SlowStore, ledger_on, publish, reserve
from ..support.virtual import VirtualClock

T = TypeVar("T")
WINDOW = 24 * 3600.0


def ignore(wait: Wait) -> None:
    """Wait, however long it takes."""


async def settled() -> None:
    """Let everyone who can go on go on."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_place_goes_to_who_waited_longest(clock: VirtualClock) -> None:
    """Places that are given back go to the waiting in the order in which they came, without a look at the clock."""
    clock.stands_still = True
    ledger = ledger_on(MemoryLedger(), clock)
    holder = await reserve(ledger, "first", ignore)
    order: list[str] = []

    async def want(job: str) -> None:
        reservation = await reserve(ledger, job, ignore)
        order.append(job)
        await ledger.settle(reservation, NOT_LIVE)

    tasks = [asyncio.create_task(want(f"job_{number}")) for number in range(5)]
    await settled()
    assert order == []
    await ledger.settle(holder, NOT_LIVE)
    await asyncio.gather(*tasks)
    assert order == [f"job_{number}" for number in range(5)]


async def test_a_newcomer_does_not_overtake_the_line(clock: VirtualClock) -> None:
    """A place that is free by chance is not taken by one who came later than those in line."""
    clock.stands_still = True
    store = MemoryLedger()
    ledger = ledger_on(store, clock)
    holder = await reserve(ledger, "first", ignore)
    waiting = asyncio.create_task(reserve(ledger, "waiting", ignore))
    await settled()
    await store.run("account", lambda log, now: log.settle(holder, NOT_LIVE, now), clock.now())
    newcomer = asyncio.create_task(reserve(ledger, "newcomer", ignore))
    await settled()
    assert not newcomer.done()
    await ledger.settle(holder, NOT_LIVE)
    await settled()
    assert waiting.done()
    await ledger.settle(await waiting, NOT_LIVE)
    assert (await newcomer).job == "newcomer"


async def test_F18_who_leaves_the_line_holds_nothing_and_wakes_the_next(clock: VirtualClock) -> None:
    """A cancelled waiter takes no place with it."""
    clock.stands_still = True
    ledger = ledger_on(MemoryLedger(), clock)
    holder = await reserve(ledger, "first", ignore)
    first, second = (asyncio.create_task(reserve(ledger, job, ignore)) for job in ("a", "b"))
    await settled()
    first.cancel()
    await settled()
    assert first.cancelled()
    await ledger.settle(holder, NOT_LIVE)
    assert (await second).job == "b"
    assert (await ledger.snapshot()).used == 1


async def test_F18_who_is_cancelled_as_it_is_called_calls_the_next(clock: VirtualClock) -> None:
    """The call for a place that it takes no more is not lost: nobody has to wait for a poll."""
    clock.stands_still = True
    ledger = ledger_on(MemoryLedger(), clock)
    holder = await reserve(ledger, "first", ignore)
    first, second = (asyncio.create_task(reserve(ledger, job, ignore)) for job in ("a", "b"))
    await settled()
    await ledger.settle(holder, NOT_LIVE)
    first.cancel()
    await settled()
    assert first.cancelled()
    assert (await second).job == "b"
    assert ledger.line.length == 0


async def test_everyone_in_line_learns_that_the_window_is_full(clock: VirtualClock) -> None:
    """When the last place is spent, all who waited for it are told when the next one comes."""
    clock.stands_still = True
    ledger = ledger_on(MemoryLedger(), clock)
    holder = await reserve(ledger, "first", ignore)
    told: list[tuple[str, float]] = []

    async def want(job: str) -> None:
        await reserve(ledger, job, lambda wait: told.append((job, wait.until)))

    tasks = [asyncio.create_task(want(job)) for job in ("a", "b", "c")]
    await settled()
    published_at = clock.now()
    await ledger.settle(holder, PUBLISHED)
    await settled()
    assert told == [(job, published_at + WINDOW) for job in ("a", "b", "c")]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_F30_waiting_for_the_window_looks_at_the_clock_each_minute(clock: VirtualClock) -> None:
    """A wait of a day is slept in pieces, so that a clock that jumps is noticed."""
    ledger = ledger_on(MemoryLedger(), clock)
    await ledger.settle(await reserve(ledger, "first", ignore), PUBLISHED)
    began = clock.now()
    await reserve(ledger, "second", ignore)
    assert clock.now() - began == WINDOW
    assert max(clock.slept) == 60.0
    assert len(clock.slept) == WINDOW / 60


async def test_a_place_that_others_hold_is_polled_for(clock: VirtualClock) -> None:
    """Of what other processes do nobody tells: the ledger looks again, ever less often, up to once a second."""
    store = MemoryLedger()
    ours, theirs = ledger_on(store, clock), ledger_on(store, clock)
    await reserve(theirs, "theirs", ignore)
    began = clock.now()
    waiting = asyncio.create_task(reserve(ours, "ours", ignore))
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

    waiting = asyncio.create_task(reserve(ours, "ours", denied))
    while looks < 1_100:
        await asyncio.sleep(0)
    await store.run("account", lambda log, _: log.jobs.clear(), clock.now())
    held = await reserve(theirs, "theirs", ignore)
    slept = len(clock.slept)
    while len(clock.slept) < slept + 3:
        await asyncio.sleep(0)
    assert clock.slept[-1] == 1.0
    await theirs.settle(held, NOT_LIVE)
    assert (await waiting).job == "ours"


async def test_F20_what_is_reserved_for_a_cancelled_caller_is_given_back(clock: VirtualClock) -> None:
    """A store that carries its step through leaves no place held for nobody."""
    store = SlowStore(goes_on=False)
    ledger = ledger_on(store, clock)
    caller = asyncio.create_task(reserve(ledger, "a", ignore))
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
        await reserve(ledger, "a", ignore)
    with pytest.raises(QuotaLedgerError, match="disk on fire"):
        await ledger.snapshot()
    reservation = await reserve(ledger_on(MemoryLedger(), clock), "a", ignore)
    await ledger.settle(reservation, PUBLISHED)
    refused = await ledger.refused(reservation, NOT_LIVE, limit=3, window=None, retry_after=None)
    assert refused is None
    assert caplog.text.count("could not settle") == 2


async def test_accounts_do_not_share_their_quota(clock: VirtualClock) -> None:
    """One store keeps any number of accounts apart."""
    store = MemoryLedger()
    for account in ("a", "b"):
        ledger = ledger_on(store, clock, account=account)
        await ledger.settle(await reserve(ledger, "job", ignore), PUBLISHED)
        assert (await ledger.snapshot()).used == 1
    assert repr(store) == "MemoryLedger()"


async def test_a_snapshot_can_be_read_at_a_glance(clock: VirtualClock) -> None:
    """Of its slots the repr says how many: twenty of them would hide the rest."""
    ledger = ledger_on(MemoryLedger(), clock)
    await reserve(ledger, "job", ignore)
    assert "slots=<1>, " in repr(await ledger.snapshot())


async def test_a_lease_is_no_longer_than_a_log_can_say() -> None:
    """Whatever deadline a client has: what is written is read again."""
    ledger = QuotaLedger(MemoryLedger(), "account", VirtualClock(), daily_limit=None, lease=1e300)
    assert ledger.lease == (await reserve(ledger, "job_1", ignore)).lease == 366 * WINDOW


class ToldError(Exception):
    """What a caller raises that does not wait, with what it was told."""

    def __init__(self, wait: Wait) -> None:
        super().__init__()
        self.wait = wait


def be_told(wait: Wait) -> None:
    """Do not wait."""
    raise ToldError(wait)


async def test_F59_the_publishes_of_other_processes_are_waited_for_five_seconds_once(clock: VirtualClock) -> None:
    """They may have died: then a draft is told when the lease ends, and so is the next one, at once."""
    store = MemoryLedger()
    ours, theirs = ledger_on(store, clock), ledger_on(store, clock)
    held = await reserve(theirs, "theirs", ignore)
    began = clock.now()
    with pytest.raises(ToldError) as told:
        await reserve(ours, "ours", be_told)
    assert 5 <= clock.now() - began <= 6
    assert (told.value.wait.until, told.value.wait.holders) == (held.lease_ends, frozenset({held.id}))
    again = clock.now()
    with pytest.raises(ToldError):
        await reserve(ours, "other", be_told)
    assert clock.now() == again


async def test_a_publish_of_another_process_that_was_not_seen_before_is_waited_for_anew(clock: VirtualClock) -> None:
    """Each may end within seconds; a draft that waits as long already does not wait for it, too."""
    store = MemoryLedger()
    ours, theirs = ledger_on(store, clock), ledger_on(store, clock)
    first = await reserve(theirs, "first", ignore)
    with pytest.raises(ToldError):
        await reserve(ours, "ours", be_told)
    await theirs.settle(first, NOT_LIVE)
    await reserve(theirs, "second", ignore)
    began = clock.now()
    with pytest.raises(ToldError):
        await reserve(ours, "ours", be_told)
    assert 5 <= clock.now() - began <= 6
    wait = await ours.reserve("ours", 0)
    assert isinstance(wait, Wait)
    assert not ours.may_pass_soon(wait, clock.monotonic() - 5)


async def test_one_that_is_seen_for_longer_than_a_lease_is_forgotten(clock: VirtualClock) -> None:
    """Its lease is renewed, so its process lives: it is waited for anew."""
    ledger = ledger_on(MemoryLedger(), clock)
    wait = Wait(clock.now() + 60, 60.0, 1, 1, may_pass=True, holders=frozenset({"theirs"}))
    assert ledger.may_pass_soon(wait, clock.monotonic())
    clock.time += 179
    assert not ledger.may_pass_soon(wait, clock.monotonic())
    clock.time += 1
    assert ledger.may_pass_soon(wait, clock.monotonic())


async def test_our_own_publishes_in_flight_are_waited_for_as_long_as_they_take(clock: VirtualClock) -> None:
    """Nobody needs to be told before they have ended."""
    ledger = ledger_on(MemoryLedger(), clock)
    held = await reserve(ledger, "held", ignore)
    wait = await ledger.reserve("next", 0)
    assert isinstance(wait, Wait)
    assert wait.holders == {held.id}
    clock.time += 170
    assert ledger.may_pass_soon(wait, clock.monotonic() - 170)
    await ledger.settle(held, PUBLISHED)
    wait = await ledger.reserve("next", 0)
    assert isinstance(wait, Wait)
    assert not ledger.may_pass_soon(wait, clock.monotonic())


@pytest.mark.parametrize(
    ("wait", "polls", "seconds"),
    [
        (Wait(0.0, 3000.0, 1, 1), 0, 60.0),
        (Wait(0.0, 7.0, 1, 1), 99, 7.0),
        (Wait(0.0, 0.0, 1, 1), 0, 0.1),
        (Wait(0.0, 0.0, 1, 1, may_pass=True), 0, 60.0),
        (Wait(0.0, 180.0, 1, 1, may_pass=True, holders=frozenset({"theirs"})), 0, 0.1),
        (Wait(0.0, 180.0, 1, 1, may_pass=True, holders=frozenset({"theirs"})), 9, 1.0),
    ],
)
def test_who_waits_asks_again_when_nobody_wakes_it(wait: Wait, polls: int, seconds: float) -> None:
    """For another process within a second; for the window when a place comes back, and at least each minute."""
    assert ledger_on(MemoryLedger()).ask_within(wait, polls) == seconds


async def test_F52_one_draft_of_a_client_goes_first(clock: VirtualClock) -> None:
    """The others wait for what comes of it, and go together once it was accepted."""
    clock.stands_still = True
    ledger = ledger_on(MemoryLedger(), clock, limit=20)
    first = await reserve(ledger, "first", be_told)
    others = [asyncio.create_task(reserve(ledger, f"job_{number}", be_told)) for number in range(5)]
    await settled()
    assert not any(task.done() for task in others)
    await ledger.settle(first, PUBLISHED)
    assert [reservation.job for reservation in await asyncio.gather(*others)] == [f"job_{n}" for n in range(5)]


async def test_F52_a_first_draft_that_takes_long_is_waited_for_in_vain(clock: VirtualClock) -> None:
    """For a moment; then the next one goes."""
    ledger = ledger_on(MemoryLedger(), clock, limit=20)
    await reserve(ledger, "first", be_told)
    began = clock.now()
    await reserve(ledger, "second", be_told)
    assert clock.now() - began == FIRST_SECONDS


async def test_a_refusal_says_when_to_ask_again_and_a_lower_limit_is_logged(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Only where it is lower than the one that was counted on."""
    ledger = ledger_on(MemoryLedger(), clock, limit=20)
    for limit in (20, 3):
        clock.time += 9 * 3600
        refused = await reserve(ledger, "a", be_told)
        wait = await ledger.refused(refused, NOT_LIVE, limit=limit, window=None, retry_after=None)
        assert wait is not None
        assert (wait.limit, wait.until > clock.now()) == (limit, True)
    assert caplog.text.count("publish limit is") == 1
    assert "limit is 3 and not 20" in caplog.text


async def test_a_lease_that_is_renewed_begins_anew(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    """A failing store is logged."""
    store = MemoryLedger()
    ledger = ledger_on(store, clock)
    held = await reserve(ledger, "a", ignore)
    clock.time += 100
    await ledger.renew(held)
    assert await store.run("account", lambda log, _: log.jobs["a"].holders[0].lease_ends, 0.0) == clock.now() + 180
    await ledger_on(BrokenStore(), clock).renew(held)
    assert "could not renew a reservation" in caplog.text


async def test_a_plan_is_made_for_the_log_as_it_stands(clock: VirtualClock) -> None:
    """It books nothing; a store that fails is an error."""
    store = MemoryLedger()
    ledger = ledger_on(store, clock, limit=2)
    await publish(ledger, "a")
    plan = await ledger.plan(["b", "c"])
    assert [draft.at.timestamp() - clock.now() for draft in plan.drafts] == [0, WINDOW]
    assert (await ledger.snapshot()).used == 1
    with pytest.raises(QuotaLedgerError, match="disk on fire"):
        await ledger_on(BrokenStore(), clock).plan(["b"])


async def test_F59_a_plan_counts_the_publish_of_a_process_that_died(clock: VirtualClock) -> None:
    """Until a window after its lease, and comes to its end."""
    ledger = ledger_on(MemoryLedger(), clock)
    await reserve(ledger, "dead", ignore)
    clock.time += 500
    plan = await ledger.plan(["a", "b"])
    assert [draft.at.timestamp() - clock.now() for draft in plan.drafts] == [WINDOW - 320, 2 * WINDOW - 320]


async def test_an_account_continues_under_another_name_with_its_slots(clock: VirtualClock) -> None:
    """What has been settled under the old name is not in flight under the new one."""
    store = MemoryLedger()
    ledger = ledger_on(store, clock, limit=None, account="before")
    assert ledger.account == "before"
    await publish(ledger, "a")
    ended, held = await reserve(ledger, "ended", ignore), await reserve(ledger, "held", ignore)
    ledger.use("after")
    await ledger.settle(ended, NOT_LIVE)
    await ledger.continue_as("before", "after")
    assert ledger.account == "after"
    slots = (await ledger.snapshot()).slots
    assert [(slot.job_id, slot.state) for slot in slots] == [("a", "spent"), ("held", "held")]
    await ledger.settle(held, PUBLISHED)
    assert (await ledger.snapshot()).doubtful == 0


async def test_an_account_that_keeps_its_name_learns_its_limit_anew(clock: VirtualClock) -> None:
    """As after a claim; and a refusal of before it holds no draft back."""
    ledger = ledger_on(MemoryLedger(), clock, limit=None)
    await ledger.refused(await reserve(ledger, "a", ignore), NOT_LIVE, limit=3, window=None, retry_after=None)
    await ledger.continue_as("account", "account")
    snapshot = await ledger.snapshot()
    assert (snapshot.limit, snapshot.used) == (None, 3)
    assert (await reserve(ledger, "a", be_told)).job == "a"


async def test_an_account_cannot_continue_where_the_store_fails(clock: VirtualClock) -> None:
    """Then its slots may have stayed behind, and new ones count under the new name all the same."""
    ledger = ledger_on(BrokenStore(), clock, account="before")
    with pytest.raises(QuotaLedgerError, match="disk on fire"):
        await ledger.continue_as("before", "after")
    assert ledger.account == "after"


async def test_a_store_that_gives_an_error_of_ours_has_reserved_nothing(clock: VirtualClock) -> None:
    """Its message stands, and nothing has to be given back."""

    class OurStore(SlowStore):
        async def run(self, account: str, step: Step[T], now: float) -> T:
            self.begun += 1
            raise QuotaLedgerError("of the store")

    store = OurStore()
    with pytest.raises(QuotaLedgerError, match="of the store") as raised:
        await reserve(ledger_on(store, clock), "a", ignore)
    assert (raised.value.message, store.begun) == ("of the store", 1)
