"""What the quota learns from the server, and how it finds out more."""

import pytest

from opentrain_async.quota._allowance import WINDOW
from opentrain_async.quota._probes import PROBE_INTERVAL
from opentrain_async.quota._slots import Reservation, Wait

from ..support.account import (
    LIVE_AFTER_A_LOSS,
    LOST,
    NOT_LIVE,
    NOT_SENT,
    PUBLISHED,
    T0,
    Account,
    waiting_for,
)


class TestRefusals:
    """What the server says stands."""

    def test_a_refusal_fills_the_log_up_to_the_servers_limit(self) -> None:
        """Publishes made elsewhere count as much as our own."""
        account = Account(cap=20)
        account.publish(2)
        wait = account.log.refused(account.reserve("a"), NOT_LIVE, T0 + 5, limit=20)
        assert wait == Wait(T0 + 5 + PROBE_INTERVAL, PROBE_INTERVAL, 20, 20)
        assert [slot.kind for slot in account.log.others] == ["elsewhere"] * 18

    def test_a_lower_limit_is_adopted_and_a_place_is_free_once_enough_have_left(self) -> None:
        """With 5 counted of 3, three have to leave the window before another may go: there is nothing to find out."""
        account = Account(cap=20)
        for number in range(5):
            account.settled(f"job_{number}", PUBLISHED, T0 + number)
        wait = account.log.refused(account.reserve("a", T0 + 9), NOT_LIVE, T0 + 9, limit=3)
        assert wait == Wait(T0 + 2 + WINDOW, WINDOW - 7, 3, 5)

    def test_retry_after_dates_what_was_used_elsewhere(self) -> None:
        """A server that says when it frees a slot is believed."""
        account = Account()
        wait = account.log.refused(account.reserve("a"), NOT_LIVE, T0, limit=3, retry_after=3600.0)
        assert wait.until == T0 + 3600
        assert isinstance(account.ask("a", T0 + 3600), Reservation)

    @pytest.mark.parametrize("retry_after", [1e-9, 1.0, 59.0, 60.0])
    def test_a_retry_after_below_a_minute_means_a_minute(self, retry_after: float) -> None:
        """Whoever waits for the slot asks then, and could be told the same again."""
        account = Account()
        wait = account.log.refused(account.reserve("a"), NOT_LIVE, T0, limit=3, retry_after=retry_after)
        assert (wait.until, wait.seconds) == (T0 + 60, 60)

    def test_a_retry_after_beyond_the_window_means_the_window(self) -> None:
        """No slot is dated in the future."""
        account = Account()
        wait = account.log.refused(account.reserve("a"), NOT_LIVE, T0, limit=3, retry_after=1e6)
        assert wait.until == T0 + WINDOW

    def test_the_servers_window_is_adopted(self) -> None:
        """`windowHours: 1` frees the slots after an hour."""
        account = Account()
        wait = account.log.refused(account.reserve("a"), NOT_LIVE, T0, limit=3, window=3600.0)
        assert wait.until == T0 + 3600

    @pytest.mark.parametrize(("cap", "filled"), [(7, 7), (None, 3)])
    def test_a_refusal_without_a_limit_keeps_the_known_one(self, cap: int | None, filled: int) -> None:
        """A malformed limit does not become the account's."""
        account = Account(cap)
        account.log.refused(account.reserve("a"), NOT_LIVE, T0, cap=cap)
        assert account.used() == filled
        assert isinstance(account.ask("b", T0 + 1), Wait)

    def test_a_refusal_in_doubt_keeps_the_drafts_own_slot(self) -> None:
        """After a lost reply a 429 does not prove that the draft is not live."""
        account = Account(cap=20)
        account.log.refused(account.reserve("a"), LOST, T0, limit=3)
        assert account.log.jobs["a"].kind == "unknown"
        assert account.used() == 3

    def test_slots_that_left_while_a_request_was_under_way_leave_room_for_what_the_server_counts(self) -> None:
        """The server's count is filled up from what is in the window when it answers."""
        account = Account()
        for number in range(15):
            account.settled(f"job_{number}", PUBLISHED, T0)
        late = account.reserve("late", T0 + WINDOW - 1)
        wait = account.log.refused(late, NOT_LIVE, T0 + WINDOW + 1, limit=20)
        assert (wait.used, wait.until) == (20, T0 + WINDOW + 1 + PROBE_INTERVAL)
        assert {slot.at for slot in account.log.others} == {T0 + WINDOW + 1}

    def test_a_shorter_window_lets_go_of_what_lies_outside_it(self) -> None:
        """The server's window says which of the slots it counts."""
        account = Account()
        for number in range(15):
            account.settled(f"job_{number}", PUBLISHED, T0)
        wait = account.log.refused(account.reserve("a", T0 + 7200), NOT_LIVE, T0 + 7200, limit=20, window=3600.0)
        assert (wait.used, wait.until) == (20, T0 + 7200 + 3600)


