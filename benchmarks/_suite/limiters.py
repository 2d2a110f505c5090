"""A place in the day: our ledgers beside two limiters, on the same stores.

Each is made where it is used, for a store: "memory", the path of a SQLite file, or the URL of a Redis. It is told how
many a day there are, and where to note how many seconds each of its steps took.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any

from opentrain_async._base.clock import SystemClock
from opentrain_async._publish.draft import wait_for_slot
from opentrain_async.quota import LedgerStore, MemoryLedger, QuotaLedger, RedisLedger, SQLiteLedger
from opentrain_async.quota._slots import Saw, Wait

from .turns import OURS

Hit = Callable[[str], Awaitable[bool]]
"""Takes a place of this account, if there is one."""
_LEASE = 180.0


class _Clock(SystemClock):
    """The wall clock as this process has it: the libraries read `time.time`, and so does this."""

    def now(self) -> float:
        """Epoch seconds."""
        return time.time()


def _ours(where: str, limit: int, latencies: list[float]) -> Hit:
    """Reserve and settle."""
    store: LedgerStore = (
        MemoryLedger() if where == "memory" else RedisLedger(where) if "://" in where else SQLiteLedger(where)
    )
    ledgers: dict[str, QuotaLedger] = {}

    def turn_away(wait: Wait) -> None:
        raise LookupError(wait)

    async def hit(key: str) -> bool:
        ledger = ledgers.get(key) or QuotaLedger(store, key, _Clock(), daily_limit=limit, lease=_LEASE)
        ledgers[key] = ledger
        began = time.perf_counter()
        try:
            reservation = await wait_for_slot(f"{os.getpid()}-{began}", ledger, _Clock(), turn_away)
        except LookupError:
            return False
        reserved = time.perf_counter()
        await ledger.settle(reservation, Saw("published"))
        latencies.extend((reserved - began, time.perf_counter() - reserved))
        return True

    return hit


def _limits(where: str, limit: int, latencies: list[float]) -> Hit:
    """The library limits: its moving window, which is exact."""
    from limits import RateLimitItemPerDay
    from limits.aio.storage import MemoryStorage, RedisStorage
    from limits.aio.strategies import MovingWindowRateLimiter

    storage = MemoryStorage() if where == "memory" else RedisStorage(f"async+{where}", implementation="redispy")
    limiter, item = MovingWindowRateLimiter(storage), RateLimitItemPerDay(limit)

    async def hit(key: str) -> bool:
        began = time.perf_counter()
        allowed = bool(await limiter.hit(item, key))
        latencies.append(time.perf_counter() - began)
        return allowed

    return hit


def _pyrate(where: str, limit: int, latencies: list[float]) -> Hit:
    """The library pyrate-limiter: its log of hits, which is exact, one bucket for all keys.

    A SQLite file has a lock beside it, as the library asks for where several processes have it open. Its limiter does
    not wait for that lock unless it also waits for a place, so the bucket, which does, is used by itself.
    """
    from pyrate_limiter import Duration, InMemoryBucket, Limiter, Rate, RateItem, RedisBucket, SQLiteBucket
    from redis.asyncio import Redis

    rates = [Rate(limit, Duration.DAY)]
    taking: list[Callable[[str], bool | Awaitable[bool]]] = []

    async def made() -> Callable[[str], bool | Awaitable[bool]]:
        if where != "memory" and "://" not in where:
            bucket: Any = SQLiteBucket.init_from_file(rates, db_path=where, use_file_lock=True)
            return lambda key: bucket.put(RateItem(key, bucket.now()))
        if where == "memory":
            limiter = Limiter(InMemoryBucket(rates))
        else:
            shared = RedisBucket.init(rates, Redis.from_url(where), "pyrate")
            limiter = Limiter(await shared if isawaitable(shared) else shared)
        return lambda key: limiter.try_acquire(key, blocking=False)

    async def hit(key: str) -> bool:
        if not taking:
            taking.append(await made())
        began = time.perf_counter()
        allowed = taking[0](key)
        allowed = await allowed if isawaitable(allowed) else allowed
        latencies.append(time.perf_counter() - began)
        return bool(allowed)

    return hit


LIMITERS = {OURS: _ours, "limits": _limits, "pyrate-limiter": _pyrate}
HAS_NO = {("limits", "SQLite")}
"""Which store a library does not know."""


def work(name: str, where: str, limit: int, count: int, a_key: int, ahead: float, start: object, out: object) -> None:
    """One process: so many hits, *a_key* of them at each key; the seconds by which its clock is *ahead*."""
    if ahead:
        seconds, nanoseconds = time.time, time.time_ns
        time.time = lambda: seconds() + ahead
        time.time_ns = lambda: nanoseconds() + int(ahead * 1e9)  # before a library has imported it

    async def run() -> tuple[int, float, list[float]]:
        latencies: list[float] = []
        hit = LIMITERS[name](where, limit, latencies)
        await hit("to begin with") if limit > count else None
        latencies.clear()
        start.wait()  # type: ignore[attr-defined]
        began = time.perf_counter()
        allowed = sum([await hit(f"key_{number // a_key}") for number in range(count)])
        return allowed, time.perf_counter() - began, latencies

    try:
        out.put(asyncio.run(run()))  # type: ignore[attr-defined]
    except BaseException:
        start.abort()  # type: ignore[attr-defined]
        out.put(None)  # type: ignore[attr-defined]
        raise
