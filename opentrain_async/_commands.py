"""The commands: what they take, what they write where, and with what they exit."""

import asyncio
import io
import logging
import math
import os
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO, TypeVar, cast

import click

from . import _demo, _quota, _schedule, _show, _watch
from ._answers import is_transient
from ._campaign import Campaign, Orders, closing
from ._client import AsyncOpenTrain
from ._signals import Interruption, exit_code, run
from ._text import one_line
from ._version import __version__
from .errors import AuthenticationError, ConfigurationError, JournalError, OpenTrainError, QuotaLedgerError, TLSError
from .outcomes import OutcomeStatus, PublishOutcome, PublishReport
from .quota import LedgerStore, MemoryLedger, RedisLedger, SQLiteLedger
from .sandbox import Sandbox

T = TypeVar("T")

_ALL_PUBLISHED, _SOME_NOT, _COULD_NOT_RUN = 0, 1, 3
_NOBODY_READS = 128 + 13
"""As if SIGPIPE had ended it, which Python leaves out in favour of an error."""
_LIVE = {OutcomeStatus.PUBLISHED, OutcomeStatus.ALREADY_PUBLISHED}
_MAY_BE_LIVE = "Drafts that had been begun may be live."
_ONCE_MORE = "Run the same command again: none is charged twice."


class CannotRunError(click.ClickException):
    """The command could not do its work; told in one line."""

    exit_code = _COULD_NOT_RUN


