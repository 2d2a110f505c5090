"""What a Redis does to the ledger that is kept in it, and what its publishes become then."""

import asyncio
import os
import warnings
from functools import partial
from pathlib import Path

import pytest

from opentrain_async import AsyncOpenTrain, OutcomeStatus, RedisLedger
from opentrain_async.errors import QuotaLedgerError
from opentrain_async.quota._steps import _SETTLE_SECONDS
from opentrain_async.quota._stores.redis_scripts import DIGEST
from opentrain_async.sandbox import Sandbox

from ..support import stores
from ..support.clients import Connect
from ..support.peers import Call, answer, client_of, live, peer, unused_port
from ..support.servers import Distant, Lossy, RedisServer, commands
from ..support.stores import publish, used
from ..support.virtual import LoopTime, in_no_time
from ..support.waiting import until

ledger_on = partial(stores.ledger_on, limit=20)


@pytest.fixture
def own_server(redis_server: RedisServer, tmp_path: Path) -> RedisServer:
    """A server that a test may start and stop; of the kind that is under test."""
    return RedisServer(redis_server.binary, tmp_path)


async def test_F27_script_flush_costs_a_round_trip_and_nothing_else(redis_server: RedisServer) -> None:
    """A server that has forgotten the script is told it again, once, and has lost no slot."""
    relay = Lossy(redis_server.port)
    async with relay.running(), RedisLedger(relay.url, timeout=10) as redis_store:
        ledger = ledger_on(redis_store)

        async def round_trips(job: str) -> int:
            before = relay.round_trips
            await publish(ledger, job)
            return relay.round_trips - before

        await publish(ledger, "a")
        usual = await round_trips("b")
        redis_server.do("SCRIPT", "FLUSH")
        assert [await round_trips("c"), await round_trips("d")] == [usual + 1, usual]
        assert await used(redis_store) == 4


@pytest.mark.parametrize("lost_by", ["FLUSHALL", "a restart"])
async def test_F27_what_was_lost_the_services_refusal_teaches_the_ledger_anew(
    own_server: RedisServer, sandbox: Sandbox, connect: Connect, lost_by: str
) -> None:
    """One refusal, and what the ledger has lost is counted again."""
    own_server.start()
    async with RedisLedger(own_server.url, timeout=10) as redis_store:
        client = connect(sandbox, ledger=redis_store, daily_limit=20)
        await client.publish_many([sandbox.draft() for _ in range(20)])
        if lost_by == "a restart":
            own_server.stop()
            own_server.start()
        else:
            own_server.empty()
        report = await client.publish_many([sandbox.draft() for _ in range(5)], concurrency=1)
        assert len(report.deferred) == 5
        assert sandbox.refusals == 1
        assert (await client.quota()).used == 20
    own_server.stop()


async def test_F27_what_a_failover_loses_the_services_refusal_teaches_the_ledger_anew(
    redis_server: RedisServer, tmp_path: Path, sandbox: Sandbox, connect: Connect
) -> None:
    """A replica that takes over without the last writes costs one refusal, and no draft is charged twice."""
    primary = RedisServer(redis_server.binary, tmp_path, "--repl-diskless-sync-delay", "0")
    with primary, RedisServer(redis_server.binary, tmp_path, "--replicaof", "127.0.0.1", str(primary.port)) as replica:
        relay = Lossy(primary.port)
        async with relay.running(), RedisLedger(relay.url, timeout=10) as redis_store:
            client = connect(sandbox, ledger=redis_store, daily_limit=20)
            ids = [sandbox.draft() for _ in range(20)]
            await client.publish_many(ids[:5])
            await until(lambda: replica.do("EXISTS", f"opentrain:quota:{client._ledger.account}"))
            assert primary.do("WAIT", "1", "10000") == 1
            replica.do("REPLICAOF", "NO", "ONE")
            await client.publish_many(ids[5:])
            primary.stop()
            relay.port = replica.port
            assert (await client.quota()).used == 5
            report = await client.publish_many([ids[19], *(sandbox.draft() for _ in range(4))], concurrency=1)
            assert [outcome.status for outcome in report.outcomes] == ["already_published", *["deferred"] * 4]
            assert ((await client.quota()).used, sandbox.refusals, len(sandbox.live)) == (20, 1, 20)


