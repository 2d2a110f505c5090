"""A queue of waiting tasks: first come, first served."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from .clock import Clock

# An event loop may run a timer a clock tick early. A waiter that then waits for the rest, which may be too little for
# the clock to show, would ask again without end where time is virtual.
_SHORTEST_WAIT = 0.001


class Waiter:
    """One task that waits."""

    def __init__(self) -> None:
        self.was_denied = False
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """End the wait, or the next one."""
        self._woken.set()

    async def wait(self, clock: Clock, within: float | None) -> None:
        """Wait until woken, or for *within* seconds, at least a millisecond, where given.

        A wake-up that came before counts.
        """
        timer = None if within is None else asyncio.ensure_future(clock.sleep(max(within, _SHORTEST_WAIT)))
        if timer is not None:
            timer.add_done_callback(self._time_is_up)
        try:
            await self._woken.wait()
        finally:
            self._woken.clear()
            if timer is not None:
                # Otherwise a cancelled timer wakes this waiter once more, and the next wait ends at once.
                timer.remove_done_callback(self._time_is_up)
                if timer.cancel():
                    await asyncio.wait({timer})

    def _time_is_up(self, _timer: "asyncio.Future[None]") -> None:
        self.wake()


class WaitQueue:
    """A first-come-first-served queue in which only the first waiter needs to be woken.

    A waiter that finds a place leaves, and leaving wakes the next one. So a change costs one wake-up for each place
    that it frees, plus one.

    Attributes:
        length: How many waiters it holds.
    """

    def __init__(self) -> None:
        self._waiters: dict[Waiter, None] = {}
        self.length = 0

    @contextmanager
    def join(self) -> Generator[Waiter, None, None]:
        """Join the end of the queue for the length of the block; leaving wakes the waiter that is first then.

        Yields:
            The waiter.
        """
        waiter = Waiter()
        self._waiters[waiter] = None
        self.length += 1
        try:
            yield waiter
        finally:
            del self._waiters[waiter]
            self.length -= 1
            self.wake_first()

    def ahead_of(self, waiter: Waiter) -> int:
        """Return how many waiters are ahead of this one."""
        return next(place for place, other in enumerate(self._waiters) if other is waiter)

    def is_first(self, waiter: Waiter) -> bool:
        """True if this waiter is first."""
        return next(iter(self._waiters), None) is waiter

    def wake_all(self) -> None:
        """Wake every waiter."""
        for waiter in self._waiters:
            waiter.wake()

    def wake_first(self) -> None:
        """Wake the first waiter."""
        for waiter in self._waiters:
            waiter.wake()
            return

    def wake_first_soon(self) -> None:
        """Wake the first waiter in the loop's next turn, as there may be a place.

        Not at once: the caller who learns of this outcome first may cancel the others.
        """
        if self.length:
            asyncio.get_running_loop().call_soon(self.wake_first)

    def wake_after(self, waiter: Waiter) -> None:
        """Wake the waiter behind this one."""
        waiters = iter(self._waiters)
        for other in waiters:
            if other is waiter:
                for following in waiters:
                    following.wake()
                    return
