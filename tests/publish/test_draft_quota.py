"""The quota is never argued with."""

import asyncio
import math
import random
from datetime import timedelta

import pytest

from opentrain_async import OutcomeStatus, RetryPolicy
from opentrain_async._base.clock import instant
from opentrain_async.errors import QuotaExceededError, RateLimitedError, ServerError
from opentrain_async.sandbox import Fault, Sandbox

from ..support.clients import Connect
from ..support.waiting import until

AT_ONCE = RetryPolicy(base_delay=0.0, max_delay=0.0)


async def test_of_fifty_drafts_at_once_twenty_go_live(sandbox: Sandbox, connect: Connect) -> None:
    """Nobody told the client of the limit: 20 requests, none refused, 30 deferred until a day later."""
    client = connect(sandbox)
    report = await client.publish_many([sandbox.draft() for _ in range(50)], concurrency=50)
    assert (len(report.published), len(report.deferred)) == (20, 30)
    assert (len(sandbox.requests), sandbox.refusals) == (20, 0)
    in_a_day = instant(sandbox.clock.now()) + timedelta(hours=24)
    for outcome in report.deferred:
        assert outcome.retry_at is not None
        assert abs(outcome.retry_at - in_a_day) < timedelta(minutes=1)
        assert isinstance(outcome.error, QuotaExceededError)
        assert (outcome.error.source, outcome.error.effect, outcome.attempts) == ("ledger", "none", 0)


async def test_F05_F07_an_unclaimed_account_is_found_out_by_one_refusal(unclaimed: Sandbox, connect: Connect) -> None:
    """Of 30 drafts 3 go live at the cost of one 429, and the same day costs no other request."""
    client = connect(unclaimed)
    report = await client.publish_many([unclaimed.draft() for _ in range(30)], concurrency=30)
    assert (len(report.published), len(report.deferred), unclaimed.refusals) == (3, 27, 1)
    asked = len(unclaimed.requests)
    again = await client.publish_many([unclaimed.draft() for _ in range(5)])
    assert len(again.deferred) == 5
    assert len(unclaimed.requests) == asked
    quota = await client.quota()
    assert (quota.limit, quota.limit_source, quota.remaining) == (3, "server", 0)


@pytest.mark.parametrize("shuffled", [False, True])
async def test_drafts_that_cannot_be_published_use_up_no_quota(
    sandbox: Sandbox, connect: Connect, shuffled: bool
) -> None:
    """30 incomplete, 10 blocked and 10 foreign drafts leave all 20 places to the good ones."""
    other = sandbox.add_account()
    bad = [sandbox.draft(missing=["experienceLevel"]) for _ in range(30)]
    bad += [sandbox.draft(blocked=True) for _ in range(10)]
    bad += [sandbox.draft(token=other) for _ in range(10)]
    ids = bad + [sandbox.draft() for _ in range(20)]
    if shuffled:
        random.Random(7).shuffle(ids)
    report = await connect(sandbox).publish_many(ids, concurrency=50)
    assert (len(report.published), sandbox.refusals) == (20, 0)
    assert len(report.rejected) + len(report.deferred) == 50


async def test_F08_a_day_used_up_elsewhere_costs_one_request(sandbox: Sandbox, connect: Connect) -> None:
    """After the first refusal the other 39 drafts are not sent."""
    sandbox.publish_elsewhere(20)
    report = await connect(sandbox).publish_many([sandbox.draft() for _ in range(40)], concurrency=1)
    assert len(report.deferred) == 40
    assert len(sandbox.requests) == 1
    assert [outcome.attempts for outcome in report.deferred].count(1) == 1


async def test_F04_F09_three_lost_publishes_do_not_lock_an_unclaimed_account_out(
    unclaimed: Sandbox, connect: Connect
) -> None:
    """When the service is back, drafts go, although three slots are in doubt."""
    client = connect(unclaimed, retry=AT_ONCE)
    for _ in range(3):
        job_id = unclaimed.draft()
        unclaimed.fault(Fault.STATUS, job_id=job_id, times=4)
        with pytest.raises(ServerError):
            await client.publish(job_id)
    report = await client.publish_many([unclaimed.draft() for _ in range(5)])
    assert (len(report.published), unclaimed.refusals) == (3, 1)


