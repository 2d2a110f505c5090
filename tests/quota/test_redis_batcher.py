"""The batcher: the steps of all tasks, in few round trips."""

import asyncio
from functools import partial

import pytest
from redis.asyncio import Redis

from opentrain_async import RedisLedger
from opentrain_async.errors import QuotaLedgerError

from ..support import stores
from ..support.servers import RedisServer
from ..support.stores import publish, used

ledger_on = partial(stores.ledger_on, limit=20)


async def test_steps_of_concurrent_tasks_share_their_round_trips(
    redis_store: RedisLedger, redis_server: RedisServer
) -> None:
    """A hundred reservations at once, of ten accounts, cost two scripts' runs and not two hundred."""
    await publish(ledger_on(redis_store), "a")
    redis_server.do("CONFIG", "RESETSTAT")
    ledgers = [ledger_on(redis_store, account=f"account_{number}") for number in range(10)]
    await asyncio.gather(*(publish(ledger, f"job_{number}") for ledger in ledgers for number in range(10)))
    calls = redis_server.do("INFO", "commandstats")
    assert isinstance(calls, dict)
    assert calls["cmdstat_evalsha"]["calls"] <= 20


async def test_something_else_under_the_key_is_an_error(redis_store: RedisLedger, redis_server: RedisServer) -> None:
    """Neither a value of another kind nor a log of a newer version is overwritten."""
    redis_server.do("SET", "opentrain:quota:account", "somebody else's")
    with pytest.raises(QuotaLedgerError, match="WRONGTYPE"):
        await used(redis_store)
    redis_server.do("DEL", "opentrain:quota:account")
    redis_server.do("HSET", "opentrain:quota:account", "version", "x", "log", "[3]")
    with pytest.raises(QuotaLedgerError, match="newer version"):
        await used(redis_store)
    assert redis_server.do("HGET", "opentrain:quota:account", "log") == b"[3]"


def test_what_a_closed_loop_leaves_behind_is_cancelled(redis_server: RedisServer) -> None:
    """A program that ends in mid-step ends."""
    answers: list[asyncio.Future[object]] = []
    client = Redis.from_url(redis_server.url)

    async def leave_in_mid_step() -> None:
        redis_store = RedisLedger(client)
        answers.append(redis_store.run("account", lambda _, now: now, 0.0))
        await asyncio.sleep(0)
        answers.append(redis_store.run("account", lambda _, now: now, 0.0))

    asyncio.run(leave_in_mid_step())
    assert all(answer.cancelled() for answer in answers)
