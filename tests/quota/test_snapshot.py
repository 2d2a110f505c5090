"""A snapshot of the quota, as readers see it."""

from opentrain_async._base.clock import instant
from opentrain_async.quota import QuotaSlot
from opentrain_async.quota._allowance import WINDOW

from ..support.account import LEASE, LOST, NOT_LIVE, T0, Account


def test_a_snapshot_says_what_is_known() -> None:
    """The snapshot shows limit, source, use and the next slot."""
    account = Account(cap=5)
    assert account.log.snapshot(T0, None).remaining is None
    assert account.log.snapshot(T0, None).next_slot_at is None
    account.publish(2)
    snapshot = account.log.snapshot(T0, 5)
    assert (snapshot.limit, snapshot.used, snapshot.remaining, snapshot.limit_source) == (5, 2, 3, "configured")
    assert snapshot.next_slot_at is not None
    assert snapshot.next_slot_at.timestamp() == T0 + WINDOW
    assert account.log.snapshot(T0, 1).remaining == 0


def test_a_snapshot_shows_each_slot_in_the_order_of_leaving() -> None:
    """Whose it is, what is known of it, and when it comes back."""
    account = Account(cap=20)
    account.reserve("dead", T0 + 1)
    account.publish(1, T0 + 2, name="done")
    account.settled("doubtful", LOST, T0 + 3)
    assert account.log.snapshot(T0 + 5, 20).slots == (
        QuotaSlot("done_0", "spent", instant(T0 + 2 + WINDOW)),
        QuotaSlot("doubtful", "unknown", instant(T0 + 3 + WINDOW)),
        QuotaSlot("dead", "held", instant(T0 + 1 + LEASE + WINDOW)),
    )
    account.log.refused(account.reserve("a", T0 + 5), NOT_LIVE, T0 + 5, limit=5)
    shown = account.log.snapshot(T0 + 1 + LEASE, 20).slots
    assert [(slot.job_id, slot.state) for slot in shown][2:] == [(None, "elsewhere")] * 2 + [("dead", "unknown")]


def test_a_snapshot_says_since_when_the_limit_is_known_by_the_clock_of_who_asks() -> None:
    """Also where that has been set back since."""
    account = Account()
    assert account.log.snapshot(T0, None).limit_learned_at is None
    account.publish(4)
    for later in (9, 30):
        assert account.log.snapshot(T0 + later, None).limit_learned_at == instant(T0 + 9)
    account.log.refused(account.reserve("a", T0 + 60), NOT_LIVE, T0 + 60, limit=5, window=7200.0)
    snapshot = account.log.snapshot(T0 - 3000, None)
    assert (snapshot.limit, snapshot.limit_source, snapshot.window) == (5, "server", 7200.0)
    assert snapshot.limit_learned_at == snapshot.at == instant(T0 - 3000)
    assert snapshot.slots[0].frees_at == instant(T0 - 3060 + 7200)


def test_a_limit_that_was_told_was_not_learned() -> None:
    """The lower one stands, and is nobody's but the caller's."""
    account = Account(cap=2)
    account.log.refused(account.reserve("a"), NOT_LIVE, T0, limit=20)
    snapshot = account.log.snapshot(T0, 2)
    assert (snapshot.limit, snapshot.limit_source, snapshot.limit_learned_at) == (2, "configured", None)


def test_a_limit_that_is_old_enough_to_be_tried_stands_until_then() -> None:
    """A snapshot says what is known, since when, and who has said so."""
    account = Account()
    account.log.refused(account.reserve("a"), NOT_LIVE, T0, limit=3)
    for later in (WINDOW - 1, WINDOW, 9 * WINDOW):
        snapshot = account.log.snapshot(T0 + later, None)
        assert (snapshot.limit, snapshot.limit_source, snapshot.limit_learned_at) == (3, "server", instant(T0))


def test_a_charged_doubt_is_unknown_to_readers_and_not_doubtful() -> None:
    """The service counts it; whether the draft is live nobody knows."""
    account = Account(cap=2)
    account.settled("a", LOST)
    account.settled("b", LOST)
    account.log.refused(account.reserve("c", T0 + 60), NOT_LIVE, T0 + 60, limit=2)
    snapshot = account.log.snapshot(T0 + 60, 2)
    assert ([slot.state for slot in snapshot.slots], snapshot.used, snapshot.doubtful) == (["unknown"] * 2, 2, 0)
