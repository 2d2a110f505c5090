"""One pause for all publishes of a client, when the server says that it is too much just now."""

import random

from ._clock import Clock


class Pause:
    """Until when nobody of this client sends anything.

    Args:
        clock: Whose monotonic time is meant.
        spread: Seconds over which those who waited come back, so that they do not all come at once.

    Attributes:
        until: When it ends; long past where there is none.
    """

    def __init__(self, clock: Clock, spread: float) -> None:
        self._clock = clock
        self._spread = spread
        self.until = 0.0

    def extend(self, seconds: float) -> None:
        """Pause for that many seconds from now; a longer pause that is under way stands."""
        self.until = max(self.until, self._clock.monotonic() + seconds)

    async def over(self) -> float:
        """Wait for the end of the pause, if there is one; returns for how many seconds that was."""
        began = self._clock.monotonic()
        while (left := self.until - self._clock.monotonic()) > 0:
            await self._clock.sleep(left + random.uniform(0, self._spread))
        return self._clock.monotonic() - began
