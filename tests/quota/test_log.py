"""The rule of the quota, step by step."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrain_async._base.clock import instant
from opentrain_async.quota._allowance import WINDOW
from opentrain_async.quota._in_flight import FIRST_SECONDS
from opentrain_async.quota._log import AccountLog
from opentrain_async.quota._slots import Reservation, Saw, Wait

from ..support.account import (
    ACCEPTED,
    ENDED,
    LEASE,
    LIVE,
    LIVE_AFTER_A_LOSS,
    LOST,
    NOT_LIVE,
    NOT_SENT,
    PENDING,
    PUBLISHED,
    REFUSED,
    T0,
    Account,
    waiting_for,
)


def test_a_place_comes_back_when_its_window_is_over_and_not_before() -> None:
    """A slot counts for exactly the window's length from its date."""
    account = Account(cap=20)
    account.publish(20)
    assert account.ask("more", T0 + WINDOW - 0.5) == Wait(T0 + WINDOW, 0.5, 20, 20)
    assert isinstance(account.ask("more", T0 + WINDOW), Reservation)


@given(st.floats(T0, T0 + 10 * WINDOW))
def test_who_comes_back_at_the_time_that_was_told_is_let_in(now: float) -> None:
    """Whatever a date makes of it, which has no fractions of a microsecond."""
    account = Account(cap=1)
    account.publish(1, now)
    told = account.log.snapshot(now, 1).next_slot_at
    assert told is not None
    assert isinstance(account.ask("more", told.timestamp()), Reservation)


def test_a_held_place_may_become_free_before_its_time_and_a_spent_one_does_not() -> None:
    """Whoever waits is told which publishes in flight may leave a place."""
    account = Account(cap=1)
    held = account.reserve("a")
    assert account.ask("b", T0 + 60) == Wait(T0 + LEASE, LEASE - 60, 1, 1, may_pass=True, holders=frozenset({held.id}))
    account.log.settle(held, PUBLISHED, T0)
    assert account.ask("b") == Wait(T0 + WINDOW, WINDOW, 1, 1)


def test_those_ahead_have_their_places_kept_free() -> None:
    """A caller is given a place only if there are more free than callers before it."""
    account = Account(cap=2)
    assert account.ask("late", ahead=2) == Wait(T0, 0.0, 2, 0, may_pass=True)
    assert isinstance(account.ask("second", ahead=1), Reservation)


def test_a_released_place_is_free_again() -> None:
    """A draft that the server refused uses up nothing."""
    account = Account(cap=1)
    account.settled("bad", NOT_LIVE)
    assert account.used() == 0
    assert isinstance(account.ask("good"), Reservation)


def test_an_unknown_place_counts_and_is_settled_by_the_same_job() -> None:
    """A publish in doubt keeps its slot, which the next try of that job takes over."""
    account = Account(cap=2)
    account.settled("a", LOST)
    again = account.reserve("a", T0 + 60)
    assert (again.before, again.before_at, account.used()) == ("unknown", T0, 1)
    account.log.settle(again, LIVE, T0 + 61)
    assert account.log.jobs["a"].at == T0
    assert account.log.jobs["a"].kind == "spent"


@pytest.mark.parametrize(
    ("saw", "used"),
    [(NOT_LIVE, 0), (REFUSED, 1), (NOT_SENT, 1), (LOST, 1), (PUBLISHED, 1)],
    ids=lambda value: getattr(value, "answer", None),
)
def test_only_a_decisive_answer_clears_an_inherited_doubt(saw: Saw, used: int) -> None:
    """That a draft is not live takes it away; a refusal of this request says nothing of an earlier one."""
    account = Account(cap=5)
    account.settled("a", LOST)
    account.settled("a", saw, T0 + 10)
    assert account.used(T0 + 10) == used


def test_what_was_not_sent_keeps_the_date_of_the_doubt() -> None:
    """An unsent retry of a doubtful job does not make its slot any younger."""
    account = Account(cap=5)
    account.settled("a", LOST)
    account.settled("a", NOT_SENT, T0 + 10)
    assert account.log.jobs["a"].at == T0


def test_a_late_settlement_still_finds_its_place() -> None:
    """A publish that outlived its lease releases its slot all the same."""
    account = Account(cap=1)
    slow = account.reserve("a")
    account.log.settle(slow, NOT_LIVE, T0 + LEASE + 5)
    assert account.used(T0 + LEASE + 5) == 0


