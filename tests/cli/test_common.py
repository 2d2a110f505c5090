"""What the commands have in common: their exit status."""

import pytest

from opentrain_async._cli.common import status_of
from opentrain_async.errors import (
    AuthenticationError,
    ConnectError,
    OpenTrainError,
    PermissionDeniedError,
    QuotaLedgerError,
    TLSError,
)
from opentrain_async.outcomes import OutcomeStatus, PublishOutcome, PublishReport

_PUBLISHED, _NOT_SENT, _REJECTED = OutcomeStatus.PUBLISHED, OutcomeStatus.NOT_SENT, OutcomeStatus.REJECTED


def _report(stopped_by: OpenTrainError | None, *statuses: OutcomeStatus) -> PublishReport:
    return PublishReport(tuple(PublishOutcome(str(n), status) for n, status in enumerate(statuses)), stopped_by)


@pytest.mark.parametrize(
    ("report", "status"),
    [
        (_report(None, _PUBLISHED, OutcomeStatus.ALREADY_PUBLISHED), 0),
        *[(_report(None, _PUBLISHED, other), 1) for other in list(OutcomeStatus)[2:]],
        (_report(None, _NOT_SENT, _NOT_SENT), 3),
        (_report(ConnectError("no"), _NOT_SENT), 3),
        (_report(AuthenticationError("no"), _PUBLISHED, _REJECTED), 3),
        (_report(TLSError("no"), _PUBLISHED, _NOT_SENT), 3),
        (_report(QuotaLedgerError("no"), _PUBLISHED, _NOT_SENT), 3),
        (_report(PermissionDeniedError("no"), _REJECTED, _NOT_SENT), 1),
    ],
)
def test_the_exit_status_follows_from_the_report(report: PublishReport, status: int) -> None:
    """0: all live; 1: some not; 3: it could not run."""
    assert status_of(report) == status
