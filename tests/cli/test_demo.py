"""`opentrain-async demo`: what a newcomer sees first has to be true, and to look well."""

import asyncio
import os
import pty
import re
import subprocess
from collections import Counter

import pytest

from opentrain_async._cli.commands import demo

from ..support import command


@pytest.fixture(scope="module")
def piped() -> "subprocess.CompletedProcess[str]":
    """The demo, run once into a pipe."""
    return subprocess.run(
        [*command.COMMAND, "demo"], env=command.environment(), capture_output=True, text=True, check=False, timeout=60
    )


def test_the_demo_runs_to_its_end_and_exits_with_0(piped: "subprocess.CompletedProcess[str]") -> None:
    """Into a pipe it is plain text, and stderr stays empty."""
    assert (piped.returncode, piped.stderr) == (0, "")
    assert "\x1b" not in piped.stdout


def test_the_demo_sums_up(piped: "subprocess.CompletedProcess[str]") -> None:
    """The day's 20 publishes are used up, what was left over was not sent, and nothing was refused."""
    end = piped.stdout[piped.stdout.index("30 drafts: ") :].splitlines()
    assert end[0] == "30 drafts: 20 published, 1 already published, 3 rejected, 5 deferred, 1 unknown"
    assert re.fullmatch(r"Quota     20 of 20 used; the next slot is free at \d\d \w{3} \d\d:\d\d UTC", end[1])
    assert end[2:5] == [
        "Truth     the service itself counts 20 published",
        "Requests  34 sent, 0 of them refused for the quota",
        "Saved     5 requests that would have been refused: the ledger knew it",
    ]


@pytest.mark.parametrize(
    "row",
    [
        "job_2 published 2 503, 200",
        "job_4 rejected 1 400 fill in experienceLevel",
        "job_5 published 2 lost, 200",
        "job_7 rejected 1 403 blocked by moderation: Asks for personal contact details.",
        "job_8 published 2 429, 200",
        "job_11 published 3 2x 503, 200",
        "job_12 already published 1 200",
        "job_13 published 2 lost, 200",
    ],
)
def test_the_demo_shows_what_each_draft_went_through(piped: "subprocess.CompletedProcess[str]", row: str) -> None:
    """The outcome as the client reports it stands beside the answers as the service gave them."""
    assert row in [" ".join(line.split()) for line in piped.stdout.splitlines()]


def test_the_demo_says_when_a_deferred_draft_can_go(piped: "subprocess.CompletedProcess[str]") -> None:
    """It was never sent: its row has no answers."""
    rows = [line for line in piped.stdout.splitlines() if "deferred  " in line]
    assert len(rows) == 5
    assert all(re.search(r"deferred +0 +no quota until \d\d \w{3} \d\d:\d\d UTC$", row) for row in rows)


async def test_what_the_demo_claims_agrees_with_what_the_service_saw(capsys: pytest.CaptureFixture[str]) -> None:
    """Every draft was asked for as often as its outcome says, and 20 jobs went live."""
    performance = await demo.play()
    seen = Counter(request.job_id for request in performance.requests)
    assert {outcome.job_id: outcome.attempts for outcome in performance.outcomes if outcome.attempts} == seen
    assert (performance.published, performance.unsent, performance.refused) == (20, 5, 0)
    assert capsys.readouterr().out.startswith("A local OpenTrain runs at http://127.0.0.1:")


def test_on_a_terminal_the_demo_has_a_bar_and_leaves_the_cursor_visible() -> None:
    """The bar is gone when the table comes, and the outcomes have colours."""
    ours, theirs = pty.openpty()
    env = {**command.environment(), "TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen([*command.COMMAND, "demo"], env=env, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while chunk := _read(ours):
            shown += chunk
    os.close(ours)
    assert process.returncode == 0
    text = shown.decode()
    assert re.search(r" of 30 done", text)
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert "Publishing" not in text[text.rindex("\x1b[?25h") :]
    assert "\x1b[33mdeferred" in text


def _read(terminal: int) -> bytes:
    """What is shown next; nothing once the command has ended, which Linux tells by an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


async def test_ctrl_c_ends_the_demo_with_130_and_one_line() -> None:
    """There is no traceback, and no table."""
    process = await command.start("demo")
    assert process.stdout is not None
    async with asyncio.timeout(30):
        await process.stdout.readuntil(b"slow down.\n")
    assert await command.interrupt(process) == command.Finished(130, "", "Interrupted.\n")
