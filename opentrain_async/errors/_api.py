"""The service's refusals: one class for each kind of answer."""

from collections.abc import Mapping
from typing import TypedDict, Unpack, cast

from .._base.json import shallow
from .._base.representation import repr_if_ready
from .._base.text import one_line
from ..models import Issue, Validation
from ._tree import Effect, OpenTrainError, names_of


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


def _string(value: object) -> str | None:
    return value if isinstance(value, str) else None


class APIError(OpenTrainError):
    """The service answered with an error. Its own class where there is one; this one for any other status.

    Attributes:
        status: The HTTP status.
        code: The service's `code`, such as ``"FORBIDDEN"``; `None` where the body was not the service's.
        request_id: `requestId`, to quote to support, or `None`.
        details: `details`; empty where there were none, or where they were no object.
        raw: The whole body: decoded JSON, or text where it was none. In `raw` and `details`, what nests deeper than 64
            levels is text.
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
        # What nests deeper than the library reads it could not be pickled.
        self.details: Mapping[str, object] = shallow(details or {})
        self.raw: object = shallow(raw)

    @repr_if_ready
    def __str__(self) -> str:
        request = f", request {one_line(self.request_id)}" if self.request_id else ""
        return f"{super().__str__()} (HTTP {self.status}{request})" if self.status else super().__str__()

    @property
    def reason(self) -> str | None:
        """`details.reason`, or `None` where there is none or it is no string."""
        return _string(self.details.get("reason"))


class BadRequestError(APIError):
    """400: the service does not accept the request as it is.

    Attributes:
        issues: What it finds wrong, field by field, where it says so; all of it is in `details`.
    """

    def __init__(self, message: str = "", *, issues: tuple[Issue, ...] = (), **facts: Unpack[_Facts]) -> None:
        super().__init__(message, **facts)
        self.issues = issues

    def _next_step(self) -> str:
        return f"Mend {one_line('; '.join(map(str, self.issues[:5]))).rstrip('.')}." if self.issues else ""


class NotPublishReadyError(BadRequestError):
    """400 with `details.validation`: the draft has missing fields.

    Attributes:
        validation: What is missing, whichever of the documented forms the service used.
    """

    def __init__(self, message: str = "", *, validation: Validation | None = None, **facts: Unpack[_Facts]) -> None:
        super().__init__(message, **facts)
        self.validation: Validation = validation or Validation()

    def _next_step(self) -> str:
        return f"Fill in {names_of(self.validation.missing_fields)}, then publish again."


_STILL_OPEN = {"authorization_pending", "slow_down"}


class ClaimError(BadRequestError):
    """The account is not claimed. `code` says why, in OAuth's words.

    ``"authorization_pending"``: nobody has ended the claim in the time that was waited. ``"slow_down"``: the service
    has not said, as it was asked too often. ``"expired_token"`` and ``"invalid_grant"``: it has expired, or its token
    has been delivered already.
    """

    def _what_was_changed(self) -> str:
        if self.effect == "unknown" and self.code not in _STILL_OPEN:
            return "The new token may have been delivered, which happens once, in an answer that was lost."
        return super()._what_was_changed()

    def _next_step(self) -> str:
        if self.code in _STILL_OPEN:
            return "Wait for it again."
        if self.effect == "unknown":
            return "Then whoever has claimed the account can make another one in the service's settings."
        return "Start the claim anew; if that is refused, register again."


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
    """The content was refused, with reason `moderation_blocked`: 403 of a draft that was to be published.

    409 of the edit of a live job: that **has been applied** (effect ``"applied"``), and the job is a draft again
    (https://www.opentrain.ai/docs/developers/api-reference/jobs/update/).
    """

    def _next_step(self) -> str:
        reasons = f"The reasons: {one_line(' '.join(self.reasons)).rstrip('.')}. " if self.reasons else ""
        return f"{reasons}Change the draft, then publish again."

    @property
    def reasons(self) -> tuple[str, ...]:
        """Moderation's reasons, from `details.reasons`; empty where it gave none."""
        return _strings(self.details.get("reasons"))


class PreflightError(PermissionDeniedError):
    """Each draft of the run would have been refused: a feature is switched off, or the token lacks a scope.

    Found by asking before the run (`preflight=True`): nothing was published, and there is no HTTP status.

    Attributes:
        feature: The service's name of the feature that is off, or `None`.
    """

    def __init__(self, message: str = "", *, feature: str | None = None, **facts: Unpack[_Facts]) -> None:
        super().__init__(message, **facts)
        self.feature = feature

    def _next_step(self) -> str:
        return "Ask OpenTrain for the feature." if self.feature else "Make a token that has the scope."


class NotFoundError(APIError):
    """404: there is no such job, or it is somebody else's."""


class ConflictError(APIError):
    """409: the job's state does not allow it."""

    @property
    def job_status(self) -> str | None:
        """The job's state, such as ``"ARCHIVED"``, from `details.status`; `None` where it is not said."""
        return _string(self.details.get("status"))

    @property
    def required_status(self) -> str | None:
        """The state that it would have to be in, from `details.requiredStatus`; `None` where it is not said."""
        return _string(self.details.get("requiredStatus"))

    def _next_step(self) -> str:
        if self.required_status:
            return f"The job is {one_line(self.job_status)}, and would have to be {one_line(self.required_status)}."
        is_said = self.job_status is None or self.job_status in self.message
        return "" if is_said else f"The job is {one_line(self.job_status)}."


class RateLimitedError(APIError):
    """429 that is not known to be the quota's: too many requests just now. The ledger counts nothing for it.

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


def retry_after_of(error: OpenTrainError) -> float | None:
    """Return the Retry-After of the answer behind an error, in seconds; `None` where the answer has none."""
    return error.retry_after if isinstance(error, RateLimitedError | ServerError) else None
