"""The command line as its users have it: a process of its own."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from opentrain_async.sandbox import Sandbox

COMMAND = (sys.executable, "-W", "error", "-m", "opentrain_async")


@frozen
class Finished:
    """What a command left behind."""

    status: int | None
    out: str
    err: str

    @property
    def outcomes(self) -> list[dict[str, object]]:
        """The lines of stdout, every one of which has to be JSON."""
        return [json.loads(line) for line in self.out.splitlines()]


def environment(sandbox: Sandbox | None = None, more: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """This process's, without what paints; with the sandbox's credentials."""
    plain = {name: value for name, value in os.environ.items() if name not in {"FORCE_COLOR", "NO_COLOR", "COLUMNS"}}
    ours = {"OT_API_TOKEN": sandbox.token, "OT_API_BASE_URL": sandbox.url} if sandbox else {}
    return {**plain, **ours, **(more or {})}


async def start(
    *arguments: str, sandbox: Sandbox | None = None, env: Mapping[str, str] | None = None, out: int = PIPE
) -> Process:
    """Begin a command."""
    return await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, stdin=PIPE, stdout=out, stderr=PIPE, env=environment(sandbox, env)
    )


async def end(process: Process, text: bytes = b"") -> Finished:
    """Give a command its stdin, and wait for its end."""
    async with asyncio.timeout(30):
        out, err = await process.communicate(text)
    return Finished(process.returncode, (out or b"").decode(), err.decode())


async def run(
    *arguments: str, sandbox: Sandbox | None = None, env: Mapping[str, str] | None = None, text: bytes = b""
) -> Finished:
    """Run a command to its end."""
    return await end(await start(*arguments, sandbox=sandbox, env=env), text)


async def interrupt(process: Process, number: signal.Signals = signal.SIGINT) -> Finished:
    """Send a command a signal, and wait for its end."""
    process.send_signal(number)
    return await end(process)


def described(directory: Path, text: str = "Label cats\n") -> str:
    """A file with a description."""
    path = directory / "job.md"
    path.write_text(text, encoding="utf-8")
    return str(path)
