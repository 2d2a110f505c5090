"""Slots and the reservations that hold them."""

from typing import get_args

import pytest

from opentrain_async._base.clock import instant
from opentrain_async.quota import QuotaSlot
from opentrain_async.quota._allowance import WINDOW
from opentrain_async.quota._log import AccountLog
from opentrain_async.quota._slots import Answer, Before, Reservation, Saw, Settlement, Slot, Wait

from ..support.account import LEASE, LIVE, LOST, NOT_LIVE, NOT_SENT, PUBLISHED, T0, Account, waiting_for


def test_F22_a_lease_that_runs_out_reads_as_unknown_from_then_on() -> None:
    """A process that died in mid-publish leaves a slot that counts until a window after its lease."""
    account = Account(cap=1)
    held = account.reserve("a")
    lapsed = T0 + LEASE
    assert account.ask("b", lapsed - 1) == Wait(lapsed, 1.0, 1, 1, may_pass=True, holders=frozenset({held.id}))
    assert account.log.snapshot(lapsed, 1).doubtful == 1
    assert account.used(lapsed + WINDOW - 1) == 1
    assert account.used(lapsed + WINDOW) == 0


def test_F22_a_lapsed_slot_leaves_a_window_after_its_lease_whoever_looked_before() -> None:
    """At that very moment, although the last step found it in the window."""
    account = Account(cap=1)
    account.reserve("dead")
    account.used(T0 + LEASE + 500)
    assert account.reserve("next", T0 + LEASE + WINDOW).probe is None
    assert [*account.log.jobs] == ["next"]


def test_F22_a_lapsed_slot_is_taken_over_as_doubtful() -> None:
    """Whoever tries the job of a dead process again inherits its doubt, dated when its lease ended."""
    account = Account(cap=1)
    dead = account.reserve("a")
    heir = account.reserve("a", T0 + LEASE + 1)
    assert (heir.before, heir.before_at) == ("unknown", T0 + LEASE)
    account.log.settle(dead, NOT_LIVE, T0 + LEASE + 2)
    assert account.used(T0 + LEASE + 2) == 1


def test_a_release_does_not_take_the_place_from_who_joined_it() -> None:
    """Of two that publish one job, the one that is refused leaves the slot to the other."""
    account = Account(cap=5)
    first, second = account.reserve("a"), account.reserve("a")
    account.log.settle(first, NOT_LIVE, T0)
    assert account.used() == 1
    account.log.settle(second, LOST, T0)
    account.log.settle(first, NOT_LIVE, T0)
    assert account.used() == 1


def test_the_first_of_two_charges_has_nobody_at_work_on_it() -> None:
    """Whoever still is works on the job's own slot, which is the second."""
    account = Account(cap=5)
    account.settled("a", PUBLISHED)
    first, second = account.reserve("a"), account.reserve("a")
    account.log.settle(first, PUBLISHED, T0 + 60)
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


@pytest.mark.parametrize(
    ("saw", "used"),
    [(PUBLISHED, 1), (LOST, 1), (LIVE, 0), (NOT_SENT, 0), (None, 1)],
    ids=lambda saw: getattr(saw, "answer", None),
)
def test_a_publish_in_flight_outlives_the_charge_of_before(saw: Saw | None, used: int) -> None:
    """The job may have been taken down: it is held when its charge has left the window, until its own answer comes."""
    account = Account(cap=1)
    account.settled("a", PUBLISHED)
    again = account.reserve("a", T0 + WINDOW - 60)
    assert again.before == "spent"
    assert account.ask("next", T0 + WINDOW) == waiting_for(again, now=T0 + WINDOW, limit=1, used=1)
    if saw is not None:
        account.log.settle(again, saw, T0 + WINDOW + 1)
    assert account.used(T0 + WINDOW + LEASE) == used


def test_a_lease_that_ends_now_has_ended() -> None:
    """Whoever was taken for dead cannot have it begin anew."""
    account = Account(cap=1)
    held = account.reserve("a")
    account.log.renew(held, T0 + LEASE)
    assert account.log.snapshot(T0 + LEASE, 1).slots == (QuotaSlot("a", "unknown", instant(T0 + LEASE + WINDOW)),)


_MEANINGS: dict[Answer, dict[Before | None, tuple[Settlement, Settlement]]] = {
    "published": {None: ("published", "published")},
    "accepted": {None: ("accepted", "accepted")},
    "pending": {None: ("pending", "accepted"), "spent": ("pending", "pending")},
    "live": {None: ("found", "confirmed"), "new": ("unchanged", "confirmed"), "spent": ("unchanged", "unchanged")},
    "ended": {None: ("unchanged", "unchanged"), "accepted": ("found", "found")},
    "not_live": {None: ("released", "released")},
    "refused": {None: ("unchanged", "unknown")},
    "nothing": {None: ("unchanged", "unknown")},
}
"""Of each answer, for a slot of before: what it means, and what where an attempt of the reservation is in doubt; under
`None`: for any other slot."""


