"""A snapshot of the quota, as readers see it."""

from opentrain_async._base.clock import instant
from opentrain_async.quota import QuotaSlot
from opentrain_async.quota._log import WINDOW

from ..support.account import LEASE, T0, Account


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
    account.settled("doubtful", "unknown", T0 + 3)
    assert account.log.snapshot(T0 + 5, 20).slots == (
        QuotaSlot("done_0", "spent", instant(T0 + 2 + WINDOW)),
        QuotaSlot("doubtful", "unknown", instant(T0 + 3 + WINDOW)),
        QuotaSlot("dead", "held", instant(T0 + 1 + LEASE + WINDOW)),
    )
    account.log.refused(account.reserve("a", T0 + 5), "released", T0 + 5, limit=5)
    shown = account.log.snapshot(T0 + 1 + LEASE, 20).slots
    assert [(slot.job_id, slot.state) for slot in shown][2:] == [(None, "elsewhere")] * 2 + [("dead", "unknown")]


def test_a_snapshot_says_since_when_the_limit_is_known_by_the_clock_of_who_asks() -> None:
    """Also where that has been set back since."""
    account = Account()
    assert account.log.snapshot(T0, None).limit_learned_at is None
    account.publish(4)
    for later in (9, 30):
        assert account.log.snapshot(T0 + later, None).limit_learned_at == instant(T0 + 9)
    account.log.refused(account.reserve("a", T0 + 60), "released", T0 + 60, limit=5, window=7200.0)
    snapshot = account.log.snapshot(T0 - 3000, None)
    assert (snapshot.limit, snapshot.limit_source, snapshot.window) == (5, "server", 7200.0)
    assert snapshot.limit_learned_at == snapshot.at == instant(T0 - 3000)
    assert snapshot.slots[0].frees_at == instant(T0 - 3060 + 7200)


def test_a_limit_that_was_told_was_not_learned() -> None:
    """The lower one stands, and is nobody's but the caller's."""
    account = Account(cap=2)
    account.log.refused(account.reserve("a"), "released", T0, limit=20)
    snapshot = account.log.snapshot(T0, 2)
    assert (snapshot.limit, snapshot.limit_source, snapshot.limit_learned_at) == (2, "configured", None)


def test_a_limit_that_is_tried_again_is_not_known() -> None:
    """A day after an unclaimed account was refused, nothing is said about its limit or where that comes from."""
    account = Account()
    account.log.refused(account.reserve("a"), "released", T0, limit=3)
    assert account.log.snapshot(T0 + WINDOW - 1, None).limit_source == "server"
    snapshot = account.log.snapshot(T0 + WINDOW, None)
    assert (snapshot.limit, snapshot.limit_source, snapshot.limit_learned_at) == (None, None, None)
