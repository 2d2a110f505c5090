"""The options, the client and the exit status that the commands have in common."""

import math
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from .._base.found_file import NoHomeError, expanded
from .._client.client import AsyncOpenTrain
from ..errors import (
    AuthenticationError,
    ConfigurationError,
    JournalError,
    OpenTrainError,
    QuotaLedgerError,
    TLSError,
)
from ..outcomes import OutcomeStatus, PublishReport
from ..outcomes._answer_table import is_transient
from ..quota import LedgerStore, MemoryLedger, RedisLedger, SQLiteLedger
from .campaign import closing

T = TypeVar("T")

ALL_PUBLISHED, SOME_NOT, COULD_NOT_RUN = 0, 1, 3
_LIVE = {OutcomeStatus.PUBLISHED, OutcomeStatus.ALREADY_PUBLISHED}


class CannotRunError(click.ClickException):
    """The command could not do its work; told in one line."""

    exit_code = COULD_NOT_RUN


class HomePath(click.Path):
    """A path in which a ``~`` is the home folder, also where a shell leaves it alone, as in ``--file=~/ids``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        return super().convert(_in_home(value), param, ctx)


class HomeFile(click.File):
    """A file that is opened, by a path of that kind."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the open file."""
        return super().convert(_in_home(value), param, ctx)


def _in_home(value: Any) -> Any:
    try:
        return str(expanded(value)) if isinstance(value, str) and value.startswith("~") else value
    except NoHomeError as error:
        raise click.BadParameter(str(error)) from None


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
        return SQLiteLedger(name)
    except ConfigurationError as error:
        raise click.BadParameter(str(error)) from None


ledger_option = click.option(
    "--ledger",
    callback=_ledger_named,
    envvar="OPENTRAIN_ASYNC_LEDGER",
    metavar="PATH|URL|memory",
    help="Where the account's publishes are counted: an SQLite file, a Redis by its URL, or only in this process. By "
    "default opentrain-async/quota.sqlite3 in XDG_STATE_HOME or ~/.local/state. A URL with a password belongs into the "
    "variable OPENTRAIN_ASYNC_LEDGER: what is on a command line can be read by others.",
)


max_wait_option = click.option(
    "--max-wait",
    type=click.FloatRange(min=0),
    default=0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the quota's window to free a slot.",
)


wait_option = click.option("--wait", is_flag=True, help="Wait for the window as long as it takes, be it days.")


def seconds_of(max_wait: float, *, wait: bool) -> float:
    """How long both options together want to wait."""
    if wait and max_wait:
        raise click.UsageError("--wait is as long as it takes, and --max-wait is not: give one of them")
    return math.inf if wait else max_wait


again_option = click.option(
    "--again",
    is_flag=True,
    help="With --journal: also try the drafts that were not ready or were blocked by moderation, as after they were "
    "edited. Live ones are left out always.",
)


json_option = click.option("--json", "as_json", is_flag=True, help="Write it as one JSON object to stdout.")


def status_of(report: PublishReport) -> int:
    """The exit status of a run that came to its end."""
    statuses = {outcome.status for outcome in report.outcomes}
    if statuses <= _LIVE:
        return ALL_PUBLISHED
    stopped_by = report.stopped_by
    could_not_run = isinstance(stopped_by, AuthenticationError | TLSError | QuotaLedgerError | JournalError)
    had_no_answer = stopped_by is not None and is_transient(stopped_by)
    return COULD_NOT_RUN if could_not_run or had_no_answer or statuses == {OutcomeStatus.NOT_SENT} else SOME_NOT


async def with_client(ledger: LedgerStore, client: AsyncOpenTrain, ask: Callable[[AsyncOpenTrain], Awaitable[T]]) -> T:
    """Ask a client, and close it and its ledger."""
    async with closing(ledger), client:
        return await ask(client)


def client_of(ledger: LedgerStore) -> AsyncOpenTrain:
    """A client with the credentials of the environment or of the saved file.

    Raises:
        CannotRunError: There are none, or they cannot be right.
    """
    try:
        return AsyncOpenTrain(ledger=ledger)
    except ConfigurationError as error:
        raise CannotRunError(str(error)) from None


@contextmanager
def told_in_one_line(*kinds: type[OpenTrainError]) -> Generator[None, None, None]:
    """Errors of these kinds are told in one line; of these those about an argument as misuse."""
    try:
        yield
    except ConfigurationError as error:
        if not isinstance(error, kinds):
            raise
        raise click.UsageError(str(error)) from None
    except kinds as error:
        raise CannotRunError(str(error)) from None
