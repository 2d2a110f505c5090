"""Print for people, by click and by rich, and JSON lines for programs.

Whatever is printed is escaped at one of the ways out: `say`, `print_json`, and a console's `render_str`. Consoles read
no markup. A foreign word is cut before where more of the sentence follows.
"""

import io
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TextIO, cast

import click
from rich import box
from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from ..._base.clock import iso
from ..._base.json import encode
from ..._base.text import SENTENCE, escaped, one_line
from ...errors import ModerationBlockedError, NotPublishReadyError, OpenTrainError, QuotaExceededError
from ...outcomes import OutcomeStatus, PublishOutcome, PublishReport

_STYLES: Mapping[OutcomeStatus, str] = {
    OutcomeStatus.PUBLISHED: "green",
    OutcomeStatus.ALREADY_PUBLISHED: "cyan",
    OutcomeStatus.PENDING: "blue",
    OutcomeStatus.REJECTED: "red",
    OutcomeStatus.DEFERRED: "yellow",
    OutcomeStatus.NOT_SENT: "bright_black",
    OutcomeStatus.UNKNOWN: "magenta",
}
_UNWRAPPED = 10_000
"""Columns of what is no terminal: there a row stays on its line, for grep and for editors."""


class _Plain(Console):
    """A console that shows every string as it is but for what is escaped, and leaves a broken pipe to the command."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(
            file=stream, markup=False, emoji=False, highlight=False, width=None if stream.isatty() else _UNWRAPPED
        )

    def render_str(self, text: str, *, style: str | Style = "", **_: Any) -> Text:
        """Make a line of a string. What is printed and each cell of a table comes here, before it is measured."""
        return Text(one_line(text, SENTENCE), style)

    def on_broken_pipe(self) -> None:
        """Rich would exit here with 1, which has another meaning in this command line; so the error is raised again."""
        raise


def say(*lines: str, err: bool = False) -> None:
    """Print lines, whatever is in them."""
    for line in lines:
        _echo(one_line(line, SENTENCE), err=err)


def say_whole(*lines: str) -> None:
    """Print lines that are shown whole, with the token that is in them."""
    for line in lines:
        _echo(escaped(line))


def print_json(value: object) -> None:
    """Print a value as one line of JSON on stdout, and flush it: a program may follow the run."""
    _echo(encode(value))


def for_stderr(text: str) -> str:
    """Return a line for what click itself writes to stderr, such as a question; it is escaped and cut."""
    return _fitting(one_line(text, SENTENCE), sys.stderr)


def _echo(line: str, *, err: bool = False) -> None:
    # Without naming the stream: beside a progress bar `sys.stdout` writes to the bar's console, and click does not.
    click.echo(_fitting(line, sys.stderr if err else sys.stdout), err=err)


def _fitting(line: str, stream: TextIO | None) -> str:
    """Return a line with everything escaped that the stream's encoding lacks: click would write UTF-8 all the same."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return line.encode(encoding, "backslashreplace").decode(encoding)


def stdout() -> Console:
    """For results."""
    return _Plain(sys.stdout)


def stderr() -> Console:
    """For whatever else there is to say; to nobody, where it is closed."""
    return _Plain(cast("TextIO | None", sys.stderr) or io.StringIO())


def print_table(outcomes: Iterable[PublishOutcome], answers: Mapping[str, str] | None = None) -> None:
    """Print the outcomes on stdout, for the eye.

    Args:
        outcomes: The outcomes, one a row.
        answers: By job id what the service answered, to be shown in place of where the job is to be seen.
    """
    shown = table_of_jobs()
    shown.add_column("Outcome", no_wrap=True)
    shown.add_column("Tries", justify="right")
    if answers is not None:
        shown.add_column("Answers", overflow="fold")
    shown.add_column("Why, or when to come back" if answers is not None else "Details", overflow="fold")
    for outcome in outcomes:
        status = Text(words(outcome.status), _STYLES[outcome.status])
        if answers is None:
            result = outcome.result
            more = [result.job_url or "" if result is not None and result.is_live else why(outcome)]
        else:
            more = [answers.get(outcome.job_id, ""), why(outcome)]
        shown.add_row(outcome.job_id, status, str(outcome.attempts), *more)
    print_rows(shown)


def print_report(report: PublishReport) -> None:
    """Print the outcomes of a report on stdout, and their counts; nothing where there are none."""
    if report.outcomes:
        print_table(report.outcomes)
        stdout().print(counts(report.outcomes))


def table_of_jobs() -> Table:
    """An empty table with a column of job ids, to which others are added."""
    table = empty_table()
    table.add_column("Job", overflow="fold", min_width=6)
    return table


def empty_table() -> Table:
    """A table as all of ours look, without a column."""
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))


def print_rows(table: Table) -> None:
    """Print a table on stdout; off a terminal each row on its line, without blanks at its end."""
    console = stdout()
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    # One long row would have every other one padded to its length.
    for line in captured.get().split("\n")[:-1]:
        _echo(line.rstrip())


def counts(outcomes: Iterable[PublishOutcome]) -> str:
    """How many drafts have which outcome, in a line."""
    return str(PublishReport(tuple(outcomes)))


def why(outcome: PublishOutcome) -> str:
    """What is in the way of a draft that is not known to be live, and until when."""
    error, until = outcome.error, outcome.retry_at and when(outcome.retry_at)
    if outcome.result is not None and not outcome.result.is_live:
        return f"the job is {one_line(outcome.result.status)}" + (f"; look again at {until}" if until else "")
    if error is None:
        return ""
    if isinstance(error, QuotaExceededError) and error.effect == "none":
        return f"no quota until {until}" if until else "no quota"
    reason = _reason(error, outcome.job_id)
    return f"{reason} Not before {until}." if until else reason


def when(at: datetime) -> str:
    """A time for the eye. In UTC: the zone of a machine in a cloud is anybody's guess."""
    return f"{at:%d %b %H:%M} UTC"


def facts_of(outcome: PublishOutcome) -> dict[str, object]:
    """The outcome as JSON has it."""
    error = outcome.error
    return {
        "job_id": outcome.job_id,
        "status": outcome.status.value,
        "attempts": outcome.attempts,
        "job_url": None if outcome.result is None else outcome.result.job_url,
        "error": None if error is None else _json_error(error),
        "retry_at": iso(outcome.retry_at),
    }


def _json_error(error: OpenTrainError) -> Mapping[str, object]:
    return {
        "type": type(error).__name__,
        "message": error.message,
        "effect": error.effect,
        "request_id": getattr(error, "request_id", None),
    }


def _reason(error: OpenTrainError, job_id: str) -> str:
    """Short where the next step is plain; otherwise all that there is to quote to somebody who can help."""
    match error:
        case NotPublishReadyError() if error.validation.missing_fields:
            return one_line("fill in " + ", ".join(item.field for item in error.validation.missing_fields))
        case ModerationBlockedError() if error.reasons:
            return one_line("blocked by moderation: " + " ".join(error.reasons))
        case OpenTrainError(job_id=str(other)) if other != job_id:
            return f"the run had stopped at {one_line(other)}"
        case _:
            return str(error).removeprefix(f"{one_line(job_id)}: ")


def words(status: OutcomeStatus) -> str:
    """A status for the eye."""
    return status.replace("_", " ")
