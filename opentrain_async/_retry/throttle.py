"""One pause for all publishes of a client, when the server says that it is too much just now."""

import copy
import random
from collections.abc import Awaitable, Callable

from .._base.clock import Clock
from ..errors import RateLimitedError


class Pause:
    """Until when nobody of this client sends anything.

    Args:
        clock: Whose monotonic time is meant.
        spread: Seconds over which those who waited come back, so that they do not all come at once.

    Attributes:
        until: When it ends; long past where there is none.
        shut_until: Until when the server does not want to be asked at all, which is longer than anybody waits.
        quiet_at: When both are over.
    """

    def __init__(self, clock: Clock, spread: float) -> None:
        self._clock = clock
        self._spread = spread
        self.until = 0.0
        self.shut_until = 0.0
        self.quiet_at = 0.0
        self._refusal = RateLimitedError()

    def extend(self, seconds: float) -> None:
        """Pause for that many seconds from now; a longer pause that is under way stands."""
        self.until = max(self.until, self._clock.monotonic() + seconds)
        self.quiet_at = max(self.until, self.shut_until)

    def shut(self, refusal: RateLimitedError, seconds: float) -> None:
        """Note that the server has asked for more than is waited."""
        self.shut_until = max(self.shut_until, self._clock.monotonic() + seconds)
        self.quiet_at = max(self.until, self.shut_until)
        self._refusal = refusal

    def refusal(self, job_id: str) -> RateLimitedError:
        """The same for a draft that was not sent: with the time that is left, as of another draft's answer."""
        told = copy.copy(self._refusal)
        told.job_id, told.effect = job_id, "none"
        told.retry_after = self.shut_until - self._clock.monotonic()
        return told

    async def over(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Wait for the end of the pause, if there is one, by this sleep."""
        while (left := self.until - self._clock.monotonic()) > 0:
            await sleep(left + random.uniform(0, self._spread))
