"""The table of answers: what each error means for the retry, for the run and for the draft."""

import pytest

from opentrain_async.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ClaimError,
    ClientClosedError,
    ConfigurationError,
    ConflictError,
    ConnectError,
    ConnectionLostError,
    DraftIncompleteError,
    JournalError,
    ModerationBlockedError,
    NotFoundError,
    NotPublishReadyError,
    OpenTrainError,
    PermissionDeniedError,
    PreflightError,
    QuotaExceededError,
    QuotaLedgerError,
    RateLimitedError,
    RequestTimeoutError,
    ResponseError,
    ServerError,
    TLSError,
    TransportError,
    UnexpectedResponseError,
)
from opentrain_async.outcomes import OutcomeStatus as Status
from opentrain_async.outcomes._answer_table import (
    Ruling,
    is_bare_denial,
    is_decisive,
    is_transient,
    outcome_of,
    rule_on,
)

SCOPES = {"requiredScopes": ["jobs:write"]}
MODERATED = {"reason": "moderation_blocked", "reasons": ["spam"]}
TABLE: list[tuple[OpenTrainError, Status, bool, bool]] = [
    # error, outcome, retried, stops the run
    (UnexpectedResponseError(status=200, effect="unknown"), Status.UNKNOWN, True, False),
    (UnexpectedResponseError(status=299, effect="unknown"), Status.UNKNOWN, True, False),
    (UnexpectedResponseError(status=None, effect="unknown"), Status.UNKNOWN, True, False),
    (ResponseError(status=200, effect="unknown"), Status.UNKNOWN, True, False),
    (UnexpectedResponseError(status=300), Status.REJECTED, False, True),
    (UnexpectedResponseError(status=307), Status.REJECTED, False, True),
    (UnexpectedResponseError(status=399), Status.REJECTED, False, True),
    (BadRequestError(status=400), Status.REJECTED, False, False),
    (NotPublishReadyError(status=400), Status.REJECTED, False, False),
    (AuthenticationError(status=401), Status.REJECTED, False, True),
    (PermissionDeniedError(status=403), Status.REJECTED, False, False),
    (PermissionDeniedError(status=403, details=SCOPES), Status.REJECTED, False, True),
    (ModerationBlockedError(status=403, details=MODERATED), Status.REJECTED, False, False),
    (NotFoundError(status=404), Status.REJECTED, False, False),
    (ConflictError(status=409), Status.REJECTED, False, False),
    (APIError(status=418), Status.REJECTED, False, False),
    (QuotaExceededError(source="server"), Status.DEFERRED, False, False),
    (QuotaExceededError(source="ledger"), Status.DEFERRED, False, False),
    (RateLimitedError(status=429), Status.DEFERRED, True, False),
    (APIError(status=425), Status.DEFERRED, True, False),
    (APIError(status=408, effect="unknown"), Status.UNKNOWN, True, False),
    (ServerError(status=500, effect="unknown"), Status.UNKNOWN, True, False),
    (ServerError(status=501, effect="unknown"), Status.UNKNOWN, False, False),
    (ServerError(status=503, effect="unknown"), Status.UNKNOWN, True, False),
    (ServerError(status=505, effect="unknown"), Status.UNKNOWN, False, False),
    (ServerError(status=599, effect="unknown"), Status.UNKNOWN, True, False),
    (ConnectError(), Status.NOT_SENT, True, False),
    (TLSError(), Status.NOT_SENT, False, True),
    (RequestTimeoutError(effect="unknown"), Status.UNKNOWN, True, False),
    (ConnectionLostError(effect="unknown"), Status.UNKNOWN, True, False),
    (TransportError(effect="unknown"), Status.UNKNOWN, True, False),
    (QuotaLedgerError(), Status.NOT_SENT, False, True),
    (JournalError(), Status.NOT_SENT, False, True),
    (ClientClosedError(), Status.NOT_SENT, False, True),
    (PreflightError(), Status.REJECTED, False, False),
    (PreflightError(details=SCOPES), Status.REJECTED, False, True),
    (ClaimError(status=400), Status.REJECTED, False, False),
    (DraftIncompleteError(), Status.REJECTED, False, False),
    (ConfigurationError(), Status.REJECTED, False, False),
    (OpenTrainError(), Status.REJECTED, False, False),
]
IDS = [f"{type(row[0]).__name__} {getattr(row[0], 'status', '')}".strip() for row in TABLE]


@pytest.mark.parametrize(("error", "outcome", "retried", "stops_run"), TABLE, ids=IDS)
def test_each_answer_has_its_row(error: OpenTrainError, outcome: Status, retried: bool, stops_run: bool) -> None:
    """What it means is said once, and the two questions asked of it have the row's answer."""
    assert rule_on(error) == Ruling(outcome, retried=retried, stops_run=stops_run)
    assert is_transient(error) is retried
    assert outcome_of(error) is outcome


@pytest.mark.parametrize("error", [row[0] for row in TABLE], ids=IDS)
def test_in_doubt_every_draft_is_unknown(error: OpenTrainError) -> None:
    """An earlier attempt that may have published it outweighs the class of the last answer."""
    doubtful = type(error)("later")
    doubtful.effect = "unknown"
    assert outcome_of(doubtful) is Status.UNKNOWN


@pytest.mark.parametrize("error", [row[0] for row in TABLE], ids=IDS)
def test_two_answers_prove_that_a_draft_is_not_live(error: OpenTrainError) -> None:
    """Gaps and moderation are found of drafts only; any other refusal may be of a job that is live."""
    assert is_decisive(error) is (type(error) in {NotPublishReadyError, ModerationBlockedError})


@pytest.mark.parametrize(
    ("error", "is_bare"),
    [
        (PermissionDeniedError(), True),
        (PermissionDeniedError(details={"requiredScopes": []}), True),
        (PermissionDeniedError(details={"other": 1}), True),
        (PermissionDeniedError(details=SCOPES), False),
        (PermissionDeniedError(details={"requiredScopes": "jobs:write"}), False),
        (PermissionDeniedError(details={"reason": "account_claim_required"}), False),
        (ModerationBlockedError(details=MODERATED), False),
        (AuthenticationError(), False),
        (None, False),
    ],
)
def test_a_bare_denial_names_neither_scope_nor_reason(error: OpenTrainError | None, is_bare: bool) -> None:
    """One may be of the draft; only those that give no ground at all are suspected to be of the feature."""
    assert is_bare_denial(error) is is_bare


def test_every_error_class_is_in_the_table() -> None:
    """A class that is added needs a row of its own."""
    classes, found = [OpenTrainError], set[type[OpenTrainError]]()
    while classes:
        kind = classes.pop()
        classes += kind.__subclasses__()
        found |= {kind} if kind.__module__.startswith("opentrain_async.errors") else set()
    assert found == {type(row[0]) for row in TABLE}
