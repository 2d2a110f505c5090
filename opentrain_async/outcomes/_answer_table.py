"""The answer table: what each error means. First match from the top; each column is read by one part only.

The first question is who answered. An `APIError` is the service's own word, or an answer that means the same whoever
gives it (401, 408, 425, 429, 5xx). A 4xx without the service's envelope comes from a gateway, proxy or portal: it is a
`ResponseError`, and says nothing of the draft.
"""

from collections.abc import Callable, Container
from typing import Literal, TypeVar

from attrs import evolve, field, frozen

from ..errors import (
    APIError,
    AuthenticationError,
    ClientClosedError,
    ConflictError,
    ConnectError,
    ContradictoryResponseError,
    Effect,
    JournalError,
    ModerationBlockedError,
    NotFoundError,
    NotPublishReadyError,
    OpenTrainError,
    PermissionDeniedError,
    PoolTimeoutError,
    QuotaExceededError,
    QuotaLedgerError,
    RateLimitedError,
    ResponseError,
    ServerError,
    SessionError,
    SessionHookError,
    TLSError,
    TransportError,
    TruncatedResponseError,
)
from ..models import PublishResult
from ..models._publish import ENDED
from ._outcomes import OutcomeStatus

PUBLISHED, ALREADY_PUBLISHED = OutcomeStatus.PUBLISHED, OutcomeStatus.ALREADY_PUBLISHED
PENDING = OutcomeStatus.PENDING
REJECTED, DEFERRED = OutcomeStatus.REJECTED, OutcomeStatus.DEFERRED
NOT_SENT, UNKNOWN = OutcomeStatus.NOT_SENT, OutcomeStatus.UNKNOWN

E = TypeVar("E", bound=OpenTrainError)


@frozen
class Ruling:
    """What an error means for what comes next: a row of the table without its condition.

    Attributes:
        outcome: The draft's outcome, unless an earlier attempt may have been applied. Read by `outcome_of`.
        retried: The same request again may end otherwise. Read by the retry engine.
        service: What the error says of the service: it answers (*up*), asks for less (*busy*), may be out (*down*), or
            nothing (`None`). Read by the circuit breaker.
        may_be_live: The request may have been applied. Read by `effect_of`.
        run: *stops* a run at once, or as the third draft in a row with the same refusal; *warns* at the tenth. Read by
            the run.
    """

    outcome: OutcomeStatus
    retried: bool = False
    service: Literal["up", "busy", "down"] | None = None
    may_be_live: bool = False
    run: Literal["stops", "stops at the third", "warns at the tenth"] | None = None


@frozen
class _Row:
    """A condition on an error, and its ruling."""

    matches: Callable[[OpenTrainError], bool]
    ruling: Ruling = field()


def _row(
    kind: type[E],
    ruling: Ruling,
    statuses: Container[int | None] | None = None,
    where: Callable[[E], bool] | None = None,
) -> _Row:
    """A row for the errors of a class, all or those with one of these HTTP statuses, and all or where this is true."""

    def matches(error: OpenTrainError) -> bool:
        if not isinstance(error, kind) or (statuses is not None and getattr(error, "status", None) not in statuses):
            return False
        return where is None or where(error)

    return _Row(matches, ruling)


def _names_no_reason(error: ConflictError) -> bool:
    """True for a conflict that may pass: a draft or live job, an action in progress, or nothing said."""
    return error.job_status in {"DRAFT", "OPEN"} or error.reason is None or error.reason.endswith("_in_progress")


_NO = Ruling(REJECTED, service="up")
_MAYBE = Ruling(UNKNOWN, retried=True, service="down", may_be_live=True)
_NEVER_SENT = Ruling(NOT_SENT)

