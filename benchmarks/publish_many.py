"""publish_many beside a bare aiohttp loop that does the same, in one run, in turns.

    python benchmarks/publish_many.py [--publishes 4000] [--rounds 9] [--concurrency 100] [--accounts 0]
                                      [--ledger memory|sqlite|redis]

Both send the same number of publishes to the same server and read its answers; ours with quota, retry and typed
results. Who begins changes from round to round. The figure is the ratio of their throughputs, pair by pair: above 1
ours is the faster one.

With `--accounts` ours is that many clients, which share a ledger and the concurrency: as of a service that publishes
for many users. With 100 of them and 2,000 publishes each account has its 20 of the day.
"""

import argparse
import asyncio
import json
import platform
import secrets
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
from _server import redis_server, server

from opentrain_async import AsyncOpenTrain, MemoryLedger, RedisLedger, SQLiteLedger
from opentrain_async.quota import LedgerStore

Contender = Callable[[str, list[str], int], Awaitable[None]]


async def bare(origin: str, ids: list[str], concurrency: int) -> None:
    """What one would write by hand: workers over one iterator, session.post and json.loads."""
    left = iter(ids)
    answers = []

    async def work(session: aiohttp.ClientSession) -> None:
        for job_id in left:
            async with session.post(f"{origin}/api/public/v1/jobs/{job_id}/publish") as response:
                answers.append(json.loads(await response.read()))

    headers = {"Authorization": "Bearer ot_pat_bench"}
    async with aiohttp.ClientSession(headers=headers) as session:
        await asyncio.gather(*(work(session) for _ in range(concurrency)))
    assert len(answers) == len(ids)


async def ours(origin: str, ids: list[str], concurrency: int) -> None:
    """The library, told of a limit that the server does not have either."""
    async with AsyncOpenTrain("ot_pat_bench", base_url=origin, daily_limit=10**6) as client:
        report = await client.publish_many(ids, concurrency=concurrency)
    assert len(report.published) == len(ids), report


async def ours_for_many(origin: str, ids: list[str], concurrency: int, accounts: int, store: LedgerStore) -> None:
    """The library, with a client for each account and one ledger for all of them."""
    run = secrets.token_hex(4)  # accounts are new in each round: nothing is left of the last one's quota

    async def publish_for(number: int) -> None:
        client = AsyncOpenTrain(
            "ot_pat_bench", account=f"{run}-{number}", base_url=origin, daily_limit=10**6, ledger=store
        )
        async with client:
            share = ids[number::accounts]
            report = await client.publish_many(share, concurrency=max(1, concurrency // accounts))
        assert len(report.published) == len(share), report

    await asyncio.gather(*(publish_for(number) for number in range(accounts)))
    if isinstance(store, SQLiteLedger | RedisLedger):
        await store.close()


def timed(contender: Contender, origin: str, args: argparse.Namespace) -> float:
    """Publishes a second."""
    ids = [f"job_{number}" for number in range(args.publishes)]

    async def run() -> float:
        started = time.perf_counter()
        await contender(origin, ids, args.concurrency)
        return len(ids) / (time.perf_counter() - started)

    return asyncio.run(run())


def store_of(kind: str, storage: ExitStack) -> LedgerStore:
    """A ledger of this kind, in a folder or a server that goes with the storage."""
    if kind == "redis":
        return RedisLedger(storage.enter_context(redis_server()))
    if kind == "sqlite":
        return SQLiteLedger(Path(storage.enter_context(TemporaryDirectory())) / "quota.sqlite3")
    return MemoryLedger()


def main() -> None:
    """Run both in turns and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--publishes", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--accounts", type=int, default=0)
    parser.add_argument("--ledger", choices=["memory", "sqlite", "redis"], default="memory")
    args = parser.parse_args()
    with server() as origin, ExitStack() as storage:
        library = ours
        if args.accounts:
            store = store_of(args.ledger, storage)

            async def library(origin: str, ids: list[str], concurrency: int) -> None:
                await ours_for_many(origin, ids, concurrency, args.accounts, store)

        rates: dict[Contender, list[float]] = {bare: [], library: []}
        for number in range(args.rounds + 1):
            for contender in (bare, library) if number % 2 else (library, bare):
                rates[contender].append(timed(contender, origin, args))
    figures = list(zip(rates[bare], rates[library], strict=True))[1:]  # the first one warms up
    ratios = [ours_rate / bare_rate for bare_rate, ours_rate in figures]
    print(f"Python {platform.python_version()}, aiohttp {aiohttp.__version__}, {platform.machine()}")
    for name, values in (
        ("bare aiohttp, publishes/s", [bare_rate for bare_rate, _ in figures]),
        ("publish_many, publishes/s", [ours_rate for _, ours_rate in figures]),
        ("publish_many / bare", ratios),
    ):
        print(f"{name:28} median {statistics.median(values):9.3f}  min {min(values):9.3f}  max {max(values):9.3f}")


if __name__ == "__main__":
    main()