async def test_slots_are_free_again_after_a_day_and_not_a_minute_earlier(unclaimed: Sandbox, connect: Connect) -> None:
    """The window is 24 hours long, for the client as for the server."""
    client = connect(unclaimed, daily_limit=3)
    await client.publish_many([unclaimed.draft() for _ in range(3)])
    unclaimed.advance(hours=24, seconds=-60)
    assert len((await client.publish_many([unclaimed.draft()])).deferred) == 1
    unclaimed.advance(seconds=60)
    assert len((await client.publish_many([unclaimed.draft() for _ in range(3)])).published) == 3
    assert unclaimed.refusals == 0


async def test_F44_a_claim_is_noticed_a_day_later(unclaimed: Sandbox, connect: Connect) -> None:
    """A limit of 3 is tried again when it is a day old, no sooner; a snapshot says where it is from, and since when."""
    client = connect(unclaimed)
    began = instant(unclaimed.clock.now())
    await client.publish_many([unclaimed.draft() for _ in range(4)])
    unclaimed.claim()
    quota = await client.quota()
    assert (quota.limit, quota.limit_source) == (3, "server")
    assert quota.limit_learned_at is not None
    assert quota.at is not None
    assert timedelta(0) <= quota.limit_learned_at - began < timedelta(minutes=1)
    unclaimed.advance(hours=24, seconds=-60)
    assert len((await client.publish_many([unclaimed.draft()])).deferred) == 1
    assert timedelta(hours=23) < ((await client.quota()).at or began) - quota.limit_learned_at < timedelta(hours=24)
    unclaimed.advance(seconds=61)
    assert (await client.quota()).limit == 3
    report = await client.publish_many([unclaimed.draft() for _ in range(25)])
    assert (len(report.published), unclaimed.refusals) == (20, 1)
    quota = await client.quota()
    assert (quota.limit, quota.limit_source) == (20, "documented")


async def test_who_waits_for_the_window_is_published_when_it_frees(unclaimed: Sandbox, connect: Connect) -> None:
    """With patience for a day the fourth draft goes live without a word in between."""
    client = connect(unclaimed, daily_limit=3)
    await client.publish_many([unclaimed.draft() for _ in range(3)])
    waiting = asyncio.create_task(client.publish(unclaimed.draft(), max_wait=math.inf))
    await asyncio.sleep(0.01)
    asked = len(unclaimed.requests)
    unclaimed.advance(hours=24)
    assert (await waiting).newly_published
    assert (asked, unclaimed.refusals) == (3, 0)


async def test_a_wait_that_is_known_to_be_too_long_is_not_begun(unclaimed: Sandbox, connect: Connect) -> None:
    """Whoever would wait an hour for a slot that comes in 24 is told so at once."""
    client = connect(unclaimed, daily_limit=3)
    await client.publish_many([unclaimed.draft() for _ in range(3)])
    with pytest.raises(QuotaExceededError) as raised:
        await client.publish(unclaimed.draft(), max_wait=3600)
    assert (raised.value.limit, raised.value.used, raised.value.source) == (3, 3, "ledger")


async def test_each_caller_of_one_publish_has_its_own_patience(unclaimed: Sandbox, connect: Connect) -> None:
    """Of two who want the same draft, the impatient one leaves and the patient one gets it."""
    client = connect(unclaimed, daily_limit=3)
    await client.publish_many([unclaimed.draft() for _ in range(3)])
    job_id = unclaimed.draft()
    patient = asyncio.create_task(client.publish(job_id, max_wait=math.inf))
    await asyncio.sleep(0.01)
    with pytest.raises(QuotaExceededError):
        await client.publish(job_id)
    unclaimed.advance(hours=24)
    assert (await patient).newly_published
    assert len(unclaimed.requests) == 4


