"""What can go wrong, as one tree. Each error says what the server had changed by then.

    OpenTrainError                      .job_id .effect .message
    ├─ ConfigurationError               (ValueError)    refused locally, nothing was sent
    ├─ ClientClosedError                (RuntimeError)  the client was closed, before or meanwhile
    ├─ QuotaExceededError               the day's publishes are used up: .limit .used .retry_at .source
    ├─ QuotaLedgerError                 the quota ledger could not be read; nothing was sent
    ├─ JournalError                     a run's journal could not be read or written; nothing more was sent
    ├─ TransportError                   no answer arrived
    │  ├─ ConnectError                  never connected, nothing was sent
    │  ├─ TLSError                      the certificate or the handshake failed, nothing was sent
    │  ├─ RequestTimeoutError           (TimeoutError)  sent, and no answer in time
    │  └─ ConnectionLostError           sent, and cut off before the answer
    ├─ ResponseError                    an answer that cannot be read: .status .request_id
    │  └─ UnexpectedResponseError       not the promised format, a redirect, or over the size cap
    └─ APIError                         the service refused: .status .code .reason .request_id .details
       ├─ BadRequestError               400
       │  └─ NotPublishReadyError       the draft has gaps: .validation
       ├─ AuthenticationError           401
       ├─ PermissionDeniedError         403: .required_scopes
       │  └─ ModerationBlockedError     .reasons
       ├─ NotFoundError                 404: absent, or not yours
       ├─ ConflictError                 409
       ├─ RateLimitedError              429 without a quota window: .retry_after
       └─ ServerError                   5xx

`effect` is what the request had done to the server's state when the error was raised: ``"none"``, ``"applied"``
or ``"unknown"``. Unknown means that the draft may be live: publish it again to find out, it is charged once.

The sources of the codes and of `details` are the API reference's overview and the page of each endpoint, under
https://www.opentrain.ai/docs/developers/.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Literal, TypedDict, Unpack, cast

from ._text import one_line
from .models import Validation

Effect = Literal["none", "applied", "unknown"]

_EFFECTS: Mapping[str, str] = {
    "none": "The server changed nothing.",
    "applied": "The server had applied the change.",
    "unknown": "The server may have published it: publish it again to find out, it is charged once.",
}


class OpenTrainError(Exception):
    """The root of everything that this library raises on purpose.

    Instances can be pickled and copied. `str()` is one line, in which text that came from the server is
    escaped and cut; `message` is that text whole. None of it ever holds the token.

    Attributes:
        message: What happened, unescaped where the server said it.
        job_id: The draft that was being published, or `None` where no draft was concerned.
        effect: What the server had changed.
    """

    advice: ClassVar[str] = ""

    def __init__(self, message: str = "", *, job_id: str | None = None, effect: Effect = "none") -> None:
        super().__init__(message)
        self.message = message
        self.job_id = job_id
        self.effect: Effect = effect

    def __str__(self) -> str:
        subject = f"{one_line(self.job_id)}: " if self.job_id else ""
        parts = [f"{subject}{one_line(self.message).rstrip('.')}.", _EFFECTS[self.effect], self._next_step()]
        return " ".join(part for part in parts if part)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"

    def _next_step(self) -> str:
        return self.advice


class ConfigurationError(OpenTrainError, ValueError):
    """An argument, a setting or an id that cannot be right. Nothing was sent."""

    def __str__(self) -> str:
        return one_line(self.message)


class ClientClosedError(OpenTrainError, RuntimeError):
    """The client was closed: before the call (effect none), or while it was under way (effect as it stood)."""

    advice = "Use a client that is open."


class QuotaExceededError(OpenTrainError):
    """The account has used up its publishes of the last 24 hours.

    Attributes:
        limit: Publishes per window, or `None` while it is not known.
        used: How many of them the ledger counts, doubtful ones too.
        retry_at: When a slot comes back at the earliest, as far as is known. Not a booking.
        source: ``"ledger"``, and nothing was sent; or ``"server"``, and it answered 429.
        window_hours: The server's own `windowHours`, or `None` from the ledger.
        retry_after: The server's own Retry-After in seconds, or `None`.
        request_id: The server's, to quote to support, or `None` from the ledger.
    """

    def __init__(
        self,
        message: str = "",
        *,
        job_id: str | None = None,
        effect: Effect = "none",
        limit: int | None = None,
        used: int | None = None,
        retry_at: datetime | None = None,
        source: Literal["ledger", "server"] = "ledger",
        window_hours: float | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, job_id=job_id, effect=effect)
        self.limit = limit
        self.used = used
        self.retry_at = retry_at
        self.source: Literal["ledger", "server"] = source
        self.window_hours = window_hours
        self.retry_after = retry_after
        self.request_id = request_id

    def _next_step(self) -> str:
        return f"Try again at {self.retry_at:%Y-%m-%d %H:%M:%S} UTC." if self.retry_at else ""


class QuotaLedgerError(OpenTrainError):
    """The quota ledger could not be read or written, so nothing was sent."""

    advice = "Nothing was sent: look at the ledger's storage."


class JournalError(OpenTrainError):
    """A run's journal could not be read or written, or is another run's just now. Nothing was sent, or nothing more."""


class TransportError(OpenTrainError):
    """No answer arrived. Its cause is a plain copy (type name and text) of what the network library raised."""


class ConnectError(TransportError):
    """No connection could be made in time: refused, not resolved, or none free in the pool. Nothing was sent."""

    advice = "Check the base URL and the network."


class TLSError(TransportError):
    """The certificate or the handshake failed. Nothing was sent, the token included."""

    advice = "Check the base URL, the clock and the certificates of this machine."


class RequestTimeoutError(TransportError, TimeoutError):
    """The request was sent and no whole answer came within the timeout."""


class ConnectionLostError(TransportError):
    """The request was sent, in whole or in part, and the connection ended before the answer."""


class ResponseError(OpenTrainError):
    """An answer that cannot be taken for what was promised.

    Attributes:
        status: The HTTP status, or `None` where not even that could be read.
        request_id: The server's, where it gave one.
    """

    def __init__(
        self,
        message: str = "",
        *,
        job_id: str | None = None,
        effect: Effect = "none",
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, job_id=job_id, effect=effect)
        self.status = status
        self.request_id = request_id


class UnexpectedResponseError(ResponseError):
    """Not the promised format: HTML, cut or misshapen JSON, over 1 MiB; or a redirect, which is not followed."""


class _Facts(TypedDict, total=False):
    """What every answer of the service carries, and an `APIError` keeps."""

    job_id: str | None
    effect: Effect
    status: int
    code: str | None
    request_id: str | None
    details: Mapping[str, object] | None
    raw: object


def _strings(value: object) -> tuple[str, ...]:
    """A list of strings, or one alone, as a tuple; whatever else it may be as an empty one."""
    if isinstance(value, str):
        return (value,)
    items = cast("list[object]", value) if isinstance(value, list) else []
    return tuple(item for item in items if isinstance(item, str))


class APIError(OpenTrainError):
    """The service answered with an error. Its own class where there is one; this one for any other status.

    Attributes:
        status: The HTTP status.
        code: The service's `code`, such as ``"FORBIDDEN"``; `None` where the body was not the service's.
        request_id: `requestId`, to quote to support, or `None`.
        details: `details`; empty where there were none, or where they were no object.
        raw: The whole body: decoded JSON, or text where it was none.
    """

    def __init__(
        self,
        message: str = "",
        *,
        job_id: str | None = None,
        effect: Effect = "none",
        status: int = 0,
        code: str | None = None,
        request_id: str | None = None,
        details: Mapping[str, object] | None = None,
        raw: object = None,
    ) -> None:
        super().__init__(message, job_id=job_id, effect=effect)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.details: Mapping[str, object] = details or {}
        self.raw = raw

    def __str__(self) -> str:
        request = f", request {one_line(self.request_id)}" if self.request_id else ""
        return f"{super().__str__()} (HTTP {self.status}{request})"

    @property
    def reason(self) -> str | None:
        """`details.reason`, or `None` where there is none or it is no string."""
        reason = self.details.get("reason")
        return reason if isinstance(reason, str) else None


class BadRequestError(APIError):
    """400: the service does not accept the request as it is."""


class NotPublishReadyError(BadRequestError):
    """400 with `details.validation`: the draft has gaps.

    Attributes:
        validation: What is missing, whichever of the documented forms the service used.
    """

    def __init__(self, message: str = "", *, validation: Validation | None = None, **facts: Unpack[_Facts]) -> None:
        super().__init__(message, **facts)
        self.validation = validation or Validation()

    def _next_step(self) -> str:
        missing = ", ".join(one_line(item.field) for item in self.validation.missing_fields[:5])
        return f"Fill in {missing or 'what is missing'}, then publish again."


class AuthenticationError(APIError):
    """401: the token is missing, invalid, expired or revoked."""

    advice = "Get a new token."


class PermissionDeniedError(APIError):
    """403: a scope or a feature is missing, the resource is not yours, or moderation refused."""

    @property
    def required_scopes(self) -> tuple[str, ...]:
        """The scopes the service asks for, from `details.requiredScopes`; empty where it named none."""
        return _strings(self.details.get("requiredScopes"))


class ModerationBlockedError(PermissionDeniedError):
    """403 with reason `moderation_blocked`: the draft's content was refused."""

    advice = "Change the draft, then publish again."

    @property
    def reasons(self) -> tuple[str, ...]:
        """Moderation's reasons, from `details.reasons`; empty where it gave none."""
        return _strings(self.details.get("reasons"))


class NotFoundError(APIError):
    """404: there is no such job, or it is somebody else's."""


class ConflictError(APIError):
    """409: the job's state does not allow it; `details` may name the state."""


class RateLimitedError(APIError):
    """429 without a quota window: too many requests just now. The day's quota is untouched.

    Attributes:
        retry_after: The server's Retry-After in seconds from its answer, or `None` without a usable one.
    """

    def __init__(self, message: str = "", *, retry_after: float | None = None, **facts: Unpack[_Facts]) -> None:
        super().__init__(message, **facts)
        self.retry_after = retry_after


class ServerError(APIError):
    """5xx: trouble on the server's side. It may have happened after the job went live.

    Attributes:
        retry_after: The server's Retry-After in seconds from its answer, or `None` without a usable one.
    """

    def __init__(self, message: str = "", *, retry_after: float | None = None, **facts: Unpack[_Facts]) -> None:
        super().__init__(message, **facts)
        self.retry_after = retry_after
