"""Every class of error, with all that it can hold."""

from datetime import UTC, datetime

from opentrain_async import errors
from opentrain_async.errors import (
    APIError,
    NotPublishReadyError,
    OpenTrainError,
    QuotaExceededError,
    RateLimitedError,
    ResponseError,
    ServerError,
)
from opentrain_async.models import MissingField, Validation

CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, OpenTrainError)]


NASTY = "down\r\n\x1b[31mred\x1b[0m\u202e\x00\u2028" + "x" * 400


AT = datetime(2027, 1, 15, 8, 30, tzinfo=UTC)


API_FACTS: dict[str, object] = {
    "status": 418, "code": "TEAPOT", "request_id": NASTY, "details": {"reason": "no", "n": [1]}, "raw": {"code": 1},
}  # fmt: skip


QUOTA_FACTS: dict[str, object] = {
    "limit": 20, "used": 21, "retry_at": AT, "source": "server", "window_hours": 24.0, "retry_after": 5.0,
    "request_id": "r-1",
}  # fmt: skip


def full(kind: type[OpenTrainError], text: str = NASTY) -> OpenTrainError:
    """An error of that class, with all that it can hold."""
    facts: dict[str, object] = {"job_id": text, "effect": "unknown"}
    if issubclass(kind, APIError):
        facts |= API_FACTS
    if issubclass(kind, RateLimitedError | ServerError):
        facts["retry_after"] = 2.5
    if issubclass(kind, NotPublishReadyError):
        facts["validation"] = Validation(False, missing_fields=(MissingField(text, raw={"field": text}),))
    if issubclass(kind, ResponseError):
        facts |= {"status": 200, "request_id": text}
    if issubclass(kind, QuotaExceededError):
        facts |= QUOTA_FACTS
    return kind(text, **facts)  # type: ignore[arg-type]
