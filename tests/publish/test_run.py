"""Publish many: bounded, streamed, and stopped only by what would stop every draft."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from opentrain_async import OutcomeStatus, PublishOutcome, RetryPolicy
from opentrain_async.errors import (
    AuthenticationError,
    ClientClosedError,
    ConfigurationError,
    PermissionDeniedError,
    UnexpectedResponseError,
)
from opentrain_async.sandbox import Fault, Sandbox

from ..support.clients import Connect
from ..support.stores import accept_one
from ..support.virtual import GatedClock
from ..support.waiting import until

AT_ONCE = RetryPolicy(base_delay=0.0, max_delay=0.0)


async def test_each_distinct_id_has_one_outcome(sandbox: Sandbox, connect: Connect) -> None:
    """What comes twice is published once, and what cannot be an id is rejected by itself."""
    job_id = sandbox.draft()
    report = await connect(sandbox).publish_many([job_id, "../x", job_id, 7, None])  # type: ignore[list-item]
    assert [(outcome.job_id, outcome.status.value) for outcome in report.rejected] == [
        ("../x", "rejected"), ("7", "rejected"), ("None", "rejected"),
    ]  # fmt: skip
    assert [outcome.job_id for outcome in report.published] == [job_id]
    assert all(isinstance(outcome.error, ConfigurationError) for outcome in report.rejected)
    assert report.stopped_by is None
    assert len(sandbox.requests) == 1


async def test_ids_may_come_from_an_async_generator(sandbox: Sandbox, connect: Connect) -> None:
    """An async source is asked by one worker at a time."""

    async def source() -> AsyncIterator[str]:
        for _ in range(8):
            await asyncio.sleep(0)
            yield sandbox.draft()

    report = await connect(sandbox).publish_many(source(), concurrency=4)
    assert len(report.published) == 8


@pytest.mark.parametrize("fault", [401, 307])
async def test_F14_what_would_stop_every_draft_stops_the_run(sandbox: Sandbox, connect: Connect, fault: int) -> None:
    """A revoked token or a redirect is met once, and the rest is not sent."""
    ids = [sandbox.draft() for _ in range(30)]
    sandbox.fault(Fault.STATUS if fault == 401 else Fault.REDIRECT, call=4, times=99, status=401)
    report = await connect(sandbox).publish_many(ids, concurrency=1)
    assert (len(report.published), len(report.rejected), len(report.not_sent)) == (3, 1, 26)
    assert isinstance(report.stopped_by, AuthenticationError if fault == 401 else UnexpectedResponseError)
    assert all(outcome.error is report.stopped_by for outcome in report.not_sent)
    assert len(sandbox.requests) == 4


async def test_F14_those_who_wait_for_a_slot_are_not_sent_once_the_run_stops(
    sandbox: Sandbox, connect: Connect
) -> None:
    """A run that learns of a revoked token lets go of what was in line for the quota."""
    ids = [sandbox.draft() for _ in range(10)]
    sandbox.revoke()
    client = connect(sandbox)
    report = await client.publish_many(ids, concurrency=10)
    assert len(report.rejected) + len(report.not_sent) == 10
    assert len(report.not_sent) >= 7
    assert len(sandbox.requests) == len(report.rejected)
    assert (await client.quota()).used == 0


async def test_F14_a_revoked_token_leaves_what_may_be_live_counted(sandbox: Sandbox, connect: Connect) -> None:
    """In mid-run: what is live counts, and what was in doubt as the refusal came; the rest has given its slots back."""
    ids = [sandbox.draft() for _ in range(30)]
    sandbox.fault(Fault.CLOSE, job_id=ids[1])
    client = connect(sandbox, daily_limit=20, retry=AT_ONCE)
    report = await client.publish_many(ids, concurrency=1, on_outcome=lambda _: sandbox.revoke())
    assert [outcome.status for outcome in report.outcomes[:2]] == [OutcomeStatus.PUBLISHED, OutcomeStatus.UNKNOWN]
    assert [outcome.job_id for outcome in report.not_sent] == ids[2:]
    assert isinstance(report.stopped_by, AuthenticationError)
    assert len(sandbox.requests) == 3
    quota = await client.quota()
    assert [(slot.job_id, slot.state) for slot in quota.slots] == [(ids[0], "spent"), (ids[1], "unknown")]


@pytest.mark.parametrize("owns", [True, False])
async def test_a_run_that_stops_leaves_the_drafts_of_another_run_alone(
    sandbox: Sandbox, connect: Connect, owns: bool
) -> None:
    """A draft that others wait for too is not sent for the run that stops, and is published for the others."""
    refused, shared = sandbox.draft(), sandbox.draft()
    sandbox.fault(Fault.STATUS, job_id=refused, status=429, retry_after="5")
    sandbox.fault(Fault.STATUS, job_id=refused, status=401, call=2)
    clock, comes_first = GatedClock(), asyncio.Event()
    if owns:
        comes_first.set()
    # Who waits for the quota looks at the time each minute, and no sleep takes any: the deadline is far away.
    client = connect(sandbox, clock=clock, daily_limit=1, retry=RetryPolicy(deadline=43200))

    async def source() -> AsyncIterator[str]:
        yield refused
        await comes_first.wait()
        yield shared

    stops = asyncio.create_task(client.publish_many(source(), concurrency=2))
    await until(lambda: clock.slept and client._ledger.line.length == owns)
    goes_on = asyncio.create_task(client.publish_many([shared]))
    await until(lambda: client._ledger.line.length)
    comes_first.set()
    alone = asyncio.create_task(client.publish(shared))
    await until(lambda: len(client._single_flight._joinable[shared].callers) == 2)
    clock.gate.set()
    assert [outcome.status.value for outcome in (await stops).outcomes] == ["rejected", "not_sent"]
    assert len((await goes_on).published) == 1
    assert (await alone).newly_published


async def test_F15_a_missing_scope_stops_the_run(sandbox: Sandbox, connect: Connect) -> None:
    """A 403 that names the scope would come for every draft."""
    client = connect(sandbox, token=sandbox.add_account(scopes=["jobs:read"]))
    report = await client.publish_many([f"job_{number}" for number in range(5)], concurrency=1)
    assert isinstance(report.stopped_by, PermissionDeniedError)
    assert report.stopped_by.required_scopes == ("jobs:write",)
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize(("calls", "stops"), [([1, 2, 3], True), ([1, 2, 4], False), ([2, 3], False)])
async def test_F15_three_bare_403s_in_a_row_stop_the_run(
    sandbox: Sandbox, connect: Connect, calls: list[int], stops: bool
) -> None:
    """Two 403s without a reason are the drafts' own; a third one in a row is the account's."""
    ids = [sandbox.draft() for _ in range(6)]
    for call in calls:
        sandbox.fault(Fault.STATUS, call=call, status=403)
    report = await connect(sandbox).publish_many(ids, concurrency=1)
    assert (report.stopped_by is not None) is stops
    assert len(report.rejected) == len(calls)


async def test_what_the_source_raises_is_raised_when_the_rest_is_done(sandbox: Sandbox, connect: Connect) -> None:
    """Drafts under way get their outcomes first, and the error says how far it came."""
    seen: list[PublishOutcome] = []

    def source() -> Iterator[str]:
        yield sandbox.draft()
        raise LookupError("the database is gone")

    client = connect(sandbox)
    with pytest.raises(LookupError) as raised:
        await client.publish_many(source(), on_outcome=seen.append)
    assert [outcome.status for outcome in seen] == [OutcomeStatus.PUBLISHED]
    assert "1 published" in raised.value.__notes__[0]
    with pytest.raises(LookupError):
        async with client.publish_stream(source()) as outcomes:
            assert [outcome.status.value async for outcome in outcomes] == ["published"]


async def test_F39_a_callback_that_fails_harms_nothing(
    sandbox: Sandbox, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """What `on_outcome` raises is logged once; it may be async."""
    told: list[str] = []

    async def tell(outcome: PublishOutcome) -> None:
        told.append(outcome.job_id)
        raise RuntimeError("no")

    report = await connect(sandbox).publish_many([sandbox.draft() for _ in range(3)], on_outcome=tell)
    assert len(report.published) == len(told) == 3
    assert caplog.text.count("on_outcome raised;") == 1
    assert "on_outcome raised 3 times in all" in caplog.text


async def test_F19_a_cancelled_run_leaves_nothing_behind(sandbox: Sandbox, connect: Connect) -> None:
    """Its requests end, their slots count on, and the client is good."""
    before = asyncio.all_tasks()
    client = connect(sandbox, daily_limit=20)
    await accept_one(client)
    sandbox.fault(Fault.STALL, times=5)
    run = asyncio.create_task(client.publish_many([sandbox.draft() for _ in range(9)], concurrency=5))
    await until(lambda: len(sandbox.requests) == 5)
    run.cancel()
    await asyncio.wait({run})
    assert run.cancelled()
    assert (await client.quota()).doubtful == 5
    assert {str(task) for task in asyncio.all_tasks() - before if "opentrain_async/_" in str(task)} == set()
    assert (await client.publish(sandbox.draft())).newly_published


@pytest.mark.parametrize(("count", "ends"), [(2_000, OutcomeStatus.DEFERRED), (100_000, OutcomeStatus.NOT_SENT)])
async def test_F40_100_000_ids_are_a_few_tasks_and_no_memory(
    sandbox: Sandbox, connect: Connect, count: int, ends: OutcomeStatus
) -> None:
    """However many outcomes a stream has passed on, it has few tasks, keeps nothing of them, and reads little ahead."""
    client, taken, others = connect(sandbox), 0, 0

    def source() -> Iterator[str]:
        nonlocal taken
        for taken in range(1, count + 1):
            yield f"more_{taken}"

    await client.publish_many([sandbox.draft() for _ in range(20)])
    if ends is OutcomeStatus.NOT_SENT:
        sandbox.advance(hours=24)
        sandbox.revoke()
    tasks_before, sent_before = len(asyncio.all_tasks()), len(sandbox.requests)
    async with client.publish_stream(source(), concurrency=10) as outcomes:
        for consumed in range(1, count + 1):
            others += (await anext(outcomes)).status is not ends
            if consumed == 100:
                blocks_before = blocks_in_use()
            if consumed % 100 == 0:
                assert taken - consumed <= 2 * 10 + 1
                assert len(asyncio.all_tasks()) - tasks_before <= 2 * 10 + 1
        assert blocks_in_use() - blocks_before < 1_000
    assert others == len(sandbox.requests) - sent_before
    assert others == 0 if ends is OutcomeStatus.DEFERRED else 1 <= others <= 10


def blocks_in_use() -> int:
    """How many pieces of memory Python has in use, those of strings too."""
    gc.collect()
    return sys.getallocatedblocks()


async def test_F36_a_run_ends_when_its_client_is_closed(sandbox: Sandbox, connect: Connect) -> None:
    """What was sent is in doubt, what was not is not sent, and the run says why it stopped."""
    client = connect(sandbox, daily_limit=20)
    await accept_one(client)
    sandbox.fault(Fault.STALL, times=2)
    run = asyncio.create_task(client.publish_many([sandbox.draft() for _ in range(5)], concurrency=2))
    await until(lambda: len(sandbox.requests) == 2)
    await client.close()
    report = await run
    assert (len(report.unknown), len(report.not_sent)) == (2, 3)
    assert isinstance(report.stopped_by, ClientClosedError)
    with pytest.raises(ClientClosedError):
        await client.publish_many([])
    with pytest.raises(ClientClosedError):
        client.publish_stream([])
