"""Drafts that go alone, to find out more: the log's part."""

import pytest

from opentrain_async.quota._allowance import WINDOW
from opentrain_async.quota._probes import PROBE_INTERVAL
from opentrain_async.quota._slots import Reservation, Saw, Wait

from ..support.account import (
    ACCEPTED,
    ENDED,
    LEASE,
    LIVE,
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

HOUR = PROBE_INTERVAL


class TestProbes:
    """Doubt never locks an account out, and certainty is never tested."""

    def test_one_draft_at_a_time_goes_past_a_log_full_of_doubts(self) -> None:
        """Each accepted probe removes one doubt, until the log is full of certainty."""
        account = Account(cap=3)
        for number in range(3):
            account.settled(f"lost_{number}", LOST, T0 + number)
        for number in range(3):
            probe = account.reserve(f"good_{number}", T0 + 10)
            assert probe.probe == 3
            assert account.ask("other", T0 + 10) == waiting_for(probe, now=T0 + 10, limit=3, used=4)
            account.log.settle(probe, PUBLISHED, T0 + 10)
            assert account.used(T0 + 10) == 3
        assert set(account.log.jobs) == {"good_0", "good_1", "good_2"}
        assert isinstance(account.ask("other", T0 + WINDOW - 1), Wait)

    def test_a_probe_answered_otherwise_proves_nothing(self) -> None:
        """A refused draft, sent as a probe, leaves every doubt as it was."""
        account = Account(cap=1)
        account.settled("lost", LOST)
        account.settled("bad", NOT_LIVE)
        assert set(account.log.jobs) == {"lost"}
        assert account.reserve("next").probe

    def test_those_behind_a_probe_wait_for_it(self) -> None:
        """While one may probe, the second in line is neither sent nor turned away."""
        account = Account(cap=1)
        account.settled("lost", LOST)
        assert account.ask("second", ahead=1) == Wait(T0, 0.0, 1, 1, may_pass=True)

    def test_nobody_probes_within_an_hour_of_a_refusal(self) -> None:
        """A day used up elsewhere costs one 429 an hour at the most, and is noticed when it frees."""
        account = Account()
        account.log.refused(account.reserve("a"), NOT_LIVE, T0, limit=3)
        assert isinstance(account.ask("a", T0 + PROBE_INTERVAL - 1), Wait)
        probe = account.reserve("a", T0 + PROBE_INTERVAL)
        account.log.settle(probe, PUBLISHED, T0 + PROBE_INTERVAL)
        assert sorted(slot.kind or "" for slot in account.log.others) == ["elsewhere", "elsewhere"]

    def test_a_probe_with_nothing_left_to_doubt_removes_nothing(self) -> None:
        """A probe whose doubts left the window while it was under way is an ordinary publish."""
        account = Account(cap=1)
        account.settled("lost", LOST)
        probe = account.reserve("good", T0 + WINDOW - 1)
        account.log.settle(probe, PUBLISHED, T0 + WINDOW + 1)
        assert set(account.log.jobs) == {"good"}

    def test_an_accepted_probe_removes_the_oldest_doubt(self) -> None:
        """Whatever the drafts are called; the publish of a process that died is one too, from the end of its lease."""
        account = Account(cap=3)
        account.reserve("dead", T0)
        account.settled("zebra", LOST, T0 + 1)
        account.settled("aardvark", LOST, T0 + 2)
        later = T0 + LEASE + 3
        assert account.log.snapshot(later, 3).doubtful == 3
        for number, oldest_left in enumerate(["aardvark", "dead", "good_0"]):
            account.settled(f"good_{number}", PUBLISHED, later)
            assert next(iter(account.log.snapshot(later, 3).slots)).job_id == oldest_left

    def test_a_probe_that_has_no_answer_delays_the_next_by_a_minute(self) -> None:
        """Whether it was sent or not; any answer lets the next one go at once."""
        for saw, seconds in ((NOT_SENT, 60), (LOST, 60), (NOT_LIVE, 0), (REFUSED, 0), (LIVE, 0)):
            account = Account(cap=1)
            account.settled("lost", LOST)
            account.settled("probe", saw, T0 + 5)
            answer = account.ask("next", T0 + 5)
            assert isinstance(answer, Wait) is bool(seconds), saw
            if isinstance(answer, Wait):
                assert (answer.until, answer.may_pass) == (T0 + 5 + seconds, False)
                assert account.reserve("next", T0 + 5 + seconds).probe == 1

    def test_F51_drafts_with_a_slot_go_one_after_another_while_the_log_is_full(self) -> None:
        """Each after the answer to the last; the first refusal makes all wait."""
        account = Account(cap=3)
        account.publish(3)
        first = account.reserve("job_0", T0 + 60)
        assert first.probe == 3
        assert account.ask("job_1", T0 + 60) == waiting_for(first, now=T0 + 60, limit=3, used=3, may_be_live=True)
        account.log.settle(first, LIVE, T0 + 61)
        second = account.reserve("job_1", T0 + 61)
        wait = account.log.refused(second, REFUSED, T0 + 62, limit=3)
        assert wait == Wait(T0 + 62 + HOUR, HOUR, 3, 3, may_be_live=True)
        assert account.ask("job_2", T0 + 63) == Wait(T0 + 62 + HOUR, HOUR - 1, 3, 3, may_be_live=True)
        assert account.ask("new", T0 + 63) == Wait(T0 + WINDOW, WINDOW - 63, 3, 3)
        assert account.reserve("job_2", T0 + 62 + HOUR).probe == 3

    def test_a_draft_whose_publish_is_in_flight_elsewhere_waits_for_no_other(self) -> None:
        """With room in the window, those that have a slot need not go alone."""
        account = Account(cap=3)
        held = account.reserve("a")
        joined = account.reserve("a")
        assert (held.probe, joined.before, joined.probe) == (None, "held", None)

    def test_a_taken_down_job_that_is_charged_again_on_a_full_log_takes_a_doubt_away(self) -> None:
        """The service has accepted one more than was counted on."""
        account = Account(cap=2)
        account.settled("doubt", LOST)
        account.settled("job", PUBLISHED)
        account.settled("job", PUBLISHED, T0 + 60)
        assert ([*account.log.jobs], account.used(T0 + 60)) == (["job"], 2)
        assert "doubt" in account.log.expired_doubts


class TestAfterARefusal:
    """The day may be used up elsewhere: drafts go one at a time until a publish is accepted."""

    @pytest.fixture
    def account(self) -> Account:
        """Three of three were charged, and a draft was refused; a day later only a doubt is left in the window."""
        account = Account(cap=3)
        account.publish(3)
        account.refuse("job_0", T0 + 5, limit=3)
        account.settled("doubt", LOST, T0 + WINDOW)
        account.log.probes.next_at = 0.0  # a minute has passed
        return account

    def test_the_next_goes_alone_though_there_is_room(self, account: Account) -> None:
        """Also one that has a slot; and when one was accepted, all go together again."""
        now = T0 + WINDOW + 60
        alone = account.reserve("a", now)
        assert (alone.probe, account.used(now)) == (3, 2)
        for job in ("b", "doubt"):
            assert account.ask(job, now) == waiting_for(alone, now=now, limit=3, used=2, may_be_live=job == "doubt")
        account.log.settle(alone, PUBLISHED, now + 1)
        assert [account.reserve(job, now + 1).probe for job in ("b", "doubt")] == [None, 3]

    @pytest.mark.parametrize("saw", [NOT_LIVE, REFUSED, LIVE, PENDING, ENDED], ids=lambda saw: saw.answer)
    def test_one_that_ended_for_reasons_of_its_own_lets_the_next_go(self, account: Account, saw: Saw) -> None:
        """Alone too: it has not shown that the service accepts publishes."""
        now = T0 + WINDOW + 60
        account.settled("a", saw, now)
        assert account.reserve("b", now).probe == 3
        assert isinstance(account.ask("c", now), Wait)

    def test_who_is_second_in_line_waits_for_the_first(self, account: Account) -> None:
        """Unless it has a slot."""
        now = T0 + WINDOW + 60
        assert account.ask("second", now, ahead=1) == Wait(now, 0.0, 3, 1, may_pass=True)
        assert isinstance(account.ask("doubt", now, ahead=1), Reservation)

    def test_a_publish_that_began_before_the_refusal_does_not_end_it(self) -> None:
        """The drafts in flight beside the refused one may have been accepted before it."""
        account = Account(cap=20)
        account.publish(1)
        beside, refused = account.reserve("beside"), account.reserve("refused")
        account.log.refused(refused, REFUSED, T0 + 1, limit=20)
        account.log.settle(beside, PUBLISHED, T0 + 2)
        assert account.ask("next", T0 + 3) == Wait(T0 + 1 + HOUR, HOUR - 2, 20, 20)

    def test_F52_twenty_that_go_together_are_refused_once(self) -> None:
        """One goes before any was accepted, and is refused; nobody else is sent until the interval is over."""
        account = Account(cap=20)
        answers = [account.ask(f"job_{number}", process="ours") for number in range(20)]
        (sent,) = (answer for answer in answers if isinstance(answer, Reservation))
        account.log.refused(sent, REFUSED, T0 + 1, limit=20)
        answers = [account.ask(f"job_{number}", T0 + HOUR) for number in range(20)]
        assert answers == [Wait(T0 + 1 + HOUR, 1.0, 20, 20)] * 20

    def test_F50_a_short_retry_after_is_believed_once(self) -> None:
        """What was refused at the time that it named is asked for after the interval, and then ever less often."""
        account, now, waits = Account(), T0, []
        for _ in range(6):
            wait = account.refuse("a", now, limit=3, retry_after=60.0)
            waits.append(wait.seconds)
            assert isinstance(account.ask("a", wait.until - 1), Wait)
            now = wait.until
        assert waits == [60, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 8 * HOUR]

    def test_a_slot_of_ours_that_leaves_may_be_tried_before_the_interval_is_over(self) -> None:
        """By one draft, and where that is refused too, the next such place waits an hour at least."""
        account = Account(cap=2)
        account.settled("a", PUBLISHED, T0)
        account.settled("b", PUBLISHED, T0 + 1200)
        account.refuse("a", T0 + WINDOW - 60, limit=2)
        assert account.ask("c", T0 + WINDOW - 60) == Wait(T0 + WINDOW, 60.0, 2, 2)
        assert account.refuse("c", T0 + WINDOW, limit=2) == Wait(T0 + WINDOW + HOUR, HOUR, 2, 2)
        assert isinstance(account.ask("c", T0 + WINDOW + 1200), Wait)
        assert account.reserve("c", T0 + WINDOW + HOUR).probe == 2


class TestDoubtsThatWereCharged:
    """Where our own slots make up the limit, a refusal shows that the service counts the doubts among them."""

    def test_they_count_until_their_window_ends_and_are_not_probed_for(self) -> None:
        """Their drafts stay unknown."""
        account = Account(cap=3)
        account.settled("lost", LOST)
        account.publish(2, T0 + 60)
        wait = account.refuse("probe", T0 + 120, limit=3)
        assert account.log.jobs["lost"].kind == "charged"
        assert wait == Wait(T0 + WINDOW, WINDOW - 120, 3, 3)
        assert account.ask("probe", T0 + WINDOW - 1) == Wait(T0 + WINDOW, 1.0, 3, 3)
        assert isinstance(account.ask("probe", T0 + WINDOW), Reservation)
        assert account.log.expired_doubts["lost"].kind == "unknown"

    def test_what_was_used_elsewhere_leaves_them_in_doubt(self) -> None:
        """Its dates are guessed, and it may be what fills the day: both go on being probed for."""
        account = Account(cap=3)
        account.settled("lost", LOST)
        account.refuse("probe", T0 + 60, limit=3)
        assert account.log.jobs["lost"].kind == "unknown"
        assert [slot.kind for slot in account.log.others] == ["elsewhere"] * 2
        assert account.reserve("probe", T0 + 60 + HOUR).probe == 3

    def test_what_is_in_flight_is_not_a_doubt(self) -> None:
        """Its own answer is to come."""
        account = Account(cap=3)
        account.publish(2)
        held, refused = account.reserve("held", T0 + 1), account.reserve("job_0", T0 + 1)
        account.log.refused(refused, REFUSED, T0 + 2, limit=3)
        assert account.log.jobs["held"].holders == (held,)
        account.log.settle(held, NOT_LIVE, T0 + 3)
        assert account.used(T0 + 3) == 2

    def test_the_doubt_of_a_dead_process_is_one_of_them(self) -> None:
        """As of the end of its lease."""
        account = Account(cap=2)
        account.settled("job", PUBLISHED)
        account.reserve("dead")
        later = T0 + LEASE + 60
        account.refuse("probe", later, limit=2)
        slot = account.log.jobs["dead"]
        assert (slot.kind, slot.at, slot.holders) == ("charged", T0 + LEASE, ())

    def test_the_refused_draft_may_be_one_itself(self) -> None:
        """An attempt of it before the refusal was lost, and was charged: its place cannot be a probe's."""
        account = Account(cap=1)
        wait = account.log.refused(account.reserve("a"), Saw("refused", 3.0), T0 + 5, limit=1)
        assert (account.log.jobs["a"].kind, account.log.jobs["a"].at) == ("charged", T0 + 2)
        assert wait.may_be_live
        # It can be asked for all the same: the answer says whether it is live.
        assert account.reserve("a", T0 + 5 + HOUR).before == "unknown"


class TestWhatComesBackFromElsewhere:
    """It may be used elsewhere again: each place is taken after the one before was accepted."""

    @pytest.fixture
    def account(self) -> Account:
        """A day after a website has used up the five of a day, of which we had two."""
        account = Account(cap=5)
        account.publish(2)
        account.refuse("refused", T0, limit=5)
        assert account.used(T0 + WINDOW) == 0
        assert account.log.probes.returning == 3
        return account

    @pytest.mark.parametrize("saw", [PUBLISHED, ACCEPTED], ids=lambda saw: saw.answer)
    def test_one_goes_at_a_time_until_none_is_left(self, account: Account, saw: Saw) -> None:
        """Our own places, which nobody else takes, are free at once after the first."""
        now, alone = T0 + WINDOW, []
        for number in range(5):
            reservation = account.reserve(f"new_{number}", now)
            alone.append(reservation.probe is not None and isinstance(account.ask("other", now), Wait))
            account.log.settle(reservation, saw, now)
        assert alone == [True, False, True, True, True]
        assert (account.log.probes.returning, account.used(now)) == (0, 5)
        assert account.ask("other", now) == Wait(now + WINDOW, WINDOW, 5, 5)

    def test_one_that_ended_for_reasons_of_its_own_takes_none(self, account: Account) -> None:
        """The next one goes alone, too."""
        account.settled("a", PUBLISHED, T0 + WINDOW)
        account.log.probes.returning = 4
        account.settled("b", NOT_LIVE, T0 + WINDOW)
        assert account.log.probes.returning == 4
        assert account.reserve("c", T0 + WINDOW).probe == 5

    def test_the_first_refusal_ends_it(self, account: Account) -> None:
        """The day is used up again: the server's count is filled up, and nothing comes back until that leaves."""
        account.settled("a", PUBLISHED, T0 + WINDOW)
        wait = account.refuse("b", T0 + WINDOW + 60, limit=5)
        assert (account.log.probes.returning, [slot.kind for slot in account.log.others]) == (0, ["elsewhere"] * 4)
        assert wait == Wait(T0 + WINDOW + 60 + HOUR, HOUR, 5, 5)

    def test_one_goes_at_a_time_where_nobody_has_said_what_the_limit_is(self) -> None:
        """As far as every account may go; then that is found out as ever."""
        account = Account()
        account.refuse("refused", T0)
        now = T0 + WINDOW
        account.settled("first", PUBLISHED, now)
        assert (account.log.probes.returning, account.log.probes.are_careful) == (2, False)
        for number in range(2):
            alone = account.reserve(f"next_{number}", now)
            assert alone.probe == 3
            assert isinstance(account.ask("other", now), Wait)
            account.log.settle(alone, PUBLISHED, now)
        assert account.log.probes.returning == 0
        assert account.reserve("fourth", now).probe is None

    def test_an_hour_without_a_draft_changes_nothing(self, account: Account) -> None:
        """Whoever comes first, however late, goes alone."""
        first = account.reserve("a", T0 + 40 * WINDOW)
        assert first.probe == 5
        assert account.ask("b", T0 + 40 * WINDOW) == waiting_for(first, now=T0 + 40 * WINDOW, limit=5, used=1)


class TestLimitsThatAreOld:
    """One draft finds out whether they still hold."""

    def test_F53_a_plan_that_was_raised_is_found_out_a_day_later(self) -> None:
        """Past the old limit drafts are accepted one at a time; the refusal that comes says the new one."""
        account = Account()
        account.publish(20)
        account.refuse("job_0", T0, limit=20)
        later = T0 + WINDOW - 1
        assert account.ask("new", later) == Wait(T0 + WINDOW, 1.0, 20, 20)
        account.publish(20, T0 + WINDOW, name="second")
        for number in range(3):
            past = account.reserve(f"past_{number}", T0 + WINDOW)
            assert past.probe == 20
            assert account.ask("other", T0 + WINDOW) == waiting_for(past, now=T0 + WINDOW, limit=20, used=21 + number)
            account.log.settle(past, PUBLISHED, T0 + WINDOW)
        account.refuse("past_3", T0 + WINDOW, limit=50)
        assert account.log.snapshot(T0 + WINDOW, None).limit == 50

    def test_a_refusal_that_names_no_limit_says_that_what_was_charged_is_allowed(self) -> None:
        """Otherwise each day would be tried anew."""
        account = Account()
        account.publish(20)
        account.refuse("job_0", T0, limit=20)
        account.publish(23, T0 + WINDOW, name="second")
        account.refuse("past", T0 + WINDOW)
        assert account.log.snapshot(T0 + WINDOW, None).limit == 23

    def test_a_limit_that_still_holds_is_tried_ever_less_often(self) -> None:
        """After 1, 2 and 4 days, and then each week."""
        account = Account()
        account.refuse("a", T0, limit=20)
        tried = [0]
        for day in range(1, 22):
            now = T0 + day * WINDOW
            account.publish(20, now, name=f"day_{day}")
            probe = account.ask("probe", now)
            if isinstance(probe, Reservation):
                account.log.refused(probe, REFUSED, now, limit=20)
                tried.append(day)
        assert tried == [0, 1, 3, 7, 14, 21]

    def test_F53_a_window_that_was_said_once_is_tried_a_day_later(self) -> None:
        """A publish that is accepted where all are certain shows that the window is a day again."""
        account = Account(cap=3)
        account.publish(3)
        refused = account.reserve("job_0", T0 + 60)
        wait = account.log.refused(refused, REFUSED, T0 + 60, limit=3, window=7 * WINDOW, cap=3)
        assert (wait.until, account.log.allowance.window) == (T0 + 60 + HOUR, 7 * WINDOW)
        tried = T0 + 60 + WINDOW
        assert account.ask("new", tried - 1) == Wait(tried, 1.0, 3, 3)
        probe = account.reserve("new", tried)
        account.log.settle(probe, PUBLISHED, tried)
        assert (account.log.allowance.window, [*account.log.jobs]) == (WINDOW, ["new"])