class _Commands(click.Group):
    """A group that ends without a traceback when it is interrupted, or when nobody reads what it writes."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            click.echo("Interrupted.", err=True)
            ctx.exit(exit_code(stop))
        except BrokenPipeError:
            _forget_stdout()
            ctx.exit(_NOBODY_READS)
        except OSError as error:
            _forget_stdout()
            raise CannotRunError(one_line(error.strerror or error)) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="opentrain-async")
def main() -> None:
    """Publish many OpenTrain drafts at once, and know for every draft what happened.

    New here? `opentrain-async demo` shows it all, and nothing leaves this machine.
    """
    if cast("TextIO | None", sys.stdout) is None:
        raise click.UsageError("stdout is closed, so nobody would learn what was done; >/dev/null is how to ignore it")
    # A terminal that lacks a character of a job's text must not cost the report of what was published.
    with suppress(AttributeError):  # of a stream that somebody put in its place
        cast("io.TextIOWrapper", sys.stdout).reconfigure(errors="backslashreplace")


@main.command()
def demo() -> None:
    """Publish 30 drafts to a sandbox on this machine: with gaps, faults, and more of them than the quota has room for.

    Takes a few seconds and needs no account.
    """
    _demo.show(run(_demo.play()))


def _ledger_named(_ctx: click.Context, _param: click.Parameter, name: str | None) -> LedgerStore:
    """The store of that name."""
    try:
        if name is None:
            return SQLiteLedger()
        if name.lower() == "memory":
            return MemoryLedger()
        if "://" in name:
            return RedisLedger(name)
        if ":" in name and not Path(name).exists():
            raise ConfigurationError(f"{name} is neither a file nor a URL; one of Redis begins with redis://")
        return SQLiteLedger(Path(name).expanduser())
    except ConfigurationError as error:
        raise click.BadParameter(str(error)) from None


_ledger_option = click.option(
    "--ledger",
    callback=_ledger_named,
    envvar="OPENTRAIN_ASYNC_LEDGER",
    metavar="PATH|URL|memory",
    help="Where the account's publishes are counted: an SQLite file, a Redis by its URL, or only in this process. By "
    "default opentrain-async/quota.sqlite3 in XDG_STATE_HOME or ~/.local/state. A URL with a password belongs into the "
    "variable OPENTRAIN_ASYNC_LEDGER: what is on a command line can be read by others.",
)


_file_option = click.option(
    "--file",
    "source",
    type=click.File(encoding="utf-8-sig", errors="backslashreplace"),
    help="Read more ids, one a line, from this file, or from stdin if it is '-'. Blank lines, and those that begin "
    "with '#', are left out.",
)


@main.command()
@click.argument("ids", nargs=-1)
@_file_option
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="How many at once; no more than 100 are.",
)
@click.option(
    "--max-wait",
    type=click.FloatRange(min=0),
    default=0,
    show_default=True,
    metavar="SECONDS",
    help="How long the run may wait for the quota's window to free a slot.",
)
@click.option("--wait", is_flag=True, help="Wait for the window as long as it takes, be it days.")
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
    help="Write each outcome down in this file as it comes, and go on with what is in it: drafts that are live or were "
    "rejected are left out.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object a line to stdout, as the outcomes come.")
@_ledger_option
@click.pass_context
def publish(
    ctx: click.Context,
    ids: tuple[str, ...],
    source: TextIO | None,
    concurrency: int,
    max_wait: float,
    wait: bool,
    outage_patience: float,
    journal: Path | None,
    as_json: bool,
    ledger: LedgerStore,
) -> None:
    """Publish the drafts with these IDS, within the account's daily quota.

    It can be repeated safely: a job that is live stays so, and is charged once. With --journal or --wait Ctrl-C and
    SIGTERM stop it in good order: no more drafts are taken, and what is being sent comes to its end.

    The API token is taken from OT_API_TOKEN or OPENTRAIN_API_TOKEN, or from opentrain/cli.json in XDG_CONFIG_HOME or
    ~/.config, and the base URL from OT_API_BASE_URL or OPENTRAIN_API_BASE_URL, or from the same file. A token is no
    option: what is on a command line can be read by others.

    \b
    Exit status:
      0    every draft is live
      1    some are not, or it was stopped in good order
      2    misuse
      3    it could not run: credentials, network, the quota ledger, or the journal
      130  Ctrl-C (143: SIGTERM)
    """  # noqa: D301 - \b is click's: what follows it is not wrapped
    wanted = _wanted(ids, source)
    orders = Orders(wanted, concurrency, math.inf if wait else max_wait, outage_patience, journal)
    client = _client(ledger)
    with _watch.watching(draws=not (as_json and sys.stdout.isatty())) as watch:
        campaign = Campaign(orders, ledger, _write_json if as_json else _keep_quiet, watch.tell)
        interruption = _run(campaign, client, watch, is_gentle=wait or journal is not None)
    if not as_json:
        _show.print_report(campaign.report)
    if told := _how_it_ended(campaign, interruption, as_json=as_json):
        click.echo(told, err=True)
    if interruption is not None:
        ctx.exit(exit_code(interruption))
    ctx.exit(_SOME_NOT if campaign.is_stopped and campaign.left else status_of(campaign.report))


@main.command()
@click.argument("ids", nargs=-1)
@_file_option
@click.option("--journal", type=click.Path(path_type=Path), help="Leave out what a run with it would leave out.")
@click.option("--json", "as_json", is_flag=True, help="Write it as one JSON object to stdout.")
@_ledger_option
def plan(ids: tuple[str, ...], source: TextIO | None, journal: Path | None, as_json: bool, ledger: LedgerStore) -> None:
    """Show when each of the drafts with these IDS could go, given the quota as the ledger knows it.

    Sends nothing to the service. A draft that turns out to be live, or is refused, uses up no slot; then those after it
    go earlier.

    \b
    Exit status:
      0    shown
      2    misuse
      3    it could not run: credentials, the quota ledger, or the journal
    """  # noqa: D301 - \b is click's: what follows it is not wrapped
    wanted = _wanted(ids, source)
    with _told_in_one_line(QuotaLedgerError, JournalError, ConfigurationError):
        planned = run(_with(ledger, _client(ledger), lambda client: client.plan(wanted, journal=journal)))
    if as_json:
        click.echo(_schedule.as_json(planned))
    else:
        _schedule.show(planned)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Write it as one JSON object to stdout.")
@_ledger_option
def quota(as_json: bool, ledger: LedgerStore) -> None:
    """Show the account's quota as the ledger knows it: the limit, what is used, and when each slot comes back.

    Sends nothing to the service; so of what is published elsewhere it knows only what a refusal has told.

    \b
    Exit status:
      0    shown
      2    misuse
      3    it could not run: credentials, or the quota ledger
    """  # noqa: D301 - \b is click's: what follows it is not wrapped
    with _told_in_one_line(QuotaLedgerError):
        snapshot = run(_with(ledger, _client(ledger), AsyncOpenTrain.quota))
    if as_json:
        click.echo(_quota.as_json(snapshot))
    else:
        _quota.show(snapshot, ledger, datetime.now(UTC))


async def _with(ledger: LedgerStore, client: AsyncOpenTrain, ask: Callable[[AsyncOpenTrain], Awaitable[T]]) -> T:
    async with closing(ledger), client:
        return await ask(client)


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes a free one.")
@click.option("--unclaimed", is_flag=True, help="The account is unclaimed: 3 publishes a day and not 20.")
@click.option("--drafts", type=click.IntRange(min=0), default=30, show_default=True, help="How many to begin with.")
def sandbox(port: int, unclaimed: bool, drafts: int) -> None:
    """Run a local OpenTrain until Ctrl-C, to try things out against it.

    It is stateful and has the real quota. What it knows is gone when it ends.
    """
    try:
        run(_serve(Sandbox(claimed=not unclaimed, port=port), drafts))
    except KeyboardInterrupt:
        click.echo("Stopped.", err=True)


async def _serve(service: Sandbox, drafts: int) -> None:
    ids = [service.draft() for _ in range(drafts)]
    async with service:
        click.echo(_welcome(service, ids))
        await asyncio.Event().wait()


def _welcome(service: Sandbox, ids: list[str]) -> str:
    shown = " to ".join(dict.fromkeys([*ids[:1], *ids[-1:]])) or "none"
    example = f"  opentrain-async publish {' '.join(ids[:2])}\n" if ids else ""
    return (
        f"A local OpenTrain is running at {service.url} (Ctrl-C ends it)\n"
        f"  token   {service.token}\n"
        f"  drafts  {shown}\n\n"
        "In another terminal:\n"
        f"  export OT_API_TOKEN={service.token}\n"
        f"  export OT_API_BASE_URL={service.url}\n"
        f"{example}"
    ).rstrip("\n")


def status_of(report: PublishReport) -> int:
    """The exit status of a run that came to its end."""
    statuses = {outcome.status for outcome in report.outcomes}
    if statuses <= _LIVE:
        return _ALL_PUBLISHED
    stopped_by = report.stopped_by
    could_not_run = isinstance(stopped_by, AuthenticationError | TLSError | QuotaLedgerError | JournalError)
    had_no_answer = stopped_by is not None and is_transient(stopped_by)
    return _COULD_NOT_RUN if could_not_run or had_no_answer or statuses == {OutcomeStatus.NOT_SENT} else _SOME_NOT


def _write_json(outcome: PublishOutcome) -> None:
    click.echo(_show.json_line(outcome))  # which flushes, for whoever follows the run


def _keep_quiet(_outcome: PublishOutcome) -> None:
    """The table tells of it."""


def _run(campaign: Campaign, client: AsyncOpenTrain, watch: _watch.Watch, *, is_gentle: bool) -> Interruption | None:
    """Run to the end; returns what interrupted it, if it was not stopped in good order."""

    def stop() -> None:
        campaign.stop()
        with suppress(OSError):  # nobody may be there any more to be told
            watch.say(
                f"Stopping: no more drafts are taken, what is being sent has {campaign.orders.grace:g} s. "
                "Once more ends it at once."
            )

    # The report tells what became of the drafts; without a handler each retry would be a line on stderr.
    logging.getLogger("opentrain_async").addHandler(logging.NullHandler())
    try:
        run(campaign.run(client), stop if is_gentle else None)
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from None
    except JournalError as error:
        raise CannotRunError(str(error)) from None
    except Interruption as stopped:
        return stopped
    return None


def _how_it_ended(campaign: Campaign, interruption: Interruption | None, *, as_json: bool) -> str:
    """What the table does not say: why it ended early, and how to go on."""
    report, wanted = campaign.report, len(campaign.orders.ids)
    if interruption is not None:
        return f"Interrupted after {len(report.outcomes)} of {wanted}. {_MAY_BE_LIVE} {_ONCE_MORE}"
    if campaign.is_stopped:
        return f"Stopped, and {campaign.left} of {wanted} are left. {_ONCE_MORE}"
    if as_json:
        return str(report)
    if report.stopped_by is None:
        return f"{campaign.earlier} of them are from earlier runs, by the journal." if campaign.earlier else ""
    patience = campaign.orders.outage_patience
    why = f", as there was no answer for {patience:g} s" if is_transient(report.stopped_by) else ""
    return f"The run stopped{why}: {report.stopped_by}"


@contextmanager
def _told_in_one_line(*kinds: type[OpenTrainError]) -> Generator[None, None, None]:
    try:
        yield
    except kinds as error:
        raise CannotRunError(str(error)) from None


def _wanted(ids: tuple[str, ...], source: TextIO | None) -> tuple[str, ...]:
    """The ids of the arguments and of the file, each once."""
    wanted = tuple(dict.fromkeys([*ids, *_ids_in(source)]))
    if not wanted:
        raise click.UsageError("no job ids: give some as arguments, or in a --file")
    return wanted


def _client(ledger: LedgerStore) -> AsyncOpenTrain:
    try:
        return AsyncOpenTrain(ledger=ledger)
    except ConfigurationError as error:
        raise CannotRunError(str(error)) from None


def _ids_in(source: TextIO | None) -> list[str]:
    """One id a line. A byte that is no UTF-8 is escaped, so that its line is rejected and not the whole file."""
    lines = [line.strip() for line in source or ()]
    return [line for line in lines if line and not line.startswith("#")]


def _forget_stdout() -> None:
    """Let what could not be written go: the interpreter would try again as it exits, and complain."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
