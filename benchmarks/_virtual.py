"""Virtual time: a clock that moves only when it is slept on, and an event loop that skips every wait.

The benchmarks and the tests both use it.
"""

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

from opentrain_async.sandbox import SandboxClock

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_A_MOMENT = 0.01
"""Real seconds in which a thread is waited for before it is looked at again."""
_RESOLUTION = 1e-6
_SHORTEST_WAIT = 1e-3


class VirtualClock:
    """A clock on which sleeping takes no time: it advances by what is slept, and by nothing else.

    Attributes:
        time: The time, in epoch seconds and by the monotonic clock.
        slept: The seconds of each sleep.
        stands_still: If true, no sleeper wakes up.
    """

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.time = now
        self.slept: list[float] = []
        self.stands_still = False

    def now(self) -> float:
        """Epoch seconds."""
        return self.time

    def monotonic(self) -> float:
        """The same time."""
        return self.time

    async def sleep(self, seconds: float) -> None:
        """Advance by that many seconds at once."""
        self.slept.append(seconds)
        if self.stands_still:
            await asyncio.Event().wait()
        self.time += seconds
        await asyncio.sleep(0)


class _Skipping(selectors.DefaultSelector):
    """Waits for sockets, and for threads that are at work; where it would wait for time, that has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 0.0
        self.at_work = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self.at_work:
            return super().select(_A_MOMENT)
        if timeout is None:
            raise RuntimeError("everybody waits for somebody else")
        self.time += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on which two months take as long as what happens in them."""

    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)
        self._clock_resolution = _RESOLUTION  # what is due sooner than that is due: of months a float knows no less

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._skipping.time

    def stands_still_until(self, work: "asyncio.Future[T]") -> "asyncio.Future[T]":
        """Let no time pass until this is done: a thread is at work on it."""
        self._skipping.at_work += 1
        work.add_done_callback(self._goes_on)
        return work

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> "asyncio.Future[T]":
        """As any loop does; meanwhile time stands still."""
        return self.stands_still_until(super().run_in_executor(executor, func, *args))

    async def shutdown_default_executor(self, *timeout: float | None) -> None:
        """As any loop does; meanwhile time stands still."""
        self._skipping.at_work += 1
        await super().shutdown_default_executor(*timeout)
        self._skipping.at_work -= 1

    def _goes_on(self, _work: "asyncio.Future[Any]") -> None:
        self._skipping.at_work -= 1


class LoopClock(SandboxClock):
    """The clock of everybody on such a loop, the service's too.

    Args:
        loop: The loop.
        began_at: What time it was when the loop was made, in epoch seconds.
    """

    def __init__(self, loop: VirtualLoop, began_at: float) -> None:
        super().__init__()
        self._loop = loop
        self._began_at = began_at

    def now(self) -> float:
        """Epoch seconds."""
        return self._began_at + self._loop.time()

    def monotonic(self) -> float:
        """Seconds since the loop was made."""
        return self._loop.time()

    def left_until(self, at: float) -> float:
        """How many seconds to wait for an instant: more than the loop's resolution, or none.

        Within that a timer is due at once: those who waited for it, in turns, would keep each other awake, and the time
        from passing.
        """
        left = at - self.now()
        return max(left, _SHORTEST_WAIT) if left > 0 else 0.0

    async def sleep(self, seconds: float) -> None:
        """Wait for that many seconds."""
        await asyncio.sleep(seconds)
