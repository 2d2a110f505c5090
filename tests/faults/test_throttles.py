"""Answers of 429 that do not end, whatever their bodies: the run is paused, and the service is not hammered."""

import asyncio
import math
from datetime import timedelta

import pytest

from opentrain_async import AsyncOpenTrain, OutcomeStatus, PublishOutcome, RetryPolicy
from opentrain_async._base.clock import instant
from opentrain_async.errors import NotFoundError, RateLimitedError
from opentrain_async.events import RunHeld, RunResumed
from opentrain_async.sandbox import Sandbox

from ..support.clients import Connect
from ..support.outages import facing, ids
from ..support.peers import Behaviour, Call, answer, client_of, envelope, job_of, live, peer
from ..support.proxy import proxied, saying
from ..support.virtual import VirtualClock

TOO_MANY = "429 Too Many Requests"
# A second attempt of a draft may begin before the third answer has opened the breaker.
RETRIED_BEFORE = 3
# On the virtual clock the pauses of other drafts pass while a request is in flight.
NO_DEADLINE = RetryPolicy(deadline=1e6)


def throttle(body: object, headers: str = "") -> bytes:
    """A 429 with this body, or with the service's envelope and these details."""
    said = envelope(code="RATE_LIMITED", details=body) if isinstance(body, dict) else body
    return answer(said, status=TOO_MANY, headers=headers)


def always(reply: bytes) -> Behaviour:
    """Answers every call with this."""

    async def behave(call: Call) -> None:
        await asyncio.sleep(0.002)
        call.writer.write(reply)

    return behave


async def outcomes_of(client: AsyncOpenTrain, how: str, count: int, concurrency: int) -> list[PublishOutcome]:
    """The outcomes of one run."""
    if how == "many":
        return list((await client.publish_many(ids(count), concurrency=concurrency)).outcomes)
    async with client.publish_stream(ids(count), concurrency=concurrency) as stream:
        return [outcome async for outcome in stream]


@pytest.mark.parametrize("how", ["many", "stream"])
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({}, ""),
        ({"limit": 5}, ""),
        ({"limit": 50}, "Retry-After: 1\r\n"),
        ({"limit": 20, "resetAt": "2027-01-16T08:00:00Z"}, ""),
        ({"limit": 20, "windowSeconds": 86400}, "Retry-After: 30\r\n"),
        ({"limit": 20}, "Retry-After: 60\r\n"),
        (b"<html>429 Too Many Requests</html>", ""),
        (b"", "Retry-After: soon\r\n"),
    ],
    ids=["nothing", "limit of 5", "limit of 50", "resetAt", "seconds", "limit and a minute", "html", "no body"],
)
async def test_F49_a_throttle_that_does_not_end_is_asked_seldom(
    clock: VirtualClock, body: object, headers: str, how: str
) -> None:
    """Those sent are deferred, the rest is not sent, each for an hour; the next run asks a few times."""
    async with facing(always(throttle(body, headers)), clock, retry=NO_DEADLINE) as (server, client):
        began = clock.time
        outcomes = await outcomes_of(client, how, 200, 10)
        assert len(server.calls) <= 10 + 9 + RETRIED_BEFORE
        assert 900 <= clock.time - began < 1000
        for outcome in outcomes:
            assert outcome.status is (OutcomeStatus.DEFERRED if outcome.attempts else OutcomeStatus.NOT_SENT)
            assert isinstance(outcome.error, RateLimitedError)
            assert outcome.retry_at is not None
            told = outcome.retry_at - instant(began) - timedelta(hours=1, seconds=900)
            assert timedelta(0) <= told < timedelta(seconds=100)
        assert sum(outcome.attempts > 0 for outcome in outcomes) == 10
        assert sum(outcome.attempts for outcome in outcomes) == len(server.calls)
        before = len(server.calls)
        await outcomes_of(client, how, 200, 10)
        assert 1 <= len(server.calls) - before <= 3


@pytest.mark.parametrize(("concurrency", "at_once"), [(1, 4), (3, 3), (50, 50)])
async def test_F49_a_throttle_is_met_the_same_at_any_concurrency(
    clock: VirtualClock, concurrency: int, at_once: int
) -> None:
    """Alone, a draft has its own attempts first: one draft may be refused for reasons of its own."""
    async with facing(always(throttle({})), clock) as (server, client):
        report = await client.publish_many(ids(200), concurrency=concurrency)
    assert isinstance(report.stopped_by, RateLimitedError)
    assert len(server.calls) <= at_once + 10 + RETRIED_BEFORE
    assert len(report.deferred) + len(report.not_sent) == 200


@pytest.mark.parametrize(("patience", "seconds"), [(60.0, 30.0), (math.inf, 20_000.0)])
async def test_F49_a_throttle_that_ends_costs_no_draft(clock: VirtualClock, patience: float, seconds: float) -> None:
    """Each is published, a quarter of an hour later at most, and no attempt is used up meanwhile."""
    events: list[object] = []
    over = math.inf

    def on_event(event: object) -> None:
        nonlocal over
        if isinstance(event, RunHeld | RunResumed):
            events.append(type(event))
        if events == [RunHeld]:
            over = min(over, clock.time + seconds)

    async def behave(call: Call) -> None:
        call.writer.write(throttle({}) if clock.time < over else answer(live(job_of(call))))

    async with peer(behave) as server:
        client = client_of(server.url, clock=clock, retry=RetryPolicy(), daily_limit=100, on_event=on_event)
        async with client:
            report = await client.publish_many(ids(40), concurrency=8, outage_patience=patience)
    assert len(report.published) == 40
    assert clock.time < over + 910
    assert events == [RunHeld, RunResumed]


