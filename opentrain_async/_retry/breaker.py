"""A circuit breaker: an outage pauses a client's runs behind one probe.

Several transient failures in a row, of different drafts and with no answer between them, are an outage: the breaker
opens. Then it permits one attempt at a time, after growing delays, and a draft that fails goes to the end of the queue,
so a draft that the service cannot process blocks no other. When a probe is answered the breaker is half open: it
permits two attempts, and one more with each answer, so the load doubles with each round until no draft waits.

Two kinds of failure say nothing about the service as it is now: the failure of an attempt that began before the last
outage ended, and the failure of a draft that failed before, where others have been answered since.
"""

import copy
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Literal

from attrs import define

from .._base.clock import Clock, doubled
from .._base.fenced_log import logger
from .._base.waiting import Waiter, WaitQueue
from ..errors import OpenTrainError
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
_RECHECK_SECONDS = 15.0
"""How often a paused draft looks at the breaker even if nothing wakes it."""

RenewLease = Callable[[Any], Awaitable[None]]
"""Renews the lease of a draft that is paused for long."""


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
        base_delay: Seconds; the bound of the delay before the first probe, which doubles with each probe.
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
        last_failure: The last failure of the outage.
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
        self._base_delay = max(base_delay, _SHORTEST_BOUND)
        self._max_delay = max(max_delay, _SHORTEST_BOUND)
        self._max_retry_after = max_retry_after
        self._queue = WaitQueue()
        self._began_at = 0.0
        self._failures = 0
        self._failed: set[str] = set()
        self.last_failure = OpenTrainError()
        self._probes = 0
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

    def answered(self, permit: Permit | None = None) -> None:
        """Count an answer of the service; a refusal is an answer too."""
        self.answers += 1
        if self._failures:
            self._failures = 0
            self._failed.clear()
        if self.state != "closed":
            self._resume(permit)

    def failed(self, draft: str, error: OpenTrainError, permit: Permit | None = None, *, counts: bool = True) -> None:
        """Count a failure, and delay the next probe if this was one.

        Args:
            draft: The draft whose attempt has failed.
            error: The failure.
            permit: The attempt's permit, where it had one.
            counts: True if the failure says something about the service as it is now.
        """
        self.release(permit)
        if permit is not None and permit.is_probe and self.state == "open":
            self.last_failure = error
            self._delay_probe(error)
        elif counts and self.state != "open":
            self._allowed = max(1, self._allowed // 2)
            self._failures += 1
            self._failed.add(draft)
            if self._failures >= _FAILURES and len(self._failed) >= _DRAFTS:
                self._open(error)
        self.wake_all()

    def release(self, permit: Permit | None) -> None:
        """Release the permit of an attempt whose end says nothing about the service."""
        if permit in self._in_flight:
            self._in_flight.discard(permit)
            self._queue.wake_first()

    def wake_all(self) -> None:
        """Wake all paused drafts, as one may go or a caller may have given up."""
        self._queue.wake_all()

    def _open(self, failure: OpenTrainError) -> None:
        self.last_failure = failure
        self._began_at = self._clock.monotonic()
        self._probes = 0 if self.state == "closed" else self._probes
        self.state = "open"
        self._delay_probe(failure)
        logger.warning("the service does not answer: runs are paused, and one draft at a time is tried: %s", failure)
        if self._emit is not None:
            self._emit(RunHeld(failure))

    def _delay_probe(self, failure: OpenTrainError) -> None:
        bound = doubled(self._base_delay, self._probes, self._max_delay)
        retry_after = retry_after_of(failure)
        delay = _drawn(bound)
        if retry_after is not None and retry_after <= self._max_retry_after:
            delay += retry_after
        self._probes += 1
        self._allowed = 1
        self.probe_at = self._clock.monotonic() + delay

    def _resume(self, permit: Permit | None) -> None:
        if self.state == "open":
            self.state = "half_open"
            self.outages_ended += 1
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
                logger.warning("no answer for %g s, run stopped: %s", caller.outage_patience, failure)
                caller.give_up(failure.with_traceback(None))


def _drawn(bound: float) -> float:
    """Return a delay from the upper half below its bound, so that clients do not all probe at once."""
    return bound * random.uniform(0.5, 1)
