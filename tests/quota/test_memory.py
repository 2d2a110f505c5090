"""The ledger in memory."""

from opentrain_async.quota import AccountLog, MemoryLedger

from ..support.stores import ledger_on, publish, used


async def test_clients_of_one_object_share_the_quota_of_their_accounts() -> None:
    """Two ledgers on it count together; another object counts by itself."""
    store = MemoryLedger()
    await publish(ledger_on(store, limit=3), "a")
    await publish(ledger_on(store, limit=3), "b")
    assert (await used(store), await used(MemoryLedger())) == (2, 0)


async def test_an_account_s_log_is_always_the_same_object() -> None:
    """Steps on it take no time, so a client keeps it at hand."""
    store = MemoryLedger()
    log = store.log_of("acme")
    assert store.log_of("acme") is log
    assert store.log_of("other") is not log
    assert await store.run("acme", lambda given, now: (given, now), 5.0) == (log, 5.0)
    assert isinstance(log, AccountLog)


def test_it_shows_what_it_is() -> None:
    """Nothing of what it counts."""
    assert repr(MemoryLedger()) == "MemoryLedger()"