async def test_F27_a_flush_before_the_write_does_not_bring_old_slots_back(
    redis_store: RedisLedger, redis_server: RedisServer
) -> None:
    """A step that has read what is gone by now is run again on what there is."""
    await publish(ledger_on(redis_store), "a", "b")
    seen: list[int] = []

    def step(log: object, now: float) -> None:
        seen.append(log.used)  # type: ignore[attr-defined]
        if len(seen) == 1:
            redis_server.empty()

    await redis_store.run("account", step, 0.0)
    assert seen == [2, 0]


async def test_F26_F27_a_restarted_server_is_connected_to_again(own_server: RedisServer) -> None:
    """Down it is an error, up again it works, though it has forgotten everything."""
    own_server.start()
    async with RedisLedger(own_server.url) as redis_store:
        await publish(ledger_on(redis_store), "a")
        own_server.stop()
        with pytest.raises(QuotaLedgerError):
            await in_no_time(used(redis_store))
        with own_server:
            await publish(ledger_on(redis_store), "b")
            assert await used(redis_store) == 1


async def test_F26_a_server_that_goes_in_the_middle_of_a_run_stops_it(
    own_server: RedisServer, sandbox: Sandbox, connect: Connect
) -> None:
    """If it stays away. What is live is reported so, and the rest is not sent. Later the same ledger works again."""
    ids = [sandbox.draft() for _ in range(6)]
    with own_server:
        async with RedisLedger(own_server.url, timeout=10) as redis_store:
            client = connect(sandbox, ledger=redis_store, daily_limit=20)
            gone = asyncio.Event()

            def stop(_: object) -> None:
                if len(sandbox.live) == 2:
                    own_server.stop()
                    gone.set()

            run = asyncio.create_task(client.publish_many(ids, concurrency=1, on_outcome=stop))
            await gone.wait()
            await LoopTime().passed_until(run.done, breath=0.001)
            report = await run
            assert (len(report.published), len(report.not_sent), len(sandbox.requests)) == (2, 4, 2)
            assert isinstance(report.stopped_by, QuotaLedgerError)
            own_server.start()
            assert len((await client.publish_many(ids)).published) == 4


async def test_F26_a_server_that_is_down_at_the_start_is_an_error_with_nothing_sent(sandbox: Sandbox) -> None:
    """Once the connection was refused for as long as a step may take."""
    redis_store = RedisLedger(f"redis://:secret@127.0.0.1:{unused_port()}/0", timeout=0.04)
    async with AsyncOpenTrain(sandbox.token, base_url=sandbox.url, ledger=redis_store) as client:
        with pytest.raises(QuotaLedgerError) as raised:
            await client.publish(sandbox.draft())
        report = await client.publish_many([sandbox.draft() for _ in range(3)])
    assert len(report.not_sent) == 3
    assert sandbox.requests == []
    assert "secret" not in f"{raised.value!r}{raised.value.__cause__!r}{report.stopped_by!r}"
    await redis_store.close()


async def test_F57_a_server_that_is_away_for_a_moment_stops_no_run(
    own_server: RedisServer, sandbox: Sandbox, connect: Connect
) -> None:
    """The connection is refused until it is back."""
    ids = [sandbox.draft() for _ in range(6)]
    loop, back = asyncio.get_running_loop(), list[asyncio.Future[None]]()

    def restart(_: object) -> None:
        if len(sandbox.live) == 2:
            own_server.stop()
            back.append(loop.run_in_executor(None, own_server.start))

    own_server.start()
    async with RedisLedger(own_server.url) as redis_store:
        client = connect(sandbox, ledger=redis_store, daily_limit=20)
        report = await client.publish_many(ids, concurrency=1, on_outcome=restart)
        assert (len(back), len(report.published), report.stopped_by) == (1, 6, None)
        await back[0]
    own_server.stop()


async def test_F57_a_hundred_drafts_of_four_ledgers_far_away_are_all_published(redis_server: RedisServer) -> None:
    """No race is lost for ever, and few commands are in vain."""
    relay = Distant(redis_server.port, 0.02)
    async with relay.running():
        ledgers = [RedisLedger(relay.url) for _ in range(4)]
        redis_server.do("CONFIG", "RESETSTAT")
        await asyncio.gather(
            *(
                publish(
                    stores.ledger_on(ledger, limit=100), *(f"job_{id(ledger)}_{worker}_{number}" for number in range(5))
                )
                for ledger in ledgers
                for worker in range(5)
            )
        )
        assert await used(ledgers[0]) == 100
        assert commands(redis_server) <= 200
        for ledger in ledgers:
            await ledger.close()


