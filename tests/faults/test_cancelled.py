"""Publishes that are cancelled: in line for a slot, in mid-request, and while the ledger is written to."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from opentrain_async import MemoryLedger, RedisLedger, SQLiteLedger
from opentrain_async.quota import LedgerStore, _steps
from opentrain_async.sandbox import Sandbox

from ..support.account import NOT_SENT
from ..support.clients import Connect
from ..support.peers import Call, Then, answer, client_of, job_of, live, peer, sends
from ..support.servers import KINDS_OF_REDIS, RedisServer
from ..support.stores import TO_SETTLE, SlowStore, ledger_on, reserve
from ..support.virtual import LoopTime
from ..support.waiting import cancelled, in_mid_request, tasks_but_of_servers, until

ABSENT = answer({"error": "No such job.", "code": "NOT_FOUND"}, status="404 Not Found")


@pytest.fixture(params=["memory", "sqlite", *KINDS_OF_REDIS])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, redis_of_kind: Callable[[str], RedisServer]
) -> AsyncIterator[LedgerStore]:
    """A ledger of each kind, with nothing in it."""
    match request.param:
        case "memory":
            yield MemoryLedger()
        case "sqlite":
            async with SQLiteLedger(tmp_path / "quota.sqlite3") as in_a_file:
                yield in_a_file
        case program:
            async with RedisLedger(redis_of_kind(program).url, timeout=10) as in_redis:
                yield in_redis


@pytest.mark.parametrize("bulk", [True, False])
async def test_F18_who_is_cancelled_in_line_leaves_nothing_behind_and_the_next_goes(
    store: LedgerStore, bulk: bool
) -> None:
    """Nothing of it is sent and nothing is held for it; the place goes to who stood behind it."""
    may_answer = asyncio.Event()

    async def behave(call: Call) -> None:
        await may_answer.wait()
        call.writer.write(ABSENT if job_of(call) == "holder" else answer(live(job_of(call))))

    async with peer(behave) as server, client_of(server.url, ledger=store, daily_limit=1) as client:
        holder = asyncio.create_task(client.publish("holder"))
        await server.arrived(1)
        first: asyncio.Task[object] = asyncio.create_task(
            client.publish_many(["first"]) if bulk else client.publish("first")
        )
        await until(lambda: client._ledger.line.length == 1)
        second = asyncio.create_task(client.publish("second"))
        await until(lambda: client._ledger.line.length == 2)
        await cancelled(first)
        assert client._ledger.line.length == 1
        may_answer.set()
        assert (await second).newly_published
        await asyncio.wait({holder})
        assert [slot.job_id for slot in (await client.quota()).slots] == ["second"]
    assert [job_of(call) for call in server.calls] == ["holder", "second"]


@pytest.mark.parametrize("bulk", [True, False])
async def test_F19_a_connection_whose_answer_nobody_awaits_any_more_is_closed(store: LedgerStore, bulk: bool) -> None:
    """The service sees it end, and the same draft's next request comes over another one, in the same slot."""

    async def behave(call: Call) -> None:
        if call.number > 1:
            call.writer.write(answer(live("job_1", already=True)))

    before = tasks_but_of_servers()
    async with peer(behave) as server, client_of(server.url, ledger=store, daily_limit=1) as client:
        call: asyncio.Task[object] = asyncio.create_task(
            client.publish_many(["job_1"]) if bulk else client.publish("job_1")
        )
        await server.arrived(1)
        await cancelled(call)
        await until(server.calls[0].writer.is_closing)
        assert [slot.state for slot in (await client.quota()).slots] == ["unknown"]
        assert (await client.publish("job_1")).newly_published
        assert [slot.state for slot in (await client.quota()).slots] == ["spent"]
    assert [call.connection for call in server.calls] == [1, 2]
    await until(lambda: not {task for task in tasks_but_of_servers() - before if "opentrain_async/" in str(task)})


async def test_F19_what_cannot_be_settled_keeps_nobody_who_is_cancelled(
    sandbox: Sandbox, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settlement has its bound, here in a file that somebody has locked, and comes about once the lock is gone."""
    monkeypatch.setattr(_steps, "_SETTLE_SECONDS", 0.02)
    async with SQLiteLedger(tmp_path / "quota.sqlite3") as store:
        client = connect(sandbox, ledger=store, daily_limit=1)
        call = await in_mid_request(client, sandbox, sandbox.draft())
        other = sqlite3.connect(store.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        call.cancel()
        await asyncio.wait({call}, timeout=3)
        assert call.cancelled()
        other.close()
        assert [slot.state for slot in (await client.quota()).slots] == ["unknown"]
        await client.close()


async def test_F19_who_is_cancelled_waits_two_seconds_for_the_ledger_and_no_more(
    sandbox: Sandbox, connect: Connect
) -> None:
    """By the time of the loop, where the store never says that the slot is settled."""
    store, time = SlowStore(stops_at=TO_SETTLE), LoopTime()
    client = connect(sandbox, ledger=store)
    call = await in_mid_request(client, sandbox, sandbox.draft())
    call.cancel()
    assert 1.5 < await time.passed_until(call.done) <= 2.0
    assert call.cancelled()
    store.go_on.set()


async def test_F20_a_cancelled_step_is_whole_or_has_not_been(store: LedgerStore) -> None:
    """However early its caller leaves, each reservation is given back, and the next one's step is taken."""
    ledger = ledger_on(store, limit=1)
    for number in range(20):
        caller = asyncio.create_task(reserve(ledger, f"job_{number}", lambda _: None))
        for _ in range(number % 7):
            await asyncio.sleep(0)
        caller.cancel()
        await asyncio.wait({caller})
        if not caller.cancelled():
            await ledger.settle(caller.result(), NOT_SENT)
    assert (await ledger.snapshot()).used == 0


async def test_F20_who_is_cancelled_while_the_file_is_locked_holds_nothing(
    sandbox: Sandbox, connect: Connect, tmp_path: Path
) -> None:
    """The transaction that was begun is carried through once it can be, and its place given back."""
    async with SQLiteLedger(tmp_path / "quota.sqlite3") as store:
        client = connect(sandbox, ledger=store, daily_limit=1)
        await client.quota()
        other = sqlite3.connect(store.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        call = asyncio.create_task(client.publish(sandbox.draft()))
        await asyncio.sleep(0.02)
        call.cancel()
        await asyncio.sleep(0.01)
        other.close()
        await asyncio.wait({call})
        assert call.cancelled()
        assert (sandbox.requests, (await client.quota()).used) == ([], 0)
        assert (await client.publish(sandbox.draft())).newly_published
        await client.close()


@pytest.mark.parametrize("is_borrowed", [False, True])
async def test_F19_a_publish_cancelled_before_it_has_a_connection_leaves_no_doubt(is_borrowed: bool) -> None:
    """It waits for the pool's only one: nothing of it was sent, and its slot is free."""
    async with peer(sends(then=Then.STALL)) as server:
        borrowed = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) if is_borrowed else None
        async with client_of(server.url, session=borrowed, max_connections=1, timeout=5) as client:
            first = asyncio.create_task(client.publish("job_1"))
            await server.arrived(1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await client.publish("job_2")
            assert [slot.job_id for slot in (await client.quota()).slots] == ["job_1"]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await client.publish_many(["job_3"])
            assert [slot.job_id for slot in (await client.quota()).slots] == ["job_1"]
            first.cancel()
            await asyncio.wait({first})
            quota = await client.quota()
            assert (quota.used, quota.doubtful) == (1, 1)
        if borrowed is not None:
            await borrowed.close()
