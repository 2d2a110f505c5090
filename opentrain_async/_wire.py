"""The publish operation as HTTP, and HTTP as its result. Pure: nothing here sends, waits or keeps anything.

Source: https://www.opentrain.ai/docs/developers/api-reference/jobs/publish/ and …/api-reference/overview/. The
page of error codes could not be read when this was written, so what an answer means rests on its status, and the
body only refines it.
"""

import math
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from attrs import define
from multidict import CIMultiDict, CIMultiDictProxy

from . import _codec
from ._retry_after import seconds_to_wait
from ._text import shown
from .errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConflictError,
    ModerationBlockedError,
    NotFoundError,
    NotPublishReadyError,
    OpenTrainError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
    UnexpectedResponseError,
)
from .models import PublishResult

API = "/api/public/v1"
BODY_CAP = 1024 * 1024
"""Bytes of an answer's body that are read at the most."""
_HIGHEST_LIMIT = 10_000
_LONGEST_WINDOW_HOURS = 24.0 * 366
_JOB_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}", re.ASCII)
_BY_CODE: Mapping[str, type[APIError]] = {
    "BAD_REQUEST": BadRequestError,
    "UNAUTHORIZED": AuthenticationError,
    "FORBIDDEN": PermissionDeniedError,
    "NOT_FOUND": NotFoundError,
    "CONFLICT": ConflictError,
}
_BY_STATUS: Mapping[int, type[APIError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
}


_NO_HEADERS: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())


@define
class Reply:
    """An HTTP answer, read to its end or to where it could be read.

    Attributes:
        status: The HTTP status.
        body: What could be read of the body, at most `BODY_CAP` bytes.
        headers: The headers.
        flaw: Why the body is not the whole one (cut off, too large), or `None`.
    """

    status: int
    body: bytes = b""
    headers: CIMultiDictProxy[str] = _NO_HEADERS
    flaw: str | None = None


def checked_job_id(job_id: object) -> str:
    """The id, if it can be one: 1 to 128 of ``A-Z a-z 0-9 . _ ~ -``, and neither ``.`` nor ``..``.

    Raises:
        ConfigurationError: It cannot. An id becomes part of a path, so nothing else is let through.
    """
    if isinstance(job_id, str) and _JOB_ID.fullmatch(job_id) and job_id not in {".", ".."}:
        return job_id
    raise ConfigurationError(
        f"not a job id: {shown(job_id)} (1 to 128 of A-Z a-z 0-9 . _ ~ -, and neither '.' nor '..')",
        job_id=job_id if isinstance(job_id, str) else None,
    )


def publish_path(job_id: str) -> str:
    """The path that publishes a job, below the origin."""
    return f"{API}/jobs/{job_id}/publish"


def read_publish(reply: Reply, job_id: str, now: float) -> PublishResult:
    """What the answer to a publish means.

    Args:
        reply: The answer.
        job_id: The draft that was to be published.
        now: When it came, in epoch seconds.

    Returns:
        The live job; `newly_published` is the server's own word here.

    Raises:
        OpenTrainError: Any other answer, as its class; `effect` says what this one request had changed.
    """
    if not 200 <= reply.status < 300:
        raise _read_redirect(reply, job_id) if 300 <= reply.status < 400 else _read_error(reply, job_id, now)
    try:
        if reply.flaw:
            raise _codec.WrongShapeError(reply.flaw)
        result = _codec.publish_result(reply.body)
        if result.job_id != job_id:
            raise _codec.WrongShapeError("an answer about another job")
    except _codec.WrongShapeError as error:
        raise UnexpectedResponseError(
            f"answered {reply.status} ({reply.headers.get('Content-Type', 'no type')})"
            f" with something else than a publish result: {error}",
            job_id=job_id,
            effect="unknown",
            status=reply.status,
            request_id=_text(_codec.as_object(_raw(reply.body)).get("requestId")),
        ) from None
    return result


def _read_redirect(reply: Reply, job_id: str) -> OpenTrainError:
    return UnexpectedResponseError(
        f"redirected ({reply.status}) to {_origin(reply.headers.get('Location'))}; redirects are not followed",
        job_id=job_id,
        status=reply.status,
    )


def _read_error(reply: Reply, job_id: str, now: float) -> OpenTrainError:
    """The error of a 4xx, 5xx or stranger status. The body may refine its class, and can never fail to be read."""
    raw = _raw(reply.body)
    envelope = _codec.as_object(raw)
    details = _codec.as_object(envelope.get("details"))
    code = _text(envelope.get("code"))
    kind = _class_of(reply.status, code, details)
    wait = seconds_to_wait(reply.headers.getall("Retry-After", ()), reply.headers.get("Date"), now)
    text = _text(envelope.get("error")) or f"the server answered {reply.status}"
    if kind is RateLimitedError and (hours := _positive(details.get("windowHours"))) is not None:
        return QuotaExceededError(
            text,
            job_id=job_id,
            limit=_limit(details.get("limit")),
            source="server",
            window_hours=hours,
            retry_after=wait,
            request_id=_text(envelope.get("requestId")),
        )
    error = kind(
        text,
        job_id=job_id,
        effect="unknown" if reply.status == 408 or not 400 <= reply.status < 500 else "none",
        status=reply.status,
        code=code,
        request_id=_text(envelope.get("requestId")),
        details=details,
        raw=raw,
    )
    if isinstance(error, RateLimitedError | ServerError):
        error.retry_after = wait
    if isinstance(error, NotPublishReadyError):
        error.validation = _codec.validation(details, envelope)
    return error


def _class_of(status: int, code: str | None, details: Mapping[str, object]) -> type[APIError]:
    if status == 429:
        return RateLimitedError
    if status >= 500:
        return ServerError
    if status in {408, 425}:
        return APIError
    kind = _BY_CODE.get(code or "") or _BY_STATUS.get(status, APIError)
    if kind is BadRequestError and isinstance(details.get("validation"), dict):
        return NotPublishReadyError
    if kind is PermissionDeniedError and details.get("reason") == "moderation_blocked":
        return ModerationBlockedError
    return kind


def _raw(body: bytes) -> object:
    """The JSON of a body, or its text where it is none."""
    try:
        return _codec.decode(body)
    except _codec.WrongShapeError:
        return body.decode(errors="replace")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _positive(value: object) -> float | None:
    """A number above 0 that a float can hold, or `None`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < 1e300 and math.isfinite(value) else None


def _limit(value: object) -> int | None:
    """A daily limit that makes sense, or `None`: a whole number from 1."""
    number = _positive(value)
    return int(number) if number is not None and number.is_integer() and number <= _HIGHEST_LIMIT else None


def window_seconds(hours: float | None) -> float | None:
    """The server's window in seconds, or `None` where it is longer than a year and so makes no sense."""
    return hours * 3600 if hours is not None and hours <= _LONGEST_WINDOW_HOURS else None


def _origin(location: str | None) -> str:
    """Where a redirect leads, without path, query or user info: those may hold secrets."""
    try:
        parts = urlsplit(location or "")
        if not parts.hostname:
            return "the same host"
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
    except ValueError:
        return "nowhere readable"
