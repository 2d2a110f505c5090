"""Answers that cannot be read to their end, and those that have none: asked again, and in doubt if that fails too."""

import math
import tracemalloc

import pytest

from opentrain_async import OutcomeStatus
from opentrain_async.errors import RequestTimeoutError, UnexpectedResponseError
from opentrain_async.sandbox import Sandbox

from ..support.clients import Connect
from ..support.peers import AT_ONCE, ONCE
from ..support.proxy import FAULTS, MIB, TIMEOUT, proxied, through
from ..support.virtual import VirtualClock

UNREADABLE = ["closed after the head", "closed in the body", "reset in the body"]
PORTAL = "a captive portal"
TOO_MUCH = ["endless", "huge", "a gzip bomb"]
TOO_MANY_HEADERS = ["ten thousand headers", "a long header"]


@pytest.mark.parametrize(
    ("fault", "reaches"),
    [*((fault, True) for fault in [*UNREADABLE, "stalled in the body", *TOO_MUCH, PORTAL]), (PORTAL, False)],
)
async def test_F03_a_success_that_cannot_be_read_is_asked_for_again(
    sandbox: Sandbox, connect: Connect, fault: str, reaches: bool
) -> None:
    """The replay fetches the body that was lost: published, by this call, and charged once."""
    async with proxied(sandbox.url) as proxy:
        proxy.spoil(FAULTS[fault], reaches=reaches)
        client = connect(sandbox, base_url=proxy.url, retry=AT_ONCE, timeout=TIMEOUT)
        job_id = sandbox.draft()
        result = await through(fault, client.publish(job_id))
        assert (result.job_id, result.newly_published, result.already_published) == (job_id, True, reaches)
        quota = await client.quota()
        assert (quota.used, quota.doubtful) == (1, 0)
        await client.close()


@pytest.mark.parametrize(
    ("fault", "reaches"),
    [*((fault, True) for fault in [*UNREADABLE, *TOO_MUCH, PORTAL]), (PORTAL, False)],
)
async def test_F03_a_success_that_can_never_be_read_is_unknown(
    sandbox: Sandbox, connect: Connect, clock: VirtualClock, fault: str, reaches: bool
) -> None:
    """Whether it is live or not it is not called rejected, and what follows in the run is sent all the same."""
    async with proxied(sandbox.url) as proxy:
        ids = [sandbox.draft() for _ in range(3)]
        bad = f"/jobs/{ids[0]}/".encode()
        proxy.spoil(FAULTS[fault], reaches=reaches, which=lambda call: bad in call.head, times=math.inf)
        client = connect(sandbox, base_url=proxy.url, clock=clock)
        report = await client.publish_many(ids, concurrency=1)
        (outcome,) = report.unknown
        assert (outcome.job_id, outcome.attempts) == (ids[0], 4)
        assert isinstance(outcome.error, UnexpectedResponseError)
        assert (outcome.error.effect, outcome.error.status) == ("unknown", 200)
        assert (len(report.published), report.stopped_by) == (2, None)
        quota = await client.quota()
        assert (quota.used, quota.doubtful, ids[0] in sandbox.live) == (3, 1, reaches)
        await client.close()


@pytest.mark.parametrize("fault", [*TOO_MUCH, *TOO_MANY_HEADERS, "dripped"])
async def test_F35_an_answer_without_measure_is_given_up_and_its_connection_dropped(
    sandbox: Sandbox, connect: Connect, fault: str
) -> None:
    """Past the cap, or when time is up, nothing more is read; the next request goes over a connection of its own."""
    async with proxied(sandbox.url) as proxy:
        proxy.spoil(FAULTS[fault], reaches=True, times=math.inf)
        client = connect(sandbox, base_url=proxy.url, retry=AT_ONCE, timeout=TIMEOUT)
        job_id = sandbox.draft()
        tracemalloc.start()
        (outcome,) = (await through(fault, client.publish_many([job_id]))).outcomes
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (outcome.status, sandbox.live) == (OutcomeStatus.UNKNOWN, (job_id,))
        kind = RequestTimeoutError if fault == "dripped" else UnexpectedResponseError
        assert isinstance(outcome.error, kind)
        assert outcome.error.effect == "unknown"
        assert peak < 16 * MIB
        proxy.relent()
        result = await client.publish(job_id)
        assert (result.newly_published, (await client.quota()).used) == (True, 1)
        assert [call.connection for call in proxy.calls[:5]] == [1, 2, 3, 4, 5]
        await client.close()


@pytest.mark.parametrize("fault", [*TOO_MUCH, *TOO_MANY_HEADERS, "dripped"])
async def test_F35_a_failure_without_measure_is_a_failure(
    sandbox: Sandbox, connect: Connect, clock: VirtualClock, fault: str
) -> None:
    """A 502 that floods or drips is tried again like any other, and the run gets every draft live."""
    async with proxied(sandbox.url) as proxy:
        proxy.spoil(FAULTS[fault], reaches=False, times=2)
        client = connect(sandbox, base_url=proxy.url, clock=clock, retry=AT_ONCE, timeout=TIMEOUT)
        ids = [sandbox.draft() for _ in range(3)]
        report = await through(fault, client.publish_many(ids, concurrency=1))
        assert [outcome.job_id for outcome in report.published] == ids
        assert (await client.quota()).used == 3
        await client.close()


async def test_a_drip_that_is_fast_enough_is_an_answer(sandbox: Sandbox, connect: Connect) -> None:
    """However small the pieces."""
    async with proxied(sandbox.url) as proxy:
        proxy.spoil(FAULTS["dripped fast"], reaches=True)
        client = connect(sandbox, base_url=proxy.url, retry=ONCE)
        (outcome,) = (await client.publish_many([sandbox.draft()])).outcomes
        assert (outcome.status, outcome.error) == (OutcomeStatus.PUBLISHED, None)
        await client.close()
