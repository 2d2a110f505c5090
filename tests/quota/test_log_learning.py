"""What the quota learns from the server, and how it finds out more."""

import pytest

from opentrain_async.quota._log import PROBE_INTERVAL, WINDOW
from opentrain_async.quota._slots import Busy, Denied, Reservation

from ..support.account import LEASE, T0, Account


class TestRefusals:
    """What the server says stands."""

    def test_a_refusal_fills_the_log_up_to_the_servers_limit(self) -> None:
        """Publishes made elsewhere count as much as our own."""
        account = Account(cap=20)
        account.publish(2)
        denied = account.log.refused(account.reserve("a"), "released", T0 + 5, limit=20)
        assert denied == Denied(T0 + WINDOW, WINDOW - 5, 20, 20)
        assert [slot.kind for slot in account.log.others] == ["elsewhere"] * 18

    def test_a_lower_limit_is_adopted_and_a_place_is_free_once_enough_have_left(self) -> None:
        """With 5 counted of 3, three have to leave the window before another may go."""
        account = Account(cap=20)
        for number in range(5):
            account.settled(f"job_{number}", "published", T0 + number)
        denied = account.log.refused(account.reserve("a", T0 + 9), "released", T0 + 9, limit=3)
        assert denied == Denied(T0 + 2 + WINDOW, WINDOW - 7, 3, 5)

    def test_retry_after_dates_what_was_used_elsewhere(self) -> None:
        """A server that says when it frees a slot is believed."""
        account = Account()
        denied = account.log.refused(account.reserve("a"), "released", T0, limit=3, retry_after=3600.0)
        assert denied.retry_at == T0 + 3600
        assert isinstance(account.ask("a", T0 + 3600), Reservation)

    @pytest.mark.parametrize("retry_after", [1e-9, 1.0, 59.0, 60.0])
    def test_a_retry_after_below_a_minute_means_a_minute(self, retry_after: float) -> None:
        """Whoever waits for the slot asks then, and could be told the same again."""
        account = Account()
        denied = account.log.refused(account.reserve("a"), "released", T0, limit=3, retry_after=retry_after)
        assert (denied.retry_at, denied.wait) == (T0 + 60, 60)

    def test_a_retry_after_beyond_the_window_means_the_window(self) -> None:
        """No slot is dated in the future."""
        account = Account()
        denied = account.log.refused(account.reserve("a"), "released", T0, limit=3, retry_after=1e6)
        assert denied.retry_at == T0 + WINDOW

    def test_the_servers_window_is_adopted(self) -> None:
        """`windowHours: 1` frees the slots after an hour."""
        account = Account()
        denied = account.log.refused(account.reserve("a"), "released", T0, limit=3, window=3600.0)
        assert denied.retry_at == T0 + 3600

    @pytest.mark.parametrize(("cap", "filled"), [(7, 7), (None, 3)])
    def test_a_refusal_without_a_limit_keeps_the_known_one(self, cap: int | None, filled: int) -> None:
        """A malformed limit does not become the account's."""
        account = Account(cap)
        account.log.refused(account.reserve("a"), "released", T0, cap=cap)
        assert account.used() == filled
        assert isinstance(account.ask("b", T0 + 1), Denied)

    def test_a_refusal_in_doubt_keeps_the_drafts_own_slot(self) -> None:
        """After a lost reply a 429 does not prove that the draft is not live."""
        account = Account(cap=20)
        account.log.refused(account.reserve("a"), "unknown", T0, limit=3)
        assert account.log.jobs["a"].kind == "unknown"
        assert account.used() == 3

    def test_slots_that_left_while_a_request_was_under_way_leave_room_for_what_the_server_counts(self) -> None:
        """The server's count is filled up from what is in the window when it answers."""
        account = Account()
        for number in range(15):
            account.settled(f"job_{number}", "published", T0)
        late = account.reserve("late", T0 + WINDOW - 1)
        denied = account.log.refused(late, "released", T0 + WINDOW + 1, limit=20)
        assert (denied.used, denied.retry_at) == (20, T0 + 2 * WINDOW + 1)

    def test_a_shorter_window_lets_go_of_what_lies_outside_it(self) -> None:
        """The server's window says which of the slots it counts."""
        account = Account()
        for number in range(15):
            account.settled(f"job_{number}", "published", T0)
        denied = account.log.refused(account.reserve("a", T0 + 7200), "released", T0 + 7200, limit=20, window=3600.0)
        assert (denied.used, denied.retry_at) == (20, T0 + 7200 + 3600)


