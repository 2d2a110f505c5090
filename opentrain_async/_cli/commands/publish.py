"""The command `publish`: many drafts, within the quota."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import click

from ..._base.fenced_log import logger
from ..._client.client import AsyncOpenTrain
from ...errors import (
    APIError,
    ConfigurationError,
    JournalError,
    RateLimitedError,
    ResponseError,
    TransportError,
)
from ...outcomes import PublishOutcome
from ...outcomes._answer_table import is_transient
from ...quota import LedgerStore
from ..campaign import Campaign, PublishOptions
from ..common import (
    SOME_NOT,
    CannotRunError,
    again_option,
    client_of,
    ledger_option,
    max_wait_option,
    seconds_of,
    status_of,
    wait_option,
)
from ..ids import all_drafts_option, file_option, ids_wanted
from ..signals import Interruption, exit_code, run
from ..views import output, progress_bar

_MAY_BE_LIVE = "Drafts that had been begun may be live."
_ONCE_MORE = "Run the same command again: none is charged twice."


@click.command()
@click.argument("ids", nargs=-1)
@file_option
@all_drafts_option
@click.option(
    "--preflight",
    is_flag=True,
    help="Ask first whether publishing is switched on and the token may do it; if not, stop.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="How many at once; no more than 100 are.",
)
@max_wait_option
@wait_option
@click.option(
    "--outage-patience",
    type=click.FloatRange(min=0),
    default=900,
    show_default=True,
    metavar="SECONDS",
    help="How long the run is held while the service is down.",
)
@click.option(
    "--journal",
    type=click.Path(path_type=Path),
    help="Write each outcome down in this file as it comes, and resume from it: drafts that are live, not ready, or "
    "blocked by moderation are left out.",
)
@again_option
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object a line to stdout, as the outcomes come.")
@ledger_option
@click.pass_context
def publish(
    ctx: click.Context,
    ids: tuple[str, ...],
    source: TextIO | None,
    all_drafts: bool,
    preflight: bool,
    concurrency: int,
    max_wait: float,
    wait: bool,
    outage_patience: float,
    journal: Path | None,
    again: bool,
    as_json: bool,
    ledger: LedgerStore,
) -> None:
    """Publish the drafts with these IDS, within the account's daily quota.

    It can be repeated safely: a job that is live stays so, and is charged once. With --journal or --wait Ctrl-C and
    SIGTERM stop it in good order: no more drafts are taken, and what is being sent comes to its end.

    The API token is taken from OT_API_TOKEN or OPENTRAIN_API_TOKEN, or from opentrain/cli.json in XDG_CONFIG_HOME or
    ~/.config, and the base URL from OT_API_BASE_URL, OPENTRAIN_API_BASE_URL or OPENTRAIN_BASE_URL, or from the same
    file. A saved token is sent only to the origin that its file names. A token is no option: what is on a command line
    can be read by others.

    \b
    Exit status:
      0    every draft is live
      1    some are not, be they only pending; or it was stopped gracefully
      2    misuse
      3    it could not run: credentials, network, the quota ledger, or the journal
      130  Ctrl-C (143: SIGTERM)
    """  # noqa: D301 - \b is click's: what follows it is not wrapped
    wanted = ids_wanted(ids, source, all_drafts=all_drafts)
    if not wanted:
        output.say("There are no drafts.", err=True)
        return
    max_wait = seconds_of(max_wait, wait=wait)
    options = PublishOptions(wanted, concurrency, max_wait, outage_patience, journal, preflight=preflight, again=again)
    client = client_of(ledger)
    with progress_bar.watching(draws=not (as_json and sys.stdout.isatty())) as watch:
        campaign = Campaign(options, ledger, _write_json if as_json else _keep_quiet, watch.show)
        interruption = _run(campaign, client, watch, is_gentle=wait or journal is not None)
    if not as_json:
        output.print_report(campaign.report)
    if told := _how_it_ended(campaign, interruption, as_json=as_json):
        output.say(told, err=True)
    if interruption is not None:
        ctx.exit(exit_code(interruption))
    ctx.exit(SOME_NOT if campaign.is_stopped and campaign.left else status_of(campaign.report))


def _write_json(outcome: PublishOutcome) -> None:
    output.print_json(output.facts_of(outcome))


def _keep_quiet(_outcome: PublishOutcome) -> None:
    """The table tells of it."""


def _run(
    campaign: Campaign, client: AsyncOpenTrain, watch: progress_bar.ProgressView, *, is_gentle: bool
) -> Interruption | None:
    """Run to the end; return what interrupted it, if it was not stopped gracefully."""

    def stop() -> None:
        campaign.stop()
        with suppress(OSError):  # nobody may be there any more to be told
            watch.say(
                f"Stopping: no more drafts are taken, what is being sent has {campaign.options.grace:g} s. "
                "Once more ends it at once."
            )

    # The report tells what became of the drafts; without a handler each retry would be a line on stderr.
    logger.keep_off_stderr()
    try:
        run(campaign.run(client), stop if is_gentle else None)
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from None
    except (JournalError, APIError, TransportError, ResponseError) as error:
        raise CannotRunError(str(error)) from None
    except Interruption as stopped:
        return stopped
    return None


def _how_it_ended(campaign: Campaign, interruption: Interruption | None, *, as_json: bool) -> str:
    """Return what the table does not say: why the run ended early, and how to resume it."""
    report, wanted = campaign.report, len(campaign.options.ids)
    if interruption is not None:
        return f"Interrupted after {len(report.outcomes)} of {wanted}. {_MAY_BE_LIVE} {_ONCE_MORE}"
    if campaign.is_stopped:
        return f"Stopped, and {campaign.left} of {wanted} are left. {_ONCE_MORE}"
    if as_json:
        return str(report)
    if report.stopped_by is None:
        return f"{campaign.earlier} of them are from earlier runs, by the journal." if campaign.earlier else ""
    patience = campaign.options.outage_patience
    met = "nothing but 429" if isinstance(report.stopped_by, RateLimitedError) else "no answer"
    why = f", as there was {met} for {patience:g} s" if is_transient(report.stopped_by) else ""
    return f"The run stopped{why}: {report.stopped_by}"
