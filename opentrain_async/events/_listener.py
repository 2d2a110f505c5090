"""Who listens to what happens inside a client, and how that is told without harm."""

import itertools
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from attrs import define

from .._base.clock import Clock
from .._service.answers import Request
from ..errors._tree import own_copy
from ._values import AttemptFailed, AttemptRetried, AttemptStarted, AttemptSucceeded

T = TypeVar("T")
Tell = Callable[[object], None]
"""Tells a listener of an event."""

_calls = itertools.count(1)
"""Of all clients of the process: one listener may be told of several."""

_logger = logging.getLogger("opentrain_async")


class Listener:
    """A caller's function, told of each event: what it raises is logged once, and changes nothing.

    Args:
        function: The function.
        origin: Where requests go.
        clock: By which attempts are timed.
    """

    def __init__(self, function: Callable[..., object], origin: str, clock: Clock) -> None:
        self._function = function
        self._origin = origin
        self._clock = clock
        self._has_failed = False

    def tell(self, event: object) -> None:
        """Call it."""
        try:
            self._function(event)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # also a CancelledError, which cancels nothing here, and what a test framework fails by
            if not self._has_failed:
                self._has_failed = True
                _logger.exception("on_event raised; the client goes on, and this is said once")

    def story(self, operation: str, job_id: str | None, request: Request) -> "Story":
        """The next call's."""
        url = self._origin + request.path
        return Story(self.tell, self._clock, next(_calls), operation, job_id, request.method, url)


@define(eq=False)
class Story:
    """What is told of one call.

    Attributes:
        tell: Tells it.
        clock: By which attempts are timed.
        call: The number of the call.
        operation: The client's method.
        job_id: The draft or job; `None` if it is about none.
        method: The HTTP method.
        url: Where to.
        attempts: How many have been begun.
        status: That of the last answer; `None` if the last attempt has none.
        failure: How the last failed attempt ended, as it was then.
    """

    tell: Tell
    clock: Clock
    call: int
    operation: str
    job_id: str | None
    method: str
    url: str
    attempts: int = 0
    status: int | None = None
    failure: BaseException | None = None

    def of(self, attempt: Callable[[float], Awaitable[T]]) -> Callable[[float], Awaitable[T]]:
        """The same attempt, with its beginning and end told."""

        async def told(seconds: float) -> T:
            self.attempts += 1
            self.status = None
            about = (self.call, self.operation, self.job_id, self.attempts)
            self.tell(AttemptStarted(*about, self.method, self.url))
            began = self.clock.monotonic()
            try:
                result = await attempt(seconds)
            except BaseException as error:
                self.failure = own_copy(error)  # the error itself comes to speak of the whole call
                self.tell(AttemptFailed(*about, self.clock.monotonic() - began, self.status, self.failure))
                raise
            self.tell(AttemptSucceeded(*about, self.clock.monotonic() - began, cast("int", self.status)))
            return result

        return told

    def retried(self, delay: float) -> None:
        """Tell that another attempt is to follow."""
        failure = cast("BaseException", self.failure)
        self.tell(AttemptRetried(self.call, self.operation, self.job_id, self.attempts, delay, failure))