class TestProbes:
    """Doubt never locks an account out, and certainty is never tested."""

    def test_one_draft_at_a_time_goes_past_a_log_full_of_doubts(self) -> None:
        """Each accepted probe removes one doubt, until the log is full of certainty."""
        account = Account(cap=3)
        for number in range(3):
            account.settled(f"lost_{number}", "unknown", T0 + number)
        for number in range(3):
            probe = account.reserve(f"good_{number}", T0 + 10)
            assert probe.probe
            assert isinstance(account.ask("other", T0 + 10), Busy)
            account.log.settle(probe, "published", T0 + 10)
            assert account.used(T0 + 10) == 3
        assert set(account.log.jobs) == {"good_0", "good_1", "good_2"}
        assert isinstance(account.ask("other", T0 + WINDOW - 1), Denied)

    def test_a_probe_answered_otherwise_proves_nothing(self) -> None:
        """A refused draft, sent as a probe, leaves every doubt as it was."""
        account = Account(cap=1)
        account.settled("lost", "unknown")
        account.settled("bad", "released")
        assert set(account.log.jobs) == {"lost"}
        assert account.reserve("next").probe

    def test_those_behind_a_probe_wait_for_it(self) -> None:
        """While one may probe, the second in line is neither sent nor turned away."""
        account = Account(cap=1)
        account.settled("lost", "unknown")
        assert account.ask("second", ahead=1) == Busy(frozenset())

    def test_nobody_probes_within_an_hour_of_a_refusal(self) -> None:
        """A day used up elsewhere costs one 429 an hour at the most, and is noticed when it frees."""
        account = Account()
        account.log.refused(account.reserve("a"), "released", T0, limit=3)
        assert isinstance(account.ask("a", T0 + PROBE_INTERVAL - 1), Denied)
        probe = account.reserve("a", T0 + PROBE_INTERVAL)
        account.log.settle(probe, "published", T0 + PROBE_INTERVAL)
        assert sorted(slot.kind or "" for slot in account.log.others) == ["elsewhere", "elsewhere"]

    def test_a_probe_with_nothing_left_to_doubt_removes_nothing(self) -> None:
        """A probe whose doubts left the window while it was under way is an ordinary publish."""
        account = Account(cap=1)
        account.settled("lost", "unknown")
        probe = account.reserve("good", T0 + WINDOW - 1)
        account.log.settle(probe, "published", T0 + WINDOW + 1)
        assert set(account.log.jobs) == {"good"}

    def test_an_accepted_probe_removes_the_oldest_doubt(self) -> None:
        """Whatever the drafts are called; the publish of a process that died is one too, from the end of its lease."""
        account = Account(cap=3)
        account.reserve("dead", T0)
        account.settled("zebra", "unknown", T0 + 1)
        account.settled("aardvark", "unknown", T0 + 2)
        later = T0 + LEASE + 3
        assert account.log.snapshot(later, 3).doubtful == 3
        for number, oldest_left in enumerate(["aardvark", "dead", "good_0"]):
            account.settled(f"good_{number}", "published", later)
            assert next(iter(account.log.snapshot(later, 3).slots)).job_id == oldest_left