@pytest.mark.parametrize("before", get_args(Before))
@pytest.mark.parametrize("answer", get_args(Answer))
def test_what_was_seen_has_one_meaning_for_a_slot(answer: Answer, before: Before) -> None:
    """By the answer, by what the slot was, and by whether an attempt of the reservation may have been applied."""
    certain, in_doubt = _MEANINGS[answer].get(before, _MEANINGS[answer][None])
    assert Saw(answer).meaning_for(before) == certain
    assert Saw(answer, 0.0).meaning_for(before) == Saw(answer, 70.0).meaning_for(before) == in_doubt


def test_a_reservation_names_its_process() -> None:
    """Its id is that and a number; one without a dash is of a process without a name."""
    ids = ["AbC-77-3", "-77-3", "r1"]
    assert [Reservation(name, "a", "new", None, T0, LEASE).process for name in ids] == ["AbC-77", "-77", ""]


def test_a_doubt_is_dated_at_the_end_of_the_last_attempt() -> None:
    """However long the draft was paused since, and never before its reservation was made."""
    account = Account(cap=5)
    account.log.settle(account.reserve("paused"), Saw("nothing", 70.0), T0 + 100)
    account.log.settle(account.reserve("clock_leapt", T0 + 100), Saw("refused", 1e6), T0 + 101)
    assert {job: slot.at - T0 for job, slot in account.log.jobs.items()} == {"paused": 30.0, "clock_leapt": 100.0}


def test_a_doubt_never_becomes_older() -> None:
    """An earlier attempt that was found to be in doubt later leaves the date of a later one."""
    account = Account(cap=5)
    first, second = account.reserve("a"), account.reserve("a")
    account.log.settle(second, Saw("nothing", 1.0), T0 + 60)
    account.log.settle(first, Saw("nothing", 50.0), T0 + 61)
    assert account.log.jobs["a"].at == T0 + 59


def test_a_doubt_of_a_charged_slot_is_a_doubt_again() -> None:
    """Its later attempt may have been charged or not, as of its own date."""
    slot = Slot("charged", T0)
    slot.doubt(T0 + 60)
    assert (slot.kind, slot.at) == ("unknown", T0 + 60)


@pytest.mark.parametrize(
    ("slot", "charged"),
    [
        (Slot("unknown", T0), Slot("charged", T0)),
        (Slot(None, holders=(Reservation("r", "a", "new", None, T0, LEASE),)), Slot("charged", T0 + LEASE)),
        (Slot("elsewhere", T0), Slot("charged", T0)),
        (Slot("spent", T0, fresh=True), Slot("spent", T0, fresh=True)),
        (Slot("accepted", T0, holders=(Reservation("r", "a", "accepted", T0, T0, LEASE),)), Slot("accepted", T0)),
    ],
)
def test_a_slot_that_is_taken_for_charged_is_certain(slot: Slot, charged: Slot) -> None:
    """Nobody is at work on it any more, and a certain one keeps what is known of it."""
    slot.take_for_charged()
    assert slot == charged
    assert (slot.is_certain, slot.is_doubtful(T0), slot.is_ours(T0)) == (True, False, True)


def test_ours_is_what_has_ended_and_was_not_used_elsewhere() -> None:
    """A publish in flight may still come to nothing; one whose lease has run out may have been charged."""
    held = Slot(None, holders=(Reservation("r", "a", "new", None, T0, LEASE),))
    ended = (Slot("spent", T0), Slot("accepted", T0), Slot("unknown", T0), Slot("charged", T0))
    assert all(slot.is_ours(T0) for slot in ended)
    assert not Slot("elsewhere", T0).is_ours(T0)
    assert (held.is_ours(T0 + LEASE - 1), held.is_ours(T0 + LEASE)) == (False, True)


def test_a_draft_of_a_charged_slot_is_tried_again_as_unknown() -> None:
    """Not sent, it stays charged; found not to be live, it is nobody's slot."""
    account = Account(cap=5)
    account.log.jobs["a"] = Slot("charged", T0)
    assert account.settled("a", NOT_SENT, T0 + 60).before == "unknown"
    assert account.log.jobs["a"] == Slot("charged", T0)
    account.settled("a", NOT_LIVE, T0 + 60)
    assert account.used(T0 + 60) == 0
