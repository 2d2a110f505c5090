"""The engine that repeats attempts under a policy; the only importer of tenacity."""

import random
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from tenacity import AsyncRetrying, RetryCallState

from .._base.clock import Clock, doubled
from .._base.fenced_log import logger
from .._base.waiting import Waiter
from ..errors import ConnectionLostError, OpenTrainError, RateLimitedError
from ..errors._api import retry_after_of
from ..events._listener import CallTrace, Emit
from ..outcomes._answer_table import rule_on
from .breaker import CircuitBreaker, Permit, RenewLease
from .budget import RetryBudget
from .callers import Callers, GivenUpError
from .policy import RetryPolicy
from .throttle import Throttle

T = TypeVar("T")
Attempt = Callable[[float], Awaitable[T]]
IsTransient = Callable[[OpenTrainError], bool]

_MOST_SPARED = 20
"""How many 429s of a draft use up none of its attempts, if other drafts are answered meanwhile."""


class Retrier:
    """Runs operations under one policy. Those of one client share its budget, throttle and circuit breaker.

    Args:
        policy: The policy.
        clock: The clock for delays and deadlines.
        emit: Emits outages; `None` if nobody listens.
    """

    def __init__(self, policy: RetryPolicy, clock: Clock, emit: Emit | None = None) -> None:
        self.policy = policy
        self.clock = clock
        self.budget = RetryBudget()
        self.throttle = Throttle(clock, policy.base_delay)
        self.sleeping: set[Waiter] = set()
        self.breaker = CircuitBreaker(
            clock, base_delay=policy.base_delay, max_delay=policy.max_delay, max_retry_after=policy.max_retry_after,
            emit=emit,
        )  # fmt: skip

    async def run(
        self,
        name: str,
        attempt: Attempt[T],
        is_transient: IsTransient,
        callers: Callers | None = None,
        renew_lease: RenewLease | None = None,
        trace: CallTrace | None = None,
    ) -> T:
        """Repeat an attempt until it succeeds or the policy ends it.

        Args:
            name: The draft, or the operation; for the log, and to tell one from another.
            attempt: Makes one attempt; takes the seconds that are left for it.
            is_transient: True for an error that a repetition may not meet again. It belongs to the operation: an error
                means something else for a request that is not safe to repeat.
            callers: The callers, who may be paused by an outage and may give up; `None` if nothing pauses the attempt.
            renew_lease: Called now and then with the callers while an outage pauses them.
            trace: Emits an event for each attempt; `None` if nobody listens.

        Raises:
            OpenTrainError: The error of the last attempt.
            GivenUpError: The callers gave up before the first attempt.
        """
        self.budget.earn()
        if trace is not None:
            attempt = trace.with_events(attempt)
        now, breaker = self.clock.monotonic(), self.breaker
        if breaker.state != "closed" or now < self.throttle.ends_at:
            return await _Attempts(self, name, attempt, is_transient, callers, renew_lease, now, trace).run()
        # Almost every call ends here: nothing prevents its first attempt, and the attempt is answered.
        outages_ended = breaker.outages_ended
        try:
            result = await attempt(self.policy.deadline)
        except OpenTrainError as error:
            attempts = _Attempts(self, name, attempt, is_transient, callers, renew_lease, now, trace)
            attempts.first_has_failed(error, outages_ended)
            if not is_transient(error):
                raise
        else:
            breaker.answered(of_publish=callers is not None)
            return result
        return await attempts.run()

    def wake_all(self) -> None:
        """Wake everything that waits here, as a caller may have given up."""
        self.breaker.wake_all()
        for waiter in self.sleeping:
            waiter.wake()

    def apply(self, error: OpenTrainError) -> None:
        """Throttle the client as an error asks; if that is longer than the policy waits, runs send nothing more."""
        if not isinstance(error, RateLimitedError) or error.retry_after is None:
            return
        if self.asks_for_too_much(error):
            self.throttle.close(error, error.retry_after)
        else:
            self.throttle.extend(error.retry_after)

    def asks_for_too_much(self, error: OpenTrainError) -> bool:
        """True for a 429 that asks for a longer wait than the policy's. It says when, so no probe has to find out."""
        retry_after = error.retry_after if isinstance(error, RateLimitedError) else None
        return retry_after is not None and retry_after > self.policy.max_retry_after


