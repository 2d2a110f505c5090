"""What a long run and many accounts cost in memory, and whether a long run slows down.

    python benchmarks/bulk.py stream [--drafts 1000000] [--concurrency 100] [--answers already|deferred]
    python benchmarks/bulk.py accounts [--accounts 1000] [--drafts 25] [--concurrency 2]

`stream` passes drafts through publish_stream: all of them live already, so that each is a request and none is charged;
or deferred, but for the first twenty. It prints the peak of the memory over that of a client at rest, and the rate of
the last tenth over that of the first. `accounts` has that many clients publish at once over one session and one ledger,
against a service with the real quota, and prints what came of it and the peak of the process.

The service is a process of its own.
"""

import argparse
import asyncio
import platform
import resource
import time
from collections import Counter
from itertools import pairwise

import aiohttp
from _server import sandbox, server

from opentrain_async import AsyncOpenTrain, MemoryLedger, OutcomeStatus


def peak_mib() -> float:
    """The most memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def stream(origin: str, args: argparse.Namespace) -> None:
    """One long run."""
    limit = 20 if args.answers == "deferred" else 10**9
    tenth = args.drafts // 10
    counts: Counter[OutcomeStatus] = Counter()
    async with AsyncOpenTrain("ot_pat_bench", base_url=origin, daily_limit=limit) as client:
        await client.publish("warm_up")
        idle = peak_mib()
        marks = [time.perf_counter()]
        ids = (f"job_{number}" for number in range(args.drafts))
        async with client.publish_stream(ids, concurrency=args.concurrency) as outcomes:
            async for outcome in outcomes:
                counts[outcome.status] += 1
                if counts.total() % tenth == 0:
                    marks.append(time.perf_counter())
    rates = [tenth / (later - earlier) for earlier, later in pairwise(marks)]
    print(f"{args.drafts} drafts, concurrency {args.concurrency}: {told(counts)}")
    print(f"peak over idle        {peak_mib() - idle:10.1f} MiB (idle {idle:.1f})")
    print(f"drafts/s, by tenths   {'  '.join(f'{rate:.0f}' for rate in rates)}")
    print(f"last tenth / first    {rates[-1] / rates[0]:10.3f}")


async def accounts(args: argparse.Namespace) -> None:
    """Many clients at once."""
    ledger = MemoryLedger()
    counts: Counter[OutcomeStatus] = Counter()
    with sandbox(args.accounts, args.drafts) as service:
        started = time.perf_counter()
        async with aiohttp.ClientSession() as session:

            async def publish_for(token: str, ids: list[str]) -> None:
                async with AsyncOpenTrain(token, base_url=service.url, session=session, ledger=ledger) as client:
                    report = await client.publish_many(ids, concurrency=args.concurrency)
                counts.update(outcome.status for outcome in report.outcomes)

            await asyncio.gather(*(publish_for(token, ids) for token, ids in service.accounts.items()))
        seconds = time.perf_counter() - started
        live, refusals = service.counted()
    print(f"{args.accounts} accounts, {args.drafts} drafts each: {told(counts)}, in {seconds:.1f} s")
    print(f"by the service        {live} live, {refusals} answers of 429")
    print(f"peak of the process   {peak_mib():10.1f} MiB")


def told(counts: Counter[OutcomeStatus]) -> str:
    """How many drafts have which outcome."""
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def main() -> None:
    """Run one of both and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    of_stream = kinds.add_parser("stream")
    of_stream.add_argument("--drafts", type=int, default=1_000_000)
    of_stream.add_argument("--concurrency", type=int, default=100)
    of_stream.add_argument("--answers", choices=["already", "deferred"], default="already")
    of_accounts = kinds.add_parser("accounts")
    of_accounts.add_argument("--accounts", type=int, default=1_000)
    of_accounts.add_argument("--drafts", type=int, default=25)
    of_accounts.add_argument("--concurrency", type=int, default=2)
    args = parser.parse_args()
    print(f"Python {platform.python_version()}, aiohttp {aiohttp.__version__}, {platform.machine()}")
    if args.kind == "stream":
        with server(finds_live=args.answers == "already") as origin:
            asyncio.run(stream(origin, args))
    else:
        asyncio.run(accounts(args))


if __name__ == "__main__":
    main()
