"""The rule of the quota, step by step."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrain_async._base.clock import instant
from opentrain_async.quota._log import WINDOW, AccountLog
from opentrain_async.quota._slots import Busy, Denied, Reservation, Settlement

from ..support.account import LEASE, T0, Account


def test_a_place_comes_back_when_its_window_is_over_and_not_before() -> None:
    """A slot counts for exactly the window's length from its date."""
    account = Account(cap=20)
    account.publish(20)
    assert account.ask("more", T0 + WINDOW - 0.5) == Denied(T0 + WINDOW, 0.5, 20, 20)
    assert isinstance(account.ask("more", T0 + WINDOW), Reservation)


@given(st.floats(T0, T0 + 10 * WINDOW))
def test_who_comes_back_at_the_time_that_was_told_is_let_in(now: float) -> None:
    """Whatever a date makes of it, which has no fractions of a microsecond."""
    account = Account(cap=1)
    account.publish(1, now)
    told = account.log.snapshot(now, 1).next_slot_at
    assert told is not None
    assert isinstance(account.ask("more", told.timestamp()), Reservation)


def test_held_places_make_a_caller_wait_and_spent_ones_turn_it_away() -> None:
    """While a publish under way may leave its place, nobody is denied."""
    account = Account(cap=1)
    held = account.reserve("a")
    assert account.ask("b") == Busy(frozenset({held.id}))
    account.log.settle(held, "published", T0)
    assert account.ask("b") == Denied(T0 + WINDOW, WINDOW, 1, 1)


def test_those_ahead_have_their_places_kept_free() -> None:
    """A caller is given a place only if there are more free than callers before it."""
    account = Account(cap=2)
    assert account.ask("late", ahead=2) == Busy(frozenset())
    assert isinstance(account.ask("second", ahead=1), Reservation)


def test_a_released_place_is_free_again() -> None:
    """A draft that the server refused uses up nothing."""
    account = Account(cap=1)
    account.settled("bad", "released")
    assert account.used() == 0
    assert isinstance(account.ask("good"), Reservation)


def test_an_unknown_place_counts_and_is_settled_by_the_same_job() -> None:
    """A publish in doubt keeps its slot, which the next try of that job takes over."""
    account = Account(cap=2)
    account.settled("a", "unknown")
    again = account.reserve("a", T0 + 60)
    assert (again.before, again.before_at, account.used()) == ("unknown", T0, 1)
    account.log.settle(again, "found", T0 + 61)
    assert account.log.jobs["a"].at == T0
    assert account.log.jobs["a"].kind == "spent"


@pytest.mark.parametrize(
    ("how", "used"),
    [("released", 0), ("unsent", 1), ("unknown", 1), ("published", 1)],
)
def test_only_a_decisive_answer_clears_an_inherited_doubt(how: Settlement, used: int) -> None:
    """Of an inherited doubt, what was not sent leaves everything as it was, and a refusal takes it away."""
    account = Account(cap=5)
    account.settled("a", "unknown")
    account.settled("a", how, T0 + 10)
    assert account.used(T0 + 10) == used


def test_what_was_not_sent_keeps_the_date_of_the_doubt() -> None:
    """An unsent retry of a doubtful job does not make its slot any younger."""
    account = Account(cap=5)
    account.settled("a", "unknown")
    account.settled("a", "unsent", T0 + 10)
    assert account.log.jobs["a"].at == T0


def test_a_late_settlement_still_finds_its_place() -> None:
    """A publish that outlived its lease releases its slot all the same."""
    account = Account(cap=1)
    slow = account.reserve("a")
    account.log.settle(slow, "released", T0 + LEASE + 5)
    assert account.used(T0 + LEASE + 5) == 0


