"""The command group: what ends it, whichever command runs."""

import asyncio
import os
import shlex
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from click.testing import CliRunner

from opentrain_async import __version__
from opentrain_async._cli.main import main
from opentrain_async.sandbox import Sandbox

from ..support import command
from ..support.command import Finished, end, start


@pytest.mark.parametrize("as_json", [False, True])
async def test_a_reader_that_goes_away_ends_the_run_quietly(sandbox: Sandbox, as_json: bool) -> None:
    """As if by SIGPIPE: no traceback, and with JSON nothing is published whose outcome nobody would learn."""
    reading, writing = os.pipe()
    os.close(reading)
    ids = [sandbox.draft() for _ in range(5)]
    process = await start("publish", *ids, "--concurrency", "1", *["--json"] * as_json, sandbox=sandbox, out=writing)
    os.close(writing)
    assert await end(process) == Finished(141, "", "")
    assert len(sandbox.live) == (1 if as_json else 5)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("as_json", [False, True])
async def test_a_full_disk_is_said_in_one_line(sandbox: Sandbox, as_json: bool) -> None:
    """What could not be written is no success."""
    full = os.open("/dev/full", os.O_WRONLY)
    process = await start("publish", sandbox.draft(), *["--json"] * as_json, sandbox=sandbox, out=full)
    os.close(full)
    assert await end(process) == Finished(3, "", "Error: No space left on device\n")


def test_the_version_is_told() -> None:
    """It is that of the package."""
    assert CliRunner().invoke(main, ["--version"]).output == f"opentrain-async, version {__version__}\n"


def test_a_stream_that_somebody_put_in_the_place_of_stdout_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands do not need stdout to be a file."""
    monkeypatch.setattr(sys, "stdout", object())
    with pytest.raises(SystemExit) as ended:
        main(["publish"])
    assert ended.value.code == 2


@pytest.mark.parametrize(("closed", "status"), [(">&-", 2), ("2>&-", 0)])
async def test_a_stream_that_is_closed_is_no_traceback(closed: str, status: int) -> None:
    """Without stdout nothing is published that nobody learns of; without stderr all is as usual."""
    async with Sandbox() as sandbox:
        job_id = sandbox.draft()
        shell = await asyncio.create_subprocess_shell(
            shlex.join([*command.COMMAND, "publish", job_id]) + f" {closed}",
            stdin=PIPE, stdout=PIPE, stderr=PIPE, env=command.environment(sandbox),
        )  # fmt: skip
        finished = await command.end(shell)
        assert finished.status == status
        assert len(sandbox.live) == (1 if status == 0 else 0)
        assert finished.err.endswith("ignore it\n") if status else "1 published" in finished.out
