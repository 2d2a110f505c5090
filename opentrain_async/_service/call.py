"""Make a call of the service: `Exchange` makes its attempts, and `Api` repeats them.

`Api` makes every call except publish, whose order of steps is in `_publish/draft.py`.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from attrs import define

from .._base.clock import Clock
from .._base.fenced_log import logger
from .._retry.engine import Retrier
from ..errors import APIError, BadRequestError, ConflictError, ConnectionLostError, OpenTrainError
from ..events._listener import CallTrace, EventEmitter
from ..outcomes._answer_table import is_transient
from .answers import read_answer
from .http.messages import Reply, Request
from .http.transport import Transport
from .operations import Operation

T = TypeVar("T")


@define(eq=False)
class Exchange(Generic[T]):
    """Sends a request and reads the answer, once for each attempt of a call.

    Attributes:
        transport: Sends the request.
        request: The request.
        read: Reads an answer; raises an `OpenTrainError` for any answer that is not a success.
        trace: Learns the status of each answer; `None` if nobody listens.
        has_lost: True if the last attempt lost its connection, so that the next one needs a fresh one.
        may_have_sent: False if the last attempt was cancelled before it sent anything.
        is_resent: True if the session sent the last attempt's request more than once: an earlier sending, whose answer
            it kept to itself, may have been applied.
    """

    transport: Transport
    request: Request
    read: Callable[[Reply], T]
    trace: CallTrace | None = None
    has_lost: bool = False
    may_have_sent: bool = True
    is_resent: bool = False

    async def attempt(self, seconds: float) -> T:
        """Make one attempt, within so many seconds."""
        fresh, self.has_lost = self.has_lost, False
        self.may_have_sent, self.is_resent = True, False
        try:
            reply = await self.transport.send(self.request, seconds, fresh=fresh, on_unsent=self._note_unsent)
        except ConnectionLostError:
            self.has_lost = True
            raise
        self.has_lost, self.is_resent = reply.is_cut_off, reply.is_resent
        if self.trace is not None:
            self.trace.status = reply.status
        return self.read(reply)

    def _note_unsent(self) -> None:
        self.may_have_sent = False


class Api:
    """Calls the service's operations, as one account or without a token.

    Args:
        transport: Sends requests.
        retrier: Repeats attempts.
        clock: The clock by which answers are dated.
        emitter: Emits the events of each attempt; `None` if nobody listens.
    """

    def __init__(
        self, transport: Transport, retrier: Retrier, clock: Clock, emitter: EventEmitter | None = None
    ) -> None:
        self._transport = transport
        self._retrier = retrier
        self._clock = clock
        self._emitter = emitter

    async def call(self, operation: Operation[T]) -> T:
        """Call an operation, and repeat it as the policy says.

        An operation that is not safe to repeat is tried again only after an attempt that is known to have done
        nothing. Doubt is sticky: after an attempt that may have been applied, any other error leaves that open, unless
        the service says that the request itself is wrong.

        Raises:
            OpenTrainError: The call failed; `effect` says what it may have changed.
        """
        in_doubt = False
        request, trace = operation.request, None
        if self._emitter is not None:
            trace = self._emitter.trace(operation.name, operation.job_id, request.method, request.path)
        exchange = Exchange(self._transport, request, lambda reply: self._read(operation, reply), trace)

        async def attempt(seconds: float) -> T:
            nonlocal in_doubt
            try:
                return await exchange.attempt(seconds)
            except OpenTrainError as error:
                _explain(error, operation)
                in_doubt |= error.effect == "unknown"
                raise

        def may_repeat(error: OpenTrainError) -> bool:
            may = operation.can_repeat or error.effect == "none"
            # A conflict passes only if it is of a publish in progress.
            return may and not operation.is_poll and is_transient(error) and not isinstance(error, ConflictError)

        try:
            return await self._retrier.run(operation.job_id or operation.name, attempt, may_repeat, trace=trace)
        except OpenTrainError as error:
            is_decisive = isinstance(error, BadRequestError) and error.code and not operation.is_oauth
            if in_doubt and error.effect == "none" and not is_decisive:
                error.effect = "unknown"
            raise

    def _read(self, operation: Operation[T], reply: Reply) -> T:
        now = self._clock.now()
        return read_answer(reply, operation.read, operation.what, now, operation.job_id, is_oauth=operation.is_oauth)


def _explain(error: OpenTrainError, operation: Operation[T]) -> None:
    """Make an error say which operation failed, and what that may have changed."""
    error.job_id = operation.job_id
    error.operation = operation.name
    error.idempotency_key = operation.idempotency_key
    if not operation.changes or isinstance(error, ConflictError):
        error.effect = "none"
    elif operation.applied_despite and error.effect == "none" and _reason(error) == operation.applied_despite:
        error.effect = "applied"
    logger.debug("%s: %s", operation.name, error)


def _reason(error: OpenTrainError) -> str | None:
    return error.reason if isinstance(error, APIError) else None
