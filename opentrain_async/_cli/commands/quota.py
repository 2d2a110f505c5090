"""The command `quota`: the account's quota, as the ledger knows it."""

from datetime import UTC, datetime

import click

from ..._client.client import AsyncOpenTrain
from ...errors import QuotaLedgerError
from ...quota import LedgerStore
from ..common import client_of, json_option, ledger_option, told_in_one_line, with_client
from ..signals import run
from ..views import output, quota_view


@click.command()
@json_option
@ledger_option
def quota(as_json: bool, ledger: LedgerStore) -> None:
    """Show the account's quota as the ledger knows it: the limit, what is used, and when each slot comes back.

    Sends nothing to the service; so of what is published elsewhere it knows only what a refusal has told.

    \b
    Exit status:
      0    shown
      2    misuse
      3    it could not run: credentials, or the quota ledger
    """  # noqa: D301 - \b is click's: what follows it is not wrapped
    with told_in_one_line(QuotaLedgerError):
        snapshot = run(with_client(ledger, client_of(ledger), AsyncOpenTrain.quota))
    if as_json:
        output.print_json(quota_view.facts_of(snapshot))
    else:
        quota_view.show(snapshot, ledger, datetime.now(UTC))
