"""Turn an HTTP answer into a result or an error; pure: nothing here sends or waits.

Source: https://www.opentrain.ai/docs/developers/api-reference/jobs/publish/ and …/api-reference/overview/. The
page of error codes could not be read when this was written, so what an answer means rests on its status, and the
body only refines it.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

from .._base.json import WrongShapeError, as_object, decode, of_type
from ..errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
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
from ..models import PublishResult
from . import codec, validation
from .http.messages import Reply
from .retry_after import seconds_to_wait

T = TypeVar("T")

_HIGHEST_LIMIT = 10_000
_LONGEST_WINDOW_HOURS = 24.0 * 366
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
    result = read_answer(reply, codec.publish_result, "a publish result", now, job_id, has_quota=True)
    if result.job_id != job_id:
        raise _unexpected(reply, "a publish result", "an answer about another job", job_id)
    return result


def read_answer(
    reply: Reply,
    read: Callable[[bytes], T],
    what: str,
    now: float,
    job_id: str | None = None,
    *,
    is_oauth: bool = False,
    has_quota: bool = False,
) -> T:
    """What an answer means.

    Args:
        reply: The answer.
        read: Reads the body of a success; raises `WrongShapeError` where it is none.
        what: What such a body is.
        now: When it came, in epoch seconds.
        job_id: The draft or job that it is about, if it is about one.
        is_oauth: Errors have the shape of OAuth's: ``error`` is a code, ``error_description`` the text.
        has_quota: A 429 that names a window is of the publish quota; otherwise it is one as any other.

    Raises:
        OpenTrainError: Any answer but a success; `effect` says what this one request had changed.
    """
    if 200 <= reply.status < 300:
        flaw = reply.flaw
        if flaw is None:
            try:
                return read(reply.body)
            except WrongShapeError as error:
                flaw = str(error)
        raise _unexpected(reply, what, flaw, job_id)  # out here: the frames of the reading show what was read
    if 300 <= reply.status < 400:
        raise _read_redirect(reply, job_id)
    raise _read_error(reply, job_id, now, is_oauth=is_oauth, has_quota=has_quota)


def _unexpected(reply: Reply, what: str, flaw: str, job_id: str | None) -> UnexpectedResponseError:
    return UnexpectedResponseError(
        f"answered {reply.status} ({reply.headers.get('Content-Type', 'no type')})"
        f" with something else than {what}: {flaw}",
        job_id=job_id,
        effect="unknown",
        status=reply.status,
        request_id=of_type(str, as_object(_raw(reply.body)).get("requestId")),
    )


def _read_redirect(reply: Reply, job_id: str | None) -> OpenTrainError:
    return UnexpectedResponseError(
        f"redirected ({reply.status}) to {_origin(reply.headers.get('Location'))}; redirects are not followed",
        job_id=job_id,
        status=reply.status,
    )


def _read_error(reply: Reply, job_id: str | None, now: float, *, is_oauth: bool, has_quota: bool) -> OpenTrainError:
    """The error of a 4xx, 5xx or stranger status. The body may refine its class, and can never fail to be read."""
    raw = _raw(reply.body)
    envelope = as_object(raw)
    if is_oauth:
        envelope = {"error": envelope.get("error_description") or envelope.get("error"), "code": envelope.get("error")}
    details = as_object(envelope.get("details"))
    code = of_type(str, envelope.get("code"))
    kind = _class_of(reply.status, code, details)
    wait = seconds_to_wait(reply.headers.getall("Retry-After", ()), reply.headers.get("Date"), now)
    text = of_type(str, envelope.get("error")) or f"the server answered {reply.status}"
    hours = _positive(details.get("windowHours"))
    if has_quota and kind is RateLimitedError and hours is not None:
        return QuotaExceededError(
            text,
            job_id=job_id,
            limit=_limit(details.get("limit")),
            source="server",
            window_hours=hours,
            retry_after=wait,
            request_id=of_type(str, envelope.get("requestId")),
        )
    error = kind(
        text,
        job_id=job_id,
        effect="unknown" if reply.status == 408 or not 400 <= reply.status < 500 else "none",
        status=reply.status,
        code=code,
        request_id=of_type(str, envelope.get("requestId")),
        details=details,
        raw=raw,
    )
    if isinstance(error, RateLimitedError | ServerError):
        error.retry_after = wait
    if isinstance(error, BadRequestError):
        error.issues = validation.issues(details)
    if isinstance(error, NotPublishReadyError):
        error.validation = validation.validation(details, envelope)
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
    if kind in {PermissionDeniedError, ConflictError} and details.get("reason") == "moderation_blocked":
        return ModerationBlockedError
    return kind


def _raw(body: bytes) -> object:
    """The JSON of a body, or its text where it is none."""
    try:
        return decode(body)
    except WrongShapeError:
        return body.decode(errors="replace")


def _positive(value: object) -> float | None:
    """A number above 0 that a float can hold, or `None`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < 1e300 else None


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
