"""The commands: what they take, what they write where, and with what they exit."""

import asyncio
import io
import os
import sys
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO, cast

import click

from . import _demo, _quota, _show
from ._client import AsyncOpenTrain
from ._signals import exit_code, run
from ._text import one_line
from ._version import __version__
from .errors import AuthenticationError, ConfigurationError, QuotaLedgerError, TLSError
from .outcomes import OutcomeStatus, PublishOutcome, PublishReport
from .quota import LedgerStore, MemoryLedger, QuotaSnapshot, RedisLedger, SQLiteLedger
from .sandbox import Sandbox

_ALL_PUBLISHED, _SOME_NOT, _COULD_NOT_RUN = 0, 1, 3
_NOBODY_READS = 128 + 13
"""As if SIGPIPE had ended it, which Python leaves out in favour of an error."""
_LIVE = {OutcomeStatus.PUBLISHED, OutcomeStatus.ALREADY_PUBLISHED}
_HOW_TO_GO_ON = "Drafts that had been begun may be live. Run the same command again: none is charged twice."


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


@main.command()
@click.argument("ids", nargs=-1)
@click.option(
    "--file",
    "source",
    type=click.File(encoding="utf-8-sig", errors="backslashreplace"),
    help="Read more ids, one a line, from this file, or from stdin if it is '-'. Blank lines, and those that begin "
    "with '#', are left out.",
)
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
    help="How long the run may wait for the quota's window to free a slot; 'inf' is as long as it takes.",
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
    as_json: bool,
    ledger: LedgerStore,
) -> None:
    """Publish the drafts with these IDS, within the account's daily quota.

    It can be repeated safely: a job that is live stays so, and is charged once.

    The API token is taken from OT_API_TOKEN or OPENTRAIN_API_TOKEN, or from opentrain/cli.json in XDG_CONFIG_HOME or
    ~/.config, and the base URL from OT_API_BASE_URL or OPENTRAIN_API_BASE_URL, or from the same file. A token is no
    option: what is on a command line can be read by others.

    \b
    Exit status:
      0    every draft is live
      1    some are not
      2    misuse
      3    it could not run: credentials, network, or the quota ledger
      130  Ctrl-C (143: SIGTERM)
    """  # noqa: D301 - \b is click's: what follows it is not wrapped
    wanted = tuple(dict.fromkeys([*ids, *_ids_in(source)]))
    if not wanted:
        raise click.UsageError("no job ids: give some as arguments, or in a --file")
    client = _client(ledger)
    with _show.progress(len(wanted), is_wanted=not as_json) as advance:
        outcomes = _Outcomes(_write_json if as_json else advance, ledger)
        ended = _run(outcomes.of(client, wanted, concurrency, max_wait))
    if not as_json:
        outcomes.show(wanted)
    if isinstance(ended, KeyboardInterrupt):
        click.echo(f"Interrupted after {len(outcomes.seen)} of {len(wanted)}. {_HOW_TO_GO_ON}", err=True)
        ctx.exit(exit_code(ended))
    if as_json or ended.stopped_by is not None:
        click.echo(ended if as_json else f"The run stopped: {ended.stopped_by}", err=True)
    ctx.exit(status_of(ended))


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
    try:
        snapshot = run(_snapshot(_client(ledger), ledger))
    except QuotaLedgerError as error:
        raise CannotRunError(str(error)) from None
    if as_json:
        click.echo(_quota.as_json(snapshot))
    else:
        _quota.show(snapshot, ledger, datetime.now(UTC))


async def _snapshot(client: AsyncOpenTrain, ledger: LedgerStore) -> QuotaSnapshot:
    async with client, _closing(ledger):
        return await client.quota()


def _closing(ledger: LedgerStore) -> AbstractAsyncContextManager[object]:
    """A block with which the ledger is closed, if it is one that can be."""
    return ledger if isinstance(ledger, AbstractAsyncContextManager) else nullcontext()


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
    stopped_at_once = isinstance(report.stopped_by, AuthenticationError | TLSError | QuotaLedgerError)
    return _COULD_NOT_RUN if stopped_at_once or statuses == {OutcomeStatus.NOT_SENT} else _SOME_NOT


class _Outcomes:
    """The outcomes of a run so far, each told as it comes.

    Args:
        tell: What to do with one.
        ledger: To be closed with the run.
    """

    def __init__(self, tell: Callable[[PublishOutcome], None], ledger: LedgerStore) -> None:
        self.seen: list[PublishOutcome] = []
        self._ledger = ledger
        self._tell = tell
        self._failure: OSError | None = None
        self._run: asyncio.Task[object] | None = None

    async def of(self, client: AsyncOpenTrain, ids: Iterable[str], concurrency: int, max_wait: float) -> PublishReport:
        """Publish these drafts. An outcome that cannot be written ends the run: nobody would know what it did.

        Raises:
            OSError: One could not be written.
        """
        self._run = asyncio.current_task()
        try:
            async with _closing(self._ledger), client:
                return await client.publish_many(ids, concurrency=concurrency, max_wait=max_wait, on_outcome=self._take)
        except asyncio.CancelledError:
            if self._failure is None:
                raise
            raise self._failure from None

    def show(self, order: Iterable[str]) -> None:
        """Print what there is, for the eye and in this order."""
        by_id = {outcome.job_id: outcome for outcome in self.seen}
        if by_id:
            _show.print_table([by_id[job_id] for job_id in order if job_id in by_id])
            _show.stdout().print(_show.counts(self.seen))

    async def _take(self, outcome: PublishOutcome) -> None:
        self.seen.append(outcome)
        try:
            self._tell(outcome)
        except OSError as error:
            # What a callback raises is logged, and the run goes on. Here it shall not: not by one draft more.
            self._failure = error
            if self._run is not None:
                self._run.cancel()
            await asyncio.Event().wait()


def _write_json(outcome: PublishOutcome) -> None:
    click.echo(_show.json_line(outcome))  # which flushes, for whoever follows the run


def _run(publishing: Coroutine[object, object, PublishReport]) -> PublishReport | KeyboardInterrupt:
    """Run to the end; returns the report, or what interrupted it."""
    try:
        return run(publishing)
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from None
    except KeyboardInterrupt as stop:
        return stop


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
