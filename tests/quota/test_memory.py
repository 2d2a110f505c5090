"""The ledger in memory."""

import asyncio
import threading
import time

from opentrain_async.quota import AccountLog, MemoryLedger

from ..support.stores import ledger_on, publish, used


async def test_clients_of_one_object_share_the_quota_of_their_accounts() -> None:
    """Two ledgers on it count together; another object counts by itself."""
    store = MemoryLedger()
    await publish(ledger_on(store, limit=3), "a")
    await publish(ledger_on(store, limit=3), "b")
    assert (await used(store), await used(MemoryLedger())) == (2, 0)


async def test_an_account_s_log_is_always_the_same_object() -> None:
    """A step is run on it at the time that its caller says."""
    store = MemoryLedger()
    log, now = await store.run("acme", lambda given, now: (given, now), 5.0)
    assert await store.run("acme", lambda given, _: given, 6.0) is log
    assert await store.run("other", lambda given, _: given, 6.0) is not log
    assert (now, log) == (5.0, AccountLog())


def test_steps_of_several_threads_do_not_meet() -> None:
    """Each has the log to itself, whatever else runs meanwhile."""
    store = MemoryLedger()
    meeting = threading.Barrier(4)

    def add_one(log: AccountLog, now: float) -> None:
        counted = log.allowance.trials
        time.sleep(0)  # another thread gets its turn here, if it may
        log.allowance.trials = counted + 1

    async def work() -> None:
        meeting.wait()
        for _ in range(200):
            await store.run("acme", add_one, 0.0)

    threads = [threading.Thread(target=lambda: asyncio.run(work())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asyncio.run(_trials(store)) == 800


async def _trials(store: MemoryLedger) -> int:
    return await store.run("acme", lambda log, _: log.allowance.trials, 0.0)


def test_it_shows_what_it_is() -> None:
    """Nothing of what it counts."""
    assert repr(MemoryLedger()) == "MemoryLedger()"