async def test_F57_eight_ledgers_on_one_account_cost_few_commands_in_vain(redis_server: RedisServer) -> None:
    """Each publishes one draft after another, so that all write all the time."""
    relay = Distant(redis_server.port, 0.02)
    async with relay.running():
        ledgers = [RedisLedger(relay.url) for _ in range(8)]
        redis_server.do("CONFIG", "RESETSTAT")
        jobs = [[f"job_{number}_{ledger}" for number in range(2)] for ledger in range(8)]
        await asyncio.gather(
            *(publish(stores.ledger_on(ledger, limit=100), *mine) for ledger, mine in zip(ledgers, jobs, strict=True))
        )
        assert commands(redis_server) <= 8 * 16
        assert await used(ledgers[0]) == 16
        for ledger in ledgers:
            await ledger.close()


@pytest.mark.parametrize("stalls", [True, False])
async def test_F26_a_server_that_goes_between_reserve_and_settle_does_not_change_the_outcome(
    own_server: RedisServer, caplog: pytest.LogCaptureFixture, stalls: bool
) -> None:
    """What was published is reported as published; that it could not be settled is a line in the log."""

    async def behave(call: Call) -> None:
        if stalls:
            own_server.do("CLIENT", "PAUSE", "60000", "WRITE")
        else:
            own_server.stop()
        call.writer.write(answer(live("job_1")))

    time = LoopTime()
    with own_server:
        async with (
            peer(behave) as server,
            RedisLedger(own_server.url, timeout=2) as redis_store,
            client_of(server.url, ledger=redis_store) as client,
        ):
            run = asyncio.create_task(client.publish_many(["job_1"]))
            await server.arrived(1)
            await time.passed_until(run.done)
            (outcome,) = (await run).outcomes
            if stalls:
                own_server.do("CLIENT", "UNPAUSE")  # whoever closes a ledger waits for what it has begun
    assert (outcome.status, outcome.error) == (OutcomeStatus.PUBLISHED, None)
    assert "could not settle" in caplog.text


async def test_F20_F26_a_server_that_stalls_is_given_up_and_mixes_up_no_answers(
    redis_server: RedisServer, sandbox: Sandbox
) -> None:
    """CLIENT PAUSE: an error within the bound, nothing sent, no reply left for who comes next, and then all is well."""
    time = LoopTime()
    async with RedisLedger(redis_server.url, timeout=4) as redis_store:
        await publish(ledger_on(redis_store, account="other"), "a", "b", "c")
        async with AsyncOpenTrain(sandbox.token, base_url=sandbox.url, ledger=redis_store, account="one") as client:
            redis_server.do("CLIENT", "PAUSE", "60000", "WRITE")
            publishing = asyncio.create_task(client.publish(sandbox.draft()))
            seconds = await time.passed_until(publishing.done)
            assert 0 < seconds < 4 + _SETTLE_SECONDS + 0.5  # for the step, and to give its place back
            redis_server.do("CLIENT", "UNPAUSE")
            with pytest.raises(QuotaLedgerError, match=rf"\({redis_server.url}\) took longer than"):
                await publishing
            assert sandbox.requests == []
            await client.publish(sandbox.draft())
    async with RedisLedger(redis_server.url) as redis_store:
        assert [
            await used(redis_store, "other"),
            await used(redis_store, f"{sandbox.url} one"),
            await used(redis_store, "nobody"),
        ] == [3, 1, 0]


async def test_F20_a_cancelled_caller_leaves_its_answer_to_nobody(
    redis_store: RedisLedger, redis_server: RedisServer
) -> None:
    """A command under way is finished, whoever it was for; the next caller gets its own answer."""
    await publish(ledger_on(redis_store, account="other"), "a", "b", "c")
    for number in range(20):
        caller = asyncio.create_task(ledger_on(redis_store).snapshot())
        for _ in range(number):
            await asyncio.sleep(0)
        caller.cancel()
        assert await used(redis_store, "other") == 3
        await asyncio.wait({caller})


