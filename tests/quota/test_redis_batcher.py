"""The batcher: the steps of all tasks, in few round trips."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest
from redis.asyncio import Redis

from opentrain_async import RedisLedger
from opentrain_async.errors import QuotaLedgerError
from opentrain_async.quota._stores.redis_scripts import SWAP

from ..support import stores
from ..support.servers import RedisServer
from ..support.stores import publish, used
from ..support.virtual import LoopTime

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
    with pytest.raises(QuotaLedgerError, match="not a log"):
        await used(redis_store)
    redis_server.do("DEL", "opentrain:quota:account")
    redis_server.do("HSET", "opentrain:quota:account", "version", "x", "log", "[3]")
    with pytest.raises(QuotaLedgerError, match="newer version"):
        await used(redis_store)
    assert redis_server.do("HGET", "opentrain:quota:account", "log") == b"[3]"


KEY = "opentrain:quota:account"


@pytest.mark.parametrize(
    "version", ["v w", "v\nw", "", " ", "-", "v" * 101, "\xff", "v\x00w", "\u00e4", None],
)  # fmt: skip
async def test_F73_a_version_of_another_form_is_an_error(
    redis_store: RedisLedger, redis_server: RedisServer, version: str | None
) -> None:
    """A script would read it as something else, again and again; nothing is written over what is there."""
    await publish(ledger_on(redis_store), "a")
    if version is None:
        redis_server.do("HDEL", KEY, "version")
    else:
        redis_server.do("HSET", KEY, "version", version)
    before = redis_server.do("HGETALL", KEY)
    async with RedisLedger(redis_server.url, timeout=10) as fresh:
        for store in (redis_store, fresh):
            with pytest.raises(
                QuotaLedgerError, match=r"not a log. .* \(Redis redis:.*, key opentrain:quota:account\)"
            ):
                await used(store)
    assert redis_server.do("HGETALL", KEY) == before


@pytest.mark.parametrize("log", ["", "x", "[2]", "\xff\xfe", None])
async def test_F73_a_log_that_is_none_is_an_error_of_its_account_alone(
    redis_store: RedisLedger, redis_server: RedisServer, log: str | None
) -> None:
    """Others whose steps share the round trip have their logs."""
    two = ledger_on(redis_store, account="two")
    await publish(ledger_on(redis_store), "a")
    await publish(two, "a")
    redis_server.do("HSET", KEY, "version", "other")
    redis_server.do(*(("HDEL", KEY, "log") if log is None else ("HSET", KEY, "log", log)))
    asked = [ledger.snapshot() for ledger in (ledger_on(redis_store), two) * 2]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(answer, QuotaLedgerError) for answer in answers] == [True, False] * 2


class Impostor:
    """A server's client whose scripts answer something else."""

    def __init__(self, answer: Callable[[str], object]) -> None:
        self.answer = answer
        self.calls = 0

    async def evalsha(self, digest: str, *_: object) -> object:
        self.calls += 1
        return self.answer(digest)


class Swallower(Impostor):
    """One that swallows a cancellation, while time passes."""

    def __init__(self, answer: Callable[[str], object]) -> None:
        super().__init__(answer)
        self._time = LoopTime()

    async def evalsha(self, digest: str, *_: object) -> object:
        self._time.block(0.1)
        with suppress(asyncio.CancelledError):
            for _turn in range(3):
                await asyncio.sleep(0)
        return self.answer(digest)


@pytest.mark.parametrize(
    "answer",
    [None, [], "OK", 7, [b"1", b"2"], [b"1", b"2", [None, None], [None, None]], [b"x", b"2", [None, None]],
     [None, None, [None, None]], [b"253402300801", b"0", [None, None]], [b"-1", b"0", [None, None]],
     [b"9" * 400, b"0", [None, None]], [b"1", b"2", None], [b"1", b"2", []], [b"1", b"2", [b"v"]],
     [b"1", b"2", [1, 2]], [b"1", b"2", [b"v", b"[]", b""]], [b"1", b"2", 7], {b"1": b"2"}],
)  # fmt: skip
async def test_F73_an_answer_that_no_script_gives_is_an_error(answer: object) -> None:
    """One question, and no loop; to close the ledger takes no time."""
    client = Impostor(lambda _: answer)
    async with RedisLedger(client) as store:
        with pytest.raises(QuotaLedgerError):
            await used(store)
    assert client.calls == 1


@pytest.mark.parametrize("answer", ["OK", 2, None, [0]])
async def test_F73_a_write_that_is_answered_otherwise_is_not_known_to_be_done(answer: object) -> None:
    """Nor is it tried for longer than the timeout: a client may swallow the cancellation by which that ends it."""
    client = Swallower(lambda digest: [b"1", b"2", answer if digest == SWAP.digest else [None, None]])
    async with RedisLedger(client, timeout=1) as store:
        with pytest.raises(TimeoutError, match=r"Redis \(its client\) took longer than 1 s"):
            await store.run("account", lambda log, _: log.used, 0.0)


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
