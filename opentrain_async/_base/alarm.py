"""One timer of the event loop for many timeouts."""

import asyncio
import math
from functools import cached_property
from typing import Protocol


class Sleeper(Protocol):
    """Something whose time may run out."""

    def ring(self) -> None:
        """Its time is up."""
        ...


class Alarm:
    """Rings each sleeper when its time is up, exactly, with one timer of the event loop for all of them.

    A timer of its own costs a request about as much as all of the quota's bookkeeping; an entry here next to
    nothing, because almost every request ends long before its time is up, and nothing is to be done then.
    """

    def __init__(self) -> None:
        self._due: dict[Sleeper, float] = {}
        self._rings_at = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    def time(self) -> float:
        """The time by the event loop's clock."""
        return self._loop.time()

    def set(self, sleeper: Sleeper, seconds: float) -> None:
        """Ring this sleeper in that many seconds."""
        due = self._due[sleeper] = self.time() + seconds
        if due < self._rings_at:
            self._arm(due)

    def unset(self, sleeper: Sleeper) -> None:
        """Let this one be."""
        self._due.pop(sleeper, None)
        if self._is_closed:
            self._leave_no_timer()

    def close(self) -> None:
        """Leave no timer behind once the last sleeper is unset; the sleepers that are set still ring."""
        self._is_closed = True
        self._leave_no_timer()

    def _leave_no_timer(self) -> None:
        if self._timer is not None and not self._due:
            self._timer.cancel()
            self._timer, self._rings_at = None, math.inf

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        """Asked for once: before Python 3.12 each such question is a call of the system, too."""
        return asyncio.get_running_loop()

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = at
        self._timer = self._loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._timer, self._rings_at = None, math.inf
        for sleeper in [sleeper for sleeper, due in self._due.items() if due <= self.time()]:
            del self._due[sleeper]
            sleeper.ring()
        if self._due:
            self._arm(min(self._due.values()))
