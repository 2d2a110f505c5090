"""publish_many beside a bare aiohttp loop that does the same, in one run, in turns.

    python benchmarks/publish_many.py [--publishes 4000] [--rounds 9] [--concurrency 100]

Both send the same number of publishes to the same server and read its answers; ours with quota, retry and typed
results. Who begins changes from round to round. The figure is the ratio of their throughputs, pair by pair: above 1
ours is the faster one.
"""

import argparse
import asyncio
import json
import platform
import statistics
import time
from collections.abc import Awaitable, Callable

import aiohttp
from _server import server

from opentrain_async import AsyncOpenTrain

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


def timed(contender: Contender, origin: str, args: argparse.Namespace) -> float:
    """Publishes a second."""
    ids = [f"job_{number}" for number in range(args.publishes)]

    async def run() -> float:
        started = time.perf_counter()
        await contender(origin, ids, args.concurrency)
        return len(ids) / (time.perf_counter() - started)

    return asyncio.run(run())


def main() -> None:
    """Run both in turns and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--publishes", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--concurrency", type=int, default=100)
    args = parser.parse_args()
    rates: dict[Contender, list[float]] = {bare: [], ours: []}
    with server() as origin:
        for number in range(args.rounds + 1):
            for contender in (bare, ours) if number % 2 else (ours, bare):
                rates[contender].append(timed(contender, origin, args))
    figures = list(zip(rates[bare], rates[ours], strict=True))[1:]  # the first one warms up
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