@pytest.mark.parametrize("losses", [1, 5])
async def test_F28_a_connection_dropped_in_the_middle_of_a_step_is_replaced(
    redis_server: RedisServer, losses: int
) -> None:
    """The write whose answer was lost is found to have arrived, and is not done twice."""
    relay = Lossy(redis_server.port)
    async with relay.running(), RedisLedger(relay.url) as redis_store:
        await publish(ledger_on(redis_store), "a")
        relay.lose_answer_to(DIGEST, losses)
        runs: list[float] = []

        def step(log: object, now: float) -> None:
            runs.append(now)

        await redis_store.run("account", step, 0.0)
        assert (relay.losses, len(runs)) == (losses, 1)
        relay.lose_answer_to(DIGEST, losses)
        await publish(ledger_on(redis_store), "b")
        assert (relay.losses, await used(redis_store)) == (2 * losses, 2)


async def test_F28_a_place_whose_reservation_nobody_heard_of_is_given_back(redis_server: RedisServer) -> None:
    """The write arrives, its answer and those of its repetitions are lost: an error, and nothing stays reserved."""
    relay = Lossy(redis_server.port)
    async with relay.running(), RedisLedger(relay.url, timeout=1) as redis_store:
        await publish(ledger_on(redis_store), "a")
        relay.lose_answer_to('["b",', times=10**4)  # so it is written down
        time, reserving = LoopTime(), asyncio.create_task(ledger_on(redis_store).reserve("b", 0))
        await until(lambda: relay.losses)
        time.block(1)
        with pytest.raises(QuotaLedgerError):
            await reserving
        assert await used(redis_store) == 1


async def test_F26_a_place_that_cannot_be_given_back_either_is_a_quiet_matter(
    own_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The error tells it already; its lease runs out."""
    redis_store = RedisLedger(own_server.url, timeout=0.04)
    with caplog.at_level("INFO"), pytest.raises(QuotaLedgerError):
        await ledger_on(redis_store).reserve("a", 0)
    assert caplog.text == ""


async def test_F36_whoever_cancels_all_tasks_can_still_close(redis_server: RedisServer) -> None:
    """A ledger whose work was cancelled under it answers nobody, goes on, and closes."""
    async with RedisLedger(redis_server.url) as redis_store:
        for turns in range(4):
            running = [redis_store.run("account", lambda _, now: now, 0.0) for _ in range(2)]
            for _ in range(turns):
                await asyncio.sleep(0)
            running.append(redis_store.run("account", lambda _, now: now, 0.0))
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.wait(running, timeout=10)
            assert all(answer.cancelled() for answer in running)
        assert await used(redis_store) == 0


async def test_F36_a_cancelled_close_can_be_done_again(redis_server: RedisServer) -> None:
    """No connection is left open."""
    redis_store = RedisLedger(redis_server.url)
    running = redis_store.run("account", lambda _, now: now, 0.0)
    closing = asyncio.create_task(redis_store.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait({closing})
    await redis_store.close()
    assert running.done()
    assert redis_store._batcher is None


async def test_F29_a_forked_child_has_a_connection_of_its_own(redis_server: RedisServer) -> None:
    """Also one that is forked while the event loop runs, and has to have another."""
    async with RedisLedger(redis_server.url) as redis_store:
        await publish(ledger_on(redis_store), "a")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads, which other tests may leave
            child = os.fork()
        if child == 0:
            try:
                os._exit(asyncio.run(_publish_and_close(redis_store, "b")))
            finally:
                os._exit(99)
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        assert os.waitstatus_to_exitcode(status) == 2
        assert await used(redis_store) == 2


async def _publish_and_close(redis_store: RedisLedger, job: str) -> int:
    async with redis_store:
        await publish(ledger_on(redis_store), job)
        return await used(redis_store)


async def test_F27_a_server_that_may_evict_is_warned_of_once(
    redis_store: RedisLedger, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A policy that may throw the log away is said, once."""
    redis_server.do("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "volatile-lru")
    try:
        await publish(ledger_on(redis_store), "a", "b")
        await until(lambda: "volatile-lru" in caplog.text)
    finally:
        redis_server.do("CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", "noeviction")
    assert caplog.text.count("may evict") == 1
