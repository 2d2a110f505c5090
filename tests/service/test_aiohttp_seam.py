"""What the client makes of what aiohttp gives it, with aiohttp's requests replaced, as bots' tests can have them."""

from collections.abc import Callable

import aiohttp
import pytest
from aioresponses import aioresponses

from opentrain_async import AsyncOpenTrain, OutcomeStatus
from opentrain_async.errors import (
    ConnectionLostError,
    QuotaExceededError,
    RateLimitedError,
    RequestTimeoutError,
    ServerError,
)

from ..support.peers import TOKEN, envelope, live
from ..support.virtual import VirtualClock

URL = "https://app.opentrain.ai/api/public/v1/jobs/job_1/publish"
Reply = Callable[..., None]


@pytest.fixture
def requests(opentrain_aioresponses: aioresponses) -> aioresponses:
    """Stands in for aiohttp's requests, and holds those that were made."""
    return opentrain_aioresponses


@pytest.fixture
def reply(requests: aioresponses) -> Reply:
    """Adds the answer to the next publish."""

    def add(**answer: object) -> None:
        requests.post(URL, **answer)

    return add


def sent(requests: aioresponses) -> int:
    """How many requests were made."""
    return sum(len(calls) for calls in requests.requests.values())


def client(clock: VirtualClock) -> AsyncOpenTrain:
    """A client of the service itself, which the seam stands in for."""
    return AsyncOpenTrain(TOKEN, clock=clock)


async def test_a_draft_goes_live(requests: aioresponses, reply: Reply, clock: VirtualClock) -> None:
    """A 200 that was not live before is newly published, by one request and one slot."""
    reply(payload=live("job_1"))
    async with client(clock) as opentrain:
        result = await opentrain.publish("job_1")
        assert (await opentrain.quota()).used == 1
    assert (result.job_id, result.newly_published, result.already_published) == ("job_1", True, False)
    assert (sent(requests), clock.slept) == (1, [])


async def test_a_job_that_was_live_uses_up_nothing(requests: aioresponses, reply: Reply, clock: VirtualClock) -> None:
    """A first answer of alreadyPublished means that somebody else put it live."""
    reply(payload=live("job_1", already=True))
    async with client(clock) as opentrain:
        result = await opentrain.publish("job_1")
        assert (await opentrain.quota()).used == 0
    assert (result.newly_published, result.already_published, sent(requests)) == (False, True, 1)


async def test_a_503_is_tried_again(requests: aioresponses, reply: Reply, clock: VirtualClock) -> None:
    """After one failure of the server the second attempt succeeds, with a backoff between them."""
    reply(status=503)
    reply(payload=live("job_1"))
    async with client(clock) as opentrain:
        assert (await opentrain.publish("job_1")).newly_published
    assert (sent(requests), len(clock.slept)) == (2, 1)
    assert 0 <= clock.slept[0] <= 0.5


async def test_a_retry_after_is_waited_for(requests: aioresponses, reply: Reply, clock: VirtualClock) -> None:
    """The server's own wait is the least that is slept."""
    reply(status=503, headers={"Retry-After": "7"})
    reply(payload=live("job_1"))
    async with client(clock) as opentrain:
        await opentrain.publish("job_1")
    assert 7 <= sum(clock.slept) <= 7.5


async def test_a_job_found_live_after_a_lost_reply_was_published_by_us(
    requests: aioresponses, reply: Reply, clock: VirtualClock
) -> None:
    """The replay says alreadyPublished, and it was the first attempt that did it: charged once."""
    reply(exception=aiohttp.ServerDisconnectedError())
    reply(payload=live("job_1", already=True))
    async with client(clock) as opentrain:
        result = await opentrain.publish("job_1")
        assert (await opentrain.quota()).used == 1
    assert (result.newly_published, result.already_published, sent(requests)) == (True, True, 2)


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (TimeoutError(), RequestTimeoutError),
        (aiohttp.SocketTimeoutError(), RequestTimeoutError),
        (aiohttp.ServerDisconnectedError(), ConnectionLostError),
        (aiohttp.ClientOSError(104, "reset"), ConnectionLostError),
    ],
)
async def test_a_failure_that_lasts_is_raised_after_four_attempts(
    requests: aioresponses, reply: Reply, clock: VirtualClock, raised: Exception, kind: type[Exception]
) -> None:
    """What may have been done is unknown, and the slot goes on counting."""
    reply(exception=raised, repeat=True)
    async with client(clock) as opentrain:
        with pytest.raises(kind) as caught:
            await opentrain.publish("job_1")
        assert (await opentrain.quota()).used == 1
    assert getattr(caught.value, "effect", None) == "unknown"
    assert sent(requests) == 4


async def test_a_timeout_and_then_a_503_leave_doubt(requests: aioresponses, reply: Reply, clock: VirtualClock) -> None:
    """The last answer's class is raised, and the effect of all of them is unknown."""
    reply(exception=TimeoutError())
    reply(status=503, repeat=True)
    async with client(clock) as opentrain:
        with pytest.raises(ServerError) as caught:
            await opentrain.publish("job_1")
    assert (caught.value.effect, sent(requests)) == ("unknown", 4)


async def test_a_429_with_a_window_is_the_day_s_quota(
    requests: aioresponses, reply: Reply, clock: VirtualClock
) -> None:
    """It is not argued with: one request, and every later draft is refused without any."""
    reply(status=429, payload=envelope(details={"limit": 20, "windowHours": 24}))
    async with client(clock) as opentrain:
        with pytest.raises(QuotaExceededError) as caught:
            await opentrain.publish("job_1")
        assert (caught.value.source, caught.value.limit, caught.value.effect) == ("server", 20, "none")
        with pytest.raises(QuotaExceededError) as again:
            await opentrain.publish("job_2")
    assert (again.value.source, sent(requests)) == ("ledger", 1)


async def test_a_429_without_a_window_is_only_traffic(
    requests: aioresponses, reply: Reply, clock: VirtualClock
) -> None:
    """It is waited out and tried again, and costs no slot."""
    reply(status=429, headers={"Retry-After": "2"}, payload={"code": "RATE_LIMITED"})
    reply(payload=live("job_1"))
    async with client(clock) as opentrain:
        assert (await opentrain.publish("job_1")).newly_published
        assert (await opentrain.quota()).used == 1
    assert sent(requests) == 2
    assert sum(clock.slept) >= 2


async def test_a_429_that_asks_for_too_long_is_raised(
    requests: aioresponses, reply: Reply, clock: VirtualClock
) -> None:
    """Nobody waits for an hour unasked: the error says how long the server wants."""
    reply(status=429, headers={"Retry-After": "3600"}, payload={})
    async with client(clock) as opentrain:
        with pytest.raises(RateLimitedError) as caught:
            await opentrain.publish("job_1")
    assert (caught.value.retry_after, caught.value.effect, sent(requests)) == (3600.0, "none", 1)


async def test_a_run_reports_each_draft(requests: aioresponses, reply: Reply, clock: VirtualClock) -> None:
    """One draft goes live and another is absent: each has its own outcome."""
    reply(payload=live("job_1"))
    requests.post(URL.replace("job_1", "job_2"), status=404, payload=envelope())
    async with client(clock) as opentrain:
        report = await opentrain.publish_many(["job_1", "job_2"])
    assert {outcome.job_id: outcome.status for outcome in report.outcomes} == {
        "job_1": OutcomeStatus.PUBLISHED,
        "job_2": OutcomeStatus.REJECTED,
    }
