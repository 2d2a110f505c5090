"""What a place in the day costs, and how many get one: our ledgers beside two limiters, on the same stores in one run.

    pip install -e '.[dev,bench]'        # needs redis-server on PATH, or leave redis out of --stores
    python benchmarks/ledgers.py [--pairs 400] [--rounds 3] [--processes 8] [--stores memory,sqlite,redis]

A pair is reserve and settle of ours, and one hit of theirs: they know nothing of what became of a request. *alone* is
one process; *crowded* is all of them at one key, its latency that of a single step. *let through* is how many of
`--processes` times 50 publishes, begun at once, were allowed where 20 a day are; and how many when a host whose clock
is 25 hours ahead comes next. Pyrate-limiter's and limits' moving windows are their exact strategies.
"""

import argparse
import asyncio
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from pathlib import Path

from _server import redis_server

from opentrain_async._clock import SystemClock
from opentrain_async.quota import LedgerStore, MemoryLedger, QuotaLedger, RedisLedger, SQLiteLedger
from opentrain_async.quota._slots import Denied

Hit = Callable[[str], Awaitable[bool]]
_A_WRONG_CLOCK = 25 * 3600.0


class Clock(SystemClock):
    """The wall clock as this process has it: the libraries read `time.time`, and so does this."""

    def now(self) -> float:
        """Epoch seconds."""
        return time.time()


def ours(where: str, limit: int, latencies: list[float]) -> Hit:
    """Reserve and settle."""
    store: LedgerStore = (
        MemoryLedger() if where == "memory" else RedisLedger(where) if "://" in where else SQLiteLedger(where)
    )
    ledgers: dict[str, QuotaLedger] = {}

    def turn_away(denied: Denied) -> None:
        raise LookupError(denied)

    async def hit(key: str) -> bool:
        ledger = ledgers.get(key) or QuotaLedger(store, key, Clock(), daily_limit=limit, lease=180.0)
        ledgers[key] = ledger
        began = time.perf_counter()
        try:
            reservation = await ledger.reserve(f"{os.getpid()}-{began}", turn_away)
        except LookupError:
            return False
        reserved = time.perf_counter()
        await ledger.settle(reservation, "published")
        latencies.extend((reserved - began, time.perf_counter() - reserved))
        return True

    return hit


def limits(where: str, limit: int, latencies: list[float]) -> Hit:
    """The library limits: its moving window."""
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


def pyrate(where: str, limit: int, latencies: list[float]) -> Hit:
    """The library pyrate-limiter: its log of hits, one bucket for all keys."""
    from pyrate_limiter import Duration, InMemoryBucket, Limiter, Rate, RedisBucket, SQLiteBucket
    from redis.asyncio import Redis

    rates = [Rate(limit, Duration.DAY)]
    limiter: list[Limiter] = []

    async def hit(key: str) -> bool:
        if not limiter:
            if where == "memory":
                limiter.append(Limiter(InMemoryBucket(rates)))
            elif "://" in where:
                made = RedisBucket.init(rates, Redis.from_url(where), "pyrate")
                limiter.append(Limiter(await made if isawaitable(made) else made))
            else:
                limiter.append(Limiter(SQLiteBucket.init_from_file(rates, db_path=where)))
        began = time.perf_counter()
        allowed = limiter[0].try_acquire(key, blocking=False)
        allowed = await allowed if isawaitable(allowed) else allowed
        latencies.append(time.perf_counter() - began)
        return bool(allowed)

    return hit


CONTENDERS = {"ours": ours, "limits": limits, "pyrate-limiter": pyrate}
HAS_NO = {("limits", "sqlite")}


def work(name: str, where: str, limit: int, count: int, a_key: int, ahead: float, start: object, out: object) -> None:
    """One process: so many hits, *a_key* of them at each key."""
    if ahead:
        right = time.time
        time.time = lambda: right() + ahead

    async def run() -> tuple[int, float, list[float]]:
        latencies: list[float] = []
        hit = CONTENDERS[name](where, limit, latencies)
        await hit("to begin with") if limit > 20 else None
        latencies.clear()
        start.wait()  # type: ignore[attr-defined]
        began = time.perf_counter()
        allowed = sum([await hit(f"key_{number // a_key}") for number in range(count)])
        return allowed, time.perf_counter() - began, latencies

    out.put(asyncio.run(run()))  # type: ignore[attr-defined]


def measure(
    name: str, where: str, *, limit: int, count: int, a_key: int, processes: int = 1, ahead: float = 0.0
) -> list[tuple[int, float, list[float]]]:
    """What these processes say, which begin at the same time."""
    spawn = multiprocessing.get_context("spawn")
    start, out = spawn.Barrier(processes), spawn.Queue()
    workers = [
        spawn.Process(target=work, args=(name, where, limit, count, a_key, ahead, start, out)) for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    answers = [out.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join()
    return answers


def fresh(store: str, redis: str, directory: Path, numbers: list[int]) -> str:
    """An empty place in this store."""
    numbers[0] += 1
    if store == "redis":
        return f"{redis}/{numbers[0] % 16}"
    return "memory" if store == "memory" else str(directory / f"{numbers[0]}.sqlite3")


def report(store: str, name: str, place: Callable[[], str], args: argparse.Namespace) -> str:
    """One line of the table."""
    alone, crowded, p99, through = [], [], [], []
    for _ in range(args.rounds):
        ((_, seconds, _),) = measure(name, place(), limit=10**6, count=args.pairs, a_key=20)
        alone.append(seconds / args.pairs * 1e6)
        if store != "memory":
            answers = measure(name, place(), limit=10**6, count=args.pairs // 2, a_key=2, processes=args.processes)
            latencies = sorted(one for *_, several in answers for one in several)
            p99.append(latencies[int(len(latencies) * 0.99)] * 1e3)
            crowded.append(statistics.mean(seconds for _, seconds, _ in answers) / (args.pairs // 2) * 1e6)
            where = place()
            at_once = measure(name, where, limit=20, count=50, a_key=50, processes=args.processes)
            by_right_clocks = sum(allowed for allowed, *_ in at_once)
            ((more, *_),) = measure(name, where, limit=20, count=50, a_key=50, ahead=_A_WRONG_CLOCK)
            through.append((by_right_clocks, by_right_clocks + more))
    line = f"{store:8}{name:16}{statistics.median(alone):12.0f}"
    if through:
        line += f"{statistics.median(crowded):12.0f}{statistics.median(p99):12.1f}"
        line += f"{max(right for right, _ in through):10}{max(wrong for _, wrong in through):12}"
    return line


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--stores", default="memory,sqlite,redis" if shutil.which("redis-server") else "memory,sqlite")
    args = parser.parse_args()
    print("                             us a pair              p99 of a step       let through of 20")
    print("store   library                alone     crowded  crowded, ms   at once   clock ahead")
    with tempfile.TemporaryDirectory() as directory, redis_server("redis" in args.stores) as redis:
        numbers = [0]
        for store in args.stores.split(","):
            for name in CONTENDERS:
                if (name, store) not in HAS_NO:
                    print(report(store, name, lambda s=store: fresh(s, redis, Path(directory), numbers), args))  # type: ignore[misc]


if __name__ == "__main__":
    main()