@pytest.mark.parametrize("first_is_fresh", [True, False])
def test_F17_two_clients_that_publish_one_job_at_once_are_charged_once(first_is_fresh: bool) -> None:
    """Whichever of the two answers comes first, one charge is counted, dated by the server's word."""
    account = Account(cap=5)
    first, second = account.reserve("a"), account.reserve("a")
    assert second.before == "held"
    answers: list[tuple[Reservation, Settlement]] = [(first, "published"), (second, "confirmed")]
    for seconds, (reservation, how) in enumerate(answers if first_is_fresh else reversed(answers)):
        account.log.settle(reservation, how, T0 + seconds)
    slot = account.log.jobs["a"]
    assert (account.used(T0 + 1), slot.kind, slot.fresh) == (1, "spent", True)
    assert slot.at == T0 + (0 if first_is_fresh else 1)


def test_unknown_never_overwrites_spent() -> None:
    """A lost reply for a job that is known to be charged changes nothing."""
    account = Account(cap=5)
    account.settled("a", "published")
    again = account.settled("a", "unknown", T0 + 60)
    assert again.before == "spent"
    assert (account.log.jobs["a"].kind, account.log.jobs["a"].at) == ("spent", T0)


def test_a_job_published_again_after_it_was_taken_down_is_charged_twice() -> None:
    """`alreadyPublished: false` for a job that is spent already is a second charge."""
    account = Account(cap=5)
    account.settled("a", "published")
    twice = account.settled("a", "published", T0 + 60)
    assert account.used() == 2
    account.log.settle(twice, "published", T0 + 61)
    assert account.used() == 2


@pytest.mark.parametrize("how", ["published", "confirmed", "unknown"])
def test_F27_what_the_storage_lost_is_counted_again(how: Settlement) -> None:
    """A settlement whose slot is gone, because the storage was emptied, makes a new one."""
    account = Account(cap=5)
    reservation = account.reserve("a")
    account.log.jobs.clear()
    account.log.settle(reservation, how, T0)
    assert account.used() == 1


def test_F28_a_step_that_is_run_again_changes_nothing() -> None:
    """A storage that lost the reply of its own write may run a step once more."""
    log = AccountLog()
    first = log.reserve("a", T0, reservation_id="r", lease=LEASE, cap=1)
    assert log.reserve("a", T0, reservation_id="r", lease=LEASE, cap=1) == first
    assert isinstance(first, Reservation)
    log.settle(first, "released", T0)
    log.settle(first, "released", T0)
    assert log.used == 0


DAY_AND_AN_HOUR = 25 * 3600.0


def test_F31_a_clock_that_is_set_right_locks_nobody_out_for_longer_than_a_window() -> None:
    """What a clock that ran ahead has dated leaves a window after it was made, by the right clock."""
    account = Account(cap=2)
    account.publish(1, T0 + DAY_AND_AN_HOUR)
    account.log.refused(account.reserve("b", T0 + DAY_AND_AN_HOUR), "unknown", T0 + DAY_AND_AN_HOUR, limit=2)
    assert account.ask("c", T0) == Denied(T0 + WINDOW, WINDOW, 2, 2)
    assert account.log.snapshot(T0, 2).next_slot_at == instant(T0 + WINDOW)
    assert account.used(T0 + WINDOW - 1) == 2
    assert account.used(T0 + WINDOW) == 0


def test_F30_F31_a_clock_that_falls_behind_and_comes_back_makes_nothing_older_than_it_is() -> None:
    """Neither what was published before, nor what was published by the wrong clock, leaves early."""
    account = Account(cap=2)
    account.publish(1, T0)
    account.publish(1, T0 - DAY_AND_AN_HOUR, name="behind")
    assert account.ask("c", T0 - DAY_AND_AN_HOUR + 60) == Denied(T0 - DAY_AND_AN_HOUR + WINDOW, WINDOW - 60, 2, 2)
    assert account.ask("c", T0 + 60) == Denied(T0 + WINDOW, WINDOW - 60, 2, 2)
    assert account.used(T0 + WINDOW - 1) == 2
    assert account.used(T0 + WINDOW) == 0


