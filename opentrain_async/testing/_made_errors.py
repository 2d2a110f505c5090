"""Make errors as a client raises them for a publish."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from attrs import frozen

from .._service.answers import read_publish
from .._service.http.messages import Reply
from ..errors import (
    AuthenticationError,
    ConflictError,
    ConnectError,
    ConnectionLostError,
    ContradictoryResponseError,
    Effect,
    ModerationBlockedError,
    NotFoundError,
    NotPublishReadyError,
    OpenTrainError,
    PermissionDeniedError,
    PoolTimeoutError,
    QuotaExceededError,
    QuotaLedgerError,
    RateLimitedError,
    RequestTimeoutError,
    ServerError,
    SessionHookError,
    TLSError,
    TruncatedResponseError,
    UnexpectedResponseError,
)
from ..errors._api import retry_after_of
from ..errors._checks import checked_job_id
from ..models import PublishResult
from . import _bodies
from ._accord import check_time

E = TypeVar("E", bound=OpenTrainError)
_NO_DETAILS: Mapping[str, object] = {}


@frozen
class _Answer:
    """An answer of the service that is an error."""

    status: int
    code: str
    text: str
    details: Mapping[str, object] = _NO_DETAILS


_ANSWERS: Mapping[type[OpenTrainError], _Answer] = {
    NotPublishReadyError: _Answer(
        400, "BAD_REQUEST", "The draft is not ready to publish.", _bodies.validation(["experienceLevel"])
    ),
    AuthenticationError: _Answer(401, "UNAUTHORIZED", "The token is not valid."),
    PermissionDeniedError: _Answer(403, "FORBIDDEN", "A scope is missing.", {"requiredScopes": ["jobs:write"]}),
    ModerationBlockedError: _Answer(
        403,
        "FORBIDDEN",
        "Moderation blocked the job.",
        {"reason": "moderation_blocked", "reasons": ["Asks for contact details."]},
    ),
    NotFoundError: _Answer(404, "NOT_FOUND", "There is no such job."),
    ConflictError: _Answer(409, "CONFLICT", "The job is ARCHIVED.", {"status": "ARCHIVED"}),
    RateLimitedError: _Answer(429, "RATE_LIMITED", "Too many requests."),
    ServerError: _Answer(503, "INTERNAL_ERROR", "Something went wrong."),
}
_WITH_RETRY_AFTER = {RateLimitedError, ServerError}
_WITHOUT_ANSWER: Mapping[type[OpenTrainError], tuple[str, Effect]] = {
    ConnectError: ("no connection in time", "none"),
    TLSError: ("the TLS handshake failed", "none"),
    RequestTimeoutError: ("no whole answer in time", "unknown"),
    ConnectionLostError: ("the connection was lost", "unknown"),
    PoolTimeoutError: ("no connection in time: all of the pool's are in use", "none"),
    SessionHookError: ("a hook of the borrowed session raised RuntimeError", "none"),
}
_FLAWED: Mapping[type[OpenTrainError], Reply] = {
    UnexpectedResponseError: Reply(200, b"<html>", {"Content-Type": "text/html"}),
    ContradictoryResponseError: Reply(200, b'{"ok": false}', {"Content-Type": "application/json"}),
    TruncatedResponseError: Reply(200, b"{", {"Content-Type": "application/json"}, "cut off"),
}


def make_error(
    kind: type[E],
    job_id: str = "job_1",
    *,
    message: str | None = None,
    details: Mapping[str, object] | None = None,
    retry_after: float | None = None,
    retry_at: datetime | None = None,
) -> E:
    """Make the error with which a publish ends, as the client would have made it of such an answer or failure.

    Args:
        kind: Its class: one of those that say what became of a publish.
        job_id: The draft; a `QuotaLedgerError` is about none.
        message: What happened; `None` has something to say. An `UnexpectedResponseError` has its own text.
        details: What is in the service's `details`, beside what makes it an error of this class, such as
            ``{"reasons": [...]}``, or ``{"validation": {"missingFields": ["languages"]}}`` of an incomplete draft.
        retry_after: The seconds of the answer's Retry-After, of which a `RateLimitedError` and a `ServerError` know.
        retry_at: When a `QuotaExceededError` says that a slot comes back; `None` is in twelve hours.

    Returns:
        The error, to be raised as often as you like.

    Raises:
        ValueError: No publish ends with such an error by itself, or none with such details; it has no use for something
            that is given; or *retry_at* has no time zone, or *retry_after* is nothing that a client heeds.
        ConfigurationError: That cannot be the id of a draft.
    """
    checked_job_id(job_id)
    check_time("retry_at", retry_at)
    given = {"message": message, "details": details, "retry_after": retry_after, "retry_at": retry_at}
    for name, value in given.items():
        if value is not None and name not in _taken_by(kind):
            raise ValueError(f"a {kind.__name__} has no {name} that could be given")
    made = _made(kind, job_id, message, details or {}, retry_after, retry_at)
    if not isinstance(made, kind):
        raise ValueError(f"with these details it is a {type(made).__name__}, and no {kind.__name__}")
    if kind in _WITH_RETRY_AFTER and retry_after_of(made) != retry_after:
        raise ValueError(f"a Retry-After of {retry_after} is none to a client")
    return made


def _taken_by(kind: type[OpenTrainError]) -> set[str]:
    """Which of the arguments an error of this class has a use for."""
    if kind in _FLAWED:
        return set()
    if kind is QuotaExceededError:
        return {"message", "retry_at"}
    if kind not in _ANSWERS:
        return {"message"}
    return {"message", "details", "retry_after"} if kind in _WITH_RETRY_AFTER else {"message", "details"}


def _made(
    kind: type[OpenTrainError],
    job_id: str,
    message: str | None,
    details: Mapping[str, object],
    retry_after: float | None,
    retry_at: datetime | None,
) -> object:
    if kind is QuotaExceededError:
        return _used_up(job_id, message, retry_at)
    if kind is QuotaLedgerError:
        return QuotaLedgerError(message or "the quota ledger did not answer in time")
    if kind in _WITHOUT_ANSWER:
        text, effect = _WITHOUT_ANSWER[kind]
        error = kind(message or text, job_id=job_id, effect=effect)
        error.operation = "publish"
        return error
    if kind in _FLAWED:
        return _read(_FLAWED[kind], job_id)
    if kind in _ANSWERS:
        return _read(_reply(_ANSWERS[kind], message, details, retry_after), job_id)
    raise ValueError(f"no publish ends with a {kind.__name__} by itself: make it by its class")


def _used_up(job_id: str, message: str | None, retry_at: datetime | None) -> QuotaExceededError:
    return QuotaExceededError(
        message or "the daily publish quota is used up (20 of 20)",
        job_id=job_id,
        limit=20,
        used=20,
        retry_at=retry_at or datetime.now(UTC) + timedelta(hours=12),
    )


def _reply(answer: _Answer, message: str | None, details: Mapping[str, object], retry_after: float | None) -> Reply:
    body = {
        "error": message or answer.text,
        "code": answer.code,
        "requestId": "request_1",
        "details": {**answer.details, **details},
    }
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Reply(answer.status, json.dumps(body).encode(), headers)


def _read(reply: Reply, job_id: str) -> OpenTrainError | PublishResult:
    """What the client takes an answer for."""
    try:
        return read_publish(reply, job_id, time.time())
    except OpenTrainError as error:
        error.operation = "publish"
        return error.with_traceback(None)
