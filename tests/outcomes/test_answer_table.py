"""The answer table: what each error means for the draft, the retry, the service, the slot and the run."""

from collections.abc import Mapping

import pytest
from attrs import evolve

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
    ContradictoryResponseError,
    DraftIncompleteError,
    JournalError,
    ModerationBlockedError,
    NotFoundError,
    NotPublishReadyError,
    OpenTrainError,
    PermissionDeniedError,
    PoolTimeoutError,
    PreflightError,
    QuotaExceededError,
    QuotaLedgerError,
    RateLimitedError,
    RequestTimeoutError,
    ResponseError,
    ServerError,
    SessionError,
    SessionHookError,
    TLSError,
    TransportError,
    TruncatedResponseError,
    UnexpectedResponseError,
)
from opentrain_async.models import PublishResult
from opentrain_async.outcomes import OutcomeStatus as Status
from opentrain_async.outcomes import _answer_table
from opentrain_async.outcomes._answer_table import (
    Ruling,
    effect_of,
    got_past,
    is_decisive,
    is_transient,
    outcome_of,
    outcome_of_result,
    rule_on,
)

SCOPES = {"requiredScopes": ["jobs:write"]}
MODERATED = {"reason": "moderation_blocked", "reasons": ["spam"]}
REFUSED = Ruling(Status.REJECTED, service="up")
AT_THE_THIRD = evolve(REFUSED, run="stops at the third")
STOPS = evolve(REFUSED, run="stops")
LOST = Ruling(Status.UNKNOWN, retried=True, service="down", may_be_live=True)
BUSY = Ruling(Status.DEFERRED, retried=True, service="busy")
IN_PROGRESS = Ruling(Status.UNKNOWN, retried=True, service="up", may_be_live=True)
NOBODY = Ruling(Status.REJECTED, run="stops")
PORTAL = Ruling(Status.UNKNOWN, may_be_live=True, run="stops")
NOT_SENT = Ruling(Status.NOT_SENT)


def conflict(**details: object) -> ConflictError:
    return ConflictError(status=409, details=details)


TABLE: list[tuple[OpenTrainError, Ruling]] = [
    (QuotaExceededError(source="server"), Ruling(Status.DEFERRED, service="up")),
    (QuotaExceededError(source="ledger"), Ruling(Status.DEFERRED, service="up")),
    (RateLimitedError(status=429), BUSY),
    (APIError(status=425), BUSY),
    (APIError(status=408), LOST),
    (ServerError(status=500), LOST),
    (ServerError(status=501), evolve(LOST, retried=False)),
    (ServerError(status=503), LOST),
    (ServerError(status=505), evolve(LOST, retried=False)),
    (ServerError(status=599), LOST),
    (AuthenticationError(status=401), NOBODY),
    *[(UnexpectedResponseError(status=status), NOBODY) for status in (301, 307, 308, 407)],
    *[(UnexpectedResponseError(status=status), PORTAL) for status in (300, 302, 303, 304, 399)],
    (UnexpectedResponseError(status=403), evolve(PORTAL, run="stops at the third")),
    *[(UnexpectedResponseError(status=status), LOST) for status in (400, 402, 404, 405, 409, 413, 423, 499)],
    *[(UnexpectedResponseError(status=status), LOST) for status in (None, 101, 200, 299, 600)],
    (ResponseError(status=200), LOST),
    *[(TruncatedResponseError(status=status), LOST) for status in (200, 403, 404)],
    (ContradictoryResponseError(status=200), Ruling(Status.UNKNOWN, retried=True, may_be_live=True)),
    (BadRequestError(status=400), REFUSED),
    (NotPublishReadyError(status=400), REFUSED),
    (ModerationBlockedError(status=403, details=MODERATED), REFUSED),
    (APIError(status=402), STOPS),
    (APIError(status=400, code="PAYMENT_REQUIRED"), STOPS),
    (PermissionDeniedError(status=403), AT_THE_THIRD),
    (PermissionDeniedError(status=403, details={"requiredScopes": []}), AT_THE_THIRD),
    (PermissionDeniedError(status=403, details={"reason": "account_suspended"}), AT_THE_THIRD),
    (PermissionDeniedError(status=403, details=SCOPES), STOPS),
    (PermissionDeniedError(status=403, details={"requiredScopes": "jobs:write"}), STOPS),
    (PreflightError(), AT_THE_THIRD),
    (PreflightError(details=SCOPES), STOPS),
    (NotFoundError(status=404), evolve(REFUSED, run="warns at the tenth")),
    *[(conflict(status=status), REFUSED) for status in ("ARCHIVED", "ONGOING", "COMPLETED")],
    (conflict(status="ARCHIVED", reason="busy"), REFUSED),
    *[(conflict(status=status), IN_PROGRESS) for status in ("DRAFT", "OPEN", "another")],
    (conflict(status="DRAFT", reason="busy"), IN_PROGRESS),
    (conflict(), IN_PROGRESS),
    (conflict(reason="publish_in_progress"), IN_PROGRESS),
    (conflict(reason="locked"), AT_THE_THIRD),
    (APIError(status=423), IN_PROGRESS),
    *[(APIError(status=status), REFUSED) for status in (405, 410, 418, 422)],
    (TLSError(), evolve(NOT_SENT, run="stops")),
    (SessionHookError(), evolve(NOT_SENT, run="stops at the third")),
    (PoolTimeoutError(), evolve(NOT_SENT, retried=True)),
    (ConnectError(), evolve(NOT_SENT, retried=True, service="down")),
    (RequestTimeoutError(), LOST),
    (ConnectionLostError(), LOST),
    (TransportError(), LOST),
    (SessionError(), evolve(NOT_SENT, run="stops")),
    (QuotaLedgerError(), evolve(NOT_SENT, run="stops")),
    (JournalError(), evolve(NOT_SENT, run="stops")),
    (ClientClosedError(), evolve(NOT_SENT, run="stops")),
    (ClaimError(status=400), REFUSED),
    (DraftIncompleteError(), Ruling(Status.REJECTED)),
    (ConfigurationError(), Ruling(Status.REJECTED)),
    (OpenTrainError(), Ruling(Status.REJECTED)),
]


