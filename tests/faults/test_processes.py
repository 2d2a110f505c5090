"""Several processes, one account, one ledger: real processes, a real file, a real Redis, and SIGKILL."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from opentrain_async import AsyncOpenTrain, RedisLedger, SQLiteLedger
from opentrain_async.sandbox import Fault, Sandbox

from ..support import command
from ..support.servers import KINDS_OF_REDIS, RedisServer
from ..support.waiting import until

_WORKER = """
import asyncio, json, sys
from collections import Counter
from opentrain_async import AsyncOpenTrain, RedisLedger, SQLiteLedger

async def main(where, *ids):
    store = RedisLedger(where, timeout=10) if "://" in where else SQLiteLedger(where)
    async with store, AsyncOpenTrain(ledger=store, daily_limit=20) as client:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        report = await client.publish_many(ids)
        print(json.dumps(Counter(outcome.status for outcome in report.outcomes)), flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture(params=["sqlite", *KINDS_OF_REDIS])
def ledger(request: pytest.FixtureRequest, tmp_path: Path, redis_of_kind: Callable[[str], RedisServer]) -> str:
    """Where the ledger is."""
    return str(tmp_path / "quota.sqlite3") if request.param == "sqlite" else redis_of_kind(request.param).url


def store_at(ledger: str) -> SQLiteLedger | RedisLedger:
    return RedisLedger(ledger, timeout=10) if "://" in ledger else SQLiteLedger(ledger)


async def start(sandbox: Sandbox, ledger: str, shares: Sequence[Sequence[str]]) -> list[Process]:
    """Begin a process for each share of drafts; all of them publish from now on."""
    workers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", _WORKER, ledger, *share, stdin=PIPE, stdout=PIPE, env=command.environment(sandbox)
        )
        for share in shares
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert await worker.stdout.readline() == b"ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write(b"\n")
    return workers


async def counted(workers: Sequence[Process]) -> Counter[str]:
    """What they say became of the drafts, all together."""
    ended = [await worker.communicate() for worker in workers]
    return sum((Counter(json.loads(out)) for out, _ in ended), Counter())


def shares_of(sandbox: Sandbox, processes: int = 8, drafts: int = 50) -> list[list[str]]:
    return [[sandbox.draft() for _ in range(drafts)] for _ in range(processes)]


async def publish_one(sandbox: Sandbox, ledger: str) -> None:
    """Publish a draft: without that each process sends one at first, and waits for its answer for seconds."""
    async with store_at(ledger) as store, AsyncOpenTrain(sandbox.token, base_url=sandbox.url, ledger=store) as client:
        await client.publish(sandbox.draft())


async def test_eight_processes_publish_what_one_may(sandbox: Sandbox, ledger: str) -> None:
    """Of 8 times 50 drafts exactly 20 go live, none is refused, and every other one is deferred."""
    outcomes = await counted(await start(sandbox, ledger, shares_of(sandbox)))
    assert outcomes == {"published": 20, "deferred": 380}
    assert (len(sandbox.live), len(sandbox.requests), sandbox.refusals) == (20, 20, 0)


async def test_F22_F23_killed_in_mid_publish_their_slots_count_and_are_settled_later(
    sandbox: Sandbox, ledger: str
) -> None:
    """Two that hold all places are killed: nobody else gets one, and trying their drafts again settles them."""
    await publish_one(sandbox, ledger)
    shares = shares_of(sandbox)
    for share, is_published in zip(shares[:2], (True, False), strict=True):
        for job_id in share:
            sandbox.fault(Fault.STALL, job_id=job_id, published=is_published)
    doomed = await start(sandbox, ledger, shares[:2])
    await until(lambda: len(sandbox.requests) == 20)
    for worker in doomed:
        worker.kill()
        await worker.communicate()
    begun = {request.job_id for request in sandbox.requests[1:]}
    assert len(sandbox.live) <= 20
    async with store_at(ledger) as store:
        client = AsyncOpenTrain(sandbox.token, base_url=sandbox.url, ledger=store, daily_limit=20)
        async with client:
            quota = await client.quota()
            assert (quota.used, Counter(slot.state for slot in quota.slots)) == (20, {"held": 19, "spent": 1})
            report = await client.publish_many(sorted(filter(None, begun)))
            assert (len(report.published), len(sandbox.live), sandbox.refusals) == (19, 20, 0)
            assert {slot.state for slot in (await client.quota()).slots} == {"spent"}
            rest = await client.publish_many([job_id for share in shares for job_id in share if job_id not in begun])
            assert len(rest.deferred) == 381
    assert (len(sandbox.live), sandbox.refusals) == (20, 0)


async def test_F22_F23_two_of_eight_killed_while_all_publish(sandbox: Sandbox, ledger: str) -> None:
    """The others take what is left and no more, and wait for none that is dead."""
    await publish_one(sandbox, ledger)
    shares = shares_of(sandbox)
    for share in shares[:2]:
        for job_id in share:
            sandbox.fault(Fault.STALL, job_id=job_id, published=True)
    doomed = await start(sandbox, ledger, [share[:4] for share in shares[:2]])
    await until(lambda: len(sandbox.requests) == 9)
    survivors = await start(sandbox, ledger, shares[2:])
    for worker in doomed:
        worker.kill()
        await worker.communicate()
    await until(lambda: len(sandbox.live) == 20)
    async with store_at(ledger) as store:
        client = AsyncOpenTrain(sandbox.token, base_url=sandbox.url, ledger=store, daily_limit=20)
        async with client:
            report = await client.publish_many([job_id for share in shares[:2] for job_id in share[:4]])
            assert len(report.published) == 8
    assert await counted(survivors) == {"published": 11, "deferred": 289}
    assert (len(sandbox.live), sandbox.refusals) == (20, 0)
