"""Trying again: the policy as a value, and the engine; the only importer of tenacity."""

import logging
import random
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from attrs import field, frozen
from tenacity import AsyncRetrying, RetryCallState

from .._base.backoff import doubled
from .._base.clock import Clock
from .._base.waiting import Waiter
from .._service.retry_after import asked_by
from ..errors import (
    APIError,
    ConfigurationError,
    ConnectionLostError,
    OpenTrainError,
    QuotaExceededError,
    RateLimitedError,
    ResponseError,
    _checks,
)
from ..events._listener import Story, Tell
from .breaker import Keep, Outage, Passage
from .budget import RetryBudget
from .callers import GivenUpError, Party
from .throttle import Pause

T = TypeVar("T")
Attempt = Callable[[float], Awaitable[T]]
IsTransient = Callable[[OpenTrainError], bool]

_logger = logging.getLogger("opentrain_async")


@frozen(kw_only=True)
class RetryPolicy:
    """How often, after what delay and for how long a request that is safe to repeat is tried.

    The delay before the nth retry is drawn from 0 to *base_delay* · 2ⁿ⁻¹, at most *max_delay*: full jitter. A
    Retry-After is the least that is waited, with the jitter on top. The first retry after a lost connection is
    immediate.

    Attributes:
        max_attempts: Attempts in all, the first one too; from 1, which is not to retry. Those by which a run that is
            held finds out whether an outage is over do not count.
        base_delay: Seconds; 0 or more.
        max_delay: Seconds; at least *base_delay*.
        max_retry_after: Seconds; a server that asks for more is not waited for: the error surfaces at once, and until
            then bulk runs defer their drafts without a request.
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
    """Runs operations under one policy; those of one client share its budget, its pause, and what it knows of outages.

    Args:
        policy: What is tried again.
        clock: Where time comes from.
        tell: Tells a listener of outages, if there is one.
    """

    def __init__(self, policy: RetryPolicy, clock: Clock, tell: Tell | None = None) -> None:
        self.policy = policy
        self.clock = clock
        self.budget = RetryBudget()
        self.pause = Pause(clock, policy.base_delay)
        self.dozing: set[Waiter] = set()
        self.outage = Outage(
            clock, base_delay=policy.base_delay, max_delay=policy.max_delay, max_retry_after=policy.max_retry_after,
            tell=tell,
        )  # fmt: skip

    async def run(
        self,
        name: str,
        attempt: Attempt[T],
        is_transient: IsTransient,
        party: Party | None = None,
        keep: Keep | None = None,
        story: Story | None = None,
    ) -> T:
        """Attempt something until it succeeds or the policy says that it is enough.

        Args:
            name: What is attempted: the draft, for the log and to tell one from another.
            attempt: Makes one attempt; takes the seconds left to it.
            is_transient: Whether an error of it may not come again. The operation's own property: an error means
                something else for a request that is not safe to repeat.
            party: For whom, to be held in an outage, and to give up; `None` if nothing is to hold it.
            keep: Called now and then with the party while that is held, to keep what runs out.
            story: Told of each attempt; `None` if nobody listens.

        Raises:
            OpenTrainError: Of the last attempt.
            GivenUpError: The party has given up before the first one.
        """
        self.budget.earn()
        if story is not None:
            attempt = story.of(attempt)
        now, outage = self.clock.monotonic(), self.outage
        if outage.state != "none" or now < self.pause.quiet_at:
            return await _Call(self, name, attempt, is_transient, party, keep, now, story).run()
        # Almost every call ends here: nothing stands against its first attempt, and that is answered.
        outages = outage.over
        try:
            result = await attempt(self.policy.deadline)
        except OpenTrainError as error:
            call = _Call(self, name, attempt, is_transient, party, keep, now, story)
            call.has_failed(error, outages)
            if not is_transient(error):
                raise
        else:
            outage.answered()
            return result
        return await call.run()

    def look_again(self) -> None:
        """Have those who wait look whether they still want to."""
        self.outage.look_again()
        for waiter in self.dozing:
            waiter.call()

    def heed(self, error: OpenTrainError) -> None:
        """Pause everyone, if that is what the server asks for; for longer than is waited, runs send nothing more."""
        if not isinstance(error, RateLimitedError) or error.retry_after is None:
            return
        if error.retry_after <= self.policy.max_retry_after:
            self.pause.extend(error.retry_after)
        else:
            self.pause.shut(error, error.retry_after)


class _Call(Generic[T]):
    """One operation, and its attempts."""

    _failure: OpenTrainError
    _first_failure: OpenTrainError | None = None
    _answers_at_first_failure: int | None = None
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
        party: Party | None,
        keep: Keep | None,
        now: float,
        story: Story | None,
    ) -> None:
        self._retrier = retrier
        self._name = name
        self._attempt = attempt
        self._is_transient = is_transient
        self._party = party
        self._keep = keep
        self._story = story
        self._deadline = now + retrier.policy.deadline

    def has_failed(self, error: OpenTrainError, outages: int) -> None:
        """Note the first attempt, and that it has failed; so many outages were over as it began."""
        self._attempts = 1
        self._failure = self._first_failure = error
        self._tell(error, None, outages)

    async def run(self) -> T:
        """The attempts that are left; only when one has failed is tenacity entered.

        A controller costs as much as a quarter of a request, and most calls need none.
        """
        try:
            if self._first_failure is None:
                return await self._once()
        except OpenTrainError as error:
            if not self._is_transient(error):
                raise
            self._failure = self._first_failure = error
        controller = AsyncRetrying(
            sleep=self._sleep,
            wait=lambda _: self._delay,
            retry=self._may_go_on,
            before_sleep=self._tell_of_retry,
        )
        try:
            return await controller(self._next_attempt)
        except GivenUpError:
            raise self._failure from None
        finally:
            self._give_back(succeeded=False)

    async def _once(self) -> T:
        """One attempt, as soon as nothing stands against it; of how it ends the others learn whether anybody answers.

        The deadline stands still while the attempt is held or paused, and also during one that is a probe.
        """
        outage, pause, now = self._retrier.outage, self._retrier.pause, self._now()
        if self._party is not None and now < pause.shut_until and not self._party.is_urgent:
            raise pause.refusal(self._name)
        left = self._deadline - now
        if left <= 0:
            raise self._failure  # waiting took longer than it should have, as on a machine that was suspended
        passage = None if outage.state == "none" else await self._passage()
        outages = outage.over
        try:
            if passage is not None or now < pause.until:
                await pause.over(self._sleep)
                self._deadline = self._now() + left
            is_probe = passage is not None and passage.is_probe
            self._attempts += not is_probe
            result = await self._attempt(self._retrier.policy.deadline if is_probe else left)
        except OpenTrainError as error:
            if passage is not None and passage.is_probe:
                self._deadline = self._now() + left
            self._tell(error, passage, outages)
            raise
        except BaseException:
            outage.left(passage)
            raise
        outage.answered(passage)
        return result

    async def _passage(self) -> Passage | None:
        if self._party is None or not self._party.is_holdable:
            return None
        if self._owes_a_token:  # for a retry that is not made now
            self._give_back(succeeded=True)
        self._answers_at_first_failure = None
        return await self._retrier.outage.passage(self._party, self._keep)

    async def _sleep(self, seconds: float) -> None:
        """Wait, for as long as somebody wants that."""
        if self._party is None:
            await self._retrier.clock.sleep(seconds)
            return
        until, waiter = self._now() + seconds, Waiter()
        self._retrier.dozing.add(waiter)
        try:
            while not self._is_given_up() and (left := until - self._now()) > 0:
                await waiter.called(self._retrier.clock, left)
        finally:
            self._retrier.dozing.discard(waiter)
        if self._is_given_up():
            raise GivenUpError

    def _is_given_up(self) -> bool:
        """Whether nobody wants it any more; of those who do not, whoever can be told is."""
        if self._party is None:
            return False
        self._party.let_go()
        return self._party.is_given_up

    def _tell(self, error: OpenTrainError, passage: Passage | None, outages: int) -> None:
        outage = self._retrier.outage
        self._retrier.heed(error)
        if self._is_transient(error):
            if self._answers_at_first_failure is None:
                self._answers_at_first_failure = outage.answers
            tells = outage.over == outages and outage.answers == self._answers_at_first_failure
            outage.failed(self._name, error, passage, tells=tells)
        elif isinstance(error, APIError | ResponseError | QuotaExceededError):
            outage.answered(passage)
        else:
            outage.left(passage)

    async def _next_attempt(self) -> T:
        """The failure of the first attempt, as tenacity's first; from then on real ones."""
        if self._first_failure is not None:
            failure, self._first_failure = self._first_failure, None
            raise failure
        try:
            result = await self._once()
        except OpenTrainError as error:
            self._give_back(succeeded=not self._is_transient(error))
            raise
        self._give_back(succeeded=True)
        return result

    async def _may_go_on(self, state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, OpenTrainError) or not self._is_transient(error):
            return False
        self._failure = error
        if self._attempts >= self._retrier.policy.max_attempts or self._is_given_up():
            return False
        is_held = self._retrier.outage.state == "held" and not isinstance(error, RateLimitedError)
        if is_held and self._party is not None and self._party.is_holdable:
            self._party.turn_away_hasty(error)
            self._delay = 0.0
            return True
        return await self._may_go_on_after(error)

    def _tell_of_retry(self, _state: RetryCallState) -> None:
        if self._story is not None:
            self._story.retried(self._delay)

    async def _may_go_on_after(self, error: OpenTrainError) -> bool:
        """Whether there is time and budget for a retry; sets the delay before it."""
        asked = asked_by(error)
        if (asked or 0) > self._retrier.policy.max_retry_after:
            return False
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
