"""A circuit breaker: an outage pauses a client's runs behind one probe.

Several transient failures in a row, of different drafts and with no answer between them, are an outage: the breaker
opens. Then it permits one attempt at a time, after growing delays, and a draft that fails goes to the end of the queue,
so a draft that the service cannot process blocks no other. When a probe is answered the breaker is half open: it
permits two attempts, and one more with each answer, so the load doubles with each round until no draft waits.

A throttle that does not end is met in the same way: as many 429s in a row of publishes, with no other answer to a
publish between them. The service is up then, so the delays grow longer than in an outage.

Two kinds of failure say nothing about the service as it is now: the failure of an attempt that began before the last
outage ended, and the failure of a draft that failed before, where others have been answered since.
"""

import copy
import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Literal

from attrs import define, field

from .._base.clock import Clock, doubled
from .._base.fenced_log import logger
from .._base.waiting import Waiter, WaitQueue
from ..errors import OpenTrainError, RateLimitedError
from ..errors._api import retry_after_of
from ..events import RunHeld, RunResumed
from ..events._listener import Emit
from .callers import Caller, Callers, GivenUpError

_FAILURES = 3
"""This many failures in a row, ..."""
_DRAFTS = 2
"""... of at least this many drafts, open the breaker."""
_SHORTEST_BOUND = 0.2
"""Seconds. So a delay is a tenth of a second at least, whatever the policy: a service that is down is not flooded."""
_THROTTLED_BOUNDS = 2.0, 900.0
"""Seconds; the bounds of the first and of the longest delay while each publish is answered 429. So the first delay is a
second at least, and a run of the default patience makes at least one probe."""
_MOST_DOUBLED = 3
"""Each retry of a draft among the 429s in a row doubles the first delay, at most so many times."""
_HALVINGS, _HALVED_FOR = 3, 60.0
"""If 429s open the breaker again within so many seconds, a limit on the rate is met: the first delay is an eighth."""
_RECHECK_SECONDS = 15.0
"""How often a paused draft looks at the breaker even if nothing wakes it."""

RenewLease = Callable[[Any], Awaitable[None]]
"""Renews the lease of a draft that is paused for long."""


def _no_failures() -> Counter[str]:
    return Counter()


@define(eq=False)
class _Trouble:
    """One kind of trouble: its failures in a row, and the delays of the probes that met it.

    Attributes:
        says: What is wrong, for the log.
        shortest: Seconds; the bound of the first delay.
        longest: Seconds; the largest bound.
        failures: How often each draft has failed since the last answer.
        probes: How often the next delay is doubled; below 0 it is halved.
    """

    says: str
    shortest: float
    longest: float
    failures: Counter[str] = field(factory=_no_failures)
    probes: int = 0

    @property
    def is_serious(self) -> bool:
        """True if enough attempts of enough drafts have failed."""
        return len(self.failures) >= _DRAFTS and self.failures.total() >= _FAILURES

    def next_bound(self) -> float:
        """Return the bound of the next delay, in seconds; it doubles each time."""
        self.probes += 1
        return doubled(self.shortest, self.probes - 1, self.longest)


@define(eq=False)
class Permit:
    """The permission to make one attempt while the breaker is not closed.

    Attributes:
        is_probe: True if it is not known yet whether the service answers again.
    """

    is_probe: bool


