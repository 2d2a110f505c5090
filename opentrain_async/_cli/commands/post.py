"""The command `post`: from a description to a live job."""

import math
import shlex
import sys
import uuid
from pathlib import Path
from typing import TextIO, cast

import click

from ..._base.text import one_line
from ..._client.client import AsyncOpenTrain
from ...errors import (
    ConfigurationError,
    DraftIncompleteError,
    ModerationBlockedError,
    NotPublishReadyError,
    OpenTrainError,
)
from ...models import Draft, PublishResult
from ...outcomes import PublishOutcome, PublishReport
from ...outcomes._answer_table import outcome_of, outcome_of_result, rule_on
from ...quota import LedgerStore
from ..campaign import closing
from ..common import (
    HomePath,
    client_of,
    json_option,
    ledger_option,
    max_wait_option,
    seconds_of,
    status_of,
    wait_option,
)
from ..signals import Interruption, exit_code, run
from ..views import output
from ..views.prompts import Asker, answers_in, choices_of


class PostJob:
    """One posting, step by step, so that it can be told how far it got.

    Attributes:
        draft: The draft, once it was made.
        key: The key with which it is made, whatever becomes of that.
    """

    def __init__(self, description: str, asker: Asker, *, external_id: str | None, key: str | None) -> None:
        self.draft: Draft | None = None
        self._description = description
        self._asker = asker
        self._external_id = external_id
        self.key = str(uuid.uuid4()) if key is None else key

    async def run(self, client: AsyncOpenTrain, ledger: LedgerStore, max_wait: float) -> PublishResult:
        """Create the draft, fill in its missing fields, publish it."""
        async with closing(ledger), client:
            self.draft = await client.create_draft(
                self._description, external_id=self._external_id, idempotency_key=self.key
            )
            self.draft = await client.fill_gaps(self.draft, self._asker)
            return await client.publish(self.draft.job_id, max_wait=max_wait)


@click.command()
@click.option(
    "--file",
    "source",
    type=HomePath(dir_okay=False, exists=True, allow_dash=True),
    default="-",
    show_default=True,
    help="The description, from this file, or from stdin if it is '-'.",
)
@click.option(
    "--answers",
    type=HomePath(path_type=Path, dir_okay=False, exists=True),
    help="Answers for the gaps: a JSON object of the names of fields and their values.",
)
@click.option("--external-id", metavar="TEXT", help="A label of yours for the job.")
@click.option("--idempotency-key", "key", metavar="TEXT", help="Go on with the draft that was made with this key.")
@max_wait_option
@wait_option
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
      1    it is not: a missing field without an answer, refused, pending, or no quota
      2    misuse
      3    it could not run: credentials, network, or the quota ledger
      130  Ctrl-C (143: SIGTERM)
    """  # noqa: D301 - \b is click's: what follows it is not wrapped
    if math.isnan(max_wait):
        raise click.UsageError("--max-wait has to be a number of seconds")
    max_wait = seconds_of(max_wait, wait=wait)
    takes_stdin, stdin = source == "-", cast("TextIO | None", sys.stdin)
    if stdin is None and takes_stdin:
        raise click.UsageError("stdin is closed, so there is no description; --file names one")
    is_terminal = stdin is not None and stdin.isatty()
    if takes_stdin and is_terminal:
        output.say("Describe the job, then press Ctrl-D on a line of its own:", err=True)
    asker = Asker(answers_in(answers), asks=is_terminal or (stdin is not None and not takes_stdin))
    post_job = PostJob(_text_in(source), asker, external_id=external_id, key=key)
    client = client_of(ledger)
    try:
        outcome = _attempt(post_job, client, ledger, max_wait)
    except Interruption as stopped:
        output.say(f"Interrupted. {_how_to_go_on(post_job)}", err=True)
        ctx.exit(exit_code(stopped))
    _print(outcome, post_job, as_json=as_json)
    if asker.unused:
        output.say(f"A draft has no such field: {', '.join(asker.unused)}", err=True)
    stopped_by = outcome.error if outcome.error and rule_on(outcome.error).run == "stops" else None
    ctx.exit(status_of(PublishReport((outcome,), stopped_by)))


def _attempt(post_job: PostJob, client: AsyncOpenTrain, ledger: LedgerStore, max_wait: float) -> PublishOutcome:
    try:
        result = run(post_job.run(client, ledger, max_wait))
    except ConfigurationError as error:
        raise click.UsageError(f"{error}{_draft_so_far(post_job)}") from None
    except OpenTrainError as error:
        job_id = post_job.draft.job_id if post_job.draft else "-"
        retry_at = getattr(error, "retry_at", None)
        return PublishOutcome(job_id, outcome_of(error), error=error.with_traceback(None), retry_at=retry_at)
    return PublishOutcome(result.job_id, outcome_of_result(result), result=result)


def _print(outcome: PublishOutcome, post_job: PostJob, *, as_json: bool) -> None:
    error = outcome.error
    if as_json:
        facts = output.facts_of(outcome)
        del facts["attempts"]
        job_id = post_job.draft.job_id if post_job.draft else None
        output.print_json({**facts, "job_id": job_id, "idempotency_key": post_job.key})
    elif outcome.result is not None:
        page = outcome.result.job_url or "the service gave no page"
        output.say(f"{outcome.job_id} {state_of(outcome.result)}: {page}")
    if error is None:
        return
    output.say(f"Not live: {error}", err=True)
    if isinstance(error, DraftIncompleteError | NotPublishReadyError):
        for field in error.missing if isinstance(error, DraftIncompleteError) else error.validation.missing_fields:
            output.say(f"  {one_line(field.field)}: {one_line(field.question)}{choices_of(field)}", err=True)
    if post_job.draft or error.effect == "unknown":
        output.say(_how_to_go_on(post_job, error), err=True)


def state_of(result: PublishResult) -> str:
    """Return what to say of a job that was published."""
    if result.is_pending:
        return f"is accepted and not live yet ({one_line(result.status)})"
    if result.has_ended:
        return f"was live before, and is {one_line(result.status)} now"
    return "is live" if result.newly_published else "is live, and was before"


def _how_to_go_on(post_job: PostJob, error: OpenTrainError | None = None) -> str:
    again = f"The same command with --idempotency-key {shlex.quote(post_job.key)} goes on with it."
    if post_job.draft is None:
        return f"A draft may have been made. {again}"
    job_id = post_job.draft.job_id
    if isinstance(error, ModerationBlockedError):
        return f"The draft is {job_id}. Once it is changed, on the site or in Python: opentrain-async publish {job_id}"
    if post_job.draft.publish_ready and not isinstance(error, NotPublishReadyError):
        return f"The draft is {job_id}, and complete: opentrain-async publish {job_id}"
    return f"The draft is {job_id}. {again}"


def _draft_so_far(post_job: PostJob) -> str:
    return f" {_how_to_go_on(post_job)}" if post_job.draft else ""


def _text_in(source: str) -> str:
    try:
        with click.open_file(source, encoding="utf-8-sig") as file:
            return str(file.read())
    except UnicodeDecodeError:
        raise click.UsageError("the description is not in UTF-8") from None
