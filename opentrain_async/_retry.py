"""Trying again: the policy as a value, and the engine; the only importer of tenacity."""

import logging
import random
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from attrs import field, frozen
from tenacity import AsyncRetrying, RetryCallState

from . import _checks
from ._budget import RetryBudget
from ._clock import Clock
from ._pause import Pause
from .errors import ConfigurationError, ConnectionLostError, OpenTrainError, RateLimitedError, ServerError

T = TypeVar("T")
Attempt = Callable[[float], Awaitable[T]]
IsTransient = Callable[[OpenTrainError], bool]

_logger = logging.getLogger("opentrain_async")
_MOST_DOUBLINGS = 60


@frozen(kw_only=True)
class RetryPolicy:
    """How often, after what delay and for how long a request that is safe to repeat is tried.

    The delay before the nth retry is drawn from 0 to *base_delay* · 2ⁿ⁻¹, at most *max_delay*: full jitter. A
    Retry-After is the least that is waited, with the jitter on top. The first retry after a lost connection is
    immediate.

    Attributes:
        max_attempts: Attempts in all, the first one too; from 1, which is not to retry.
        base_delay: Seconds; 0 or more.
        max_delay: Seconds; at least *base_delay*.
        max_retry_after: Seconds; a server that asks for more is not waited for: the error surfaces at once.
        deadline: Seconds from the first send, above 0, which no attempt and no delay outlasts. It stands still
            while the client waits for quota or is paused by the server.

    Raises:
        ConfigurationError: A value out of its range.
    """

    max_attempts: int = 4
    base_delay: float = 0.5
    max_delay: float = 8.0
    max_retry_after: float = 60.0
    deadline: float = field(default=120.0)

    def __attrs_post_init__(self) -> None:
        _checks.whole("max_attempts", self.max_attempts)
        _checks.number("base_delay", self.base_delay)
        _checks.number("max_delay", self.max_delay)
        _checks.number("max_retry_after", self.max_retry_after)
        _checks.number("deadline", self.deadline, above=0)
        if self.max_delay < self.base_delay:
            raise ConfigurationError(f"max_delay ({self.max_delay}) is below base_delay ({self.base_delay})")


class Retrier:
    """Runs operations under one policy; those of one client share its budget and its pause."""

    def __init__(self, policy: RetryPolicy, clock: Clock) -> None:
        self.policy = policy
        self.clock = clock
        self.budget = RetryBudget()
        self.pause = Pause(clock, policy.base_delay)

    async def run(self, name: str, attempt: Attempt[T], is_transient: IsTransient) -> T:
        """Attempt something until it succeeds or the policy says that it is enough.

        tenacity is entered only when a first attempt has failed: a controller costs as much as a quarter of a
        request, and most need none.

        Args:
            name: What is attempted, for the log.
            attempt: Makes one attempt; takes the seconds left to it.
            is_transient: Whether an error of it may not come again. The operation's own property: an error means
                something else for a request that is not safe to repeat.

        Raises:
            OpenTrainError: Of the last attempt.
        """
        self.budget.earn()
        now = self.clock.monotonic()
        if now < self.pause.until:
            now += await self.pause.over()
        deadline = now + self.policy.deadline
        try:
            return await attempt(self.policy.deadline)
        except OpenTrainError as error:
            self.heed(error)
            if not is_transient(error):
                raise
            failure = error
        return await _Repetition(self, name, attempt, is_transient, failure, deadline).run()

    def heed(self, error: OpenTrainError) -> None:
        """Pause everyone, if that is what the server asks for."""
        asked = error.retry_after if isinstance(error, RateLimitedError) else None
        if asked is not None and asked <= self.policy.max_retry_after:
            self.pause.extend(asked)


class _Repetition(Generic[T]):
    """The retries of one call."""

    def __init__(
        self,
        retrier: Retrier,
        name: str,
        attempt: Attempt[T],
        is_transient: IsTransient,
        failure: OpenTrainError,
        deadline: float,
    ) -> None:
        self._retrier = retrier
        self._policy = retrier.policy
        self._name = name
        self._attempt = attempt
        self._is_transient = is_transient
        self._failure = failure
        self._first_failure: OpenTrainError | None = failure
        self._deadline = deadline
        self._attempts = 1
        self._doublings = 0
        self._has_reconnected = False
        self._delay = 0.0
        self._owes_a_token = False

    async def run(self) -> T:
        controller = AsyncRetrying(
            sleep=self._retrier.clock.sleep,
            wait=lambda _: self._delay,
            retry=self._may_go_on,
            reraise=True,
        )
        try:
            return await controller(self._next_attempt)
        finally:
            self._give_back(succeeded=False)

    async def _next_attempt(self) -> T:
        """The failure of the first attempt, as tenacity's first; from then on real ones."""
        if self._first_failure is not None:
            failure, self._first_failure = self._first_failure, None
            raise failure
        self._deadline += await self._retrier.pause.over()
        left = self._deadline - self._now()
        if left <= 0:
            raise self._failure  # waiting took longer than it should have, as on a machine that was suspended
        self._attempts += 1
        try:
            result = await self._attempt(left)
        except OpenTrainError as error:
            self._retrier.heed(error)
            self._give_back(succeeded=not self._is_transient(error))
            raise
        self._give_back(succeeded=True)
        return result

    async def _may_go_on(self, state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, OpenTrainError) or not self._is_transient(error):
            return False
        asked = error.retry_after if isinstance(error, RateLimitedError | ServerError) else None
        if self._attempts >= self._policy.max_attempts or (asked or 0) > self._policy.max_retry_after:
            return False
        self._failure = error
        self._delay = (asked or 0) + self._backoff(error)
        if isinstance(error, RateLimitedError):
            self._deadline += asked or 0
        if self._now() + self._delay >= self._deadline:
            return False
        if asked is None and not self._owes_a_token:
            if not await self._retrier.budget.draw():
                _logger.warning("%s: not tried again, the retry budget is empty", self._name)
                return False
            self._owes_a_token = True
        _logger.warning(
            "trying again in %.2f s, after attempt %d of %d: %s",
            self._delay, self._attempts, self._policy.max_attempts, error,
        )  # fmt: skip
        return True

    def _backoff(self, error: OpenTrainError) -> float:
        if isinstance(error, ConnectionLostError) and not self._has_reconnected:
            self._has_reconnected = True
            return 0.0
        bound = self._policy.base_delay * 2.0 ** min(self._doublings, _MOST_DOUBLINGS)
        self._doublings += 1
        return random.uniform(0, min(self._policy.max_delay, bound))

    def _give_back(self, *, succeeded: bool) -> None:
        if self._owes_a_token:
            self._owes_a_token = False
            self._retrier.budget.give_back(succeeded=succeeded)

    def _now(self) -> float:
        return self._retrier.clock.monotonic()
