"""The drafts that a command is about: from its arguments, a file, or the account's own list."""

from collections.abc import Callable
from typing import TextIO

import click

from .._client.client import AsyncOpenTrain
from ..errors import OpenTrainError
from ..models import Job
from ..quota import MemoryLedger
from .common import HomeFile, client_of, told_in_one_line
from .signals import run

file_option = click.option(
    "--file",
    "source",
    type=HomeFile(encoding="utf-8-sig", errors="backslashreplace"),
    help="Read more ids, one a line, from this file, or from stdin if it is '-'. Blank lines, and those that begin "
    "with '#', are left out.",
)


all_drafts_option = click.option(
    "--all-drafts", is_flag=True, help="All drafts of the account, oldest first; they are listed before."
)


def ids_wanted(ids: tuple[str, ...], source: TextIO | None, *, all_drafts: bool = False) -> tuple[str, ...]:
    """Return the ids from the arguments, the file and the account's list, each once.

    Only an account without drafts has none of them.
    """
    given = [*ids, *_ids_in(source)]
    if not given and not all_drafts:
        raise click.UsageError("no job ids: give some as arguments, or in a --file; or --all-drafts")
    return tuple(dict.fromkeys([*given, *(ids_of_all_drafts() if all_drafts else [])]))


def _ids_in(source: TextIO | None) -> list[str]:
    """Read one id a line. A byte that is not UTF-8 is escaped, so that its line is rejected and not the whole file."""
    lines = [line.strip() for line in source or ()]
    return [line for line in lines if line and not line.startswith("#")]


def ids_of_all_drafts() -> list[str]:
    """Return the ids of all drafts of the account, oldest first.

    The list is read to its end before anything is published: a list that shrinks meanwhile leaves drafts out.

    Raises:
        CannotRunError: The drafts cannot be listed.
    """
    jobs: list[Job] = []
    with told_in_one_line(OpenTrainError):
        run(each_job(client_of(MemoryLedger()), "DRAFT", jobs.append))
    return [job.id for job in reversed(jobs)]


async def each_job(client: AsyncOpenTrain, status: str | None, take: Callable[[Job], None]) -> None:
    """Hand each of the account's jobs in this state to a function, newest first; then close the client."""
    async with client:
        async for job in client.iter_jobs(status):
            take(job)
