"""Turn an HTTP answer into a result or an error; pure: nothing here sends or waits.

The first question is who answered. Each non-2xx answer of the service has an envelope: a JSON object with a string
``error``, and with ``code``, ``requestId`` or ``details``. An answer without it comes from a gateway, proxy or portal.

Source: https://www.opentrain.ai/docs/developers/api-reference/jobs/publish/ and …/api-reference/overview/. The
page of error codes could not be read when this was written, so what an answer means rests on its status, and the
body only refines it.
"""

import re
from collections.abc import Callable, Container, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

from attrs import evolve

from .._base.json import ContradictionError, WrongShapeError, as_object, decode, of_type
from .._base.text import one_line
from ..errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    ContradictoryResponseError,
    ModerationBlockedError,
    NotFoundError,
    NotPublishReadyError,
    OpenTrainError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitedError,
    ResponseError,
    ServerError,
    TruncatedResponseError,
    UnexpectedResponseError,
)
from ..errors._checks import is_same_id
from ..models import PublishResult
from ..outcomes._answer_table import effect_of
from ..quota._slots import HIGHEST_LIMIT, LONGEST_WINDOW
from . import codec, validation
from .http.messages import Reply
from .retry_after import seconds_to_wait

T = TypeVar("T")
Object = Mapping[str, object]

_AWAITS_APPROVAL, _ARCHIVED = "PENDING_APPROVAL", "ARCHIVED"
_FACTS: Mapping[str, type] = {"code": str, "requestId": str, "details": dict}
"""The keys of the envelope beside ``error``, one of which is always there."""
_OAUTH_CODE = re.compile("[a-z][a-z0-9_]*", re.ASCII)
_OAUTH_CODES = {
    "unsupported_identity_type", "anonymous_not_enabled", "rate_limit_exceeded", "invalid_request", "server_error",
    "authorization_pending", "slow_down", "expired_token", "invalid_grant", "unsupported_grant_type", "access_denied",
}  # fmt: skip
"""The codes of the agent endpoints, which count without a description: …/api-reference/agent-auth/, and RFC 8628."""
_MARKUP = re.compile(r"<(script|style)\b.*?</\1\s*>|<!--.*?-->|<[^<>]*>", re.DOTALL | re.IGNORECASE)
_LOOKED_AT, _WORDS = 4096, 80
"""Bytes of a body in which its first words are looked for, and characters of them that a message shows."""
_DECIMAL = re.compile(r"\s*[0-9]+(\.[0-9]+)?\s*", re.ASCII)
_SHORTEST_WINDOW_HOURS = 1.0
_LIMITS = frozenset({3, 20})
"""The publishes a day of an unclaimed and of a claimed account: …/api-reference/jobs/publish/."""
_COUNTS = frozenset({"limit", "used", "remaining", "current", "count", "total"})
"""The keys of `details` that name no window. Any other key may name one, such as ``windowSeconds`` or ``per``."""
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
_MEAN_THE_SAME: Mapping[int, type[APIError]] = {
    401: AuthenticationError,
    408: APIError,
    425: APIError,
    429: RateLimitedError,
}
"""The refusals that mean the same whoever answers; so does each 5xx."""


def read_publish(reply: Reply, job_id: str, now: float, *, limit: int | None = None) -> PublishResult:
    """Return what the answer to a publish means.

    Args:
        reply: The answer.
        job_id: The draft that was to be published.
        now: When it came, in epoch seconds.
        limit: The publishes a day that are counted on; `None` while that is not known. A 429 that names this limit, 3
            or 20, and no window, is of the quota.

    Returns:
        The job: live, accepted, or live before. `newly_published` is the server's own word here.

    Raises:
        OpenTrainError: Any other answer, as its class; `effect` says what this one request had changed.
    """
    try:
        result = read_answer(reply, codec.publish_result, "a publish result", now, job_id, limits=_LIMITS | {limit})
    except ConflictError as error:
        if error.job_status != _AWAITS_APPROVAL:
            raise
        # An earlier publish was accepted. The answer has no other facts of the job.
        return PublishResult(job_id, already_published=True, status=_AWAITS_APPROVAL, body=reply.body)
    if not is_same_id(result.job_id, job_id):
        other = ContradictionError("the body is about another job")
        raise _with_effect(_not_as_promised(reply, "a publish result", other, job_id))
    if reply.status == 202 and result.raw.get("status") is None:  # taken to be open it would be called live
        wrong = WrongShapeError("accepted, without the status of the job")
        raise _with_effect(_not_as_promised(reply, "a publish result", wrong, job_id))
    if result.status == _ARCHIVED:
        raise ended_job_error(result, job_id)
    return result if result.job_id == job_id else evolve(result, job_id=job_id)