_TABLE = [
    _row(QuotaExceededError, Ruling(DEFERRED, service="up")),
    _row(RateLimitedError, Ruling(DEFERRED, retried=True, service="busy")),
    _row(APIError, Ruling(DEFERRED, retried=True, service="busy"), {425}),
    # To repeat what the server does not implement helps nobody.
    _row(ServerError, evolve(_MAYBE, retried=False), {501, 505}),
    _row(ServerError, _MAYBE),
    _row(APIError, _MAYBE, {408}),
    _row(AuthenticationError, Ruling(REJECTED, run="stops")),
    _row(TruncatedResponseError, _MAYBE),
    _row(ResponseError, Ruling(REJECTED, run="stops"), {301, 307, 308, 407}),
    # A portal's login page, or another redirect: to repeat the request would harden a block.
    _row(ResponseError, Ruling(UNKNOWN, may_be_live=True, run="stops"), range(300, 400)),
    _row(ResponseError, Ruling(UNKNOWN, may_be_live=True, run="stops at the third"), {403}),
    _row(ContradictoryResponseError, Ruling(UNKNOWN, retried=True, may_be_live=True)),
    _row(ResponseError, _MAYBE),
    _row(NotPublishReadyError, _NO),
    _row(ModerationBlockedError, _NO),
    _row(
        APIError, evolve(_NO, run="stops"), where=lambda error: error.status == 402 or error.code == "PAYMENT_REQUIRED"
    ),
    _row(PermissionDeniedError, evolve(_NO, run="stops"), where=lambda error: bool(error.required_scopes)),
    _row(PermissionDeniedError, evolve(_NO, run="stops at the third")),
    _row(NotFoundError, evolve(_NO, run="warns at the tenth")),
    _row(ConflictError, _NO, where=lambda error: error.job_status in ENDED),
    _row(ConflictError, Ruling(UNKNOWN, retried=True, service="up", may_be_live=True), where=_names_no_reason),
    _row(ConflictError, evolve(_NO, run="stops at the third")),
    _row(APIError, Ruling(UNKNOWN, retried=True, service="up", may_be_live=True), {423}),
    _row(APIError, _NO),
    _row(TLSError, evolve(_NEVER_SENT, run="stops")),
    # The hook may raise once only, and the service has said nothing that was heard.
    _row(SessionHookError, evolve(_MAYBE, service=None, run="stops at the third"), where=lambda error: error.was_sent),
    _row(SessionHookError, evolve(_NEVER_SENT, run="stops at the third")),
    _row(PoolTimeoutError, evolve(_NEVER_SENT, retried=True)),
    _row(ConnectError, evolve(_NEVER_SENT, retried=True, service="down")),
    _row(TransportError, _MAYBE),
    _row(SessionError, evolve(_NEVER_SENT, run="stops")),
    _row(QuotaLedgerError, evolve(_NEVER_SENT, run="stops")),
    _row(ClientClosedError, evolve(_NEVER_SENT, run="stops")),
    _row(JournalError, evolve(_NEVER_SENT, run="stops")),
    # An id that cannot be one, and whatever else is refused locally.
    _row(OpenTrainError, Ruling(REJECTED)),
]


def rule_on(error: OpenTrainError) -> Ruling:
    """Return the ruling of the first row that the error matches."""
    return next(row.ruling for row in _TABLE if row.matches(error))


def is_transient(error: OpenTrainError) -> bool:
    """True if the same request again may end otherwise."""
    return rule_on(error).retried


def effect_of(error: OpenTrainError) -> Effect:
    """Return what one request had changed at the server when it ended with this error."""
    return "unknown" if rule_on(error).may_be_live else "none"


def outcome_of(error: OpenTrainError) -> OutcomeStatus:
    """Return the outcome of a draft whose publish ended with this error."""
    return UNKNOWN if error.effect == "unknown" else rule_on(error).outcome


def outcome_of_result(result: PublishResult) -> OutcomeStatus:
    """Return the outcome of a draft whose publish ended with this result."""
    if result.is_pending:
        return PENDING
    return PUBLISHED if result.newly_published else ALREADY_PUBLISHED


def is_decisive(error: OpenTrainError) -> bool:
    """True if the error proves that the draft is not live, whatever became of earlier attempts."""
    return isinstance(error, NotPublishReadyError | ModerationBlockedError)


def got_past(error: OpenTrainError) -> bool:
    """True if the service looked at the draft itself, so that no refusal of the account or the way was met."""
    if isinstance(error, QuotaExceededError):
        return error.source == "server"
    return is_decisive(error) or (isinstance(error, APIError) and 200 <= error.status < 300)
