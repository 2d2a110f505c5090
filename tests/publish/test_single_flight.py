"""Drafts that several callers wait for, while they are held in an outage, sent, or stopped."""

import asyncio
import json
import math

import pytest

from opentrain_async import MemoryLedger, OutcomeStatus, RetryPolicy
from opentrain_async._publish.draft import Publisher
from opentrain_async._publish.single_flight import SingleFlight
from opentrain_async._retry.callers import Caller
from opentrain_async._retry.engine import Retrier
from opentrain_async._service.http.messages import Reply, Request
from opentrain_async.errors import ConnectError, ConnectionLostError, NotFoundError, ServerError
from opentrain_async.quota import AccountLog, QuotaLedger

from ..support.account import T0, Account
from ..support.outages import Service, facing, ids, status
from ..support.peers import Call, answer, client_of, envelope, live, peer, sends, unused_port
from ..support.stores import BrokenStore, SlowStore
from ..support.virtual import GatedClock, ShortClock, VirtualClock
from ..support.waiting import until

SLOW = RetryPolicy(base_delay=1e6, max_delay=1e6)
"""Whoever is not held fails at once, as its backoff is beyond the deadline; the first probe is far away."""


async def down(call: Call) -> None:
    await status("503 no")(call)


async def test_a_single_publish_of_a_held_draft_is_tried_at_once() -> None:
    """It learns how that ended; the run's draft is held on."""
    async with peer(down) as server, client_of(server.url, retry=SLOW, daily_limit=100) as client:
        run = asyncio.create_task(client.publish_many(ids(3), concurrency=3))
        await until(lambda: client._breaker.state == "open")
        with pytest.raises(ServerError) as raised:
            await client.publish("job_2")
        assert raised.value.effect == "unknown"
        assert len(server.calls) == 4
        assert not run.done()
        run.cancel()
        await asyncio.wait({run})


async def test_a_single_publish_of_a_held_draft_that_reaches_nobody_changed_nothing() -> None:
    """Where no connection is made there is no doubt."""
    origin = f"http://127.0.0.1:{unused_port()}"
    async with client_of(origin, retry=SLOW, daily_limit=100) as client:
        run = asyncio.create_task(client.publish_many(ids(3), concurrency=3))
        await until(lambda: client._breaker.state == "open" and "job_2" in client._single_flight._joinable)
        held = next(iter(client._single_flight._joinable))
        with pytest.raises(ConnectError) as raised:
            await client.publish(held)
        assert raised.value.effect == "none"
        run.cancel()
        await asyncio.wait({run})


async def test_a_run_that_stops_lets_go_of_drafts_that_another_run_holds() -> None:
    """However patient the other one is; what may be live is unknown."""
    async with peer(down) as server, client_of(server.url, retry=SLOW, daily_limit=100) as client:
        patient = asyncio.create_task(client.publish_many(ids(3), concurrency=3, outage_patience=math.inf))
        await until(lambda: client._breaker.state == "open")
        async with client.publish_stream(["job_2"]) as stream:
            await until(lambda: client._single_flight._joinable["job_2"].callers)
            stream.stop()
            assert [outcome.status async for outcome in stream] == [OutcomeStatus.UNKNOWN]
        assert not patient.done()
        patient.cancel()
        await asyncio.wait({patient})


async def test_each_run_has_its_own_patience_with_a_shared_draft(clock: VirtualClock) -> None:
    """The less patient one stops when its own is over, and the other one gets its draft live."""
    service = Service(clock, after=0, seconds=300.0, fail=status("503 no"))
    async with facing(service, clock) as (_server, client):
        patient = asyncio.create_task(client.publish_many(ids(3), concurrency=3))
        await until(lambda: client._breaker.state == "open")
        hasty = await client.publish_many(["job_2"], outage_patience=60.0)
        assert [outcome.status for outcome in hasty.outcomes] == [OutcomeStatus.UNKNOWN]
        assert isinstance(hasty.stopped_by, ServerError)
        assert len((await patient).published) == 3


