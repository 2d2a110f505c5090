"""Changed values through each store: one error, in time, with nothing sent; or the right answer."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from opentrain_async import AsyncOpenTrain, Journal, MemoryLedger, OutcomeStatus, RedisLedger, SQLiteLedger
from opentrain_async._publish.journal.file import JournalFile
from opentrain_async.errors import JournalError, QuotaLedgerError
from opentrain_async.quota import AccountLog, LedgerStore, Reservation, load_log
from opentrain_async.sandbox import Sandbox

from ..support.account import NOT_LIVE
from ..support.clients import Connect
from ..support.journals import SERVICE
from ..support.mutations import Mutator
from ..support.servers import RedisServer
from ..support.stored import ROWS, SEED, journal_lines, logs
from ..support.stores import ledger_on, publish

KEY = "opentrain:quota:account"
_SECONDS = 10.0
"""Within which each is told, on a machine that has other work."""


def changed(texts: list[str]) -> Iterator[bytes]:
    """As many texts as are tried."""
    mutators = [Mutator(text, SEED) for text in texts]
    for number in range(ROWS):
        yield mutators[number % len(mutators)].next()


async def ask(store: LedgerStore) -> bool:
    """Look at the quota and ask for a place: return whether there was an answer, and not the error."""

    def step(log: AccountLog, now: float) -> None:
        answer = log.reserve("job_new", now, reservation_id="new", lease=60.0)
        if isinstance(answer, Reservation):
            log.settle(answer, NOT_LIVE, now)

    try:
        async with asyncio.timeout(_SECONDS):
            await ledger_on(store, limit=None).snapshot()
            await store.run("account", step, time.time())
    except QuotaLedgerError:
        return False
    return True


async def through(store: LedgerStore, put: Callable[[bytes], Awaitable[None] | None]) -> None:
    """Put each text into the store, and ask for a place: an answer comes where the text is a log, and only there."""
    for text in changed(logs()):
        if (putting := put(text)) is not None:
            await putting
        try:
            load_log(text)
            is_log = True
        except QuotaLedgerError:
            is_log = False
        assert await ask(store) == is_log, text[:2000]


async def test_F73_through_memory() -> None:
    """A log that is valid, whatever it says, is one with which a publish begins."""
    store = MemoryLedger()
    for text in changed(logs()):
        try:
            store._logs["account"] = load_log(text)
        except QuotaLedgerError:
            continue
        assert await ask(store), text[:2000]


async def test_F73_through_sqlite(sqlite_store: SQLiteLedger, ledger_path: Path) -> None:
    """As text and as bytes."""
    await publish(ledger_on(sqlite_store), "a")
    with closing(sqlite3.connect(ledger_path, isolation_level=None)) as other:
        other.execute("PRAGMA synchronous = OFF")
        kinds = {0: "?", 1: "CAST(? AS TEXT)"}
        numbers = iter(range(ROWS))

        def put(text: bytes) -> None:
            kind = kinds[next(numbers) % 2]
            other.execute("UPDATE account_log SET log = KIND".replace("KIND", kind), (text,))

        await through(sqlite_store, put)


async def test_F73_through_redis(redis_store: RedisLedger, redis_server: RedisServer) -> None:
    """Under a version of another one's."""
    with redis.Redis(port=redis_server.port) as other:
        numbers = iter(range(ROWS))

        def put(text: bytes) -> None:
            other.hset(KEY, mapping={"version": f"theirs-{next(numbers)}", "log": text})

        await through(redis_store, put)


async def test_F73_through_redis_with_changed_versions(redis_store: RedisLedger, redis_server: RedisServer) -> None:
    """Whatever its bytes are, no question is asked for ever."""
    await publish(ledger_on(redis_store), "a")
    log = redis_server.do("HGET", KEY, "log")
    assert isinstance(log, bytes)
    with redis.Redis(port=redis_server.port) as other:
        for version in changed(['"f3zQ_x-R1aaa-1"']):
            other.hset(KEY, mapping={"version": version.strip(b'"'), "log": log})
            await ask(redis_store)


def test_F73_through_journals(journal_path: Path) -> None:
    """To read one and to write on: an error that names the line, or the outcomes."""
    good = journal_lines()[0].encode()
    for text in changed(journal_lines()):
        journal_path.write_bytes(good + b"\n" + text + b"\n")
        began = time.process_time()
        try:
            read = [*Journal.open(journal_path)]
        except JournalError:
            with pytest.raises(JournalError, match=r"line \d+ of .*run.jsonl is not of a journal"):
                JournalFile(journal_path, SERVICE)
            assert journal_path.read_bytes() == good + b"\n" + text + b"\n"
        else:
            assert "job_1" in {outcome.job_id for outcome in read}
            JournalFile(journal_path, SERVICE).close()
        assert time.process_time() - began < 1


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
async def test_F73_a_run_on_a_ledger_that_holds_something_else_sends_nothing(
    kind: str, sandbox: Sandbox, connect: Connect, ledger_path: Path, redis_server: RedisServer
) -> None:
    """It stops with the reason; with that removed the same clients go on."""
    ids = [sandbox.draft() for _ in range(3)]
    store = SQLiteLedger(ledger_path) if kind == "sqlite" else RedisLedger(redis_server.url, timeout=10)
    client: AsyncOpenTrain = connect(sandbox, ledger=store)
    await client.publish_many(ids[:1])
    account = client._ledger.account
    if kind == "sqlite":
        with closing(sqlite3.connect(ledger_path)) as other:
            other.executescript("UPDATE account_log SET log = replace(log, 'null', 'Infinity')")
    else:
        redis_server.do("HSET", f"opentrain:quota:{account}", "version", "v w")
    report = await client.publish_many(ids[1:])
    assert [outcome.status for outcome in report.outcomes] == [OutcomeStatus.NOT_SENT] * 2
    assert isinstance(report.stopped_by, QuotaLedgerError)
    assert "something that is not a log" in str(report.stopped_by)
    assert len(sandbox.requests) == 1
    if kind == "sqlite":
        with closing(sqlite3.connect(ledger_path)) as other:
            other.executescript("DELETE FROM account_log")
    else:
        redis_server.empty()
    assert len((await client.publish_many(ids)).outcomes) == len(sandbox.live) == 3
    await client.close()
    await store.close()
