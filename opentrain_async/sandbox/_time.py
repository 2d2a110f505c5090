"""A clock that runs like the machine's and can be moved ahead."""

import asyncio
import math
import time
from datetime import UTC, datetime

from .._base.text import shown


class SandboxClock:
    """The time in a sandbox. Give it to a client as its `clock`, and both live in the same time.

    Whoever sleeps by it wakes when that much of its time has gone by, whether it passed or was skipped.
    """

    def __init__(self) -> None:
        self._skipped = 0.0
        self._moved = asyncio.Event()

    def now(self) -> float:
        """Epoch seconds."""
        return time.time() + self._skipped

    def monotonic(self) -> float:
        """Seconds since an arbitrary zero."""
        return time.monotonic() + self._skipped

    async def sleep(self, seconds: float) -> None:
        """Wait until that many seconds have passed or were skipped."""
        until = self.monotonic() + seconds
        while (left := until - self.monotonic()) > 0:
            try:
                async with asyncio.timeout(left):
                    await self._moved.wait()
            except TimeoutError:
                pass
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Skip that many seconds, 0 or more."""
        if not 0 <= seconds < math.inf:
            raise ValueError(f"time goes on in a sandbox, by a number of seconds, and not by {shown(seconds)}")
        self._skipped += seconds
        self._moved.set()
        self._moved = asyncio.Event()


def instant(seconds: float) -> str:
    """An instant, from epoch seconds, as the service writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
