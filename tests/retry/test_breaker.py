"""Runs in an outage: held behind one probe, resumed by a ramp, and ended when it lasts too long."""

import asyncio
import math
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from opentrain_async import OutcomeStatus, RetryPolicy
from opentrain_async._publish.single_flight import SharedPublish
from opentrain_async._retry.breaker import CircuitBreaker
from opentrain_async._retry.callers import Caller
from opentrain_async.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionLostError,
    ContradictoryResponseError,
    NotFoundError,
    RateLimitedError,
    ServerError,
)

from ..support.outages import Service, facing, ids, reset, status
from ..support.peers import ONCE, Call, answer, client_of, job_of, live, peer, sends
from ..support.virtual import GatedClock, VirtualClock


@pytest.fixture
def gated() -> GatedClock:
    """A clock on which nobody wakes until the test says so."""
    return GatedClock()


async def test_a_probe_heeds_what_the_service_asks_for(clock: VirtualClock) -> None:
    """A Retry-After of a 503 is the least that is waited."""
    service = Service(clock, after=0, seconds=300.0, fail=status("503 no", headers="Retry-After: 20\r\n"))
    async with facing(service, clock) as (_server, client):
        await client.publish_many(ids(3), concurrency=1)
    probes = service.met[4:]  # the first draft uses its attempts, the first of the second one pauses the run
    delays = [later - earlier for earlier, later in pairwise(probes)]
    assert len(delays) > 5
    assert all(20 <= delay <= 28 for delay in delays)


async def test_an_outage_costs_no_draft_its_attempts(clock: VirtualClock) -> None:
    """A draft that was a probe many times has all of them left, also its time; how many were made is told truly."""
    service = Service(clock, after=0, seconds=600.0, fail=status("503 no"))
    async with facing(service, clock) as (server, client):
        report = await client.publish_many(ids(3), concurrency=3)
    assert len(report.published) == 3
    assert sum(outcome.attempts for outcome in report.outcomes) == len(server.calls) > 60
    assert min(outcome.attempts for outcome in report.outcomes) > 20


async def test_what_an_outage_leaves_when_it_lasts_too_long(clock: VirtualClock) -> None:
    """What was sent and not answered is unknown, what was not is not sent, and the run says why."""
    service = Service(clock, after=5, seconds=math.inf, fail=reset)
    async with facing(service, clock) as (_server, client):
        report = await client.publish_many(ids(40), concurrency=10, outage_patience=300.0)
    assert isinstance(report.stopped_by, ConnectionLostError)
    assert [len(report.published), len(report.unknown), len(report.not_sent)] == [5, 10, 25]
    assert all(outcome.attempts for outcome in report.unknown)
    assert not any(outcome.attempts for outcome in report.not_sent)
    assert service.met[-1] < 300.0 <= service.met[-1] + 8.0
    assert all(outcome.error is not None for outcome in report.outcomes if outcome.result is None)


async def test_a_run_without_patience_is_not_held(clock: VirtualClock) -> None:
    """Then each draft has its own retries, within the budget."""
    service = Service(clock, after=0, seconds=math.inf, fail=status("503 no"))
    async with facing(service, clock) as (server, client):
        report = await client.publish_many(ids(9), concurrency=3, outage_patience=0.0)
    assert len(report.unknown) == 9
    assert report.stopped_by is None
    assert len(server.calls) <= 9 + 10


async def test_a_policy_that_does_not_retry_holds_as_well(clock: VirtualClock) -> None:
    """What was sent before anybody knew is in doubt; a probe uses up no attempt, not even the only one."""
    service = Service(clock, after=0, seconds=60.0, fail=status("503 no"))
    async with facing(service, clock, retry=ONCE) as (_server, client):
        report = await client.publish_many(ids(40), concurrency=4)
    assert 2 <= len(report.unknown) <= 6
    assert len(report.published) == 40 - len(report.unknown)
    assert {outcome.attempts for outcome in report.unknown} == {1}


async def test_one_draft_that_fails_is_no_outage(clock: VirtualClock) -> None:
    """It has its attempts, and the others are not held up by it."""
    service = Service(clock, after=1000, seconds=0.0, fail=reset)

    async def behave(call: Call) -> None:
        await (status("503 no")(call) if job_of(call) in {"job_3", "job_7"} else service(call))

    async with facing(behave, clock) as (_server, client):
        report = await client.publish_many(ids(30), concurrency=2)
    assert [outcome.job_id for outcome in report.unknown] == ["job_3", "job_7"]
    assert [outcome.attempts for outcome in report.unknown] == [4, 4]
    assert report.stopped_by is None