def named(error: OpenTrainError) -> str:
    details: Mapping[str, object] = getattr(error, "details", {})
    return " ".join(map(str, [type(error).__name__, getattr(error, "status", ""), *details.values()]))


IDS = [named(error) for error, _ in TABLE]


@pytest.mark.parametrize(("error", "ruling"), TABLE, ids=IDS)
def test_each_answer_has_its_row(error: OpenTrainError, ruling: Ruling) -> None:
    """The first row that matches rules, and each reader of a column sees its cell."""
    assert rule_on(error) == ruling
    assert is_transient(error) is ruling.retried
    assert effect_of(error) == ("unknown" if ruling.may_be_live else "none")
    assert outcome_of(error) is ruling.outcome


@pytest.mark.parametrize("error", [row[0] for row in TABLE], ids=IDS)
def test_in_doubt_every_draft_is_unknown(error: OpenTrainError) -> None:
    """An earlier attempt that may have published it outweighs the class of the last answer."""
    doubtful = type(error)("later")
    doubtful.effect = "unknown"
    assert outcome_of(doubtful) is Status.UNKNOWN


@pytest.mark.parametrize("error", [row[0] for row in TABLE], ids=IDS)
def test_two_answers_prove_that_a_draft_is_not_live(error: OpenTrainError) -> None:
    """Missing fields and moderation are found of drafts only; any other refusal may be of a job that is live."""
    assert is_decisive(error) is (type(error) in {NotPublishReadyError, ModerationBlockedError})


@pytest.mark.parametrize("error", [row[0] for row in TABLE], ids=IDS)
def test_an_answer_about_the_draft_itself_has_got_past_the_refusals(error: OpenTrainError) -> None:
    """The quota, too, is looked at by the service only; the ledger's word is not an answer."""
    is_quota = isinstance(error, QuotaExceededError) and error.source == "server"
    assert got_past(error) is (is_quota or is_decisive(error))


@pytest.mark.parametrize(
    ("status", "already", "outcome"),
    [
        ("OPEN", False, Status.PUBLISHED),
        ("OPEN", True, Status.ALREADY_PUBLISHED),
        ("PENDING_APPROVAL", False, Status.PENDING),
        ("PENDING_APPROVAL", True, Status.PENDING),
        ("DRAFT", False, Status.PENDING),
        ("SCHEDULED", False, Status.PENDING),
        ("ONGOING", False, Status.ALREADY_PUBLISHED),
        ("COMPLETED", True, Status.ALREADY_PUBLISHED),
    ],
)
def test_a_result_is_told_by_the_jobs_status(status: str, already: bool, outcome: Status) -> None:
    """Only an open job is live; an unknown word is not taken for it."""
    result = PublishResult("job_1", already_published=already, status=status)
    assert outcome_of_result(result) is outcome
    assert result.is_live is (status == "OPEN")
    assert result.newly_published is (outcome is Status.PUBLISHED)


def test_a_new_row_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """One row more decides every question about an answer, and no other answer is ruled on differently."""
    row = _answer_table._row(ConflictError, evolve(IN_PROGRESS, run="stops"), {418})
    monkeypatch.setattr(_answer_table, "_TABLE", [row, *_answer_table._TABLE])
    error = ConflictError(status=418, details={"reason": "locked"})
    assert rule_on(error) == evolve(IN_PROGRESS, run="stops")
    assert is_transient(error)
    assert effect_of(error) == "unknown"
    assert [rule_on(other) for other, _ in TABLE] == [ruling for _, ruling in TABLE]


def test_every_error_class_is_in_the_table() -> None:
    """A class that is added needs a row of its own."""
    classes, found = [OpenTrainError], set[type[OpenTrainError]]()
    while classes:
        kind = classes.pop()
        classes += kind.__subclasses__()
        found |= {kind} if kind.__module__.startswith("opentrain_async.errors") else set()
    assert found == {type(row[0]) for row in TABLE}