@pytest.mark.parametrize("first_is_fresh", [True, False])
def test_F17_two_clients_that_publish_one_job_at_once_are_charged_once(first_is_fresh: bool) -> None:
    """Whichever of the two answers comes first, one charge is counted, dated by the server's word."""
    account = Account(cap=5)
    first, second = account.reserve("a"), account.reserve("a")
    assert second.before == "held"
    answers = [(first, PUBLISHED), (second, LIVE_AFTER_A_LOSS)]
    for seconds, (reservation, saw) in enumerate(answers if first_is_fresh else reversed(answers)):
        account.log.settle(reservation, saw, T0 + seconds)
    slot = account.log.jobs["a"]
    assert (account.used(T0 + 1), slot.kind, slot.fresh) == (1, "spent", True)
    assert slot.at == T0 + (0 if first_is_fresh else 1)


def test_a_draft_that_was_live_all_along_uses_up_nothing_though_two_ask_at_once() -> None:
    """The one that held the slot has answered, and has published nothing; so the other one has not either."""
    account = Account(cap=5)
    first, second = account.reserve("a"), account.reserve("a")
    account.log.settle(first, LIVE, T0 + 1)
    account.log.settle(second, LIVE, T0 + 2)
    assert account.used(T0 + 2) == 0


def test_unknown_never_overwrites_spent() -> None:
    """A lost reply for a job that is known to be charged changes nothing."""
    account = Account(cap=5)
    account.settled("a", PUBLISHED)
    again = account.settled("a", LOST, T0 + 60)
    assert again.before == "spent"
    assert (account.log.jobs["a"].kind, account.log.jobs["a"].at) == ("spent", T0)


def test_a_job_published_again_after_it_was_taken_down_is_charged_twice() -> None:
    """`alreadyPublished: false` for a job that is spent already is a second charge."""
    account = Account(cap=5)
    account.settled("a", PUBLISHED)
    twice = account.settled("a", PUBLISHED, T0 + 60)
    assert account.used() == 2
    account.log.settle(twice, PUBLISHED, T0 + 61)
    assert account.used() == 2


@pytest.mark.parametrize("saw", [PUBLISHED, LIVE_AFTER_A_LOSS, LOST], ids=lambda saw: saw.answer)
def test_F27_what_the_storage_lost_is_counted_again(saw: Saw) -> None:
    """A settlement whose slot is gone, because the storage was emptied, makes a new one."""
    account = Account(cap=5)
    reservation = account.reserve("a")
    account.log.jobs.clear()
    account.log.settle(reservation, saw, T0)
    assert account.used() == 1


def test_F28_a_step_that_is_run_again_changes_nothing() -> None:
    """A storage that lost the reply of its own write may run a step once more."""
    log = AccountLog()
    first = log.reserve("a", T0, reservation_id="r", lease=LEASE, cap=1)
    assert log.reserve("a", T0, reservation_id="r", lease=LEASE, cap=1) == first
    assert isinstance(first, Reservation)
    log.settle(first, NOT_LIVE, T0)
    log.settle(first, NOT_LIVE, T0)
    assert log.used == 0


DAY_AND_AN_HOUR = 25 * 3600.0


def test_F31_a_clock_that_is_set_right_locks_nobody_out_for_longer_than_a_window() -> None:
    """What a clock that ran ahead has dated leaves a window after it was made, by the right clock."""
    account = Account(cap=2)
    account.publish(1, T0 + DAY_AND_AN_HOUR)
    account.log.refused(account.reserve("b", T0 + DAY_AND_AN_HOUR), LOST, T0 + DAY_AND_AN_HOUR, limit=2)
    assert account.ask("c", T0) == Wait(T0 + WINDOW, WINDOW, 2, 2)
    assert account.log.snapshot(T0, 2).next_slot_at == instant(T0 + WINDOW)
    assert account.used(T0 + WINDOW - 1) == 2
    assert account.used(T0 + WINDOW) == 0


