"""The options and the exit status that the commands have in common."""

from pathlib import Path

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
from opentrain_async.sandbox import Sandbox

from ..support.command import run

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


async def test_a_tilde_is_the_home_folder_in_every_path_of_a_command(sandbox: Sandbox, tmp_path: Path) -> None:
    """Also where a shell leaves it alone; without a home folder it is misuse."""
    draft = sandbox.draft()
    (tmp_path / "ids").write_text(draft)
    (tmp_path / "text").write_text("Label 1,000 images of cats.")
    (tmp_path / "answers").write_text("{}")
    options = ("--file=~/ids", "--ledger=~/q.db", "--journal=~/run.jsonl")
    finished = await run("publish", *options, "--json", sandbox=sandbox, env={"HOME": str(tmp_path)})
    assert [line["status"] for line in finished.outcomes] == ["published"]
    posting = ("post", "--file=~/text", "--answers=~/answers", "--ledger=~/q.db")
    posted = await run(*posting, sandbox=sandbox, env={"HOME": str(tmp_path)})
    assert "does not exist" not in posted.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers", "ids", "q.db", "run.jsonl", "text"]
    for option in (*options, "--ledger=~no_such_user/q.db"):
        refused = await run("publish", draft, option, sandbox=sandbox, env={"HOME": ""})
        assert (refused.status, "the home folder is not known" in refused.err) == (2, True), refused.err
