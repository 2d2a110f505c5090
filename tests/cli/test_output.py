"""What the commands print: tables, and JSON lines."""

import ast
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opentrain_async._cli.views import output
from opentrain_async.errors import (
    ConfigurationError,
    ModerationBlockedError,
    NotPublishReadyError,
    QuotaExceededError,
    RateLimitedError,
)
from opentrain_async.outcomes import OutcomeStatus, PublishOutcome
from opentrain_async.sandbox import Fault, Sandbox

from ..support.command import environment, run
from ..support.fork_server import fork_server
from ..support.raw import HOSTILE, assert_harmless


async def test_the_rows_of_what_is_no_terminal_are_not_wrapped(sandbox: Sandbox) -> None:
    """A row stays one line, without blanks at its end, however narrow a terminal would be."""
    finished = await run("publish", "absent", sandbox=sandbox, env={"COLUMNS": "40"})
    row = next(line for line in finished.out.splitlines() if line.lstrip().startswith("absent"))
    assert row.endswith("-000000000001)")


async def test_json_is_one_object_a_line_and_nothing_else_is_on_stdout(sandbox: Sandbox) -> None:
    """Each outcome has the same six keys; the summary for the eye is on stderr."""
    sandbox.draft("good")
    sandbox.draft("later")
    sandbox.fault(Fault.STATUS, job_id="later", status=429, retry_after="7200")
    finished = await run("publish", "good", "absent", "later", "--json", "--concurrency", "1", sandbox=sandbox)
    good, absent, later = finished.outcomes
    assert finished.status == 1
    assert good == {
        "job_id": "good",
        "status": "published",
        "attempts": 1,
        "job_url": "https://app.opentrain.ai/jobs/good",
        "error": None,
        "retry_at": None,
    }
    assert absent["error"] == {
        "type": "NotFoundError",
        "message": "No such job.",
        "effect": "none",
        "request_id": "00000000-0000-4000-8000-000000000001",
    }
    assert (later["status"], str(later["retry_at"])[-6:]) == ("deferred", "+00:00")
    assert finished.err.splitlines()[-1] == "3 drafts: 1 published, 1 rejected, 1 deferred"


async def test_json_goes_to_stdout_beside_a_bar_on_the_terminal(sandbox: Sandbox, tmp_path: Path) -> None:
    """As with ``--json > outcomes``: rich leads what is written meanwhile to its own stream."""
    ids = [sandbox.draft() for _ in range(3)]
    env = {**environment(sandbox), "HOME": str(tmp_path), "TERM": "xterm"}
    async with fork_server() as server:
        shown = await server.run("publish", *ids, "--json", env=env, terminal="stderr")
    assert [json.loads(line)["job_id"] for line in shown.out.splitlines()] == ids
    assert b"3 of 3 done" in shown.err


def test_every_line_is_printed_where_it_is_escaped() -> None:
    """Only one module writes; the entry point says by itself what is missing for it."""
    folder = Path(output.__file__).parents[1]
    for path in set(folder.rglob("*.py")) - {Path(output.__file__), folder / "main.py"}:
        called = {
            ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
        }
        assert not called & {"print", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write"}, path


def test_F70_a_line_is_escaped_whatever_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    """By click, by rich, in a cell of a table, and as JSON; only a page is shown with its token, and whole."""
    rows = output.table_of_jobs()
    rows.add_row(HOSTILE)
    output.say(HOSTILE, HOSTILE)
    output.say(HOSTILE, err=True)
    output.print_rows(rows)
    output.stdout().print(HOSTILE)
    output.stderr().print("[red]:smile:[/red]", HOSTILE)
    output.print_json({HOSTILE: HOSTILE})
    shown = capsys.readouterr()
    assert_harmless(shown.out + shown.err + output.for_stderr(HOSTILE))
    assert shown.err.splitlines()[1].startswith("[red]:smile:[/red] ")
    output.say_whole("https://app.example/claim?token=ot_cat_8f2a91cd\x1b")
    assert capsys.readouterr().out == "https://app.example/claim?token=ot_cat_8f2a91cd\\x1b\n"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
async def test_an_id_cannot_paint_the_terminal(sandbox: Sandbox, encoding: str) -> None:
    """Markup, escape sequences and characters that the terminal lacks are shown as they are written."""
    ids = ["[red]x", "[/]", "a\x1b[31mb\n", "\u0416"]
    finished = await run("publish", *ids, sandbox=sandbox, env={"PYTHONIOENCODING": encoding})
    first_words = [line.strip(" |").split()[0] for line in finished.out.splitlines() if "not a job id" in line]
    last = "\u0416" if encoding == "utf-8" else "\\u0416"
    assert (finished.status, first_words) == (1, ["[red]x", "[/]", "a\\x1b[31mb\\n", last])


_AT = datetime(2030, 5, 6, 7, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (PublishOutcome("j", OutcomeStatus.NOT_SENT), ""),
        (PublishOutcome("j", OutcomeStatus.DEFERRED, error=QuotaExceededError("no", job_id="j")), "no quota"),
        (
            PublishOutcome("j", OutcomeStatus.UNKNOWN, error=QuotaExceededError("no", job_id="j", effect="unknown")),
            "no. The server may have published it: publish it again to find out, it is charged once.",
        ),
        (
            PublishOutcome("j", OutcomeStatus.DEFERRED, error=RateLimitedError("no", status=429), retry_at=_AT),
            "no. The server changed nothing. (HTTP 429) Not before 06 May 07:08 UTC.",
        ),
        (
            PublishOutcome("j", OutcomeStatus.REJECTED, error=NotPublishReadyError("no", job_id="j", status=400)),
            "no. The server changed nothing. Fill in what is missing, then publish again. (HTTP 400)",
        ),
        (
            PublishOutcome("j", OutcomeStatus.REJECTED, error=ModerationBlockedError("\x1b[0m", job_id="j")),
            "\\x1b[0m. The server changed nothing. Change the draft, then publish again.",
        ),
        (
            PublishOutcome("j", OutcomeStatus.NOT_SENT, error=ConfigurationError("no", job_id="k\n")),
            "the run had stopped at k\\n",
        ),
    ],
)
def test_what_is_in_the_way_of_a_draft_is_said_in_one_line(outcome: PublishOutcome, reason: str) -> None:
    """Briefly where the next step is plain, and otherwise with all there is to quote."""
    assert output.why(outcome) == reason