def test_F30_F31_a_clock_that_falls_behind_and_comes_back_makes_nothing_older_than_it_is() -> None:
    """Neither what was published before, nor what was published by the wrong clock, leaves early."""
    account = Account(cap=2)
    account.publish(1, T0)
    account.publish(1, T0 - DAY_AND_AN_HOUR, name="behind")
    assert account.ask("c", T0 - DAY_AND_AN_HOUR + 60) == Wait(T0 - DAY_AND_AN_HOUR + WINDOW, WINDOW - 60, 2, 2)
    assert account.ask("c", T0 + 60) == Wait(T0 + WINDOW, WINDOW - 60, 2, 2)
    assert account.used(T0 + WINDOW - 1) == 2
    assert account.used(T0 + WINDOW) == 0


@pytest.mark.parametrize("late_by", [0.0, 2.0])
def test_a_clock_that_comes_back_a_little_short_of_where_it_was_is_no_leap(late_by: float) -> None:
    """Nor is a step that read the clock before it was set back, and is run after that."""
    account = Account(cap=2)
    account.publish(2, T0)
    account.used(T0 - DAY_AND_AN_HOUR)
    assert isinstance(account.ask("c", T0 - late_by), Wait)
    assert isinstance(account.ask("c", T0 - DAY_AND_AN_HOUR + 60), Wait)
    assert isinstance(account.ask("c", T0 + 60), Wait)
    assert account.used(T0 + WINDOW - 1) == 2


def test_steps_that_are_late_do_not_make_time_run_faster() -> None:
    """Several processes read the clock, wait for the lock, and get it in another order."""
    account = Account(cap=20)
    for number in range(1000):
        account.used(T0 + number * 0.01)
        account.used(T0 + number * 0.01 - 0.005)
    assert account.log.clock.seen == T0 + 9.99


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
    account.settled("a", LOST)
    again = account.reserve("a", T0 + WINDOW - 60)
    assert account.used(T0 + WINDOW - 59) == 1
    account.log.settle(again, LIVE, T0 + WINDOW - 58)
    assert isinstance(account.ask("b", T0 + WINDOW - 1), Wait)
    assert isinstance(account.ask("b", T0 + WINDOW), Reservation)


def test_what_the_server_charges_twice_is_counted_twice() -> None:
    """Also where the first charge was found and not dated, and where two who publish at once are both charged."""
    account = Account(cap=5)
    account.settled("found", LIVE_AFTER_A_LOSS)
    account.settled("found", PUBLISHED, T0 + 60)
    assert account.used(T0 + 60) == 2
    for reservation in [account.reserve("both", T0 + 60) for _ in range(2)]:
        account.log.settle(reservation, PUBLISHED, T0 + 61)
    assert account.used(T0 + 61) == 4
    assert [slot.holders for slot in account.log.others] == [(), ()]


def test_a_settlement_that_is_late_is_dated_by_the_logs_own_time() -> None:
    """Another step read the clock later and was faster: time does not go back."""
    account = Account(cap=5)
    reservation = account.reserve("a")
    account.used(T0 + 10)
    account.log.settle(reservation, PUBLISHED, T0 + 8)
    assert (account.log.jobs["a"].at, account.log.clock.seen) == (T0 + 10, T0 + 10)


def test_a_settlement_lets_go_of_what_has_left_the_window() -> None:
    """At the very moment at which it leaves."""
    account = Account(cap=5)
    account.publish(1)
    account.log.settle(account.reserve("late", T0 + 1), PUBLISHED, T0 + WINDOW)
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
    assert account.log.clock.seen == T0 + 100


