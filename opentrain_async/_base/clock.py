"""Clocks, instants and growing delays: slots, back-off and deadlines take their time from a `Clock`."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

LATEST = datetime.max.replace(tzinfo=UTC)
"""The calendar's end."""
_MOST_DOUBLINGS = 60
"""After so many doublings every delay is infinite in practice, and the power soon overflows."""


class Clock(Protocol):
    """What the library asks of a clock; tests and simulations pass their own.

    The wall clock says what time it is (slots, `retry_at`); the monotonic one measures how long something
    took (backoff, deadlines). They are two, because a wall clock jumps.
    """

    def now(self) -> float:
        """The wall clock, in seconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary zero; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for that many seconds, 0 or more, of monotonic time."""
        ...


class SystemClock:
    """The machine's own clocks and the event loop's sleep."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)

    async def sleep(self, seconds: float) -> None:
        """Wait for that many seconds on the running event loop."""
        await asyncio.sleep(seconds)


def instant(epoch_seconds: float) -> datetime:
    """The aware UTC datetime of an epoch time, never before it; one beyond the calendar's end becomes that end.

    Not the nearest one: who comes back at the time that he was told would be a fraction of a microsecond early, and
    be told the same again.
    """
    try:
        at = datetime.fromtimestamp(epoch_seconds, UTC)
        return at if at.timestamp() >= epoch_seconds else at + timedelta.resolution
    except (OverflowError, ValueError, OSError):
        return LATEST


def iso(at: datetime | None) -> str | None:
    """A time for programs."""
    return None if at is None else at.isoformat()


def doubled(first: float, times: int, largest: float) -> float:
    """Return the first delay, doubled so many times, and at most the largest; in seconds."""
    return min(largest, first * 2.0 ** min(times, _MOST_DOUBLINGS))
