"""Many accounts in one process: how fast they are on one ledger that all of them share, and what a thousand take.

With one hundred clients and one hundred drafts at once, each account has its 20 of the day; the bare loop publishes as
many drafts as all of them together. With a thousand clients, over one session, each account has more drafts than its
day: the service is the sandbox, which has the real quota.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

import aiohttp
from attrs import frozen

from opentrain_async import AsyncOpenTrain, MemoryLedger, OutcomeStatus, RedisLedger, SQLiteLedger
from opentrain_async.quota import LedgerStore

from .contenders import TOKEN, bare
from .machine import describe
from .processes import Figures, in_a_fresh_process, peak_mib
from .record import Record, Sample
from .servers import fresh_place, has_redis, sandbox, server
from .throughput import BARE, RATE
from .turns import OURS, in_turns, told

IN_MEMORY, IN_SQLITE, IN_REDIS = (f"{OURS}, {store}" for store in ("memory", "SQLite", "Redis"))
SHARED, OVER_THE_QUOTA = "one ledger", "over the quota"
LIVE, DEFERRED, OTHERWISE, REFUSED = "live", "deferred", "otherwise", "answers of 429"
SECONDS, PEAK = "seconds", "peak MiB"
_DAY_OF_AN_ACCOUNT = 20
_AT_ONCE = 100
_NO_LIMIT = 10**6
_MORE_THAN_A_DAY_HAS = 25


@frozen
class Size:
    """How much is measured.

    Attributes:
        rounds: How often, of the speed.
        accounts: How many share a ledger there.
        many: How many accounts have more drafts than their day, once.
    """

    rounds: int
    accounts: int
    many: int


FULL = Size(rounds=7, accounts=100, many=1000)
QUICK = Size(rounds=1, accounts=100, many=50)


def measure(is_quick: bool) -> Record:
    """The speed of one hundred accounts, and what became of a thousand."""
    names = [BARE, IN_MEMORY, IN_SQLITE, *([IN_REDIS] if has_redis() else [])]
    return measured(QUICK if is_quick else FULL, names)


def measured(size: Size, names: Sequence[str]) -> Record:
    """The speed of these, and what became of many."""
    machine = describe([OURS, "aiohttp", "redis"])
    samples = []
    with server() as origin:
        for number, name in told("accounts", in_turns(size.rounds, names), size.rounds):
            with fresh_place(name.rpartition(", ")[2]) as place:
                figures = in_a_fresh_process(_speed, name, place, origin, size.accounts)
            samples.append(Sample(number, name, SHARED, figures))
    with sandbox(size.many, _MORE_THAN_A_DAY_HAS) as service:
        figures = in_a_fresh_process(_over_the_quota, service.url, service.accounts)
        live, refused = service.counted()
    samples.append(Sample(0, OURS, OVER_THE_QUOTA, {**figures, LIVE: live, REFUSED: refused}))
    settings = {
        "rounds": str(size.rounds),
        "accounts that share a ledger": str(size.accounts),
        "accounts over the quota": str(size.many),
        "drafts of each": str(_MORE_THAN_A_DAY_HAS),
    }
    return Record(machine, settings, (*names, OURS), () if IN_REDIS in names else (IN_REDIS,), tuple(samples))


async def _speed(name: str, place: str, origin: str, accounts: int) -> Figures:
    count = accounts * _DAY_OF_AN_ACCOUNT
    if name == BARE:
        async with bare(origin, _AT_ONCE) as publish_all:
            began = time.perf_counter()
            assert await publish_all(f"job_{number}" for number in range(count)) == count
            return {RATE: count / (time.perf_counter() - began)}
    store = _store_at(name, place)

    async def publish_for(account: int) -> None:
        async with AsyncOpenTrain(
            TOKEN, account=f"account_{account}", base_url=origin, daily_limit=_NO_LIMIT, ledger=store
        ) as client:
            ids = [f"job_{account}_{number}" for number in range(_DAY_OF_AN_ACCOUNT)]
            report = await client.publish_many(ids, concurrency=max(1, _AT_ONCE // accounts))
        assert len(report.published) == _DAY_OF_AN_ACCOUNT, report

    began = time.perf_counter()
    await asyncio.gather(*map(publish_for, range(accounts)))
    seconds = time.perf_counter() - began
    if isinstance(store, SQLiteLedger | RedisLedger):
        await store.close()
    return {RATE: count / seconds}


async def _over_the_quota(url: str, drafts: dict[str, list[str]]) -> Figures:
    ledger, counts = MemoryLedger(), Counter[OutcomeStatus]()
    began = time.perf_counter()
    async with aiohttp.ClientSession() as session:

        async def publish_for(token: str, ids: list[str]) -> None:
            async with AsyncOpenTrain(token, base_url=url, session=session, ledger=ledger) as client:
                report = await client.publish_many(ids, concurrency=2)
            counts.update(outcome.status for outcome in report.outcomes)

        await asyncio.gather(*(publish_for(token, ids) for token, ids in drafts.items()))
    return {
        SECONDS: time.perf_counter() - began,
        DEFERRED: counts[OutcomeStatus.DEFERRED],
        OTHERWISE: counts.total() - counts[OutcomeStatus.DEFERRED] - counts[OutcomeStatus.PUBLISHED],
        PEAK: peak_mib(),
    }


def _store_at(name: str, place: str) -> LedgerStore:
    if name == IN_REDIS:
        return RedisLedger(place)
    return SQLiteLedger(place) if name == IN_SQLITE else MemoryLedger()