class TestFirstDrafts:
    """Until one was accepted, a process has one new draft in flight: the day may be used up elsewhere."""

    def test_one_goes_and_the_second_waits_for_it(self) -> None:
        """For a moment, as it may take long: then another one goes, then two, then four."""
        account, now = Account(cap=20), T0 + FIRST_SECONDS / 2
        first = account.ask("first", T0, process="ours")
        assert isinstance(first, Reservation)
        wait = account.ask("next", now, process="ours")
        assert wait == Wait(T0 + FIRST_SECONDS, FIRST_SECONDS / 2, 20, 1, may_pass=True, holders=frozenset({first.id}))
        assert isinstance(account.ask("next", T0 + FIRST_SECONDS - 0.1, process="ours"), Wait)
        for rounds, more in ((1, 1), (2, 2), (3, 4)):
            at = T0 + rounds * FIRST_SECONDS
            for number in range(more):
                assert isinstance(account.ask(f"next_{rounds}_{number}", at, process="ours"), Reservation)
            assert isinstance(account.ask("one too many", at, process="ours"), Wait)

    def test_a_dead_one_is_not_waited_for(self) -> None:
        """The next is the first then."""
        account = Account(cap=20)
        account.ask("dead", T0, process="ours")
        assert isinstance(account.ask("first", T0 + LEASE, process="ours"), Reservation)
        assert isinstance(account.ask("next", T0 + LEASE, process="ours"), Wait)

    @pytest.mark.parametrize("saw", [PUBLISHED, ACCEPTED, PENDING, LIVE_AFTER_A_LOSS], ids=lambda saw: saw.answer)
    def test_one_that_was_accepted_lets_all_go(self, saw: Saw) -> None:
        """However it became known."""
        account = Account(cap=20)
        account.settled("first", saw)
        assert all(isinstance(account.ask(f"next_{number}", process="ours"), Reservation) for number in range(19))

    @pytest.mark.parametrize("saw", [NOT_LIVE, REFUSED, LIVE, ENDED, NOT_SENT, LOST], ids=lambda saw: saw.answer)
    def test_one_that_was_not_lets_the_next_go(self, saw: Saw) -> None:
        """In its place: one is in flight again."""
        account = Account(cap=20)
        first = account.ask("first", process="ours")
        assert isinstance(first, Reservation)
        account.log.settle(first, saw, T0)
        assert isinstance(account.ask("second", process="ours"), Reservation)
        assert isinstance(account.ask("third", process="ours"), Wait)

    def test_each_process_has_its_own_first(self) -> None:
        """Of another one nobody knows how long it takes."""
        account = Account(cap=20)
        for process in ("ours", "theirs", "others"):
            answers = [account.ask(f"{process}_{number}", process=process) for number in range(2)]
            assert [type(answer) for answer in answers] == [Reservation, Wait]

    def test_a_draft_in_doubt_waits_for_it_too(self) -> None:
        """The day may have no place for that one either."""
        account = Account(cap=20)
        account.settled("doubt", LOST, T0 - 60)
        account.ask("first", process="ours")
        assert isinstance(account.ask("doubt", process="ours"), Wait)
        assert isinstance(account.ask("next", process="ours"), Wait)

    def test_an_acceptance_of_before_the_window_says_nothing(self) -> None:
        """Each day may be used up before us."""
        account = Account(cap=20)
        account.publish(20)
        answers = [account.ask(f"next_{number}", T0 + WINDOW, process="ours") for number in range(2)]
        assert [type(answer) for answer in answers] == [Reservation, Wait]


class TestPublishedAgain:
    """A draft whose charge is counted may have been taken down: while it is in flight it may take one place more."""

    def test_a_new_draft_does_not_take_the_place_that_it_may_need(self) -> None:
        """It goes alone, or waits for one that does; with more places free both go."""
        account = Account(cap=3)
        account.publish(2)
        again = account.reserve("job_0", T0 + 60)
        assert again.probe is None
        alone = account.reserve("new", T0 + 60)
        assert alone.probe == 3
        account.log.settle(alone, NOT_LIVE, T0 + 61)
        account.log.settle(again, LIVE, T0 + 61)
        assert account.reserve("new", T0 + 62).probe is None

    def test_two_that_are_published_again_do_not_take_one_place(self) -> None:
        """The second goes alone, and a third waits for it."""
        account = Account(cap=4)
        account.publish(3)
        assert account.reserve("job_0", T0 + 60).probe is None
        alone = account.reserve("job_1", T0 + 60)
        assert alone.probe == 4
        assert account.ask("job_2", T0 + 60) == waiting_for(alone, now=T0 + 60, limit=4, used=3, may_be_live=True)

    def test_a_lease_that_has_run_out_holds_nobody_up(self) -> None:
        """Its process is gone."""
        account = Account(cap=3)
        account.publish(2)
        account.reserve("job_0", T0 + 60)
        assert account.reserve("new", T0 + 60 + LEASE).probe is None

    def test_with_many_places_free_nobody_counts_them(self) -> None:
        """A step costs the same however long the log is."""
        account = Account(cap=300)
        account.publish(150)
        for number in range(150):
            account.reserve(f"job_{number}", T0 + 60)
        assert account.reserve("new", T0 + 60).probe is None
