"""The command `sandbox`: a local OpenTrain, until Ctrl-C."""

import asyncio

import click

from ..._client.account.settings import BASE_URL_VARIABLES
from ...sandbox import Sandbox
from ..signals import run
from ..views import output


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes a free one.")
@click.option("--unclaimed", is_flag=True, help="The account is unclaimed: 3 publishes a day and not 20.")
@click.option("--drafts", type=click.IntRange(min=0), default=30, show_default=True, help="How many to begin with.")
def sandbox(port: int, unclaimed: bool, drafts: int) -> None:
    """Run a local OpenTrain until Ctrl-C, to try things out against it.

    It is stateful and has the real quota. What it knows is gone when it ends. It begins with an account; with
    `register` and `claim` there can be more.
    """
    try:
        run(_serve(Sandbox(claimed=not unclaimed, port=port), drafts))
    except KeyboardInterrupt:
        output.say("Stopped.", err=True)


async def _serve(service: Sandbox, drafts: int) -> None:
    ids = [service.draft() for _ in range(drafts)]
    async with service:
        output.say_whole(*_welcome(service, ids).split("\n"))
        await asyncio.Event().wait()


def _welcome(service: Sandbox, ids: list[str]) -> str:
    shown = " to ".join(dict.fromkeys([*ids[:1], *ids[-1:]])) or "none"
    exported = "".join(f"  export {name}={service.url}\n" for name in BASE_URL_VARIABLES)
    example = f"  opentrain-async publish {' '.join(ids[:2])}\n" if ids else ""
    return (
        f"A local OpenTrain is running at {service.url} (Ctrl-C ends it)\n"
        f"  token   {service.token}\n"
        f"  drafts  {shown}\n\n"
        "In another terminal:\n"
        f"  export OT_API_TOKEN={service.token}\n"
        f"{exported}"
        f"{example}"
    ).rstrip("\n")
