"""The command line imported once, and a process of its own for each command: on a terminal of its own, or in pipes.

Run as a program it reads orders and writes what came of them, a JSON object a line each.
"""

import asyncio
import json
import os
import pty
import random
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from typing import Any, Literal

from attrs import frozen

_SECONDS = 20.0
_COLUMNS = 100
Where = Literal["all", "stderr", "none"]


@frozen
class Shown:
    """What a command has written, where all is a terminal to that as *out*, and its exit status."""

    status: int
    out: bytes
    err: bytes


class ForkServer:
    """Runs commands, one at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def run(
        self,
        *arguments: str,
        env: Mapping[str, str],
        typed: str = "",
        terminal: Where = "none",
        interrupt_at: str | None = None,
    ) -> Shown:
        """Run a command to its end, and type something meanwhile; interrupt it once it has shown that text.

        Args:
            arguments: The command.
            env: Its environment.
            typed: What it gets as stdin.
            terminal: Which of its streams are a terminal's: all, stderr alone, or none.
            interrupt_at: What it has shown when it is to be interrupted; `None`: it ends by itself.
        """
        order = [arguments, dict(env), typed, terminal, interrupt_at]
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        async with asyncio.timeout(2 * _SECONDS):
            line = await self._process.stdout.readline()
        status, out, err = json.loads(line)
        return Shown(status, bytes.fromhex(out), bytes.fromhex(err))


@asynccontextmanager
async def fork_server() -> AsyncIterator[ForkServer]:
    """Start such a process, and end it.

    Yields:
        What runs commands.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", __file__, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=2**26
    )
    try:
        yield ForkServer(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


def _serve() -> None:
    for module in ("_cli.group", "quota._stores.sqlite_file"):  # once for all commands
        import_module(f"opentrain_async.{module}")
    random.uniform = lambda *_: 0.0  # no back-off
    for line in sys.stdin.buffer:
        sys.stdout.write(json.dumps(_run(*json.loads(line))) + "\n")
        sys.stdout.flush()


def _run(
    arguments: Sequence[str], env: Mapping[str, str], typed: str, terminal: Where, interrupt_at: str | None
) -> tuple[int, str, str]:
    ours, theirs = pty.openpty()
    settings = termios.tcgetattr(ours)
    settings[3] &= ~termios.ECHO  # what is typed is not what the command shows
    termios.tcsetattr(ours, termios.TCSANOW, settings)
    (given, feed), (written, out) = os.pipe(), os.pipe()
    complained, err = os.pipe()
    ends: Mapping[Where, tuple[int, int, int]] = {
        "all": (theirs, theirs, theirs), "stderr": (given, out, theirs), "none": (given, out, err),
    }  # fmt: skip
    os.write(ours if terminal == "all" else feed, typed.encode())  # before a quick command has ended
    child = os.fork()
    if not child:
        with suppress(BaseException):
            os.setsid()
            for number, end in enumerate(ends[terminal]):
                os.dup2(end, number)
            os.closerange(3, 100)  # or its stdin would never end
            _become(arguments, env)
        os._exit(99)
    for end in (theirs, given, feed, out, err):
        os.close(end)
    streams = {stream: bytearray() for stream in (ours, written, complained)}
    _read(streams, child, interrupt_at)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    shown, written_out, written_err = streams.values()
    by_stream: Mapping[Where, tuple[bytearray, bytearray]] = {
        "all": (shown, written_err), "stderr": (written_out, shown), "none": (written_out, written_err),
    }  # fmt: skip
    out_text, err_text = by_stream[terminal]
    return status, out_text.hex(), err_text.hex()


def _read(streams: dict[int, bytearray], child: int, interrupt_at: str | None) -> None:
    """Read all streams to their end; end a command that takes too long."""
    ends_at, is_open = time.monotonic() + _SECONDS, set(streams)
    while is_open:
        ready = select.select([*is_open], [], [], max(0.0, ends_at - time.monotonic()))[0]
        if not ready:
            os.kill(child, signal.SIGKILL)
        for stream in ready:
            try:
                piece = os.read(stream, 65536)
            except OSError:  # what a terminal says once its other end is closed
                piece = b""
            streams[stream] += piece
            if not piece:
                is_open.discard(stream)
                os.close(stream)
        if interrupt_at is not None and interrupt_at.encode() in b"".join(streams.values()):
            interrupt_at = None
            os.kill(child, signal.SIGINT)


def _become(arguments: Sequence[str], env: Mapping[str, str]) -> None:
    """Run a command in this process, as if it had been started with these arguments in the user's home."""
    from opentrain_async._cli import main

    os.environ.clear()
    os.environ.update({**env, "COLUMNS": str(_COLUMNS)})
    os.chdir(env["HOME"])
    encoding = env.get("PYTHONIOENCODING", "utf-8")
    sys.stdin = open(0, encoding=encoding, errors="surrogateescape", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding=encoding, errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.argv = ["opentrain-async", *arguments]
    status: Any = 98
    try:
        main()
    except SystemExit as end:
        status = end.code
    except BaseException:
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status or 0)


if __name__ == "__main__":
    _serve()
