"""The stream of a run's outcomes."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest

from opentrain_async.outcomes import OutcomeStatus
from opentrain_async.sandbox import Sandbox

from ..support.clients import Connect
from ..support.peers import Call, answer, client_of, peer
from ..support.waiting import until

PUBLISHED, DEFERRED, NOT_SENT = OutcomeStatus.PUBLISHED, OutcomeStatus.DEFERRED, OutcomeStatus.NOT_SENT


async def test_leaving_a_stream_cancels_what_is_left(sandbox: Sandbox, connect: Connect) -> None:
    """After 20 of 500 outcomes no more requests are made."""
    client = connect(sandbox, daily_limit=500)
    count = 0
    async with client.publish_stream((sandbox.draft() for _ in range(500)), concurrency=10) as outcomes:
        async for _ in outcomes:
            count += 1
            if count == 20:
                break
    asked = len(sandbox.requests)
    assert asked <= 60
    await asyncio.sleep(0.02)
    assert len(sandbox.requests) == asked


async def test_F40_a_stream_reads_its_source_no_faster_than_it_is_read(sandbox: Sandbox, connect: Connect) -> None:
    """With a consumer that takes one outcome the source gives no more than the workers and the buffer hold."""
    taken = itertools.count()
    client = connect(sandbox, daily_limit=3)
    async with client.publish_stream((f"job_{next(taken)}" for _ in itertools.count()), concurrency=5) as outcomes:
        await anext(outcomes)
        await asyncio.sleep(0.02)
    assert next(taken) <= 1 + 2 * 5 + 1


async def test_a_stream_is_used_inside_its_block_and_once(sandbox: Sandbox, connect: Connect) -> None:
    """Iterating outside the block, or entering twice, says what to do."""
    stream = connect(sandbox).publish_stream([sandbox.draft()])
    with pytest.raises(RuntimeError, match="inside the block"):
        await anext(stream)
    await stream.__aexit__(None, None, None)
    async with stream as outcomes:
        assert len([outcome async for outcome in outcomes]) == 1
        with pytest.raises(StopAsyncIteration):
            await anext(outcomes)
        with pytest.raises(RuntimeError, match="once"):
            await stream.__aenter__()


async def test_a_stream_that_is_stopped_ends_in_good_order(sandbox: Sandbox, connect: Connect) -> None:
    """What is being sent comes to its end; what waits is not sent; nothing more is taken from the source."""
    taken = []

    def source() -> "AsyncIterator[str]":
        async def ids() -> AsyncIterator[str]:
            for _ in range(20):
                taken.append(sandbox.draft())
                yield taken[-1]

        return ids()

    client = connect(sandbox, daily_limit=2)
    outcomes = []
    async with client.publish_stream(source(), concurrency=5, max_wait=float("inf")) as stream:
        async for outcome in stream:
            outcomes.append(outcome)
            if len(outcomes) == 2:
                await until(lambda: len(taken) == 7)
                stream.stop()
                stream.stop()
    assert [outcome.status for outcome in outcomes] == [PUBLISHED] * 2 + [NOT_SENT] * 5
    assert {outcome.error for outcome in outcomes} == {None}
    assert len(taken) == 7


async def test_a_stream_that_is_stopped_waits_for_no_quota() -> None:
    """A draft that is refused after that, for the quota, is deferred: nobody waits for the window any more."""
    may_answer = asyncio.Event()
    body = {"ok": False, "code": "RATE_LIMITED", "error": "no", "details": {"limit": 3, "windowHours": 24}}

    async def behave(call: Call) -> None:
        await may_answer.wait()
        call.writer.write(answer(body, status="429 Too Many Requests"))

    async with (
        asyncio.timeout(5),
        peer(behave) as server,
        client_of(server.url) as client,
        client.publish_stream(["job_1"], max_wait=float("inf")) as stream,
    ):
        await server.arrived(1)
        stream.stop()
        may_answer.set()
        assert [outcome.status async for outcome in stream] == [DEFERRED]


async def test_a_stream_that_is_stopped_does_not_wait_for_its_source(sandbox: Sandbox, connect: Connect) -> None:
    """A source that has nothing to give just now, such as a queue, holds up nothing."""
    queue: asyncio.Queue[str] = asyncio.Queue()
    queue.put_nowait(sandbox.draft())

    async def ids() -> AsyncIterator[str]:
        while True:
            yield await queue.get()

    async with connect(sandbox).publish_stream(ids(), concurrency=3) as stream:
        statuses = []
        async for outcome in stream:
            statuses.append(outcome.status)
            await asyncio.sleep(0)
            stream.stop()
    assert statuses == [PUBLISHED]