async def test_whoever_takes_over_a_held_draft_is_held_as_well(clock: VirtualClock) -> None:
    """A run that is cancelled in an outage does not take away the patience of another one with the same drafts."""
    service = Service(clock, after=0, seconds=200.0, fail=status("503 no"))
    async with facing(service, clock) as (_server, client):
        first = asyncio.create_task(client.publish_many(ids(5), concurrency=5))
        await until(lambda: client._breaker.state == "open")
        second = asyncio.create_task(client.publish_many(ids(5), concurrency=5))
        await until(lambda: all(flight.callers for flight in client._single_flight._joinable.values()))
        first.cancel()
        assert len((await second).published) == 5


async def test_a_draft_that_was_being_sent_for_a_run_that_is_cancelled_may_be_live() -> None:
    """Another run that had stopped meanwhile is not told that it was not sent."""
    never = asyncio.Event()

    async def stall(_: Call) -> None:
        await never.wait()

    async with peer(stall) as server, client_of(server.url, daily_limit=100) as client:
        sending = asyncio.create_task(client.publish_many(["job_1"]))
        await server.arrived(1)
        async with client.publish_stream(["job_1"]) as stream:
            await until(lambda: client._single_flight._joinable["job_1"].callers)
            stream.stop()
            sending.cancel()
            assert [outcome.status async for outcome in stream] == [OutcomeStatus.UNKNOWN]


@pytest.mark.parametrize(("line", "ended"), [("429 no", OutcomeStatus.DEFERRED), ("503 no", OutcomeStatus.UNKNOWN)])
async def test_a_run_that_stops_waits_neither_for_a_pause_nor_for_its_backoff(line: str, ended: OutcomeStatus) -> None:
    """Whatever the service has asked for: what was answered so far is the outcome."""

    async def behave(call: Call) -> None:
        await status(line, headers="Retry-After: 50\r\n")(call)

    async with (
        asyncio.timeout(5),
        peer(behave) as server,
        client_of(server.url, retry=RetryPolicy(), daily_limit=100) as client,
        client.publish_stream(["job_1"]) as stream,
    ):
        await server.arrived(1)
        await until(lambda: client._single_flight._joinable["job_1"].phase == "ready")
        stream.stop()
        outcomes = [outcome async for outcome in stream]
    assert [(outcome.status, outcome.attempts) for outcome in outcomes] == [(ended, 1)]


@pytest.mark.parametrize("seconds", [150.0, 300.0, 600.0])
async def test_a_hold_that_outlasts_a_lease_lets_nobody_past_the_quota(seconds: float) -> None:
    """Held drafts keep their slots, so the twenty-first is deferred and not sent to be refused."""
    clock = ShortClock()
    service = Service(clock, after=10, seconds=seconds, fail=status("503 no"))
    async with (
        peer(service) as server,
        client_of(server.url, clock=clock, retry=RetryPolicy(), daily_limit=20) as client,
    ):
        report = await client.publish_many(ids(30), concurrency=10)
    assert (len(report.published), len(report.deferred)) == (20, 10)
    assert len(service.live) == 20


def test_a_lease_that_is_renewed_begins_anew() -> None:
    """One that has run out meanwhile, or is not there, stays as it is."""
    account = Account(cap=1)
    held = account.reserve("job_1")
    account.log.renew(held, T0 + 100)
    assert account.log.snapshot(T0 + 250, 1).slots[0].state == "held"
    account.log.renew(held, T0 + 300)
    assert account.log.snapshot(T0 + 300, 1).slots[0].state == "unknown"
    empty = AccountLog()
    empty.renew(held, T0)
    assert empty.used == 0