class _Attempts(Generic[T]):
    """The attempts of one operation."""

    _failure: OpenTrainError
    _first_failure: OpenTrainError | None = None
    _answers_at_first_failure: int | None = None
    _answers_at_last_failure: int | None = None
    _spared = 0
    _attempts = 0
    _doublings = 0
    _has_reconnected = False
    _delay = 0.0
    _owes_a_token = False

    def __init__(
        self,
        retrier: Retrier,
        name: str,
        attempt: Attempt[T],
        is_transient: IsTransient,
        callers: Callers | None,
        renew_lease: RenewLease | None,
        now: float,
        trace: CallTrace | None,
    ) -> None:
        self._retrier = retrier
        self._name = name
        self._attempt = attempt
        self._is_transient = is_transient
        self._callers = callers
        self._renew_lease = renew_lease
        self._trace = trace
        self._deadline = now + retrier.policy.deadline

    def first_has_failed(self, error: OpenTrainError, outages_ended: int) -> None:
        """Note that the first attempt has failed; so many outages had ended when it began."""
        self._attempts = 1
        self._failure = self._first_failure = error
        self._record(error, None, outages_ended)

    async def run(self) -> T:
        """Make the attempts that are left."""
        try:
            if self._first_failure is None:
                return await self._once()
        except OpenTrainError as error:
            if not self._is_transient(error):
                raise
            self._failure = self._first_failure = error
        # Only now: a controller costs as much as a good part of a request, and most operations need none.
        controller = AsyncRetrying(
            sleep=self._sleep,
            wait=lambda _: self._delay,
            retry=self._may_retry,
            before_sleep=self._emit_retry,
        )
        try:
            return await controller(self._next_attempt)
        except GivenUpError:
            raise self._failure from None
        finally:
            self._give_back(succeeded=False)

    async def _once(self) -> T:
        """Make one attempt as soon as it may go, and record how it ends.

        The deadline does not run while the attempt is paused or throttled, nor during a probe.
        """
        breaker, throttle, now = self._retrier.breaker, self._retrier.throttle, self._now()
        if self._is_refused():
            raise throttle.refusal(self._name)
        left = self._deadline - now
        if left <= 0:
            raise self._failure  # the wait took longer than planned, as on a machine that was suspended
        permit = None if breaker.state == "closed" else await self._permit()
        if permit is not None and self._is_refused():  # a probe has met a long Retry-After meanwhile
            breaker.release(permit)
            raise throttle.refusal(self._name)
        outages_ended = breaker.outages_ended
        try:
            if permit is not None or now < throttle.until:
                await throttle.wait(self._sleep)
                self._deadline = self._now() + left
            is_probe = permit is not None and permit.is_probe
            self._attempts += not is_probe
            result = await self._attempt(self._retrier.policy.deadline if is_probe else left)
        except OpenTrainError as error:
            if permit is not None and permit.is_probe:
                self._deadline = self._now() + left
            self._record(error, permit, outages_ended)
            raise
        except BaseException:
            breaker.release(permit)
            raise
        breaker.answered(permit, of_publish=self._callers is not None)
        return result

    def _is_refused(self) -> bool:
        """True if the service asks for a longer wait than the policy's, and every caller can be told so at once."""
        is_closed = self._now() < self._retrier.throttle.closed_until
        return is_closed and self._callers is not None and not self._callers.has_urgent

    async def _permit(self) -> Permit | None:
        if self._callers is None or not self._callers.can_be_paused:
            return None
        if self._owes_a_token:  # for a retry that is not made now
            self._give_back(succeeded=True)
        self._answers_at_first_failure = None
        return await self._retrier.breaker.permit(self._callers, self._renew_lease)

    async def _sleep(self, seconds: float) -> None:
        """Wait, for as long as at least one caller wants that."""
        if self._callers is None:
            await self._retrier.clock.sleep(seconds)
            return
        until, waiter = self._now() + seconds, Waiter()
        self._retrier.sleeping.add(waiter)
        try:
            while not self._is_given_up() and (left := until - self._now()) > 0:
                await waiter.wait(self._retrier.clock, left)
        finally:
            self._retrier.sleeping.discard(waiter)
        if self._is_given_up():
            raise GivenUpError

    def _is_given_up(self) -> bool:
        """True if no caller wants the result any more; answers the callers who have given up."""
        if self._callers is None:
            return False
        self._callers.release_given_up()
        return self._callers.is_given_up

    def _record(self, error: OpenTrainError, permit: Permit | None, outages_ended: int) -> None:
        """Tell the throttle and the breaker of a failed attempt."""
        breaker, service, is_publish = self._retrier.breaker, rule_on(error).service, self._callers is not None
        self._retrier.apply(error)
        if service == "up" or self._retrier.asks_for_too_much(error):
            breaker.answered(permit, of_publish=is_publish)
        elif service is None and not self._is_transient(error):
            breaker.release(permit)
        else:
            if self._answers_at_first_failure is None:
                self._answers_at_first_failure = breaker.answers
            is_news = breaker.outages_ended == outages_ended and breaker.answers == self._answers_at_first_failure
            is_throttled = service == "busy" and is_publish
            if is_throttled and (permit is None or not permit.is_probe):
                self._spare()
            counts = is_news and (service == "down" or is_throttled)
            breaker.failed(self._name, error, permit, counts=counts, is_throttled=is_throttled)

    def _spare(self) -> None:
        """Do not count the attempt that a 429 has ended, if another draft was answered since this one's last 429."""
        answers = self._retrier.breaker.answers
        if self._answers_at_last_failure not in {None, answers} and self._spared < _MOST_SPARED:
            self._attempts -= 1
            self._spared += 1
        self._answers_at_last_failure = answers

    async def _next_attempt(self) -> T:
        """Raise the failure of the first attempt when tenacity asks for it; from then on make real attempts."""
        if self._first_failure is not None:
            failure, self._first_failure = self._first_failure, None
            raise failure
        try:
            result = await self._once()
        except OpenTrainError as error:
            self._give_back(succeeded=rule_on(error).service == "up" or not self._is_transient(error))
            raise
        self._give_back(succeeded=True)
        return result

    async def _may_retry(self, state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, OpenTrainError) or not self._is_transient(error):
            return False
        self._failure = error
        if self._attempts >= self._retrier.policy.max_attempts or self._is_given_up():
            return False
        # One that may not be sent now, or has no time left, would come back here at once, and so without end.
        may_be_sent = self._now() < self._deadline and not self._is_refused()
        is_paused = may_be_sent and self._retrier.breaker.pauses(error)
        if is_paused and self._callers is not None and self._callers.can_be_paused:
            self._callers.fail_urgent(error)
            self._delay = 0.0
            return True
        return await self._may_retry_after(error)

    def _emit_retry(self, _state: RetryCallState) -> None:
        if self._trace is not None:
            self._trace.retry(self._delay)

    async def _may_retry_after(self, error: OpenTrainError) -> bool:
        """Return whether there is time and budget for a retry; set the delay before it."""
        retry_after = retry_after_of(error)
        if (retry_after or 0) > self._retrier.policy.max_retry_after:
            return False
        self._delay = (retry_after or 0) + self._backoff(error)
        if isinstance(error, RateLimitedError):
            self._deadline += retry_after or 0
        if self._now() + self._delay >= self._deadline:
            return False
        if retry_after is None and not self._owes_a_token:
            if not await self._retrier.budget.draw():
                logger.warning("%s: not tried again, the retry budget is empty", self._name)
                return False
            self._owes_a_token = True
        logger.warning(
            "trying again in %.2f s, after attempt %d of %d: %s",
            self._delay, self._attempts, self._retrier.policy.max_attempts, error,
        )  # fmt: skip
        return True

    def _backoff(self, error: OpenTrainError) -> float:
        if isinstance(error, ConnectionLostError) and not self._has_reconnected:
            self._has_reconnected = True
            return 0.0
        bound = doubled(self._retrier.policy.base_delay, self._doublings, self._retrier.policy.max_delay)
        self._doublings += 1
        return random.uniform(0, bound)

    def _give_back(self, *, succeeded: bool) -> None:
        if self._owes_a_token:
            self._owes_a_token = False
            self._retrier.budget.give_back(succeeded=succeeded)

    def _now(self) -> float:
        return self._retrier.clock.monotonic()