async def test_F05_the_servers_refusal_is_waited_out_under_max_wait(unclaimed: Sandbox, connect: Connect) -> None:
    """A 429 of the quota sends a patient draft back to wait for its slot, not to try again."""
    unclaimed.publish_elsewhere(3)
    client = connect(unclaimed)
    waiting = asyncio.create_task(client.publish(unclaimed.draft(), max_wait=math.inf))
    await until(lambda: unclaimed.refusals)
    await asyncio.sleep(0.02)
    assert len(unclaimed.requests) == 1
    unclaimed.advance(hours=24)
    assert (await waiting).newly_published


async def test_a_refusal_of_a_job_that_has_a_slot_is_not_repeated(unclaimed: Sandbox, connect: Connect) -> None:
    """A job that was taken down waits like any other, although it has a slot; nobody says that it is not live."""
    client, job_id = connect(unclaimed), unclaimed.draft()
    await client.publish(job_id)
    unclaimed.take_down(job_id)
    unclaimed.publish_elsewhere(2)
    for source in ("server", "ledger"):
        with pytest.raises(QuotaExceededError) as raised:
            await client.publish(job_id)
        assert (raised.value.source, raised.value.effect, unclaimed.refusals) == (source, "unknown", 1)
    waiting = asyncio.create_task(client.publish(job_id, max_wait=math.inf))
    await until(lambda: client._ledger.line.length)
    unclaimed.advance(hours=24)
    assert (await waiting).newly_published
    assert unclaimed.refusals == 1


async def test_a_refusal_after_a_lost_reply_leaves_the_draft_in_doubt(unclaimed: Sandbox, connect: Connect) -> None:
    """The quota may have been used up by the very publish whose reply was lost."""
    client, job_id = connect(unclaimed, retry=AT_ONCE), unclaimed.draft()
    unclaimed.fault(Fault.STATUS, job_id=job_id)
    unclaimed.publish_elsewhere(3)
    (outcome,) = (await client.publish_many([job_id])).outcomes
    assert outcome.status is OutcomeStatus.UNKNOWN
    assert isinstance(outcome.error, QuotaExceededError)
    assert (await client.quota()).used == 3


async def test_F06_a_throttle_pauses_the_whole_client_and_not_the_day(sandbox: Sandbox, connect: Connect) -> None:
    """Nobody comes back before Retry-After is over, and the day's limit is untouched."""
    ids = [sandbox.draft() for _ in range(6)]
    sandbox.fault(Fault.STATUS, job_id=ids[0], status=429, retry_after="7")
    client = connect(sandbox, retry=AT_ONCE)
    began = sandbox.clock.now()
    run = asyncio.create_task(client.publish_many(ids, concurrency=3))
    await until(lambda: sandbox.refusals)
    await asyncio.sleep(0.02)
    asked = len(sandbox.requests)
    assert asked <= 3
    sandbox.advance(seconds=6)
    await asyncio.sleep(0.02)
    assert len(sandbox.requests) == asked
    sandbox.advance(seconds=1)
    assert len((await run).published) == 6
    assert all(request.at - began >= 7 for request in sandbox.requests[asked:])
    quota = await client.quota()
    assert (quota.used, quota.limit_source) == (6, "documented")


async def test_F10_a_throttle_that_asks_for_too_much_surfaces_at_once(sandbox: Sandbox, connect: Connect) -> None:
    """Retry-After beyond the policy's bound is the caller's to wait for: DEFERRED, with the time."""
    job_id = sandbox.draft()
    sandbox.fault(Fault.STATUS, job_id=job_id, status=429, retry_after="86400")
    client = connect(sandbox)
    (outcome,) = (await client.publish_many([job_id])).outcomes
    assert (outcome.status, outcome.attempts) == (OutcomeStatus.DEFERRED, 1)
    assert isinstance(outcome.error, RateLimitedError)
    assert outcome.error.retry_after == 86400
    assert outcome.retry_at is not None
    assert (await client.quota()).used == 0
