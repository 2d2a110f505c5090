"""Emit a client's events to its listener, and trace its calls."""

import itertools
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from attrs import define

from .._base.callback import Callback
from .._base.clock import Clock
from .._base.text import one_line
from ..errors._tree import own_copy
from ..quota._observer import QuotaObserver
from ._values import (
    AttemptFailed,
    AttemptRetried,
    AttemptStarted,
    AttemptSucceeded,
    Event,
    OnEvent,
    QuotaCounted,
    SlotReserved,
    SlotSettled,
)

T = TypeVar("T")
Emit = Callable[[Event], None]
"""Calls a listener with an event; what the listener raises is logged once, and changes nothing."""

# One counter for the process: one listener may be told of several clients.
_numbers = itertools.count(1)


class EventEmitter:
    """Emits the events of one client to its `on_event` function.

    Args:
        on_event: The function; what it raises is logged once, and changes nothing.
        origin: Where requests go.
        clock: The clock that times attempts.

    Attributes:
        emit: Calls the function with an event.
    """

    def __init__(self, on_event: OnEvent, origin: str, clock: Clock) -> None:
        self.emit: Emit = Callback("on_event", on_event).call
        self._origin = origin
        self._clock = clock

    def trace(self, operation: str, job_id: str | None, method: str, path: str) -> "CallTrace":
        """Begin the trace of the next call."""
        return CallTrace(self.emit, self._clock, next(_numbers), operation, job_id, method, self._origin + path)

    def quota_observer(self, account_in: Callable[[str], str]) -> QuotaObserver:
        """Return the functions by which a ledger's slots become events.

        Args:
            account_in: Takes an account's key in the ledger, and returns the account's name.
        """
        return QuotaObserver(
            reserved=lambda job_id, is_probe: self.emit(SlotReserved(job_id, is_probe)),
            settled=lambda job_id, how: self.emit(SlotSettled(job_id, how)),
            counted=lambda key, quota: self.emit(QuotaCounted(one_line(account_in(key)), quota, self._origin)),
        )


@define(eq=False)
class CallTrace:
    """The trace of one call: emits an event for each attempt.

    Attributes:
        emit: Calls the listener with an event.
        clock: The clock that times attempts.
        call: The number of the call.
        operation: The client's method.
        job_id: The draft or job; `None` if the call is about none.
        method: The HTTP method.
        url: The URL, without the query.
        attempts: How many attempts have begun.
        status: The status of the last answer; `None` if the last attempt has no answer.
        failure: The error of the last failed attempt, as it was then.
    """

    emit: Emit
    clock: Clock
    call: int
    operation: str
    job_id: str | None
    method: str
    url: str
    attempts: int = 0
    status: int | None = None
    failure: BaseException | None = None

    def with_events(self, attempt: Callable[[float], Awaitable[T]]) -> Callable[[float], Awaitable[T]]:
        """Return the same attempt, which emits an event at its beginning and at its end."""

        async def traced(seconds: float) -> T:
            self.attempts += 1
            self.status = None
            about = (self.call, self.operation, self.job_id, self.attempts)
            self.emit(AttemptStarted(*about, self.method, self.url))
            began = self.clock.monotonic()
            try:
                result = await attempt(seconds)
            except BaseException as error:
                # A copy: the error itself later gets the effect of the whole call.
                self.failure = own_copy(error)
                self.emit(AttemptFailed(*about, self.clock.monotonic() - began, self.status, self.failure))
                raise
            self.emit(AttemptSucceeded(*about, self.clock.monotonic() - began, cast("int", self.status)))
            return result

        return traced

    def retry(self, delay: float) -> None:
        """Emit that another attempt will follow in so many seconds."""
        failure = cast("BaseException", self.failure)
        self.emit(AttemptRetried(self.call, self.operation, self.job_id, self.attempts, delay, failure))
