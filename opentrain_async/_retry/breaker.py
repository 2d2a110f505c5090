"""An outage of the service, as one client sees it: its runs are held behind a single probe, and go on by a ramp.

Several transient failures in a row, of different drafts and with no answer between them, are an outage. Then one
attempt at a time is let through, after growing delays, whosever it is: a draft that fails goes to the end of the line,
so that one which the service cannot digest holds up nobody. Once one is answered, two may go, and one more with each
answer; so the load doubles with each round, until nobody waits.

Two kinds of failure say nothing about the service as it is now: that of an attempt which began before the last outage
ended, and that of a draft which failed before and others have been answered since.
"""

import copy
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Literal

from attrs import define

from .._base.backoff import doubled
from .._base.clock import Clock
from .._base.waiting import Line, Waiter
from .._service.retry_after import asked_by
from ..errors import OpenTrainError
from ..events._listener import Tell
from ..events._values import RunHeld, RunResumed
from ..outcomes._answer_table import DEFERRED, rule_on
from .callers import GivenUpError, Party, Patience

_FAILURES = 3
"""So many in a row, ..."""
_DRAFTS = 2
"""... of so many drafts, are an outage."""
_RECHECK_SECONDS = 15.0
"""How often those held look, even if nothing is due."""

Keep = Callable[[Any], Awaitable[None]]
"""Keeps what runs out for a party while that is held."""

_logger = logging.getLogger("opentrain_async")


@define(eq=False)
class Passage:
    """The leave to make one attempt during an outage, or while it is being recovered from.

    Attributes:
        is_probe: Nobody knows yet whether the service answers again.
    """

    is_probe: bool


