"""One call of the service, with its attempts: everything but publish, which has a quota to keep."""

import logging
from typing import TypeVar

from attrs import evolve

from .._base.clock import Clock
from .._base.secret import Secret
from .._retry.engine import Retrier
from ..errors import APIError, BadRequestError, ConnectionLostError, OpenTrainError
from ..events._listener import Listener
from ..outcomes._answer_table import rule_on
from .answers import Reply, read_answer
from .http.transport import Transport
from .operations import Operation

T = TypeVar("T")

_logger = logging.getLogger("opentrain_async")


class Caller:
    """Makes calls, as one account or as nobody.

    Args:
        transport: Sends them.
        retrier: Tries again.
        clock: What time it is.
        listener: Who is told of each attempt, if anybody is.
    """

    def __init__(self, transport: Transport, retrier: Retrier, clock: Clock, listener: Listener | None = None) -> None:
        self._transport = transport
        self._retrier = retrier
        self._clock = clock
        self._listener = listener

    async def call(self, operation: Operation[T]) -> T:
        """Make a call, and repeat it as the policy has it.

        What may be repeated is the operation's own property: one that cannot be is tried again only where the failed
        attempt is known to have done nothing. Doubt is sticky: after an attempt that may have been applied, any other
        error leaves that open, unless the service says that the very request is wrong.

        Raises:
            OpenTrainError: It failed; `effect` says what it may have changed.
        """
        in_doubt = has_lost = False
        story = None
        if self._listener is not None:
            story = self._listener.story(operation.name, operation.job_id, operation.request)

        async def attempt(seconds: float) -> T:
            nonlocal in_doubt, has_lost
            fresh, has_lost = has_lost, False
            try:
                reply = _without(operation.secret, await self._transport.send(operation.request, seconds, fresh=fresh))
                has_lost = reply.is_cut_off
                if story is not None:
                    story.status = reply.status
                return self._read(operation, reply)
            except OpenTrainError as error:
                _explain(error, operation)
                in_doubt |= error.effect == "unknown"
                has_lost |= isinstance(error, ConnectionLostError)
                raise

        def may_repeat(error: OpenTrainError) -> bool:
            may = operation.can_repeat or error.effect == "none"
            return may and not operation.is_poll and rule_on(error).retried

        try:
            return await self._retrier.run(operation.job_id or operation.name, attempt, may_repeat, story=story)
        except OpenTrainError as error:
            is_decisive = isinstance(error, BadRequestError) and error.code and not operation.is_oauth
            if in_doubt and error.effect == "none" and not is_decisive:
                error.effect = "unknown"
            raise

    def _read(self, operation: Operation[T], reply: Reply) -> T:
        now = self._clock.now()
        return read_answer(reply, operation.read, operation.what, now, operation.job_id, is_oauth=operation.is_oauth)


def _explain(error: OpenTrainError, operation: Operation[T]) -> None:
    """Have an error say what was asked for, and what that may have changed."""
    error.job_id = operation.job_id
    error.operation = operation.name
    error.idempotency_key = operation.idempotency_key
    if not operation.changes:
        error.effect = "none"
    elif operation.applied_despite and error.effect == "none" and _reason(error) == operation.applied_despite:
        error.effect = "applied"
    _logger.debug("%s: %s", operation.name, error)


def _reason(error: OpenTrainError) -> str | None:
    return error.reason if isinstance(error, APIError) else None


def _without(secret: Secret | None, reply: Reply) -> Reply:
    if secret is None:
        return reply
    return evolve(reply, body=reply.body.replace(secret.encode(), b"***"))
