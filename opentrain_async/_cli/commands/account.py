"""The commands `whoami`, `register` and `claim`: the account, from its registration to its claim."""

import os

import attrs
import click

from ..._client.account.settings import TOKEN_VARIABLES, saved
from ..._client.client import AsyncOpenTrain
from ...errors import ClaimError, ConfigurationError, OpenTrainError
from ...models import Claim, Identity, TokenGrant
from ...quota import LedgerStore, MemoryLedger
from ..campaign import closing
from ..common import SOME_NOT, CannotRunError, client_of, json_option, ledger_option, told_in_one_line, with_client
from ..signals import Interruption, exit_code, run
from ..views import output


@click.command()
@json_option
def whoami(as_json: bool) -> None:
    """Show who the token belongs to, and what it may do.

    \b
    Exit status:
      0    shown
      2    misuse
      3    it could not run: credentials, or network
    """  # noqa: D301 - \b is click's: what follows it is not wrapped
    ledger = MemoryLedger()
    with told_in_one_line(OpenTrainError):
        identity = run(with_client(ledger, client_of(ledger), AsyncOpenTrain.whoami))
    if as_json:
        facts = attrs.asdict(identity, filter=attrs.filters.exclude("raw"))
        output.print_json({**facts, "is_claimed": identity.is_claimed})
        return
    for name, value in _rows_of(identity):
        output.stdout().print(f"{name:13} {value or 'not said'}")


def _rows_of(identity: Identity) -> list[tuple[str, str | None]]:
    claimed = None if identity.is_claimed is None else "yes" if identity.is_claimed else "no"
    return [
        ("Organization", identity.account.organization_id),
        ("Role", identity.account.member_role),
        ("Person", identity.actor.full_name or identity.actor.user_id),
        ("E-mail", identity.actor.email),
        ("Claimed", claimed),
        ("Token", identity.token.label or identity.token.id),
        ("Scopes", ", ".join(identity.token.scopes)),
    ]


@click.command()
@click.option("--agent-name", "--name", metavar="TEXT", help="What the agent is called.")
@click.option(
    "--org-name", "--organization-name", "organization", metavar="TEXT", help="What its organisation is called."
)
@click.option("--force", is_flag=True, help="Also where credentials are saved already, which are lost by that.")
def register(agent_name: str | None, organization: str | None, force: bool) -> None:
    """Make a new account, which may publish 3 drafts a day until a person claims it, and save its credentials.

    They are saved in opentrain/cli.json in XDG_CONFIG_HOME or ~/.config, where the other commands and the service's own
    tools look for them.

    \b
    Exit status:
      0    registered, and saved
      2    misuse, such as credentials that --force would replace
      3    it could not run: the service refused, network, or the file
    """  # noqa: D301 - \b is click's: what follows it is not wrapped
    with told_in_one_line(OpenTrainError):
        made = run(AsyncOpenTrain.register(agent_name=agent_name, organization_name=organization, force=force))
    if made.saved_to is None:
        raise CannotRunError(
            "an account was made, but its credentials could not be saved, and are lost: register again"
        )
    until = f" until {output.when(made.claim_token_expires_at)}" if made.claim_token_expires_at else ""
    output.say(
        f"Registered. The credentials are in {made.saved_to}.",
        f"It may publish 3 drafts a day; a person can claim it{until}, and then it is 20:",
        "  opentrain-async claim --email you@example.com",
    )
    _note_variable()


@click.command()
@click.option("--email", metavar="ADDRESS", help="Who claims it. Without it a claim that has begun is waited for.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=1800,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait.",
)
@click.option("--no-wait", is_flag=True, help="Begin the claim, and leave the waiting to another `claim`.")
@ledger_option
@click.pass_context
def claim(ctx: click.Context, email: str | None, timeout: float, no_wait: bool, ledger: LedgerStore) -> None:
    """Have the registered account claimed by a person: it may publish 20 drafts a day from then on.

    Shows the page to open and the code to type in there, and waits until that is done. Then the new token takes the
    place of the earlier one, which is revoked, in the saved credentials, and the publishes of the day are carried over.

    \b
    Exit status:
      0    claimed, or begun with --no-wait
      1    not claimed: it took too long, or has expired
      2    misuse
      3    it could not run: no registered account, network, or the service refused
      130  Ctrl-C (143: SIGTERM); the claim goes on
    """  # noqa: D301 - \b is click's: what follows it is not wrapped
    if no_wait and email is None:
        raise click.UsageError("--no-wait begins a claim, which needs an --email")
    try:
        settings = saved()
    except ConfigurationError as error:
        raise CannotRunError(str(error)) from None
    _note_variable()
    if email is None:
        output.say("Waiting for a claim that has begun; --email begins one.", err=True)
    client = AsyncOpenTrain(settings.token, base_url=settings.base_url, claim_token=settings.claim_token, ledger=ledger)
    try:
        with told_in_one_line(OpenTrainError):
            grant = run(_claim(client, ledger, email, None if no_wait else timeout))
    except Interruption as stopped:
        output.say("Interrupted. The claim goes on, if it was not just ended: try 'opentrain-async claim'.", err=True)
        ctx.exit(exit_code(stopped))
    if isinstance(grant, ClaimError):
        output.say(str(grant), err=True)
        ctx.exit(SOME_NOT)
    if grant is None:
        output.say("Once that is done: opentrain-async claim")
        return
    if grant.saved_to is None:
        raise CannotRunError(
            "the account is claimed, but its new token could not be saved: make one in the site's settings"
        )
    output.say(f"Claimed. It may publish 20 drafts a day. The new token is in {grant.saved_to}.")


async def _claim(
    client: AsyncOpenTrain, ledger: LedgerStore, email: str | None, timeout: float | None
) -> TokenGrant | ClaimError | None:
    """Begin a claim, if that is wanted, and wait for its end, if that is."""
    async with closing(ledger), client:
        if email is not None:
            _invite(await client.start_claim(email), email)
        if timeout is None:
            return None
        try:
            return await client.wait_for_claim(timeout=timeout)
        except ClaimError as error:
            return error


def _invite(begun: Claim, email: str) -> None:
    sent = f", which was also sent to {email}" if begun.email_sent else ""
    output.say_whole(f"Open  {begun.verification_uri.reveal()}")
    output.say(f"Code  {begun.user_code}{sent}")
    output.say(f"Both are valid for {begun.expires_in / 60:g} minutes.", err=True)


def _note_variable() -> None:
    """Say so where the other commands do not use the account that is registered and claimed here."""
    if variable := next((name for name in TOKEN_VARIABLES if os.environ.get(name)), None):
        output.say(
            f"Note: {variable} is set, and goes before the saved credentials; unset it to use the account.", err=True
        )