async def test_a_lease_that_cannot_be_renewed_runs_out(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    """A ledger that fails while a draft is held is a line in the log; the draft's outcome does not depend on it."""
    store = BrokenStore(works_for=9)
    service = Service(clock, after=0, seconds=200.0, fail=status("503 no"))
    async with peer(service) as server:
        client = client_of(server.url, clock=clock, retry=RetryPolicy(), daily_limit=20, ledger=store)
        report = await client.publish_many(ids(3), concurrency=3)
        await client.close()
    assert len(report.published) == 3
    assert "could not renew a reservation" in caplog.text


async def test_doubt_that_was_inherited_keeps_its_date_where_nothing_is_sent(clock: VirtualClock) -> None:
    """A run that gives up before it has sent anything leaves the slots of the last one as old as they are."""
    ledger = MemoryLedger()
    async with peer(down) as server:
        for patience in (0.0, 0.1):
            async with client_of(server.url, clock=clock, daily_limit=20, ledger=ledger) as client:
                if patience:
                    before = set((await client.quota()).slots)
                    clock.time += 3600
                    for number in range(3):
                        client._breaker.failed(f"other_{number}", ServerError("no", status=503))
                report = await client.publish_many(ids(3), outage_patience=patience)
                assert len(report.unknown) == 3
                after = set((await client.quota()).slots)
    assert after == before
    assert len(server.calls) == 3


async def test_a_single_publish_of_a_draft_that_was_held_unsent_is_tried_at_once() -> None:
    """Whoever joins it has the run's draft sent, in the slot that it has already."""
    async with peer(down) as server, client_of(server.url, retry=SLOW, daily_limit=1) as client:
        for number in range(3):
            client._breaker.failed(f"other_{number}", ServerError("no", status=503))
        run = asyncio.create_task(client.publish_many(["job_1"]))
        await until(
            lambda: "job_1" in client._single_flight._joinable and client._single_flight._joinable["job_1"].reservation
        )
        await asyncio.sleep(0.01)
        assert not server.calls
        single = asyncio.create_task(client.publish("job_1"))
        await asyncio.wait({single}, timeout=10)
        assert [single.done(), run.done(), len(server.calls)] == [True, False, 1]
        assert isinstance(single.exception(), ServerError)
        run.cancel()
        await asyncio.wait({run})


async def test_a_refusal_that_came_before_the_client_was_closed_is_told() -> None:
    """Its slot is still to be settled; what it was is known."""

    async def refuse(call: Call) -> None:
        await sends(answer(envelope(), status="404 no"))(call)

    store = SlowStore(stops_at=2)
    async with peer(refuse) as server, client_of(server.url, ledger=store) as client:
        caller = asyncio.create_task(client.publish("job_1"))
        await until(lambda: store.begun == 2)
        closing = asyncio.create_task(client.close())
        await asyncio.sleep(0.01)
        store.go_on.set()
        await closing
        with pytest.raises(NotFoundError):
            await caller
    assert store.log.jobs == {}


async def test_who_takes_over_after_a_lost_connection_asks_for_a_fresh_one() -> None:
    """The connections that the pool has kept are as old, whoever sends over them."""
    asked: list[bool] = []

    class Losing:
        """A transport that loses the first two requests."""

        async def send(self, _request: Request, _seconds: float, *, fresh: bool, on_unsent: object) -> Reply:
            asked.append(fresh)
            if len(asked) <= 2:
                raise ConnectionLostError("lost", effect="unknown")
            return Reply(200, json.dumps(live("job_1")).encode())

    clock = GatedClock()
    retrier = Retrier(RetryPolicy(), clock)
    ledger = QuotaLedger(MemoryLedger(), "account", clock, daily_limit=20, lease=180.0)
    publisher = Publisher(ledger, Losing(), retrier, clock)  # type: ignore[arg-type]
    flights = SingleFlight(publisher.publish, clock, retrier.wake_all)

    async def work() -> object:
        task = asyncio.current_task()
        _, ending = flights.join_in_own_task("job_1", Caller(0.0), task)
        return await ending

    worker = asyncio.create_task(work())
    await asyncio.sleep(0)
    other = asyncio.ensure_future(flights.join("job_1", Caller(0.0)))
    await until(lambda: clock.slept)
    worker.cancel()
    assert (await other).job_id == "job_1"
    assert asked == [False, True, True]