class Outage:
    """Whether the service answers, and who may send while it does not.

    Args:
        clock: Whose monotonic time is meant.
        base_delay: Seconds; the bound of the delay before the first probe, which doubles with each.
        max_delay: Seconds; the largest bound. A delay is drawn from the upper half of what is below its bound.
        max_retry_after: Seconds; a longer Retry-After is not heeded.
        tell: Tells a listener of it, if there is one.

    Attributes:
        state: ``"none"``; ``"held"``: one attempt at a time; or ``"ramp"``: it is over, and those held go on by and by.
        answers: How many attempts have been answered.
        over: How many outages are over.
        probe_at: When the next probe may go, by the monotonic clock, while runs are held.
        last_failure: For what they are held.
    """

    def __init__(
        self, clock: Clock, *, base_delay: float, max_delay: float, max_retry_after: float, tell: Tell | None = None
    ) -> None:
        self.state: Literal["none", "held", "ramp"] = "none"
        self.answers = 0
        self.over = 0
        self.probe_at = 0.0
        self._clock = clock
        self._tell = tell
        self._base_delay = base_delay
        self._max_delay = max_delay
        self._max_retry_after = max_retry_after
        self._line = Line()
        self._began_at = 0.0
        self._failures = 0
        self._failed: set[str] = set()
        self.last_failure = OpenTrainError()
        self._probes = 0
        self._allowed = 1
        self._under_way: set[Passage] = set()

    async def passage(self, party: Party, keep: Keep | None) -> Passage | None:
        """Wait until an attempt may be made, while there is an outage or it is being recovered from.

        Args:
            party: For whom.
            keep: Called now and then with the party; `None` if nothing runs out.

        Returns:
            The leave to make one, to be handed in with how that ended; `None` where none is needed, as somebody cannot
            be held.

        Raises:
            GivenUpError: The party's patience has ended, with this outage or before.
        """
        with self._line.stand() as waiter:
            while True:
                self._end_if_over(party.patiences)
                party.let_go()
                if party.is_given_up:
                    raise GivenUpError
                if party.is_urgent:
                    return None
                if self._has_room_for(waiter):
                    break
                await waiter.called(self._clock, self._look_again_within(waiter, party.patiences))
                self._line.call_after(waiter)
                if keep is not None:
                    await keep(party)
            passage = Passage(is_probe=self.state == "held")
            self._under_way.add(passage)
        return passage

    def answered(self, passage: Passage | None = None) -> None:
        """Note that the service has answered, if only to refuse."""
        self.answers += 1
        if self._failures:
            self._failures = 0
            self._failed.clear()
        if self.state != "none":
            self._go_on(passage)

    def failed(self, draft: str, error: OpenTrainError, passage: Passage | None = None, *, tells: bool = True) -> None:
        """Note a transient failure.

        Args:
            draft: Whose attempt it was.
            error: The failure.
            passage: The attempt's, where it had one.
            tells: It says something about the service as it is now.
        """
        self.left(passage)
        if passage is not None and passage.is_probe and self.state == "held":
            self.last_failure = error
            self._put_off_probe(error)
        elif tells and self.state != "held" and rule_on(error).outcome is not DEFERRED:  # a throttle, and so an answer
            self._allowed = max(1, self._allowed // 2)
            self._failures += 1
            self._failed.add(draft)
            if self._failures >= _FAILURES and len(self._failed) >= _DRAFTS:
                self._begin(error)
        self.look_again()

    def left(self, passage: Passage | None) -> None:
        """Note the end of an attempt that tells nothing."""
        if passage in self._under_way:
            self._under_way.discard(passage)
            self._line.call_first()

    def look_again(self) -> None:
        """Have those held look whether they still have to be, or want to."""
        self._line.call_all()

    def _begin(self, failure: OpenTrainError) -> None:
        self.last_failure = failure
        self._began_at = self._clock.monotonic()
        self._probes = 0 if self.state == "none" else self._probes
        self.state = "held"
        self._put_off_probe(failure)
        _logger.warning("the service does not answer: runs are held, and one draft at a time is tried: %s", failure)
        if self._tell is not None:
            self._tell(RunHeld(failure))

    def _put_off_probe(self, failure: OpenTrainError) -> None:
        bound = doubled(self._base_delay, self._probes, self._max_delay)
        asked = asked_by(failure)
        delay = bound * random.uniform(0.5, 1)
        if asked is not None and asked <= self._max_retry_after:
            delay += asked
        self._probes += 1
        self._allowed = 1
        self.probe_at = self._clock.monotonic() + delay

    def _go_on(self, passage: Passage | None) -> None:
        if self.state == "held":
            self.state = "ramp"
            self.over += 1
            _logger.warning("the service answers again: what was held goes on by and by")
            if self._tell is not None:
                self._tell(RunResumed(self._clock.monotonic() - self._began_at))
        self._under_way.discard(passage)
        self._allowed += 1
        if self._line.length:
            self._line.call_first()
        else:
            self.state = "none"
            self._under_way.clear()

    def _has_room_for(self, waiter: Waiter) -> bool:
        if len(self._under_way) >= self._allowed or not self._line.is_first(waiter):
            return False
        return self.state == "ramp" or self._clock.monotonic() >= self.probe_at

    def _look_again_within(self, waiter: Waiter, patiences: Iterable[Patience]) -> float | None:
        """When to look again without being called: only the first in line has a reason to, once no probe is out.

        It looks now and then also without one, and has those behind it look: what they hold has to be kept.
        """
        if len(self._under_way) >= self._allowed or not self._line.is_first(waiter):
            return None
        due = min(self.probe_at, *(self._ends_at(patience) for patience in patiences if patience.outage))
        return min(_RECHECK_SECONDS, max(0.0, due - self._clock.monotonic()))

    def _ends_at(self, patience: Patience) -> float:
        return max(self._began_at, patience.since) + patience.outage

    def _end_if_over(self, patiences: Iterable[Patience]) -> None:
        if self.state != "held":
            return
        now = self._clock.monotonic()
        for patience in patiences:
            if patience.outage and not patience.is_given_up and now >= self._ends_at(patience):
                failure = copy.copy(self.last_failure)
                _logger.warning("no answer for %g s: the run stops: %s", patience.outage, failure)
                patience.give_up(failure.with_traceback(None))
