"""What every store promises, for each of ours and for some that do not keep it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from opentrain_async.quota import AccountLog, LedgerStore, MemoryLedger, RedisLedger, SQLiteLedger, dump_log, load_log
from opentrain_async.testing import CHECKS, OpenStore

from ..support.servers import RedisServer

Check = Callable[[OpenStore], object]
every_check = pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)


@pytest.fixture
async def handles() -> AsyncIterator[Callable[[LedgerStore], LedgerStore]]:
    """Keeps the handles that a check opens, and closes them."""
    opened: list[LedgerStore] = []

    def keep(store: LedgerStore) -> LedgerStore:
        opened.append(store)
        return store

    yield keep
    for store in opened:
        await store.close()  # type: ignore[attr-defined]


@every_check
async def test_the_ledger_in_memory(check: Callable[[OpenStore], "asyncio.Future[None]"]) -> None:
    """One object is the storage and all of its handles."""
    store = MemoryLedger()
    await check(lambda: store)


@every_check
async def test_the_ledger_in_a_file(check: Callable, tmp_path: Path, handles: Callable) -> None:  # type: ignore[type-arg]
    """Handles with a connection and a thread each."""
    await check(lambda: handles(SQLiteLedger(tmp_path / "quota.sqlite3")))


@every_check
async def test_the_ledger_in_redis(check: Callable, redis_server: RedisServer, handles: Callable) -> None:  # type: ignore[type-arg]
    """Handles with a connection each."""
    await check(lambda: handles(RedisLedger(redis_server.url)))


class _Forgetful:
    """A store whose handles know nothing of each other, whose steps overtake each other, and that can be cut off."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.begun = 0

    async def run(self, account: str, step: Callable[[AccountLog, float], object], now: float) -> object:
        log = load_log(self.texts[account]) if account in self.texts else AccountLog()
        self.begun += 1
        for _ in range(6 - self.begun % 5):
            await asyncio.sleep(0)
        try:
            return step(log, now)
        finally:
            self.texts[account] = dump_log(log)


@every_check
async def test_a_store_that_keeps_no_promise_is_found_out(check: Callable) -> None:  # type: ignore[type-arg]
    """Each check has a store that fails it; two have nothing to say of this one."""
    if check.__name__ in {"accounts_are_kept_apart", "time_does_not_go_back"}:
        return
    with pytest.raises(AssertionError):
        await check(_Forgetful)
