"""One throttle for all calls of a client: the pause that the server asks for with a 429."""

import copy
import random
from collections.abc import Awaitable, Callable

from .._base.clock import Clock
from ..errors import RateLimitedError


class Throttle:
    """The time until which this client sends nothing.

    Args:
        clock: Its monotonic time is used.
        spread: Seconds over which waiting tasks resume, so that they do not all send at once.

    Attributes:
        until: When the pause ends, by the monotonic clock; in the past where there is none.
        closed_until: When the server wants to be asked again, if that is longer than the policy waits.
        ends_at: When both are over.
    """

    def __init__(self, clock: Clock, spread: float) -> None:
        self._clock = clock
        self._spread = spread
        self.until = 0.0
        self.closed_until = 0.0
        self.ends_at = 0.0
        self._refusal = RateLimitedError()

    def extend(self, seconds: float) -> None:
        """Pause for that many seconds from now; a pause that is longer stands."""
        self.until = max(self.until, self._clock.monotonic() + seconds)
        self.ends_at = max(self.until, self.closed_until)

    def close(self, refusal: RateLimitedError, seconds: float) -> None:
        """Note that the server asks for more seconds than the policy waits."""
        self.closed_until = max(self.closed_until, self._clock.monotonic() + seconds)
        self.ends_at = max(self.until, self.closed_until)
        self._refusal = refusal

    def refusal(self, job_id: str) -> RateLimitedError:
        """Return the server's refusal as the error of a draft that was not sent, with the time that is left."""
        error = copy.copy(self._refusal)
        error.job_id, error.effect = job_id, "none"
        error.retry_after = self.closed_until - self._clock.monotonic()
        return error

    async def wait(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Wait for the end of the pause, if there is one, with this sleep."""
        while (left := self.until - self._clock.monotonic()) > 0:
            await sleep(left + random.uniform(0, self._spread))