def ended_job_error(result: PublishResult, job_id: str) -> ConflictError:
    """Return the error of a job that has ended, where that answers no request of ours."""
    return ConflictError(
        f"the job is {one_line(result.status)}", job_id=job_id, status=200, details={"status": result.status}
    )


def read_answer(
    reply: Reply,
    read: Callable[[bytes], T],
    what: str,
    now: float,
    job_id: str | None = None,
    *,
    is_oauth: bool = False,
    limits: Container[int | None] | None = None,
) -> T:
    """Return what an answer means.

    Args:
        reply: The answer.
        read: Reads the body of a success; raises `WrongShapeError` for any other body.
        what: What such a body is.
        now: When it came, in epoch seconds.
        job_id: The draft or job that it is about, if it is about one.
        is_oauth: Errors have the shape of OAuth's: ``error`` is a code, ``error_description`` the text.
        limits: The limits by which a 429 without a window is known as the publish quota's. `None`: no 429 is of the
            quota.

    Raises:
        OpenTrainError: Any answer but a success; `effect` says what this one request had changed.
    """
    if not 200 <= reply.status < 300:
        raise _with_effect(_read_error(reply, job_id, now, is_oauth=is_oauth, limits=limits))
    wrong = None
    if reply.flaw is None:
        try:
            return read(reply.body)
        except WrongShapeError as error:
            wrong = error.with_traceback(None)
    # Raised out here: the frames of the reading show the body.
    raise _with_effect(_not_as_promised(reply, what, wrong, job_id))


def _with_effect(error: OpenTrainError) -> OpenTrainError:
    """Make an error say what the one request that it ended had changed."""
    error.effect = effect_of(error)
    return error


def _not_as_promised(
    reply: Reply, what: str, wrong: WrongShapeError | None, job_id: str | None
) -> UnexpectedResponseError:
    """Return the error of a success whose body is cut off, or not what was promised."""
    request_id = of_type(str, as_object(_raw(reply.body)).get("requestId"))
    if isinstance(wrong, ContradictionError):
        text = f"HTTP {reply.status}, but {wrong}"
        return ContradictoryResponseError(text, job_id=job_id, status=reply.status, request_id=request_id)
    kind = UnexpectedResponseError if reply.flaw is None else TruncatedResponseError
    text = f"HTTP {reply.status} ({_media_type(reply)}) is not {what}: {reply.flaw or wrong}{_words_of_a_page(reply)}"
    return kind(text, job_id=job_id, status=reply.status, request_id=request_id)


def _read_error(
    reply: Reply, job_id: str | None, now: float, *, is_oauth: bool, limits: Container[int | None] | None
) -> OpenTrainError:
    """Return the error of an answer that is not a success. No body can keep it from being read."""
    raw = _raw(reply.body)
    envelope = _oauth_envelope(raw) if is_oauth else _envelope(raw)
    wait = seconds_to_wait(reply.headers_named("retry-after"), reply.header("date"), now)
    if envelope is None:
        error = _error_of_a_stranger(reply, job_id, raw)
    else:
        details = as_object(envelope.get("details"))
        if reply.status == 429 and limits is not None and _is_of_the_quota(details, wait, limits):
            return _quota_error(envelope, job_id, details, wait)
        error = _error_of_the_service(reply.status, job_id, envelope, details, raw)
    if isinstance(error, RateLimitedError | ServerError):
        error.retry_after = wait
    return error


def _is_of_the_quota(details: Object, wait: float | None, limits: Container[int | None]) -> bool:
    """True if a 429 with these details and this Retry-After is of the publish quota, not of too much traffic."""
    hours = _positive(details.get("windowHours"))
    if hours is not None:
        # A draft that waits for a shorter window would be sent again at once, without end.
        return hours >= _SHORTEST_WINDOW_HOURS
    # Doubt means a throttle: it costs a few more requests. A throttle taken for the quota stops each run for an hour.
    limit = _limit(details.get("limit"))
    names_no_window = {key for key, value in details.items() if value is not None} <= _COUNTS
    is_long = wait is None or wait > _SHORTEST_WINDOW_HOURS * 3600
    return limit is not None and limit in limits and names_no_window and is_long


def _quota_error(envelope: Object, job_id: str | None, details: Object, wait: float | None) -> QuotaExceededError:
    return QuotaExceededError(
        str(envelope["error"]),
        job_id=job_id,
        limit=_limit(details.get("limit")),
        source="server",
        window_hours=_positive(details.get("windowHours")),
        retry_after=wait,
        request_id=of_type(str, envelope.get("requestId")),
    )


