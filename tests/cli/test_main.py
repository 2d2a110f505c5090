"""The command line as a process: what it needs, what ends it, and the sandbox that it runs."""

import asyncio
import io
import shlex
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE

import pytest
from click.testing import CliRunner

from opentrain_async import AsyncOpenTrain
from opentrain_async._cli.common import status_of
from opentrain_async._cli.main import main
from opentrain_async._cli.signals import Interruption, run
from opentrain_async.errors import (
    AuthenticationError,
    ConnectError,
    OpenTrainError,
    PermissionDeniedError,
    QuotaLedgerError,
    TLSError,
)
from opentrain_async.outcomes import OutcomeStatus, PublishOutcome, PublishReport
from opentrain_async.sandbox import Sandbox

from ..support import command

_AS_A_MODULE = "import runpy; runpy.run_module('opentrain_async', run_name='__main__')"


def _without(module: str, code: str) -> "subprocess.CompletedProcess[str]":
    blocked = f"import sys; sys.modules[{module!r}] = None; sys.argv = ['opentrain-async', 'demo']; {code}"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", blocked], capture_output=True, text=True, check=False, timeout=30
    )


@pytest.mark.parametrize("module", ["click", "rich"])
@pytest.mark.parametrize("code", [_AS_A_MODULE, "from opentrain_async._cli import main; main()"])
def test_without_its_extra_the_command_says_what_to_install(module: str, code: str) -> None:
    """One line on stderr, and 2: no traceback."""
    finished = _without(module, code)
    said = "opentrain-async: the command line needs more: pip install 'opentrain_async[cli]'\n"
    assert (finished.returncode, finished.stdout, finished.stderr) == (2, "", said)


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


def test_a_module_that_is_missing_from_the_package_itself_is_no_missing_extra() -> None:
    """A broken installation is not blamed on the extra."""
    finished = _without("opentrain_async._cli.commands.demo", _AS_A_MODULE)
    assert finished.returncode == 1
    assert "opentrain_async._cli.commands.demo" in finished.stderr.splitlines()[-1]


def test_the_library_itself_imports_neither_click_nor_rich() -> None:
    """Nor does the sandbox, nor the module that ``python -m`` would run, unless it is run."""
    code = "import sys, opentrain_async, opentrain_async.sandbox; print({'click', 'rich'} & set(sys.modules))"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert finished.stdout == "set()\n"


def _report(stopped_by: OpenTrainError | None, *statuses: OutcomeStatus) -> PublishReport:
    return PublishReport(tuple(PublishOutcome(str(n), status) for n, status in enumerate(statuses)), stopped_by)


_PUBLISHED, _NOT_SENT, _REJECTED = OutcomeStatus.PUBLISHED, OutcomeStatus.NOT_SENT, OutcomeStatus.REJECTED


@pytest.mark.parametrize(
    ("report", "status"),
    [
        (_report(None, _PUBLISHED, OutcomeStatus.ALREADY_PUBLISHED), 0),
        *[(_report(None, _PUBLISHED, other), 1) for other in list(OutcomeStatus)[2:]],
        (_report(None, _NOT_SENT, _NOT_SENT), 3),
        (_report(ConnectError("no"), _NOT_SENT), 3),
        (_report(AuthenticationError("no"), _PUBLISHED, _REJECTED), 3),
        (_report(TLSError("no"), _PUBLISHED, _NOT_SENT), 3),
        (_report(QuotaLedgerError("no"), _PUBLISHED, _NOT_SENT), 3),
        (_report(PermissionDeniedError("no"), _REJECTED, _NOT_SENT), 1),
    ],
)
def test_the_exit_status_follows_from_the_report(report: PublishReport, status: int) -> None:
    """0: all live; 1: some not; 3: it could not run."""
    assert status_of(report) == status


class _CtrlC(io.RawIOBase):
    """A stdin at which somebody types Ctrl-C."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        raise KeyboardInterrupt


def test_ctrl_c_while_ids_are_read_exits_with_130() -> None:
    """Also where no event loop runs yet an interruption is one line."""
    result = CliRunner().invoke(main, ["publish", "--file", "-"], input=io.BufferedReader(_CtrlC()))
    assert (result.exit_code, result.output) == (130, "Interrupted.\n")


def test_where_the_loop_cannot_take_signals_ctrl_c_still_ends_a_run_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """On such a platform asyncio.run's own handler cancels what is under way."""
    cleaned_up = []

    def refuse(*_: object) -> None:
        raise NotImplementedError

    async def work() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            cleaned_up.append(True)

    monkeypatch.setattr(asyncio.SelectorEventLoop, "add_signal_handler", refuse)
    with pytest.raises(Interruption) as ended:
        run(work())
    assert (ended.value.number, cleaned_up) == (signal.SIGINT, [True])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_sandbox_command_says_how_to_reach_it_and_ends_on_a_signal(number: signal.Signals) -> None:
    """What it prints to be exported is all that a client needs; ended, it exits with 0."""
    process = await command.start("sandbox", "--port", "0", "--drafts", "3")
    assert process.stdout is not None
    lines = [(await process.stdout.readline()).decode() for _ in range(8)]
    exported = dict(line.split()[1].split("=") for line in lines if "export " in line)
    assert lines[2] == "  drafts  job_1 to job_3\n"
    assert lines[7] == "  opentrain-async publish job_1 job_2\n"
    finished = await command.run("publish", "job_1", "job_3", "job_4", "--json", env=exported)
    statuses = {outcome["job_id"]: outcome["status"] for outcome in finished.outcomes}
    assert statuses == {"job_1": "published", "job_3": "published", "job_4": "rejected"}
    assert await command.interrupt(process, number) == command.Finished(0, "", "Stopped.\n")


@pytest.mark.parametrize(("drafts", "shown"), [("0", "none"), ("1", "job_1")])
async def test_the_sandbox_command_can_begin_with_few_drafts(drafts: str, shown: str) -> None:
    """Without any there is no example to run either."""
    process = await command.start("sandbox", "--port", "0", "--drafts", drafts)
    assert process.stdout is not None
    lines = [(await process.stdout.readline()).decode().strip() for _ in range(7)]
    finished = await command.interrupt(process)
    assert lines[2] == f"drafts  {shown}"
    assert finished.out.strip() == ("" if drafts == "0" else "opentrain-async publish job_1")


async def test_the_sandbox_command_can_have_an_unclaimed_account() -> None:
    """Such an account has 3 publishes a day."""
    process = await command.start("sandbox", "--port", "0", "--unclaimed")
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().split()[6]
    token = (await process.stdout.readline()).decode().split()[1]
    async with AsyncOpenTrain(token, base_url=url) as client:
        report = await client.publish_many([f"job_{number}" for number in range(1, 6)])
    await command.interrupt(process)
    assert (len(report.published), len(report.deferred)) == (3, 2)


async def test_a_port_in_use_is_said_in_one_line(sandbox: Sandbox) -> None:
    """The status is 3."""
    finished = await command.run("sandbox", "--port", sandbox.url.rsplit(":", 1)[1])
    assert (finished.status, finished.out) == (3, "")
    assert finished.err.startswith("Error: ")
    assert finished.err.endswith("address already in use\n")
    assert finished.err.count("\n") == 1