async def test_F14_a_run_that_stops_lets_go_of_what_it_holds(clock: VirtualClock) -> None:
    """A probe that shows the token to be revoked is the last request."""
    service = Service(clock, after=0, seconds=20.0, fail=status("503 no"))

    async def behave(call: Call) -> None:
        over = service.down is not None and clock.time > service.down + 20.0
        await (status("401 Unauthorized")(call) if over else service(call))

    async with facing(behave, clock) as (server, client):
        report = await client.publish_many(ids(20), concurrency=8)
    assert isinstance(report.stopped_by, AuthenticationError)
    assert len(server.calls) == len(service.met) + 1
    assert [len(report.unknown), len(report.not_sent)] == [8, 12]


async def test_F14_what_waits_to_be_tried_again_is_not_once_the_run_has_stopped(gated: GatedClock) -> None:
    """Neither after its backoff, nor after a pause: a token that was revoked meanwhile is not shown once more."""

    async def behave(call: Call) -> None:
        number = int(job_of(call).removeprefix("job_"))
        lines = ["503 no", "429 no", "401 Unauthorized"]
        headers = "Retry-After: 5\r\n" if number == 1 else ""
        await status(lines[number], headers=headers)(call)

    for first in (0, 1):
        gated.gate.clear()
        async with facing(behave, gated) as (server, client):
            run = asyncio.create_task(client.publish_many([f"job_{first}", "job_2"], concurrency=2))
            await server.arrived(2)
            await asyncio.sleep(0.01)
            gated.gate.set()
            report = await run
        assert isinstance(report.stopped_by, AuthenticationError)
        assert [outcome.attempts for outcome in report.outcomes] == [1, 1]
        assert len(server.calls) == 2


async def test_what_fails_after_its_run_has_stopped_is_not_tried_again(clock: VirtualClock) -> None:
    """Its answer comes last, and is its outcome."""
    may_answer = asyncio.Event()

    async def behave(call: Call) -> None:
        if job_of(call) == "job_0":
            await may_answer.wait()
        await status("503 no" if job_of(call) == "job_0" else "401 Unauthorized")(call)

    async with facing(behave, clock) as (server, client):
        run = asyncio.create_task(
            client.publish_many(
                ids(2), concurrency=2, on_outcome=lambda _: asyncio.get_running_loop().call_soon(may_answer.set)
            )
        )
        report = await run
    assert [(outcome.job_id, outcome.attempts) for outcome in report.outcomes] == [("job_1", 1), ("job_0", 1)]
    assert len(server.calls) == 2


async def test_what_is_refused_after_a_pause_is_refused(clock: VirtualClock) -> None:
    """The first attempt of whoever had to wait is as good as any."""

    async def behave(call: Call) -> None:
        line, headers = ("404 no", "") if job_of(call) == "job_1" else ("429 no", "Retry-After: 5\r\n")
        await status(line, headers=headers)(call)

    async with facing(behave, clock, retry=ONCE) as (_server, client):
        with pytest.raises(RateLimitedError):
            await client.publish("job_0")
        with pytest.raises(NotFoundError):
            await client.publish("job_1")
    assert sum(clock.slept) >= 5


async def test_a_draft_that_pauses_before_it_is_sent_is_not_once_the_run_has_stopped(gated: GatedClock) -> None:
    """A pause that another client's caller met is no reason to send what nobody wants any more."""
    may_answer = asyncio.Event()

    async def behave(call: Call) -> None:
        if job_of(call) == "job_a":
            call.writer.write(answer({"ok": False}, status="429 no", headers="Retry-After: 5\r\n"))
        else:
            await may_answer.wait()
            await status("401 Unauthorized")(call)

    gated.gate.clear()
    async with facing(behave, gated) as (server, client):
        comes = asyncio.Event()

        async def source() -> AsyncIterator[str]:
            yield "job_1"
            await comes.wait()
            yield "job_2"

        run = asyncio.create_task(client.publish_many(source(), concurrency=2))
        await server.arrived(1)
        alone = asyncio.create_task(client.publish("job_a"))
        await server.arrived(2)
        await asyncio.sleep(0.01)
        comes.set()
        await asyncio.sleep(0.01)
        may_answer.set()
        await asyncio.sleep(0.01)
        gated.gate.set()
        report = await run
        alone.cancel()
        await asyncio.wait({alone})
    assert [(outcome.job_id, outcome.status) for outcome in report.not_sent] == [("job_2", OutcomeStatus.NOT_SENT)]
    assert "job_2" not in [job_of(call) for call in server.calls]