async def test_F49_a_run_without_patience_has_its_own_retries(clock: VirtualClock) -> None:
    """It is not paused: each draft is tried as often as the policy and the budget allow, and no time is made up."""
    async with facing(always(throttle({})), clock) as (server, client):
        report = await client.publish_many(ids(9), concurrency=3, outage_patience=0)
        assert (len(report.deferred), report.stopped_by) == (9, None)
        assert len(server.calls) <= 9 + 10
        assert {outcome.retry_at for outcome in report.outcomes} == {None}
        with pytest.raises(RateLimitedError):
            await client.publish("job_a")


async def test_F49_any_answer_to_a_draft_ends_the_pause(clock: VirtualClock) -> None:
    """A refusal of the draft is the service's word too; the drafts behind it follow."""
    refused = asyncio.Event()

    async def behave(call: Call) -> None:
        if job_of(call) == "job_2" and call.number > 3:
            refused.set()
            call.writer.write(answer(envelope(code="NOT_FOUND"), status="404 Not Found"))
        else:
            call.writer.write(answer(live(job_of(call))) if refused.is_set() else throttle({}))

    async with facing(behave, clock) as (_server, client):
        report = await client.publish_many(ids(20), concurrency=3)
    assert len(report.published) == 19
    assert [type(outcome.error) for outcome in report.rejected] == [NotFoundError]


async def test_F49_an_answer_to_another_operation_does_not_end_it(clock: VirtualClock) -> None:
    """A bot that lists its jobs all the while would otherwise have each list followed by refused drafts."""

    async def behave(call: Call) -> None:
        call.writer.write(throttle({}) if call.head.startswith(b"POST") else answer({"jobs": [], "nextCursor": None}))

    async with facing(behave, clock) as (server, client):

        async def poll() -> None:
            while True:
                assert [job async for job in client.iter_jobs()] == []

        polling = asyncio.create_task(poll())
        await client.publish_many(ids(50), concurrency=10)
        polling.cancel()
        await asyncio.wait({polling})
    publishes = sum(call.head.startswith(b"POST") for call in server.calls)
    assert publishes < len(server.calls)
    assert publishes <= 10 + 9 + RETRIED_BEFORE


async def test_F49_a_probe_that_is_told_when_ends_the_pause(clock: VirtualClock) -> None:
    """A Retry-After of two hours defers all drafts at once, without another request."""

    async def behave(call: Call) -> None:
        call.writer.write(throttle({}, "" if call.number <= 6 else "Retry-After: 7200\r\n"))

    async with facing(behave, clock) as (server, client):
        report = await client.publish_many(ids(50), concurrency=3)
    assert (len(report.deferred), report.stopped_by, len(server.calls)) == (50, None, 7)
    for outcome in report.outcomes:
        assert outcome.retry_at is not None
        assert abs(outcome.retry_at.timestamp() - clock.time - 7200) < 1


async def test_F49_a_limiter_loses_no_draft(clock: VirtualClock) -> None:
    """It lets ten through at once and ten a second, without a Retry-After; no draft runs out of attempts."""
    level, last = 0.0, clock.time

    async def behave(call: Call) -> None:
        nonlocal level, last
        await asyncio.sleep(0.001)
        level, last = max(0.0, level - (clock.time - last) * 10), clock.time
        if level >= 10:
            call.writer.write(throttle(b"<html>slow down</html>"))
            return
        level += 1
        call.writer.write(answer(live(job_of(call))))

    began = clock.time
    async with facing(behave, clock) as (_server, client):
        report = await client.publish_many(ids(200), concurrency=20)
    assert len(report.published) == 200
    assert clock.time - began < 120


@pytest.mark.parametrize(
    "details", [{"limit": "20", "windowHours": "24"}, {"limit": 20}, {"limit": " 20 "}], ids=["text", "limit", "both"]
)
async def test_F49_a_quota_in_other_words_is_learned(
    sandbox: Sandbox, connect: Connect, clock: VirtualClock, details: object
) -> None:
    """One refusal tells limit and window; the other drafts, and the next run, send nothing."""
    async with proxied(sandbox.url) as proxy:
        proxy.spoil(saying(throttle(details)), reaches=False)
        client = connect(sandbox, base_url=proxy.url, clock=clock)
        for _ in range(2):
            report = await client.publish_many([sandbox.draft() for _ in range(30)], concurrency=1)
            assert (len(report.deferred), len(proxy.calls)) == (30, 1)
            assert {outcome.retry_at for outcome in report.outcomes} == {instant(clock.time + 3600)}
        quota = await client.quota()
        assert (quota.limit, quota.limit_source, quota.used, quota.window) == (20, "server", 20, 86400.0)
        await client.close()