class CircuitBreaker:
    """Knows whether the service answers, and who may send while it does not.

    Args:
        clock: Its monotonic time is used.
        base_delay: Seconds; the bound of the delay before the first probe, which doubles with each probe. It holds in
            an outage, as does *max_delay*: a throttle has delays of its own.
        max_delay: Seconds; the largest bound. A delay is drawn from the upper half below its bound. No bound is below a
            fifth of a second.
        max_retry_after: Seconds; a longer Retry-After is ignored.
        emit: Emits the beginning and the end of an outage; `None` if nobody listens.

    Attributes:
        state: ``"closed"``: every attempt may go; ``"open"``: one probe at a time; ``"half_open"``: the outage is over,
            and paused drafts resume step by step.
        answers: How many attempts have been answered.
        outages_ended: How many outages have ended.
        probe_at: When the next probe may go, by the monotonic clock, while the breaker is open.
        last_failure: The last failure of the outage or throttle.
    """

    def __init__(
        self, clock: Clock, *, base_delay: float, max_delay: float, max_retry_after: float, emit: Emit | None = None
    ) -> None:
        self.state: Literal["closed", "open", "half_open"] = "closed"
        self.answers = 0
        self.outages_ended = 0
        self.probe_at = 0.0
        self._clock = clock
        self._emit = emit
        self._down = _Trouble("no answer", max(base_delay, _SHORTEST_BOUND), max(max_delay, _SHORTEST_BOUND))
        self._busy = _Trouble("nothing but 429", *_THROTTLED_BOUNDS)
        self._met = self._down
        self._max_retry_after = max_retry_after
        self._queue = WaitQueue()
        self._began_at = -math.inf
        self.last_failure = OpenTrainError()
        self._allowed = 1
        self._in_flight: set[Permit] = set()

    async def permit(self, callers: Callers, renew_lease: RenewLease | None) -> Permit | None:
        """Wait until an attempt may be made, while the breaker is not closed.

        Args:
            callers: The callers who wait for the draft.
            renew_lease: Called now and then with the callers; `None` if there is no lease.

        Returns:
            The permit, which must be handed in with the attempt's end; `None` where none is needed, as at least one
            caller may not be paused.

        Raises:
            GivenUpError: The callers' patience has ended, with this outage or before.
        """
        with self._queue.join() as waiter:
            while True:
                self._stop_impatient(callers.all_callers)
                callers.release_given_up()
                if callers.is_given_up:
                    raise GivenUpError
                if callers.has_urgent:
                    return None
                if self._has_room_for(waiter):
                    break
                await waiter.wait(self._clock, self._recheck_within(waiter, callers.all_callers))
                self._queue.wake_after(waiter)
                if renew_lease is not None:
                    await renew_lease(callers)
            permit = Permit(is_probe=self.state == "open")
            if permit.is_probe:  # the next one waits, too, if this one ends without a word of the service
                self.probe_at = self._clock.monotonic() + _drawn(_SHORTEST_BOUND)
            self._in_flight.add(permit)
        return permit

    def answered(self, permit: Permit | None = None, *, of_publish: bool = True) -> None:
        """Count an answer of the service; a refusal is an answer too.

        Args:
            permit: The attempt's permit, where it had one.
            of_publish: True if a publish was answered. Only that says that publishes are not throttled any more.
        """
        self.answers += 1
        if self._down.failures:
            self._down.failures.clear()
        if of_publish and self._busy.failures:
            self._busy.failures.clear()
        if self.state != "closed" and (of_publish or self._met is self._down):
            self._resume(permit)

    def failed(
        self,
        draft: str,
        error: OpenTrainError,
        permit: Permit | None = None,
        *,
        counts: bool = True,
        is_throttled: bool = False,
    ) -> None:
        """Count a failure, and delay the next probe if this was one.

        Args:
            draft: The draft whose attempt has failed.
            error: The failure.
            permit: The attempt's permit, where it had one.
            counts: True if the failure says something about the service as it is now.
            is_throttled: True if a publish was answered 429; False if the service may be down.
        """
        trouble = self._busy if is_throttled else self._down
        self.release(permit)
        if permit is not None and permit.is_probe and self.state == "open":
            self._delay_probe(error, trouble)
        elif counts and self.state != "open":
            self._allowed = max(1, self._allowed // 2)
            trouble.failures[draft] += 1
            if trouble.is_serious:
                self._open(error, trouble)
        self.wake_all()

    def pauses(self, error: OpenTrainError) -> bool:
        """True if a draft with this failure waits here: while runs are paused, and after a 429 while others wait."""
        if self.state == "half_open":
            return self._queue.length > 0 and isinstance(error, RateLimitedError)
        return self.state == "open"

    def release(self, permit: Permit | None) -> None:
        """Release the permit of an attempt whose end says nothing about the service."""
        if permit in self._in_flight:
            self._in_flight.discard(permit)
            self._queue.wake_first()

    def wake_all(self) -> None:
        """Wake all paused drafts, as one may go or a caller may have given up."""
        self._queue.wake_all()

    def _open(self, failure: OpenTrainError, trouble: _Trouble) -> None:
        now = self._clock.monotonic()
        if self.state == "closed":
            self._down.probes = 0
        if now - self._began_at > _HALVED_FOR:
            # A draft that went alone, to find out, has backed off already.
            self._busy.probes = min(max(self._busy.failures.values(), default=1) - 1, _MOST_DOUBLED)
        self._began_at = now
        self.state = "open"
        self._delay_probe(failure, trouble)
        logger.warning("%s: runs are paused, and one draft at a time is tried: %s", trouble.says, failure)
        if self._emit is not None:
            self._emit(RunHeld(failure))

    def _delay_probe(self, failure: OpenTrainError, trouble: _Trouble) -> None:
        self.last_failure, self._met = failure, trouble
        retry_after = retry_after_of(failure)
        delay = _drawn(trouble.next_bound())
        if retry_after is not None and retry_after <= self._max_retry_after:
            delay += retry_after
        self._allowed = 1
        self.probe_at = self._clock.monotonic() + delay

    def _resume(self, permit: Permit | None) -> None:
        if self.state == "open":
            self.state = "half_open"
            self.outages_ended += 1
            self._busy.probes = -_HALVINGS
            logger.warning("the service answers again: paused runs resume step by step")
            if self._emit is not None:
                self._emit(RunResumed(self._clock.monotonic() - self._began_at))
        self._in_flight.discard(permit)
        self._allowed += 1
        if self._queue.length:
            self._queue.wake_first()
        else:
            self.state = "closed"
            self._in_flight.clear()

    def _has_room_for(self, waiter: Waiter) -> bool:
        if len(self._in_flight) >= self._allowed or not self._queue.is_first(waiter):
            return False
        return self.state == "half_open" or self._clock.monotonic() >= self.probe_at

    def _recheck_within(self, waiter: Waiter, callers: Iterable[Caller]) -> float | None:
        """Return in how many seconds a waiter must look again; `None` if another one wakes it.

        Only the first in the queue has a reason to, once no probe is in flight. It also looks now and then without a
        reason, and wakes those behind it, because their leases must be renewed.
        """
        if len(self._in_flight) >= self._allowed or not self._queue.is_first(waiter):
            return None
        due = min(self.probe_at, *(self._patience_ends(caller) for caller in callers if caller.outage_patience))
        return min(_RECHECK_SECONDS, max(0.0, due - self._clock.monotonic()))

    def _patience_ends(self, caller: Caller) -> float:
        return max(self._began_at, caller.since) + caller.outage_patience

    def _stop_impatient(self, callers: Iterable[Caller]) -> None:
        if self.state != "open":
            return
        now = self._clock.monotonic()
        for caller in callers:
            if caller.outage_patience and not caller.is_given_up and now >= self._patience_ends(caller):
                failure = copy.copy(self.last_failure)
                logger.warning("%s for %g s, run stopped: %s", self._met.says, caller.outage_patience, failure)
                caller.give_up(failure.with_traceback(None))


def _drawn(bound: float) -> float:
    """Return a delay from the upper half below its bound, so that clients do not all probe at once."""
    return bound * random.uniform(0.5, 1)