async def test_a_draft_that_comes_twice_is_given_up_twice(gated: GatedClock) -> None:
    """Held without having been sent, it is not sent for either, once the outage has lasted too long."""
    service = Service(gated, after=0, seconds=math.inf, fail=status("503 no"))

    async def source() -> AsyncIterator[str]:
        for job_id in ids(3):
            yield job_id
        while len(service.met) < 3:
            await asyncio.sleep(0)
        await asyncio.sleep(0.02)
        yield "job_x"
        yield "job_x"

    gated.gate.clear()
    async with facing(service, gated) as (_server, client):
        asyncio.get_running_loop().call_later(0.1, gated.gate.set)
        async with client.publish_stream(source(), concurrency=5, outage_patience=0.1) as outcomes:
            ended = [(outcome.job_id, outcome.status) async for outcome in outcomes]
    assert ended.count(("job_x", OutcomeStatus.NOT_SENT)) == 2
    assert len([status for _, status in ended if status is OutcomeStatus.UNKNOWN]) == 3


def held_on(clock: VirtualClock) -> SharedPublish:
    """A draft of a run that can be held."""
    return SharedPublish("job_x", Caller(0.0, outage_patience=9.0, since=clock.time))


async def test_an_outage_that_ends_while_a_draft_is_in_line_lets_it_go(clock: VirtualClock) -> None:
    """Nobody who stands there is left behind."""
    outage = CircuitBreaker(clock, base_delay=1.0, max_delay=1.0, max_retry_after=60.0)
    clock.stands_still = True
    for number in range(3):
        outage.failed(f"job_{number}", ServerError("no", status=503))
    first, second = (asyncio.create_task(outage.permit(held_on(clock), None)) for _ in range(2))
    await asyncio.sleep(0)
    outage.answered()
    first.cancel()
    await asyncio.sleep(0)
    passage = await second
    assert passage is not None
    assert not passage.is_probe


async def test_a_single_publish_is_not_held() -> None:
    """Whoever awaits one draft learns soon how it ended; and what it is answered ends the hold of the runs."""
    is_down = True

    async def behave(call: Call) -> None:
        await (status("503 no") if is_down else sends(answer(live(job_of(call)))))(call)

    slow = RetryPolicy(base_delay=1e6, max_delay=1e6)
    async with peer(behave) as server, client_of(server.url, retry=slow, daily_limit=100) as client:
        run = asyncio.create_task(client.publish_many(ids(3), concurrency=3))
        await server.arrived(3)
        with pytest.raises(ServerError):
            await client.publish("job_a")
        is_down = False
        assert (await client.publish("job_b")).newly_published
        report = await run
    assert [outcome.job_id for outcome in report.published] == ["job_2"]
    assert [outcome.attempts for outcome in report.outcomes] == [1, 1, 2]


async def test_a_throttle_of_an_hour_defers_the_run(clock: VirtualClock) -> None:
    """Each draft under way is told so once; the rest waits as long, unsent. When it is over the next run goes."""
    is_busy = True

    async def behave(call: Call) -> None:
        busy = answer({"ok": False}, status="429 no", headers="Retry-After: 3600\r\n")
        call.writer.write(busy if is_busy else answer(live(job_of(call))))

    async with facing(behave, clock) as (server, client):
        report = await client.publish_many(ids(50), concurrency=5)
        assert (len(report.deferred), len(server.calls)) == (50, 5)
        assert {outcome.attempts for outcome in report.outcomes} == {0, 1}
        for outcome in report.outcomes:
            assert isinstance(outcome.error, RateLimitedError)
            assert outcome.error.job_id == outcome.job_id
            assert outcome.retry_at is not None
            assert abs(outcome.retry_at.timestamp() - clock.time - 3600) < 1
        with pytest.raises(RateLimitedError):
            await client.publish("job_a")
        assert len(server.calls) == 6
        is_busy = False
        clock.time += 3550
        assert len((await client.publish_many(["job_b"])).published) == 1
        assert 50 <= sum(clock.slept) <= 51


