"""Outcomes, reports and progress as values."""

import copy
import pickle

import attrs
import pytest

from opentrain_async.errors import ConfigurationError, NotFoundError, QuotaExceededError
from opentrain_async.models import MissingField, PublishResult, SideEffects, Validation
from opentrain_async.outcomes import OutcomeStatus, PublishOutcome, PublishReport

from ..support.cases import kind_of

RESULT = PublishResult("job_1", already_published=False, body=b'{"jobId": "job_1", "more": [1]}')
REPORT = PublishReport((
    PublishOutcome("job_1", OutcomeStatus.PUBLISHED, result=RESULT, attempts=1),
    PublishOutcome("job_2", OutcomeStatus.REJECTED, error=NotFoundError("gone", status=404), attempts=1),
    PublishOutcome("job_3", OutcomeStatus.ALREADY_PUBLISHED, result=RESULT, attempts=1),
    PublishOutcome("job_4", OutcomeStatus.DEFERRED, error=QuotaExceededError("full")),
    PublishOutcome("job_5", OutcomeStatus.PUBLISHED, result=RESULT, attempts=2),
))  # fmt: skip
VALUES = [
    RESULT,
    SideEffects(True, "queued"),
    MissingField("rate", raw={"field": "rate"}),
    Validation(False),
    REPORT.outcomes[0],
]


@pytest.mark.parametrize("value", VALUES, ids=kind_of)
def test_a_value_is_frozen_and_travels(value: attrs.AttrsInstance) -> None:
    """It cannot be changed, and comes out of a pickle or a copy as it went in."""
    name = attrs.fields(type(value))[0].name
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(value, name, None)
    for other in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):  # noqa: S301
        assert other == value
        assert attrs.astuple(other) == attrs.astuple(value)


def test_a_report_counts_every_status() -> None:
    """One that nothing has become of is counted as 0."""
    assert REPORT.counts == {
        "published": 2, "already_published": 1, "pending": 0, "rejected": 1, "deferred": 1, "not_sent": 0, "unknown": 0,
    }  # fmt: skip


@pytest.mark.parametrize("status", OutcomeStatus)
def test_a_report_has_a_property_for_each_status(status: OutcomeStatus) -> None:
    """It holds the outcomes of that status, in the order in which they came."""
    report = PublishReport(tuple(PublishOutcome(f"{kind}_{n}", kind) for n in range(2) for kind in OutcomeStatus))
    assert [outcome.job_id for outcome in getattr(report, status.value)] == [f"{status}_0", f"{status}_1"]


def test_a_report_reads_as_a_sentence() -> None:
    """What is 0 is left out of it, and what stopped the run is at its end."""
    assert str(REPORT) == "5 drafts: 2 published, 1 already published, 1 rejected, 1 deferred"
    assert str(PublishReport()) == "0 drafts: nothing to do"
    assert str(attrs.evolve(REPORT, stopped_by=ConfigurationError("no\nway"))) == (
        "5 drafts: 2 published, 1 already published, 1 rejected, 1 deferred; stopped by <ConfigurationError: no\\nway>"
    )


def test_a_report_of_one_draft_is_of_one_draft() -> None:
    """The plural begins at two."""
    assert str(PublishReport((REPORT.outcomes[0],))) == "1 draft: 1 published"


def test_a_report_raises_what_stands_against_it() -> None:
    """All of the errors at once, in the order of the outcomes, and nothing where every draft is live."""
    with pytest.raises(ExceptionGroup) as caught:
        REPORT.raise_for_failures()
    assert caught.value.message == str(REPORT)
    assert caught.value.exceptions == (REPORT.outcomes[1].error, REPORT.outcomes[3].error)
    PublishReport((REPORT.outcomes[0], REPORT.outcomes[2])).raise_for_failures()
    PublishReport().raise_for_failures()
