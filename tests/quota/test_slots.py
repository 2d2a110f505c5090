"""Slots and the reservations that hold them."""

from opentrain_async._base.clock import instant
from opentrain_async.quota import QuotaSlot
from opentrain_async.quota._log import WINDOW, AccountLog
from opentrain_async.quota._slots import Busy, Reservation

from ..support.account import LEASE, T0, Account


def test_F22_a_lease_that_runs_out_reads_as_unknown_from_then_on() -> None:
    """A process that died in mid-publish leaves a slot that counts until a window after its lease."""
    account = Account(cap=1)
    account.reserve("a")
    lapsed = T0 + LEASE
    assert isinstance(account.ask("b", lapsed - 1), Busy)
    assert account.log.snapshot(lapsed, 1).doubtful == 1
    assert account.used(lapsed + WINDOW - 1) == 1
    assert account.used(lapsed + WINDOW) == 0


def test_F22_a_lapsed_slot_is_taken_over_as_doubtful() -> None:
    """Whoever tries the job of a dead process again inherits its doubt, dated when its lease ended."""
    account = Account(cap=1)
    dead = account.reserve("a")
    heir = account.reserve("a", T0 + LEASE + 1)
    assert (heir.before, heir.before_at) == ("unknown", T0 + LEASE)
    account.log.settle(dead, "released", T0 + LEASE + 2)
    assert account.used(T0 + LEASE + 2) == 1


def test_a_release_does_not_take_the_place_from_who_joined_it() -> None:
    """Of two that publish one job, the one that is refused leaves the slot to the other."""
    account = Account(cap=5)
    first, second = account.reserve("a"), account.reserve("a")
    account.log.settle(first, "released", T0)
    assert account.used() == 1
    account.log.settle(second, "unknown", T0)
    account.log.settle(first, "released", T0)
    assert account.used() == 1


def test_the_first_of_two_charges_has_nobody_at_work_on_it() -> None:
    """Whoever still is works on the job's own slot, which is the second."""
    account = Account(cap=5)
    account.settled("a", "published")
    first, second = account.reserve("a"), account.reserve("a")
    account.log.settle(first, "published", T0 + 60)
    assert [slot.holders for slot in account.log.others] == [()]
    assert account.log.jobs["a"].holders == (second,)


def test_who_joins_a_slot_that_is_held_finds_no_date() -> None:
    """A step that is run again finds the same reservation, also there."""
    log = AccountLog()
    log.reserve("a", T0, reservation_id="first", lease=LEASE)
    joined = log.reserve("a", T0 + 5, reservation_id="second", lease=LEASE)
    assert joined == Reservation("second", "a", "held", None, T0 + 5, LEASE)
    assert log.reserve("a", T0 + 6, reservation_id="second", lease=LEASE) == joined
    assert len(log.jobs["a"].holders) == 2


def test_a_lease_that_ends_now_has_ended() -> None:
    """Whoever was taken for dead cannot have it begin anew."""
    account = Account(cap=1)
    held = account.reserve("a")
    account.log.renew(held, T0 + LEASE)
    assert account.log.snapshot(T0 + LEASE, 1).slots == (QuotaSlot("a", "unknown", instant(T0 + LEASE + WINDOW)),)