class TestLearning:
    """Nobody has to say whether the account is claimed."""

    def test_three_go_at_once_and_the_fourth_when_they_are_settled(self) -> None:
        """Past what every account has, drafts go one at a time until four are charged; then twenty are."""
        account = Account()
        first = [account.reserve(f"job_{number}") for number in range(3)]
        assert isinstance(account.ask("job_3"), Busy)
        for reservation in first:
            account.log.settle(reservation, "published", T0)
        fourth = account.reserve("job_3")
        assert not fourth.probe
        assert isinstance(account.ask("job_4"), Busy)
        account.log.settle(fourth, "published", T0)
        assert account.log.snapshot(T0, None).limit_source == "documented"
        account.publish(16, name="more")
        assert account.ask("last") == Denied(T0 + WINDOW, WINDOW, 20, 20)

    def test_doubtful_publishes_teach_nothing(self) -> None:
        """Four charged by a replay do not show a claimed account, but do not stop anybody either."""
        account = Account()
        for number in range(6):
            account.settled(f"job_{number}", "confirmed")
        assert account.log.snapshot(T0, None).limit is None
        assert isinstance(account.ask("next"), Reservation)

    def test_a_configured_limit_bounds_what_is_learned(self) -> None:
        """`daily_limit` stands below what the server says and what is documented."""
        account = Account(cap=2)
        account.publish(2)
        assert account.ask("third") == Denied(T0 + WINDOW, WINDOW, 2, 2)
        account.log.refused(account.settled("job_0", "unsent"), "unsent", T0, limit=20)
        assert account.log.snapshot(T0, 2).limit == 2

    def test_F44_a_limit_of_three_is_tried_again_after_a_day(self) -> None:
        """The account may have been claimed since: the fourth draft goes, alone, and the next learn from it."""
        account = Account()
        account.publish(3)
        account.log.refused(account.reserve("a"), "released", T0, limit=3)
        later = T0 + WINDOW
        account.publish(4, later)
        assert account.log.snapshot(later, None).limit == 20

    @pytest.mark.parametrize(("cap", "sent"), [(20, 4), (2, 2)])
    def test_F44_a_contradicted_limit_is_tried_again_with_care(self, cap: int, sent: int) -> None:
        """After the server refused at three, a configured twenty is explored one at a time the next day."""
        account = Account(cap)
        account.log.refused(account.reserve("a"), "released", T0, limit=3)
        later = T0 + WINDOW
        first = [account.ask(f"job_{number}", later) for number in range(5)]
        assert sum(isinstance(answer, Reservation) for answer in first) == min(3, cap)
        for answer in first:
            if isinstance(answer, Reservation):
                account.log.settle(answer, "published", later)
        assert isinstance(account.ask("next", later), Reservation if sent > cap or sent == 4 else Denied)

    def test_nothing_is_explored_within_an_hour_of_a_refusal(self) -> None:
        """While the limit is unknown a refusal is heeded all the same, and the oldest slot is the next to come back."""
        account = Account()
        for later in (0, 10, 20):
            account.settled(f"job_{later}", "published", T0 + later)
        account.log.refused(account.reserve("a", T0 + 30), "released", T0 + 30)
        assert account.ask("b", T0 + 60) == Denied(T0 + WINDOW, WINDOW - 60, None, 3)
        assert isinstance(account.ask("b", T0 + 30 + PROBE_INTERVAL), Reservation)

    def test_a_claimed_accounts_limit_is_known_for_good(self) -> None:
        """Only one that a claim may have lifted is tried again."""
        account = Account()
        account.log.refused(account.reserve("a"), "released", T0, limit=20)
        assert account.log.snapshot(T0 + 3 * WINDOW, None).limit == 20

    def test_the_lower_of_what_was_told_and_what_the_server_said_stands(self) -> None:
        """But what was only inferred does not bound what was told."""
        account = Account()
        account.publish(4)
        assert account.log.snapshot(T0, None).limit == 20
        told = account.log.snapshot(T0, 50)
        assert (told.limit, told.limit_source) == (50, "configured")
        account.log.refused(account.reserve("a"), "released", T0, limit=30)
        limits = [account.log.snapshot(T0, cap) for cap in (10, 50)]
        assert [(known.limit, known.limit_source) for known in limits] == [(10, "configured"), (30, "server")]
