"""Virtual time for tests, on the clock of the benchmarks."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
from _virtual import VirtualClock

__all__ = ["GatedClock", "LoopTime", "ShortClock", "VirtualClock", "changeable_loop", "in_no_time"]

T = TypeVar("T")

LONG = 30.0
"""Seconds: no retry, probe or poll of the tests waits longer."""


class GatedClock(VirtualClock):
    """A virtual clock on which every sleep ends when the gate is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        until = self.time + seconds
        await self.gate.wait()
        self.time = max(self.time, until)  # those who sleep at once do not sleep one after another


class ShortClock(VirtualClock):
    """A virtual clock on which only short sleeps end: whoever waits for a request in flight does not move it far."""

    async def sleep(self, seconds: float) -> None:
        if seconds > LONG:
            await asyncio.Event().wait()
        await super().sleep(seconds)


def changeable_loop() -> asyncio.AbstractEventLoop:
    """The running loop, whose methods can be replaced; skips the test where it runs on another than asyncio's."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, asyncio.BaseEventLoop):
        pytest.skip("it changes the event loop, which only asyncio's own allows")
    return loop


class LoopTime:
    """The time of the running event loop, which can be moved ahead: its timers are due then, without a wait."""

    def __init__(self) -> None:
        loop = changeable_loop()
        real, self._skipped = loop.time, 0.0
        loop.time = lambda: real() + self._skipped  # type: ignore[method-assign]

    def block(self, seconds: float) -> None:
        """Let time pass in which the loop does nothing, as where somebody computes on it."""
        self._skipped += seconds

    async def passed_until(self, fact: Callable[[], object], breath: float = 0.0) -> float:
        """Let time pass until something is so; returns how many seconds had to.

        *breath* is how many real seconds the machine has for its sockets before each step of it.
        """
        since = self._skipped
        while True:
            for _ in range(20):
                await asyncio.sleep(0)
            await asyncio.sleep(breath)
            if fact():
                return self._skipped - since
            assert self._skipped - since < 60, "it never is so"
            self._skipped += 0.125


async def in_no_time(call: Coroutine[Any, Any, T]) -> T:
    """What comes of a call, for which time passes whenever nothing else happens."""
    try:
        time = LoopTime()
    except pytest.skip.Exception:
        call.close()
        raise
    task = asyncio.create_task(call)
    await time.passed_until(task.done, breath=0.001)
    return await task