def _error_of_the_service(
    status: int, job_id: str | None, envelope: Object, details: Object, raw: object
) -> APIError | ResponseError:
    code = of_type(str, envelope.get("code"))
    text, request_id = str(envelope["error"]), of_type(str, envelope.get("requestId"))
    if not 400 <= status < 600 or status == 407:
        return UnexpectedResponseError(f"HTTP {status}: {text}", job_id=job_id, status=status, request_id=request_id)
    error = _class_of(status, code, details)(
        text, job_id=job_id, status=status, code=code, request_id=request_id, details=details, raw=raw
    )
    if isinstance(error, BadRequestError):
        error.issues = validation.issues(details)
    if isinstance(error, NotPublishReadyError):
        error.validation = validation.validation(details, envelope)
    return error


def _error_of_a_stranger(reply: Reply, job_id: str | None, raw: object) -> APIError | ResponseError:
    """Return the error of an answer that is not the service's own: what a 4xx says of the draft does not count."""
    status = reply.status
    if 300 <= status < 400:
        text = f"redirected ({status}) to {_origin(reply.header('location'))}; redirects are not followed"
        return UnexpectedResponseError(text, job_id=job_id, status=status)
    text = f"the answer ({_media_type(reply)}) looks like a proxy's, not the service's{_first_words(reply)}"
    if (kind := _MEAN_THE_SAME.get(status) or (ServerError if status >= 500 else None)) is not None:
        return kind(text, job_id=job_id, status=status, raw=raw)
    if status == 407:
        return UnexpectedResponseError(f"HTTP 407: a proxy asks for a login: {text}", job_id=job_id, status=407)
    if reply.flaw is not None:  # who has answered stood in what did not come
        return TruncatedResponseError(f"HTTP {status}, {reply.flaw}", job_id=job_id, status=status)
    return UnexpectedResponseError(f"HTTP {status}: {text}", job_id=job_id, status=status)


def _envelope(raw: object) -> Object | None:
    """Return the service's error envelope, or `None` if this is not one."""
    found = as_object(raw)
    names_a_fact = any(type(found.get(key)) is kind for key, kind in _FACTS.items())
    return found if names_a_fact and type(found.get("error")) is str else None


def _oauth_envelope(raw: object) -> Object | None:
    """Return the error of an agent endpoint in the API's shape, or `None` if this is not one."""
    found = as_object(raw)
    code = of_type(str, found.get("error"))
    text = of_type(str, found.get("error_description"))
    if code is None or not _OAUTH_CODE.fullmatch(code) or (text is None and code not in _OAUTH_CODES):
        return _envelope(raw)
    return {"error": text or code, "code": code}


def _words_of_a_page(reply: Reply) -> str:
    """Return the first words of a success that is a page, as a portal's; a JSON body may hold a token."""
    return _first_words(reply) if reply.body.lstrip()[:1] == b"<" else ""


def _media_type(reply: Reply) -> str:
    return one_line((reply.header("content-type") or "no media type").partition(";")[0].strip())


def _first_words(reply: Reply) -> str:
    """Return the first words of a body, without markup, for the end of a message."""
    text = _MARKUP.sub(" ", reply.body[:_LOOKED_AT].decode(errors="replace"))
    words = one_line(" ".join(text.split()), _WORDS)
    return f": {words}" if words else ""


def _class_of(status: int, code: str | None, details: Object) -> type[APIError]:
    if status == 429:
        return RateLimitedError
    if status >= 500:
        return ServerError
    if status in {402, 408, 423, 425}:
        return APIError
    kind = _BY_STATUS.get(status) or _BY_CODE.get(code or "", APIError)
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
    """A number above 0 that a float can hold, also as decimal text such as ``"24"``, or `None`."""
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < 1e300 else None


def _limit(value: object) -> int | None:
    """A daily limit that makes sense, or `None`: a whole number from 1, also as text."""
    number = _positive(value)
    return int(number) if number is not None and number.is_integer() and number <= HIGHEST_LIMIT else None


def window_seconds(hours: float | None) -> float | None:
    """The server's window in seconds, or `None` where it is longer than a year and so makes no sense."""
    return hours * 3600 if hours is not None and hours * 3600 <= LONGEST_WINDOW else None


def _origin(location: str | None) -> str:
    """Where a redirect leads, without path, query or user info: those may hold secrets."""
    try:
        parts = urlsplit(location or "")
        if not parts.hostname:
            return "the same host"
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
    except ValueError:
        return "nowhere readable"