@pytest.mark.parametrize("late_by", [0.0, 2.0])
def test_a_clock_that_comes_back_a_little_short_of_where_it_was_is_no_leap(late_by: float) -> None:
    """Nor is a step that read the clock before it was set back, and is run after that."""
    account = Account(cap=2)
    account.publish(2, T0)
    account.used(T0 - DAY_AND_AN_HOUR)
    assert isinstance(account.ask("c", T0 - late_by), Denied)
    assert isinstance(account.ask("c", T0 - DAY_AND_AN_HOUR + 60), Denied)
    assert isinstance(account.ask("c", T0 + 60), Denied)
    assert account.used(T0 + WINDOW - 1) == 2


def test_steps_that_are_late_do_not_make_time_run_faster() -> None:
    """Several processes read the clock, wait for the lock, and get it in another order."""
    account = Account(cap=20)
    for number in range(1000):
        account.used(T0 + number * 0.01)
        account.used(T0 + number * 0.01 - 0.005)
    assert account.log.seen == T0 + 9.99


def test_F30_time_goes_on_while_the_clock_is_behind() -> None:
    """A slot leaves after a window of a clock that runs right, though it shows the wrong time."""
    account = Account(cap=1)
    account.publish(1, T0)
    account.used(T0 - DAY_AND_AN_HOUR)
    assert account.used(T0 - DAY_AND_AN_HOUR + WINDOW - 1) == 1
    assert account.used(T0 - DAY_AND_AN_HOUR + WINDOW) == 0


def test_a_doubt_that_was_joined_and_cleared_leaves_when_it_was_to_leave() -> None:
    """A slot that a lease held longer falls back to its own date, and the log notices when that is a day old."""
    account = Account(cap=1)
    account.settled("a", "unknown")
    again = account.reserve("a", T0 + WINDOW - 60)
    assert account.used(T0 + WINDOW - 59) == 1
    account.log.settle(again, "found", T0 + WINDOW - 58)
    assert isinstance(account.ask("b", T0 + WINDOW - 1), Denied)
    assert isinstance(account.ask("b", T0 + WINDOW), Reservation)


def test_what_the_server_charges_twice_is_counted_twice() -> None:
    """Also where the first charge was found and not dated, and where two who publish at once are both charged."""
    account = Account(cap=5)
    account.settled("found", "confirmed")
    account.settled("found", "published", T0 + 60)
    assert account.used(T0 + 60) == 2
    for reservation in [account.reserve("both", T0 + 60) for _ in range(2)]:
        account.log.settle(reservation, "published", T0 + 61)
    assert account.used(T0 + 61) == 4
    assert [slot.holders for slot in account.log.others] == [(), ()]


def test_a_settlement_that_is_late_is_dated_by_the_logs_own_time() -> None:
    """Another step read the clock later and was faster: time does not go back."""
    account = Account(cap=5)
    reservation = account.reserve("a")
    account.used(T0 + 10)
    account.log.settle(reservation, "published", T0 + 8)
    assert (account.log.jobs["a"].at, account.log.seen) == (T0 + 10, T0 + 10)


def test_a_settlement_lets_go_of_what_has_left_the_window() -> None:
    """At the very moment at which it leaves."""
    account = Account(cap=5)
    account.publish(1)
    account.log.settle(account.reserve("late", T0 + 1), "published", T0 + WINDOW)
    assert set(account.log.jobs) == {"late"}


@pytest.mark.parametrize("behind", [1.0, 59.0, 60.0, 61.0, DAY_AND_AN_HOUR])
def test_whoever_asks_is_told_instants_of_its_own_clock(behind: float) -> None:
    """However far that is behind the one that was read before."""
    account = Account(cap=5)
    account.publish(1)
    snapshot = account.log.snapshot(T0 - behind, 5)
    assert (snapshot.at, snapshot.next_slot_at) == (instant(T0 - behind), instant(T0 - behind + WINDOW))


def test_a_step_that_is_a_minute_late_by_a_clock_that_was_set_back_sets_it_back_no_further() -> None:
    """What comes next goes on from where the log's own time was."""
    account = Account(cap=5)
    for clock in (T0, T0 - 3600, T0 - 3660, T0 - 3500):
        account.used(clock)
    assert account.log.seen == T0 + 100
