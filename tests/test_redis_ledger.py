"""The ledger in Redis: what its server may do to it, and what other clients of the server never see of it."""

import asyncio
import os
import sys
import time
import warnings
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from opentrain_async import AsyncOpenTrain, RedisLedger
from opentrain_async._clock import SystemClock
from opentrain_async.errors import ConfigurationError, QuotaLedgerError
from opentrain_async.quota import LedgerStore
from opentrain_async.quota._redis_scripts import READ, SWAP
from opentrain_async.sandbox import Fault, Sandbox

from . import stores
from .peers import unused_port
from .servers import Lossy, RedisServer
from .stores import publish
from .virtual import VirtualClock
from .waiting import until

Connect = Callable[..., AsyncOpenTrain]
ledger_on = partial(stores.ledger_on, limit=20)


@pytest.fixture
async def store(redis_server: RedisServer) -> AsyncIterator[RedisLedger]:
    """A ledger in an empty Redis."""
    async with RedisLedger(redis_server.url, timeout=10) as opened:
        yield opened


@pytest.fixture
def own_server(redis_server: RedisServer, tmp_path: Path) -> RedisServer:
    """A server that a test may start and stop; of the kind that is under test."""
    return RedisServer(redis_server.binary, tmp_path)


async def used(store: LedgerStore, account: str = "account") -> int:
    return (await ledger_on(store, account=account).snapshot()).used


async def test_an_account_is_one_key_that_expires(store: RedisLedger, redis_server: RedisServer) -> None:
    """It is kept for a week beyond its window, and names no token."""
    await publish(ledger_on(store), "a")
    assert redis_server.do("KEYS", "*") == [b"opentrain:quota:account"]
    expires_in = redis_server.do("TTL", "opentrain:quota:account")
    assert isinstance(expires_in, int)
    assert 0 <= 8 * 24 * 3600 - expires_in < 60


async def test_a_prefix_keeps_its_ledger_apart(redis_server: RedisServer, store: RedisLedger) -> None:
    """Two deployments share one server and nothing else."""
    async with RedisLedger(redis_server.url, prefix="staging") as other:
        await publish(ledger_on(other), "a")
        assert repr(other) == f"RedisLedger('{redis_server.url}', prefix='staging')"
        assert (
            repr(RedisLedger("redis://me:secret@localhost:1/2"))
            == "RedisLedger('redis://localhost:1/2', prefix='opentrain')"
        )
        assert (await used(other), await used(store)) == (1, 0)