class TestLearning:
    """Nobody has to say whether the account is claimed."""

    def test_three_go_when_one_was_accepted_and_the_fourth_when_they_are_settled(self) -> None:
        """Past what every account has, drafts go one at a time until four are charged; then twenty are."""
        account = Account()
        account.settled("job_0", PUBLISHED)
        first = [account.reserve(f"job_{number}") for number in (1, 2)]
        assert account.ask("job_3") == waiting_for(*first, now=T0, limit=None, used=3)
        for reservation in first:
            account.log.settle(reservation, PUBLISHED, T0)
        fourth = account.reserve("job_3")
        assert fourth.probe is None
        assert account.ask("job_4") == waiting_for(fourth, now=T0, limit=None, used=4)
        account.log.settle(fourth, PUBLISHED, T0)
        assert account.log.snapshot(T0, None).limit_source == "documented"
        account.publish(16, name="more")
        assert account.ask("last") == Wait(T0 + WINDOW, WINDOW, 20, 20)

    def test_doubtful_publishes_teach_nothing(self) -> None:
        """Four charged by a replay do not show a claimed account, but do not stop anybody either."""
        account = Account()
        for number in range(6):
            account.settled(f"job_{number}", LIVE_AFTER_A_LOSS)
        assert account.log.snapshot(T0, None).limit is None
        assert isinstance(account.ask("next"), Reservation)

    def test_a_configured_limit_bounds_what_is_learned(self) -> None:
        """`daily_limit` stands below what the server says and what is documented."""
        account = Account(cap=2)
        account.publish(2)
        assert account.ask("third") == Wait(T0 + WINDOW, WINDOW, 2, 2)
        account.log.refused(account.settled("job_0", NOT_SENT), NOT_SENT, T0, limit=20)
        assert account.log.snapshot(T0, 2).limit == 2

    def test_F44_a_limit_of_three_is_tried_again_after_a_day(self) -> None:
        """The account may have been claimed since: the fourth draft goes, alone, and the next learn from it."""
        account = Account()
        account.publish(3)
        account.log.refused(account.reserve("a"), NOT_LIVE, T0, limit=3)
        later = T0 + WINDOW
        account.publish(4, later)
        assert account.log.snapshot(later, None).limit == 20

    @pytest.mark.parametrize(("cap", "sent"), [(20, 20), (2, 2), (None, 20)])
    def test_F44_a_contradicted_limit_is_tried_again_with_care(self, cap: int | None, sent: int) -> None:
        """After the server refused at three, a configured twenty is explored one at a time the next day."""
        account = Account(cap)
        account.log.refused(account.reserve("a"), NOT_LIVE, T0, limit=3)
        later = T0 + WINDOW
        for number in range(min(sent, 4)):
            alone = account.reserve(f"job_{number}", later)
            assert alone.probe == min(3, sent)
            assert isinstance(account.ask("next", later), Wait)
            account.log.settle(alone, PUBLISHED, later)
        account.publish(sent - min(sent, 4), later, name="more")
        assert account.ask("next", later) == Wait(later + WINDOW, WINDOW, sent, sent)

    def test_nothing_is_explored_within_an_hour_of_a_refusal(self) -> None:
        """While the limit is unknown a refusal is heeded all the same."""
        account = Account()
        for later in (0, 10, 20):
            account.settled(f"job_{later}", PUBLISHED, T0 + later)
        account.log.refused(account.reserve("a", T0 + 30), NOT_LIVE, T0 + 30)
        assert account.ask("b", T0 + 60) == Wait(T0 + 30 + PROBE_INTERVAL, PROBE_INTERVAL - 30, None, 3)
        assert isinstance(account.ask("b", T0 + 30 + PROBE_INTERVAL), Reservation)

    def test_the_lower_of_what_was_told_and_what_the_server_said_stands(self) -> None:
        """But what was only inferred does not bound what was told."""
        account = Account()
        account.publish(4)
        assert account.log.snapshot(T0, None).limit == 20
        told = account.log.snapshot(T0, 50)
        assert (told.limit, told.limit_source) == (50, "configured")
        account.log.refused(account.reserve("a"), NOT_LIVE, T0, limit=30)
        limits = [account.log.snapshot(T0, cap) for cap in (10, 50)]
        assert [(known.limit, known.limit_source) for known in limits] == [(10, "configured"), (30, "server")]
