"""The command `post`: from a description to a live job."""

import json
import math
import sys
from pathlib import Path

import click

from .._answers import outcome_of, rule_on
from .._client import AsyncOpenTrain
from .._text import one_line
from ..errors import ConfigurationError, DraftIncompleteError, OpenTrainError
from ..models import Draft, PublishResult
from ..outcomes import OutcomeStatus, PublishOutcome, PublishReport
from ..quota import LedgerStore
from . import output
from .asking import Asker, answers_in
from .campaign import closing
from .common import client_of, json_option, ledger_option, status_of
from .signals import Interruption, exit_code, run


class Posting:
    """One posting, step by step, so that it can be told how far it got.

    Attributes:
        draft: The draft, once it was made.
    """

    def __init__(self, description: str, asker: Asker, *, external_id: str | None, key: str | None) -> None:
        self.draft: Draft | None = None
        self._description = description
        self._asker = asker
        self._external_id = external_id
        self._key = key

    async def run(self, client: AsyncOpenTrain, ledger: LedgerStore, max_wait: float) -> PublishResult:
        """Create the draft, fill its gaps, publish it."""
        async with closing(ledger), client:
            self.draft = await client.create_draft(
                self._description, external_id=self._external_id, idempotency_key=self._key
            )
            self.draft = await client.fill_gaps(self.draft, self._asker)
            return await client.publish(self.draft.job_id, max_wait=max_wait)


@click.command()
@click.option(
    "--file",
    "source",
    type=click.Path(dir_okay=False, exists=True, allow_dash=True),
    default="-",
    show_default=True,
    help="The description, from this file, or from stdin if it is '-'.",
)
@click.option(
    "--answers",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Answers for the gaps: a JSON object of the names of fields and their values.",
)
@click.option("--external-id", metavar="TEXT", help="A label of yours for the job.")
@click.option("--idempotency-key", "key", metavar="TEXT", help="Go on with the draft that was made with this key.")
@click.option(
    "--max-wait",
    type=click.FloatRange(min=0),
    default=0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the quota's window to free a slot.",
)
@click.option("--wait", is_flag=True, help="Wait for the window as long as it takes.")
@json_option
@ledger_option
@click.pass_context
def post(
    ctx: click.Context,
    source: str,
    answers: Path | None,
    external_id: str | None,
    key: str | None,
    max_wait: float,
    wait: bool,
    as_json: bool,
    ledger: LedgerStore,
) -> None:
    """Post a job: create a draft from a description, fill its gaps, and publish it.

    What the description leaves open is taken from --answers, or asked for: at the terminal, or line by line from stdin
    if the description does not come from there. What stops it later says how to go on with the same draft.

    \b
    Exit status:
      0    the job is live
      1    it is not: a gap without an answer, refused, or no quota
      2    misuse
      3    it could not run: credentials, network, or the quota ledger
      130  Ctrl-C (143: SIGTERM)
    """  # noqa: D301 - \b is click's: what follows it is not wrapped
    takes_stdin = source == "-"
    if takes_stdin and sys.stdin.isatty():
        click.echo("Describe the job, then press Ctrl-D on a line of its own:", err=True)
    asker = Asker(answers_in(answers), asks=not takes_stdin)
    posting = Posting(_text_in(source), asker, external_id=external_id, key=key)
    client = client_of(ledger)
    try:
        outcome = _attempt(posting, client, ledger, math.inf if wait else max_wait)
    except Interruption as stopped:
        click.echo(f"Interrupted. {_how_to_go_on(posting) or 'A draft may have been made.'}", err=True)
        ctx.exit(exit_code(stopped))
    _tell(outcome, posting, as_json=as_json)
    if asker.unused:
        click.echo(f"Nobody asked for: {', '.join(map(one_line, asker.unused))}", err=True)
    stopped_by = outcome.error if outcome.error and rule_on(outcome.error).stops_run else None
    ctx.exit(status_of(PublishReport((outcome,), stopped_by)))


def _attempt(posting: Posting, client: AsyncOpenTrain, ledger: LedgerStore, max_wait: float) -> PublishOutcome:
    try:
        result = run(posting.run(client, ledger, max_wait))
    except ConfigurationError as error:
        raise click.UsageError(f"{error}{_draft_so_far(posting)}") from None
    except OpenTrainError as error:
        job_id = posting.draft.job_id if posting.draft else "-"
        return PublishOutcome(job_id, outcome_of(error), error=error.with_traceback(None))
    status = OutcomeStatus.PUBLISHED if result.newly_published else OutcomeStatus.ALREADY_PUBLISHED
    return PublishOutcome(result.job_id, status, result=result)


def _tell(outcome: PublishOutcome, posting: Posting, *, as_json: bool) -> None:
    error = outcome.error
    key = posting.draft.idempotency_key if posting.draft else error and error.idempotency_key
    if as_json:
        facts = json.loads(output.json_line(outcome))
        click.echo(json.dumps({**facts, "idempotency_key": key}))
    elif outcome.result is not None:
        click.echo(f"{outcome.job_id} is live: {one_line(outcome.result.job_url or 'the service gave no page')}")
    if error is None:
        return
    click.echo(f"Not live: {error}", err=True)
    if isinstance(error, DraftIncompleteError):
        for field in error.missing:
            choices = f" ({', '.join(map(one_line, field.choices))})" if field.choices else ""
            click.echo(f"  {one_line(field.field)}: {one_line(field.question)}{choices}", err=True)
    if told := _how_to_go_on(posting):
        click.echo(told, err=True)


def _how_to_go_on(posting: Posting) -> str:
    if posting.draft is None:
        return ""
    key = posting.draft.idempotency_key
    job_id = one_line(posting.draft.job_id)
    if posting.draft.publish_ready:
        return f"The draft is {job_id}, and complete: opentrain-async publish {job_id}"
    return f"The draft is {job_id}. The same command with --idempotency-key {key} goes on with it."


def _draft_so_far(posting: Posting) -> str:
    return f"\n{_how_to_go_on(posting)}" if posting.draft else ""


def _text_in(source: str) -> str:
    try:
        with click.open_file(source, encoding="utf-8-sig") as file:
            return str(file.read())
    except UnicodeDecodeError:
        raise click.UsageError("the description is not in UTF-8") from None
