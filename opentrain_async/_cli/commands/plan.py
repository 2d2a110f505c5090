"""The command `plan`: when each draft could go."""

from pathlib import Path
from typing import TextIO

import click

from ...errors import ConfigurationError, JournalError, QuotaLedgerError
from ...quota import LedgerStore
from ..common import again_option, client_of, json_option, ledger_option, told_in_one_line, with_client
from ..ids import all_drafts_option, file_option, ids_wanted
from ..signals import run
from ..views import output, plan_view


@click.command()
@click.argument("ids", nargs=-1)
@file_option
@all_drafts_option
@click.option("--journal", type=click.Path(path_type=Path), help="Leave out what a run with it would leave out.")
@again_option
@json_option
@ledger_option
def plan(
    ids: tuple[str, ...],
    source: TextIO | None,
    all_drafts: bool,
    journal: Path | None,
    again: bool,
    as_json: bool,
    ledger: LedgerStore,
) -> None:
    """Show when each of the drafts with these IDS could go, given the quota as the ledger knows it.

    Sends nothing to the service, but what lists the drafts of --all-drafts. A draft that turns out to be live, or is
    refused, uses up no slot; then those after it go earlier.

    \b
    Exit status:
      0    shown
      2    misuse
      3    it could not run: credentials, the quota ledger, or the journal
    """  # noqa: D301 - \b is click's: what follows it is not wrapped
    wanted = ids_wanted(ids, source, all_drafts=all_drafts)
    with told_in_one_line(QuotaLedgerError, JournalError, ConfigurationError):
        client = client_of(ledger)
        planned = run(with_client(ledger, client, lambda client: client.plan(wanted, journal=journal, again=again)))
    if as_json:
        output.print_json(plan_view.facts_of(planned))
    else:
        plan_view.show(planned)