async def test_a_cancelled_run_leaves_the_line(clock: VirtualClock) -> None:
    """Held drafts hold nothing up once nobody wants them."""
    service = Service(clock, after=0, seconds=math.inf, fail=status("503 no"))
    async with facing(service, clock) as (server, client):
        clock.stands_still = True
        run = asyncio.create_task(client.publish_many(ids(9), concurrency=3))
        await server.arrived(3)
        await asyncio.sleep(0.01)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert (await client.quota()).doubtful == 3


@pytest.mark.parametrize("patience", [-1, math.nan, "long", None])
async def test_a_patience_that_cannot_be_right_is_refused(patience: object) -> None:
    """At the call, by name."""
    async with client_of("http://127.0.0.1:1") as client:
        with pytest.raises(ConfigurationError, match="outage_patience"):
            await client.publish_many([], outage_patience=patience)  # type: ignore[arg-type]


async def test_failures_that_are_not_tried_again_are_an_outage_as_well(clock: VirtualClock) -> None:
    """A 501 of every draft pauses the run; it ends when its patience does, with most drafts unsent."""
    async with facing(status("501 no"), clock) as (server, client):
        report = await client.publish_many(ids(60), concurrency=1, outage_patience=20.0)
    assert isinstance(report.stopped_by, ServerError)
    assert len(server.calls) == len(report.unknown) < 20


async def test_an_answer_that_contradicts_itself_says_nothing_of_the_service(clock: VirtualClock) -> None:
    """However many there are, no outage is taken to have begun; nor to have ended, if a probe is answered so."""

    async def contradict(call: Call) -> None:
        call.writer.write(answer({"ok": False}))

    async with facing(contradict, clock) as (server, client):
        report = await client.publish_many(ids(2), concurrency=2)
        assert client._breaker.outages_ended == 0
    assert (len(report.unknown), report.stopped_by, len(server.calls)) == (2, None, 8)

    async def fail_first(call: Call) -> None:
        await (status("503 no") if call.number <= 3 else contradict)(call)

    async with facing(fail_first, clock) as (server, client):
        report = await client.publish_many(ids(4), concurrency=4, outage_patience=60.0)
        assert client._breaker.state == "open"
    assert isinstance(report.stopped_by, ContradictoryResponseError)
    assert len(server.calls) < 30


def opened_on(clock: VirtualClock, *, max_delay: float = 0.0) -> CircuitBreaker:
    """A breaker of a policy without delays, which has just opened."""
    breaker = CircuitBreaker(clock, base_delay=0.0, max_delay=max_delay, max_retry_after=60.0)
    for number in range(3):
        breaker.failed(f"job_{number}", ServerError("no", status=503))
    assert breaker.state == "open"
    return breaker


@pytest.mark.parametrize("max_delay", [0.0, 0.05, 1.0])
async def test_a_policy_without_delays_waits_a_tenth_of_a_second_for_each_probe(
    clock: VirtualClock, max_delay: float
) -> None:
    """For the first as for later ones; the delays grow if the policy lets them."""
    breaker = opened_on(clock, max_delay=max_delay)
    delays: list[float] = []
    for _ in range(20):
        delays.append(breaker.probe_at - clock.time)
        permit = await breaker.permit(held_on(clock), None)
        assert permit is not None
        assert permit.is_probe
        breaker.failed("job_x", ServerError("no", status=503), permit)
    assert all(0.1 <= delay <= max(0.2, max_delay) for delay in delays)
    assert (max(delays) > 0.2) == (max_delay > 0.2)


async def test_a_probe_that_ends_without_a_word_of_the_service_delays_the_next(clock: VirtualClock) -> None:
    """As one that is cancelled."""
    breaker = opened_on(clock)
    began: list[float] = []
    for _ in range(20):
        permit = await breaker.permit(held_on(clock), None)
        began.append(clock.time)
        breaker.release(permit)
    assert all(0.1 <= later - earlier <= 0.2 for earlier, later in pairwise(began))
