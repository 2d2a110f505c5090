"""Those who wait for their turn, first come, first served."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from .clock import Clock


class Waiter:
    """One who stands in the line."""

    def __init__(self) -> None:
        self.turned_away = False
        self._called = asyncio.Event()

    def call(self) -> None:
        """Tell this one to look again."""
        self._called.set()

    async def called(self, clock: Clock, within: float | None) -> None:
        """Wait to be called, or for *within* seconds where given; a call made before counts."""
        alarm = None if within is None else asyncio.ensure_future(clock.sleep(within))
        if alarm is not None:
            alarm.add_done_callback(self._ring)
        try:
            await self._called.wait()
        finally:
            self._called.clear()
            if alarm is not None:
                # Or it would call once more as it is cancelled, and the next wait would be none.
                alarm.remove_done_callback(self._ring)
                if alarm.cancel():
                    await asyncio.wait({alarm})

    def _ring(self, _alarm: "asyncio.Future[None]") -> None:
        self.call()


class Line:
    """A first-come-first-served line, in which only the one at the head needs to be woken.

    Whoever finds a place leaves, and by leaving calls the next one; so a change costs as many looks as it has places to
    give, plus one.

    Attributes:
        length: How many stand in it.
    """

    def __init__(self) -> None:
        self._waiters: dict[Waiter, None] = {}
        self.length = 0

    @contextmanager
    def stand(self) -> Generator[Waiter, None, None]:
        """Stand at the end of the line for the length of the block; leaving calls whoever is first then.

        Yields:
            The one who stands there.
        """
        waiter = Waiter()
        self._waiters[waiter] = None
        self.length += 1
        try:
            yield waiter
        finally:
            del self._waiters[waiter]
            self.length -= 1
            self.call_first()

    def ahead_of(self, waiter: Waiter) -> int:
        """How many stand before this one."""
        return next(place for place, other in enumerate(self._waiters) if other is waiter)

    def is_first(self, waiter: Waiter) -> bool:
        """Whether nobody stands before this one."""
        return next(iter(self._waiters), None) is waiter

    def call_all(self) -> None:
        """Tell everyone to look again."""
        for waiter in self._waiters:
            waiter.call()

    def call_first(self) -> None:
        """Tell the first in line to look again."""
        for waiter in self._waiters:
            waiter.call()
            return

    def call_first_soon(self) -> None:
        """There may be a place now. Not at once: whoever learns of this outcome first may call those in line off."""
        if self.length:
            asyncio.get_running_loop().call_soon(self.call_first)

    def call_after(self, waiter: Waiter) -> None:
        """Tell the one behind *waiter* to look again."""
        waiters = iter(self._waiters)
        for other in waiters:
            if other is waiter:
                for following in waiters:
                    following.call()
                    return
