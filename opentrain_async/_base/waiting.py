"""A queue of waiting tasks: first come, first served."""

import asyncio
import itertools
from collections.abc import Generator, Iterator
from contextlib import contextmanager

from .clock import Clock

# An event loop may run a timer a clock tick early. A waiter that then waits for the rest, which may be too little for
# the clock to show, would ask again without end where time is virtual.
_SHORTEST_WAIT = 0.001


class Waiter:
    """One task that waits."""

    def __init__(self) -> None:
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
    """

    def __init__(self) -> None:
        self._urgent: dict[Waiter, None] = {}
        self._others: dict[Waiter, None] = {}

    @property
    def length(self) -> int:
        """How many waiters it holds."""
        return len(self._urgent) + len(self._others)

    @contextmanager
    def join(self, *, is_urgent: bool = False) -> Generator[Waiter, None, None]:
        """Join the queue for the length of the block; leaving wakes the waiter that is first then.

        Args:
            is_urgent: Stand before all who are not urgent, rather than at the end.

        Yields:
            The waiter.
        """
        waiters, waiter = self._urgent if is_urgent else self._others, Waiter()
        waiters[waiter] = None
        try:
            yield waiter
        finally:
            del waiters[waiter]
            self.wake_first()

    def ahead_of(self, waiter: Waiter) -> int:
        """Return how many waiters are ahead of this one."""
        return next(place for place, other in enumerate(self) if other is waiter)

    def is_first(self, waiter: Waiter) -> bool:
        """True if this waiter is first."""
        return next(iter(self), None) is waiter

    def __iter__(self) -> Iterator[Waiter]:
        return itertools.chain(self._urgent, self._others)

    def wake_all(self) -> None:
        """Wake every waiter."""
        for waiter in self:
            waiter.wake()

    def wake_first(self) -> None:
        """Wake the first waiter."""
        for waiter in self:
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
        waiters = itertools.dropwhile(lambda other: other is not waiter, self)
        for following in itertools.islice(waiters, 1, 2):
            following.wake()
