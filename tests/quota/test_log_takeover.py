"""What is counted for an account that goes on under another name, as after a claim: the log's part."""

from opentrain_async.quota import AccountLog
from opentrain_async.quota._log_takeover import release_ended, take_over

from ..support.account import ACCEPTED, LEASE, LOST, NOT_LIVE, PUBLISHED, T0, Account


def test_a_log_that_takes_over_forgets_the_limit_and_keeps_the_window() -> None:
    """The server's window stands; its limit was that of an account that nobody had claimed."""
    before, after = Account(), Account()
    before.publish(2)
    refused = before.reserve("job_x")
    before.log.refused(refused, NOT_LIVE, T0, limit=3, window=7200.0)
    assert before.log.snapshot(T0, None).limit == 3
    take_over(after.log, before.log, T0 + 60)
    snapshot = after.log.snapshot(T0 + 60, None)
    assert (snapshot.limit, snapshot.used, snapshot.doubtful, after.log.allowance.window) == (None, 3, 1, 7200.0)
    assert after.used(T0 + 7201) == 0


def test_a_log_takes_over_equal_slots_each_for_itself() -> None:
    """Of what was used elsewhere nothing but its date is known, and that may be the same."""
    before, after = Account(), AccountLog()
    before.log.refused(before.reserve("a"), NOT_LIVE, T0, limit=3, window=86400.0)
    assert before.used() == 3
    for _ in range(2):
        take_over(after, before.log, T0)
        assert after.snapshot(T0, None).used == 3


def test_a_log_whose_clock_was_set_back_takes_its_time_along() -> None:
    """What was counted while the clock was ahead is as old as it was there."""
    before, after = Account(), AccountLog()
    before.publish(1, T0 + 5000)
    before.settled("late", PUBLISHED, T0)
    take_over(after, before.log, T0 + 10)
    for later in (10, 86_390, 91_390, 91_410, 200_000):
        used = before.used(T0 + later)
        assert after.snapshot(T0 + later, None).used == used == (2 if later < 91_400 else 0)


def test_what_is_over_is_not_carried_along() -> None:
    """Of those at work on a job, only those leave who have ended meanwhile; what is charged stays with nobody at it."""
    account = Account()
    account.settled("charged", PUBLISHED)
    over = [account.reserve(job).id for job in ("charged", "shared", "left")]
    stays = account.reserve("shared")
    release_ended(account.log, lambda reservation_id: reservation_id in over)
    assert {job: slot.holders for job, slot in account.log.jobs.items()} == {"charged": (), "shared": (stays,)}


def test_what_is_held_elsewhere_leaves_a_lease_and_a_window_after_it_was_taken() -> None:
    """A publish of the old name that nobody settles counts for no longer under the new one."""
    before, after = Account(), AccountLog()
    before.reserve("held", T0)
    before.log.refused(before.reserve("a"), NOT_LIVE, T0, limit=3, window=3600.0)
    take_over(after, before.log, T0 + 1)
    assert [slot.state for slot in after.snapshot(T0 + 2, None).slots] == ["elsewhere", "elsewhere", "held"]
    assert after.snapshot(T0 + 3600 + LEASE - 1, None).used == 1
    assert after.snapshot(T0 + 3600 + LEASE, None).used == 0


def test_a_log_that_takes_over_keeps_what_it_counts_itself() -> None:
    """Its own charges elsewhere, and its own word on a job that both have."""
    before, after = Account(), Account()
    before.settled("both", LOST, T0)
    before.log.refused(before.reserve("a"), NOT_LIVE, T0, limit=3)
    after.settled("both", PUBLISHED, T0 + 5)
    after.log.refused(after.reserve("a", T0 + 5), NOT_LIVE, T0 + 5, limit=2)
    take_over(after.log, before.log, T0 + 6)
    assert after.log.jobs["both"].kind == "spent"
    assert sorted(slot.at - T0 for slot in after.log.others) == [0.0, 0.0, 5.0]


def test_a_charge_is_not_hidden_by_the_same_job_in_flight_under_the_new_name() -> None:
    """Also if the log takes over twice, and the publish in flight comes to nothing."""
    before, after = Account(), Account()
    before.settled("a", ACCEPTED)
    before.reserve("a")
    in_flight = after.reserve("a", T0 + 60)
    for _ in range(2):
        take_over(after.log, before.log, T0 + 60)
    after.log.settle(in_flight, NOT_LIVE, T0 + 61)
    assert (after.used(T0 + 61), [slot.holders for slot in after.log.others]) == (1, [()])