@pytest.mark.parametrize(
    "arguments",
    [
        {"redis": "mysql://localhost"},
        {"redis": "redis://localhost/database"},
        {"redis": "redis://localhost?unknown=1"},
        {"redis": "redis://localhost?socket_timeout=soon"},
        {"redis": 7},
        {"redis": "redis://localhost", "prefix": ""},
        {"redis": "redis://localhost", "timeout": 0},
    ],
)
def test_what_cannot_be_right_is_refused(arguments: dict[str, object]) -> None:
    """At construction, by name."""
    with pytest.raises(ConfigurationError):
        RedisLedger(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("password", ["s3cr#et", "s3cr/et", "s3cr?et"])
def test_a_url_that_cannot_be_read_shows_nothing_of_its_password(password: str) -> None:
    """Characters that have to be percent-encoded are the commonest mistake."""
    with pytest.raises(ConfigurationError, match="percent-encoded") as refused:
        RedisLedger(f"redis://:{password}@127.0.0.1:port")
    assert "s3cr" not in f"{refused.value!r}"


def test_a_socket_in_the_file_system_will_do() -> None:
    """Its path is no database's number."""
    assert repr(RedisLedger("unix:///run/redis.sock")) == "RedisLedger('unix:///run/redis.sock', prefix='opentrain')"


def test_without_its_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a bare ImportError."""
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(ConfigurationError, match=r"opentrain_async\[redis\]"):
        RedisLedger("redis://localhost")


@pytest.mark.parametrize("decode", [True, False])
async def test_a_client_that_is_passed_in_is_borrowed(redis_server: RedisServer, decode: bool) -> None:
    """However it is set up: it is used, and neither changed nor closed."""
    client = Redis.from_url(redis_server.url, decode_responses=decode)
    async with RedisLedger(client) as store:
        await publish(ledger_on(store), "a")
    assert await client.ping()
    async with RedisLedger(client) as store:
        assert await used(store) == 1
    await client.aclose()


async def test_a_ledger_can_be_closed_twice_and_used_again(redis_server: RedisServer) -> None:
    """Closing is not the end of it."""
    store = RedisLedger(redis_server.url)
    await store.close()
    await publish(ledger_on(store), "a")
    await store.close()
    await store.close()
    assert await used(store) == 1
    await store.close()


def test_it_belongs_to_the_loop_in_which_it_is_in_use(redis_server: RedisServer) -> None:
    """In a second loop at the same time it says so; in one that follows it goes on."""
    store = RedisLedger(redis_server.url)

    async def also_in_another_loop() -> None:
        await publish(ledger_on(store), "a")
        with pytest.raises(QuotaLedgerError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, publish(ledger_on(store), "b"))
        assert store._link is not None
        await store._link.client.aclose()

    asyncio.run(also_in_another_loop())

    async def next_loop() -> int:
        await publish(ledger_on(store), "c")
        count = await used(store)
        await store.close()
        return count

    assert asyncio.run(next_loop()) == 2


async def test_steps_of_concurrent_tasks_share_their_round_trips(store: RedisLedger, redis_server: RedisServer) -> None:
    """A hundred reservations at once, of ten accounts, cost two scripts' runs and not two hundred."""
    await publish(ledger_on(store), "a")
    redis_server.do("CONFIG", "RESETSTAT")
    ledgers = [ledger_on(store, account=f"account_{number}") for number in range(10)]
    await asyncio.gather(*(publish(ledger, f"job_{number}") for ledger in ledgers for number in range(10)))
    calls = redis_server.do("INFO", "commandstats")
    assert isinstance(calls, dict)
    assert calls["cmdstat_evalsha"]["calls"] <= 20


async def test_script_flush_costs_a_round_trip_and_nothing_else(store: RedisLedger, redis_server: RedisServer) -> None:
    """F27: a server that has forgotten the scripts is told them again."""
    await publish(ledger_on(store), "a")
    redis_server.do("SCRIPT", "FLUSH")
    await publish(ledger_on(store), "b")
    assert await used(store) == 2


async def test_after_flushall_the_servers_refusal_teaches_the_ledger_anew(
    store: RedisLedger, redis_server: RedisServer, sandbox: Sandbox, connect: Connect
) -> None:
    """F27: one refusal, and what the ledger has lost is counted again."""
    client = connect(sandbox, ledger=store, daily_limit=20)
    await client.publish_many([sandbox.draft() for _ in range(20)])
    redis_server.do("FLUSHALL")
    report = await client.publish_many([sandbox.draft() for _ in range(5)], concurrency=1)
    assert len(report.deferred) == 5
    assert sandbox.refusals == 1
    assert (await client.quota()).used == 20


async def test_a_flush_between_read_and_write_does_not_bring_old_slots_back(
    store: RedisLedger, redis_server: RedisServer
) -> None:
    """F27: a step that has read what is gone by now is run again on what there is."""
    await publish(ledger_on(store), "a", "b")
    seen: list[int] = []

    def step(log: object, now: float) -> None:
        seen.append(log.used)  # type: ignore[attr-defined]
        if len(seen) == 1:
            redis_server.empty()

    await store.run("account", step, 0.0)
    assert seen == [2, 0]


async def test_a_restarted_server_is_connected_to_again(own_server: RedisServer) -> None:
    """F26: down it is an error, up again it works, though it has forgotten everything."""
    own_server.start()
    async with RedisLedger(own_server.url) as store:
        await publish(ledger_on(store), "a")
        own_server.stop()
        with pytest.raises(QuotaLedgerError):
            await used(store)
        with own_server:
            await publish(ledger_on(store), "b")
            assert await used(store) == 1


async def test_a_server_that_is_down_at_the_start_is_an_error_with_nothing_sent(sandbox: Sandbox) -> None:
    """F26: at once, since the connection is refused."""
    store = RedisLedger(f"redis://:secret@127.0.0.1:{unused_port()}/0")
    async with AsyncOpenTrain(sandbox.token, base_url=sandbox.url, ledger=store) as client:
        with pytest.raises(QuotaLedgerError) as raised:
            await client.publish(sandbox.draft())
        report = await client.publish_many([sandbox.draft() for _ in range(3)])
    assert len(report.not_sent) == 3
    assert sandbox.requests == []
    assert "secret" not in f"{raised.value!r}{raised.value.__cause__!r}{report.stopped_by!r}"
    await store.close()


async def test_a_server_that_goes_between_reserve_and_settle_does_not_change_the_outcome(
    own_server: RedisServer, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """F26: what was published is reported as published; that it could not be settled is a line in the log."""
    own_server.start()
    job_id = sandbox.draft()
    sandbox.fault(Fault.DRIP, job_id=job_id, published=True)
    store = RedisLedger(own_server.url)
    async with AsyncOpenTrain(sandbox.token, base_url=sandbox.url, ledger=store) as client:
        publishing = asyncio.create_task(client.publish(job_id))
        await until(lambda: sandbox.live)
        own_server.stop()
        assert (await publishing).newly_published
    assert "could not settle" in caplog.text
    await store.close()


async def test_a_server_that_stalls_is_given_up_and_mixes_up_no_answers(
    redis_server: RedisServer, sandbox: Sandbox
) -> None:
    """F20, F26: CLIENT PAUSE 3000: an error within the bound, nothing sent, and no reply left for who comes next."""
    async with RedisLedger(redis_server.url, timeout=0.04) as store:
        await publish(ledger_on(store, account="other"), "a", "b", "c")
        async with AsyncOpenTrain(sandbox.token, base_url=sandbox.url, ledger=store, account="one") as client:
            redis_server.do("CLIENT", "PAUSE", "3000", "WRITE")
            with pytest.raises(QuotaLedgerError, match=rf"\({redis_server.url}\) took longer than"):
                await client.publish(sandbox.draft())
            assert sandbox.requests == []
        redis_server.do("CLIENT", "UNPAUSE")
    async with RedisLedger(redis_server.url) as store:
        assert [await used(store, "other"), await used(store, "nobody")] == [3, 0]


async def test_a_cancelled_caller_leaves_its_answer_to_nobody(store: RedisLedger, redis_server: RedisServer) -> None:
    """F20: a command under way is finished, whoever it was for; the next caller gets its own answer."""
    await publish(ledger_on(store, account="other"), "a", "b", "c")
    for number in range(20):
        caller = asyncio.create_task(ledger_on(store).snapshot())
        for _ in range(number):
            await asyncio.sleep(0)
        caller.cancel()
        assert await used(store, "other") == 3
        await asyncio.wait({caller})


@pytest.mark.parametrize("script", [READ, SWAP])
async def test_a_connection_dropped_in_the_middle_of_a_step_is_replaced(
    redis_server: RedisServer, script: object
) -> None:
    """F28: the write whose answer was lost is found to have arrived, and is not done twice."""
    relay = Lossy(redis_server.port)
    async with relay.running(), RedisLedger(relay.url) as store:
        await publish(ledger_on(store), "a")
        relay.lose_answer_to(script.digest)  # type: ignore[attr-defined]
        runs: list[float] = []

        def step(log: object, now: float) -> None:
            runs.append(now)

        await store.run("account", step, 0.0)
        assert (relay.losses, len(runs)) == (1, 1)
        relay.lose_answer_to(script.digest)  # type: ignore[attr-defined]
        await publish(ledger_on(store), "b")
        assert (relay.losses, await used(store)) == (2, 2)


async def test_a_place_whose_reservation_nobody_heard_of_is_given_back(redis_server: RedisServer) -> None:
    """F28: the write arrives, its answer and that of its repetition are lost: an error, and nothing stays reserved."""
    relay = Lossy(redis_server.port)
    async with relay.running(), RedisLedger(relay.url) as store:
        await publish(ledger_on(store), "a")
        relay.lose_answer_to(SWAP.digest, times=2)
        with pytest.raises(QuotaLedgerError):
            await ledger_on(store).reserve("b", lambda _: None)
        assert (relay.losses, await used(store)) == (2, 1)


async def test_a_place_that_cannot_be_given_back_either_is_a_quiet_matter(
    own_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """F26: the error tells it already; its lease runs out."""
    store = RedisLedger(own_server.url)
    with caplog.at_level("INFO"), pytest.raises(QuotaLedgerError):
        await ledger_on(store).reserve("a", lambda _: None)
    assert caplog.text == ""


async def test_whoever_cancels_all_tasks_can_still_close(redis_server: RedisServer) -> None:
    """F36: a ledger whose work was cancelled under it answers nobody, goes on, and closes."""
    async with RedisLedger(redis_server.url) as store:
        for turns in range(4):
            running = [store.run("account", lambda _, now: now, 0.0) for _ in range(2)]
            for _ in range(turns):
                await asyncio.sleep(0)
            running.append(store.run("account", lambda _, now: now, 0.0))
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.wait(running, timeout=10)
            assert all(answer.cancelled() for answer in running)
        assert await used(store) == 0


async def test_a_cancelled_close_can_be_done_again(redis_server: RedisServer) -> None:
    """F36: no connection is left open."""
    store = RedisLedger(redis_server.url)
    running = store.run("account", lambda _, now: now, 0.0)
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait({closing})
    await store.close()
    assert running.done()
    assert store._link is None


async def test_a_forked_child_has_a_connection_of_its_own(redis_server: RedisServer) -> None:
    """F29: also one that is forked while the event loop runs, and has to have another."""
    async with RedisLedger(redis_server.url) as store:
        await publish(ledger_on(store), "a")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads, which other tests may leave
            child = os.fork()
        if child == 0:
            try:
                os._exit(asyncio.run(_publish_and_close(store, "b")))
            finally:
                os._exit(99)
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        assert os.waitstatus_to_exitcode(status) == 2
        assert await used(store) == 2


async def _publish_and_close(store: RedisLedger, job: str) -> int:
    async with store:
        await publish(ledger_on(store), job)
        return await used(store)


async def test_a_hosts_wrong_clock_has_no_effect(redis_server: RedisServer) -> None:
    """F31: 25 hours ahead, a host is told the same as everybody, and waits as long."""
    right, wrong = SystemClock(), VirtualClock(time.time() + 25 * 3600)
    told: list[tuple[float, float]] = []

    def turned_away(denied: object) -> None:
        told.append((denied.retry_at, denied.wait))  # type: ignore[attr-defined]
        raise LookupError

    async with RedisLedger(redis_server.url) as store:
        ledgers = [ledger_on(store, clock, limit=1) for clock in (right, wrong)]
        await publish(ledgers[1], "a")
        for ledger in ledgers:
            with pytest.raises(LookupError):
                await ledger.reserve("b", turned_away)
        first, second = told
        assert first[0] == second[0] == pytest.approx(time.time() + 24 * 3600, abs=60)
        assert first[1] == pytest.approx(24 * 3600, abs=60)


async def test_a_caller_without_patience_is_not_kept_by_a_wrong_clock(
    redis_server: RedisServer, sandbox: Sandbox
) -> None:
    """F31: on a host that is 25 hours ahead `max_wait=0` is no wait of a day."""
    async with RedisLedger(redis_server.url) as store:
        client = AsyncOpenTrain(
            sandbox.token, base_url=sandbox.url, ledger=store, daily_limit=1,
            clock=VirtualClock(time.time() + 25 * 3600),
        )  # fmt: skip
        async with client:
            report = await client.publish_many([sandbox.draft() for _ in range(3)])
    assert (len(report.published), len(report.deferred), len(sandbox.requests)) == (1, 2, 1)


async def test_a_server_that_may_evict_is_warned_of_once(
    store: RedisLedger, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """F27: a policy that may throw the log away is said, once."""
    redis_server.do("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "volatile-lru")
    try:
        await publish(ledger_on(store), "a", "b")
        await until(lambda: "volatile-lru" in caplog.text)
    finally:
        redis_server.do("CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", "noeviction")
    assert caplog.text.count("may evict") == 1


async def test_something_else_under_the_key_is_an_error(store: RedisLedger, redis_server: RedisServer) -> None:
    """Neither a value of another kind nor a log of a newer version is overwritten."""
    redis_server.do("SET", "opentrain:quota:account", "somebody else's")
    with pytest.raises(QuotaLedgerError, match="WRONGTYPE"):
        await used(store)
    redis_server.do("DEL", "opentrain:quota:account")
    redis_server.do("HSET", "opentrain:quota:account", "version", "x", "log", "[2]")
    with pytest.raises(QuotaLedgerError, match="newer version"):
        await used(store)
    assert redis_server.do("HGET", "opentrain:quota:account", "log") == b"[2]"


def test_what_a_closed_loop_leaves_behind_is_cancelled(redis_server: RedisServer) -> None:
    """A program that ends in mid-step ends."""
    answers: list[asyncio.Future[object]] = []
    client = Redis.from_url(redis_server.url)

    async def leave_in_mid_step() -> None:
        store = RedisLedger(client)
        answers.append(store.run("account", lambda _, now: now, 0.0))
        await asyncio.sleep(0)
        answers.append(store.run("account", lambda _, now: now, 0.0))

    asyncio.run(leave_in_mid_step())
    assert all(answer.cancelled() for answer in answers)


@pytest.fixture
def cluster(redis_server: RedisServer, tmp_path: Path) -> RedisServer:
    """A cluster of one node, which holds all of the slots and is as strict about them as any."""
    return RedisServer(redis_server.binary, tmp_path, "--cluster-enabled", "yes")


async def test_a_cluster_will_do(cluster: RedisServer) -> None:
    """Accounts whose keys lie in different slots are asked for apart."""
    with cluster:
        cluster.do("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        await until(lambda: b"cluster_state:ok" in str(cluster.do("CLUSTER", "INFO")).encode())
        client = RedisCluster(host="127.0.0.1", port=cluster.port)
        async with RedisLedger(client) as store:
            accounts = [f"account_{number}" for number in range(10)]
            await asyncio.gather(*(publish(ledger_on(store, account=account), "a", "b") for account in accounts))
            assert [await used(store, account) for account in accounts] == [2] * 10
            cluster.do("SET", "opentrain:quota:account_3", "somebody else's")
            asked = [ledger_on(store, account=account).snapshot() for account in accounts]
            answers = await asyncio.gather(*asked, return_exceptions=True)
            assert [isinstance(answer, QuotaLedgerError) for answer in answers] == [n == 3 for n in range(10)]
        await client.aclose()


async def test_many_machines_stay_within_the_limit(redis_server: RedisServer) -> None:
    """Eight ledgers that all want the same twenty places get twenty between them."""
    stores = [RedisLedger(redis_server.url) for _ in range(8)]
    granted: list[str] = []

    async def want(store: RedisLedger, job: str) -> None:
        ledger = ledger_on(store)
        try:
            await ledger.settle(await ledger.reserve(job, _turn_away), "published")
        except LookupError:
            return
        granted.append(job)

    await asyncio.gather(*(want(store, f"job_{id(store)}_{number}") for store in stores for number in range(5)))
    assert len(granted) == 20
    for store in stores:
        await store.close()


def _turn_away(denied: object) -> None:
    raise LookupError(denied)
