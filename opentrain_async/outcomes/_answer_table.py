"""The answer table: what each error means for the draft's outcome, for the retry and for the run."""

from attrs import frozen

from ..errors import (
    APIError,
    AuthenticationError,
    ClientClosedError,
    ConfigurationError,
    ConnectError,
    JournalError,
    ModerationBlockedError,
    NotPublishReadyError,
    OpenTrainError,
    PermissionDeniedError,
    QuotaExceededError,
    QuotaLedgerError,
    RateLimitedError,
    ResponseError,
    ServerError,
    TLSError,
    TransportError,
)
from ._outcomes import OutcomeStatus, PublishOutcome

PUBLISHED, ALREADY_PUBLISHED = OutcomeStatus.PUBLISHED, OutcomeStatus.ALREADY_PUBLISHED
REJECTED, DEFERRED = OutcomeStatus.REJECTED, OutcomeStatus.DEFERRED
NOT_SENT, UNKNOWN = OutcomeStatus.NOT_SENT, OutcomeStatus.UNKNOWN


@frozen
class Ruling:
    """What an error means for what comes next.

    Attributes:
        outcome: What became of the draft, unless an earlier attempt left that unknown.
        retried: The same request again may end otherwise.
        stops_run: It would end the same way for every other draft.
    """

    outcome: OutcomeStatus
    retried: bool = False
    stops_run: bool = False


def rule_on(error: OpenTrainError) -> Ruling:
    """The row of the table that an error falls in."""
    match error:
        case QuotaExceededError():
            return Ruling(DEFERRED)
        case RateLimitedError() | APIError(status=425):
            return Ruling(DEFERRED, retried=True)
        case ServerError(status=501 | 505):
            return Ruling(UNKNOWN)
        case ServerError() | APIError(status=408):
            return Ruling(UNKNOWN, retried=True)
        case AuthenticationError():
            return Ruling(REJECTED, stops_run=True)
        case PermissionDeniedError():
            return Ruling(REJECTED, stops_run=bool(error.required_scopes))
        case ResponseError(status=status) if status is not None and 300 <= status < 400:
            return Ruling(REJECTED, stops_run=True)
        case ResponseError():
            return Ruling(UNKNOWN, retried=True)
        case TLSError():
            return Ruling(NOT_SENT, stops_run=True)
        case ConnectError():
            return Ruling(NOT_SENT, retried=True)
        case TransportError():
            return Ruling(UNKNOWN, retried=True)
        case QuotaLedgerError() | ClientClosedError() | JournalError():
            return Ruling(NOT_SENT, stops_run=True)
        case _:
            return Ruling(REJECTED)


def is_transient(error: OpenTrainError) -> bool:
    """Whether the same request again may end otherwise."""
    return rule_on(error).retried


def is_decisive(error: OpenTrainError) -> bool:
    """Whether the error proves that the draft is not live, whatever became of earlier attempts."""
    return isinstance(error, NotPublishReadyError | ModerationBlockedError)


def is_bare_denial(error: OpenTrainError | None) -> bool:
    """A 403 that names neither a scope nor a reason: of the draft, or of the whole feature. Two in a row tell."""
    return isinstance(error, PermissionDeniedError) and not error.required_scopes and "reason" not in error.details


def unfamiliar_reason(error: OpenTrainError) -> str | None:
    """The reason of a 403 for one that this library does not know; `None` of any other error."""
    if not isinstance(error, PermissionDeniedError) or isinstance(error, ModerationBlockedError):
        return None
    return None if error.required_scopes or "reason" not in error.details else str(error.details["reason"])


def outcome_of(error: OpenTrainError) -> OutcomeStatus:
    """What became of a draft whose publish ended with this error."""
    return UNKNOWN if error.effect == "unknown" else rule_on(error).outcome


def is_final(outcome: PublishOutcome) -> bool:
    """Whether there is nothing left to find out about the draft: it is live, or the service has refused this very one.

    What stopped the whole run, or may have been about it, is not about the draft; and an id that was refused locally
    costs nothing to be refused again.
    """
    if outcome.status is not REJECTED or outcome.error is None:
        return outcome.result is not None
    error = outcome.error
    return not (isinstance(error, ConfigurationError) or rule_on(error).stops_run or is_bare_denial(error))
