"""What a client tells whoever listens to it."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

import pytest
from attrs.exceptions import FrozenInstanceError

from opentrain_async import AsyncOpenTrain, OutcomeStatus, RetryPolicy
from opentrain_async.errors import AuthenticationError, ConfigurationError, QuotaExceededError, ServerError
from opentrain_async.events import (
    AttemptFailed,
    AttemptRetried,
    AttemptStarted,
    AttemptSucceeded,
    Event,
    PublishEnded,
    PublishStarted,
    QuotaCounted,
    RunHeld,
    RunResumed,
    SlotReserved,
    SlotSettled,
)
from opentrain_async.quota import LedgerStore
from opentrain_async.sandbox import Fault, Sandbox

from ..support.clients import Connect
from ..support.peers import AT_ONCE, ONCE
from ..support.stores import accept_one
from ..support.waiting import until


def kinds(events: list[Event]) -> list[type]:
    """What has happened, in its order."""
    return [type(event) for event in events]


async def test_a_publish_is_told_from_its_beginning_to_its_end(sandbox: Sandbox, connect: Connect) -> None:
    """A slot is reserved before the attempt, and settled after its answer; both change the count."""
    told: list[Event] = []
    job_id = sandbox.draft()
    result = await connect(sandbox, daily_limit=20, on_event=told.append).publish(job_id)
    assert kinds(told) == [
        PublishStarted, QuotaCounted, SlotReserved, AttemptStarted, AttemptSucceeded, SlotSettled, PublishEnded,
    ]  # fmt: skip
    started, counted, reserved, attempt, succeeded, settled, ended = told
    assert isinstance(started, PublishStarted)
    call = started.call
    assert started == PublishStarted(call, job_id)
    assert reserved == SlotReserved(job_id, is_probe=False)
    assert isinstance(counted, QuotaCounted)
    assert (counted.quota.limit, counted.quota.used) == (20, 1)
    url = f"{sandbox.url}/api/public/v1/jobs/{job_id}/publish"
    assert attempt == AttemptStarted(call, "publish", job_id, 1, "POST", url)
    assert isinstance(succeeded, AttemptSucceeded)
    assert (succeeded.status, succeeded.attempt) == (200, 1)
    assert succeeded.seconds >= 0
    assert settled == SlotSettled(job_id, "published")
    assert ended == PublishEnded(call, job_id, 1, result, None)


async def test_a_retry_is_told_with_its_delay(sandbox: Sandbox, connect: Connect) -> None:
    """The failed attempt, how long the next is waited for, and the next; all with the number of their call."""
    told: list[Event] = []
    job_id = sandbox.draft()
    sandbox.fault(Fault.STATUS, status=503)
    await connect(sandbox, retry=AT_ONCE, on_event=told.append).publish(job_id)
    failed, retried, again = told[4:7]
    assert isinstance(failed, AttemptFailed)
    assert (failed.attempt, failed.status) == (1, 503)
    assert isinstance(failed.error, ServerError)
    assert retried == AttemptRetried(failed.call, "publish", job_id, 1, 0.0, failed.error)
    assert isinstance(again, AttemptStarted)
    assert (again.call, again.attempt) == (failed.call, 2)


async def test_what_is_not_tried_again_is_not_said_to_be(sandbox: Sandbox, connect: Connect) -> None:
    """The last attempt of a call has a failure, and no retry; without an answer it has no status."""
    told: list[Event] = []
    job_id = sandbox.draft()
    sandbox.fault(Fault.STATUS, status=503)
    sandbox.fault(Fault.CLOSE, call=2)
    with pytest.raises(Exception, match="lost"):
        await connect(sandbox, retry=RetryPolicy(max_attempts=2, base_delay=0), on_event=told.append).publish(job_id)
    assert [event.status for event in told if isinstance(event, AttemptFailed)] == [503, None]
    assert kinds(told).count(AttemptRetried) == 1
    ended = told[-1]
    assert isinstance(ended, PublishEnded)
    assert (ended.attempts, ended.result) == (2, None)
    assert SlotSettled(job_id, "unknown") in told


async def test_a_draft_without_a_slot_is_told_to_have_ended_unsent(sandbox: Sandbox, connect: Connect) -> None:
    """Of the third draft of two there is neither a slot nor an attempt."""
    told: list[Event] = []
    client = connect(sandbox, daily_limit=2, on_event=told.append)
    await client.publish_many([sandbox.draft() for _ in range(3)], concurrency=1)
    started, ended = told[-2:]
    assert isinstance(started, PublishStarted)
    assert isinstance(ended, PublishEnded)
    assert (ended.call, ended.attempts) == (started.call, 0)
    assert isinstance(ended.error, QuotaExceededError)


async def test_a_refusal_by_the_quota_is_told_with_what_it_teaches(sandbox: Sandbox, connect: Connect) -> None:
    """A 429 settles the slot and counts what was used elsewhere."""
    told: list[Event] = []
    sandbox.publish_elsewhere(20)
    with pytest.raises(QuotaExceededError):
        await connect(sandbox, on_event=told.append).publish(sandbox.draft())
    assert kinds(told)[-4:] == [AttemptFailed, SlotSettled, QuotaCounted, PublishEnded]
    counted = told[-2]
    assert isinstance(counted, QuotaCounted)
    assert (counted.quota.limit, counted.quota.remaining, counted.quota.limit_source) == (20, 0, "server")


async def test_the_other_calls_tell_of_their_attempts(sandbox: Sandbox, connect: Connect) -> None:
    """Each has a number and its method's name, and those that are about a draft its id."""
    told: list[Event] = []
    client = connect(sandbox, on_event=told.append)
    draft = await client.create_draft("Label cats")
    await client.update_draft(draft.job_id, price_per_hour=20)
    started = [event for event in told if isinstance(event, AttemptStarted)]
    assert [(event.operation, event.job_id, event.method) for event in started] == [
        ("create_draft", None, "POST"),
        ("update_draft", draft.job_id, "PATCH"),
    ]
    succeeded = [event for event in told if isinstance(event, AttemptSucceeded)]
    assert [event.call for event in succeeded] == [event.call for event in started]
    assert started[0].call != started[1].call
    assert [event.status for event in succeeded] == [200, 200]


