"""Those who wait for their turn: called, they look once."""

import asyncio
import math

import pytest

from opentrain_async import AsyncOpenTrain
from opentrain_async._base.waiting import Waiter, WaitQueue
from opentrain_async.sandbox import Sandbox

from ..support.clients import Connect
from ..support.stores import SlowStore
from ..support.virtual import GatedClock, VirtualClock
from ..support.waiting import until


async def test_one_call_is_one_look() -> None:
    """Whoever is called before the time is up looks, and waits again until then."""
    clock, waiter, looks = GatedClock(), Waiter(), 0

    async def look() -> None:
        nonlocal looks
        while True:
            await waiter.wait(clock, 60.0)
            looks += 1

    looking = asyncio.create_task(look())
    for called in range(3):
        waiter.wake()
        for _ in range(50):
            await asyncio.sleep(0)
        assert looks == called + 1
    looking.cancel()
    await asyncio.wait({looking})


async def test_a_call_that_came_before_counts() -> None:
    """Nobody waits for what has happened already; once."""
    waiter = Waiter()
    waiter.wake()
    await waiter.wait(GatedClock(), None)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await waiter.wait(GatedClock(), 60.0)


async def test_a_wait_is_a_millisecond_at_least(clock: VirtualClock) -> None:
    """A loop may run a timer a tick early: a waiter that waits for the rest of it does not ask again without end."""
    for within in (0.0, 1e-13, 0.5):
        await Waiter().wait(clock, within)
    assert clock.slept == [0.001, 0.001, 0.5]


async def test_a_line_is_first_come_first_served() -> None:
    """Whoever leaves calls the one who is first then."""
    line = WaitQueue()
    with line.join() as first, line.join() as second:
        assert (line.is_first(first), line.is_first(second), line.ahead_of(second), line.length) == (True, False, 1, 2)
    assert line.length == 0


async def test_a_run_that_waits_for_the_window_asks_its_ledger_seldom(sandbox: Sandbox, connect: Connect) -> None:
    """Also after a publish beside it, which may have left a place, and calls."""
    store = SlowStore()
    client: AsyncOpenTrain = connect(sandbox, ledger=store, daily_limit=1)
    done = sandbox.draft()
    await client.publish(done)
    waiting = asyncio.create_task(client.publish_many([sandbox.draft() for _ in range(3)], max_wait=math.inf))
    await until(lambda: client._ledger.line.length == 3)
    await client.publish(done)
    before = store.begun
    await asyncio.sleep(0.05)
    assert store.begun - before <= 10
    waiting.cancel()
    await asyncio.wait({waiting})