async def test_those_who_share_a_publish_are_told_of_once(sandbox: Sandbox, connect: Connect) -> None:
    """Ten callers of one draft are one publish."""
    told: list[Event] = []
    client, job_id = connect(sandbox, on_event=told.append), sandbox.draft()
    await asyncio.gather(*(client.publish(job_id) for _ in range(10)))
    assert kinds(told).count(PublishStarted) == kinds(told).count(PublishEnded) == 1


async def test_a_publish_that_is_cancelled_is_told_to_have_been(sandbox: Sandbox, connect: Connect) -> None:
    """So is its attempt; its slot stays in doubt."""
    told: list[Event] = []
    job_id = sandbox.draft()
    sandbox.fault(Fault.STALL)
    task = asyncio.create_task(connect(sandbox, on_event=told.append).publish(job_id))
    await until(lambda: sandbox.requests)
    task.cancel()
    await asyncio.wait({task})
    failed, settled, counted, ended = told[-4:]
    assert isinstance(failed, AttemptFailed)
    assert isinstance(failed.error, asyncio.CancelledError)
    assert settled == SlotSettled(job_id, "unknown")
    assert isinstance(counted, QuotaCounted)
    assert counted.quota.doubtful == 1
    assert isinstance(ended, PublishEnded)
    assert isinstance(ended.error, asyncio.CancelledError)


async def test_an_outage_is_told_with_its_length(sandbox: Sandbox, connect: Connect) -> None:
    """Runs are held once, and resumed once, whichever probe is answered."""
    told: list[Event] = []
    policy = RetryPolicy(base_delay=0.01, max_delay=0.01)
    client = connect(sandbox, retry=policy, daily_limit=20, on_event=told.append)
    await accept_one(client)
    sandbox.fault(Fault.STATUS, status=503, times=6)
    report = await client.publish_many([sandbox.draft() for _ in range(3)])
    assert len(report.published) == 3
    held = [event for event in told if isinstance(event, RunHeld)]
    resumed = [event for event in told if isinstance(event, RunResumed)]
    assert len(held) == len(resumed) == 1
    assert isinstance(held[0].error, ServerError)
    assert resumed[0].seconds > 0


async def test_the_count_is_told_when_it_changes(sandbox: Sandbox, connect: Connect, store: LedgerStore) -> None:
    """With each slot that is taken, given back, or comes back with time; and not each time that it is looked at."""
    told: list[Event] = []
    client = connect(sandbox, ledger=store, daily_limit=5, account="acme", on_event=told.append)
    await client.publish_many([sandbox.draft(), sandbox.draft(missing=["experienceLevel"])], concurrency=1)
    for _ in range(3):
        await client.quota()
    sandbox.advance(hours=25)
    await client.quota()
    counted = [event for event in told if isinstance(event, QuotaCounted)]
    assert [event.quota.used for event in counted] == [1, 2, 1, 0]
    assert {event.account for event in counted} == {"acme"}


async def test_what_a_listener_raises_is_said_once_and_changes_nothing(
    sandbox: Sandbox, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it raises, at whatever event."""

    def fail(event: Event) -> None:
        raise asyncio.CancelledError if isinstance(event, AttemptStarted) else LookupError(type(event))

    report = await connect(sandbox, daily_limit=2, on_event=fail).publish_many([sandbox.draft() for _ in range(3)])
    assert [outcome.status for outcome in report.outcomes] == [OutcomeStatus.PUBLISHED] * 2 + [OutcomeStatus.DEFERRED]
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    said = "on_event raised; the error changes nothing and is logged once"
    assert [record.getMessage() for record in errors] == [said]


async def _async_listener(_event: Event) -> None: ...


class _AsyncListener:
    async def __call__(self, _event: Event) -> None: ...


@pytest.mark.parametrize("listener", [_async_listener, _AsyncListener(), partial(_async_listener), "no function"])
def test_a_listener_that_nobody_would_await_is_refused(listener: Callable[[Event], object]) -> None:
    """An async function would never run."""
    with pytest.raises(ConfigurationError, match="on_event has to be"):
        AsyncOpenTrain("ot_pat_x", on_event=listener)


async def test_no_event_shows_the_token(sandbox: Sandbox, connect: Connect) -> None:
    """Neither by its repr nor by an error's; an event cannot be changed."""
    told: list[Event] = []
    client = connect(sandbox, retry=ONCE, on_event=told.append)
    job_id = sandbox.draft()
    sandbox.revoke()
    with pytest.raises(AuthenticationError):
        await client.publish(job_id)
    assert AttemptFailed in kinds(told)
    assert sandbox.token not in "".join(f"{event} {getattr(event, 'error', '')!r}" for event in told)
    with pytest.raises(FrozenInstanceError):
        told[0].job_id = "another"  # type: ignore[misc, union-attr]
