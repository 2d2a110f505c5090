"""How far a run is: a bar, or a line now and then."""

import os
import pty
import subprocess
import time
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from opentrain_async import (
    OutcomeStatus,
    PublishProgress,
)
from opentrain_async._cli.views import progress_bar
from opentrain_async.errors import ConnectError

from ..support import command

AT = datetime(2026, 11, 26, 8, 0, 5, tzinfo=UTC)


def _progress(**facts: object) -> PublishProgress:
    counts = dict.fromkeys(OutcomeStatus, 0) | {OutcomeStatus.PUBLISHED: 12, OutcomeStatus.NOT_SENT: 1}
    return PublishProgress(counts, **({"in_flight": 3, "total": 45} | facts))  # type: ignore[arg-type]


ENDS = "3 under way, 12 published, 1 not sent"


HELD = ConnectError("refused")


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        (_progress(), f"13 of 45 done, {ENDS}"),
        (_progress(eta=AT), f"13 of 45 done, ends about 26 Nov 08:00 UTC, {ENDS}"),
        (_progress(in_flight=0, total=None, eta=AT), "13 of ? done, 12 published, 1 not sent"),
        (
            _progress(held_until=AT, held_by=HELD),
            f"13 of 45 done, no answer from the service, tried again at 08:00:05 UTC, {ENDS}, {HELD}",
        ),
        (_progress(waiting_until=AT), f"13 of 45 done, waiting for quota until 26 Nov 08:00 UTC, {ENDS}"),
        (PublishProgress(dict.fromkeys(OutcomeStatus, 0), 0), "0 of ? done"),
    ],
)
def test_progress_is_one_line(progress: PublishProgress, said: str) -> None:
    """What is done, what is under way, what it waits for, and when it ends."""
    assert progress_bar.line_of(progress) == said


def test_off_a_terminal_there_is_a_line_each_ten_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And none before."""
    times = iter([0.0, 0.0, 9.9, 10.0, 10.0, 10.1, 19.9, 20.0, 20.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    with progress_bar.watching() as watch:
        for _ in range(6):
            watch.show(_progress())
    monkeypatch.undo()
    assert capsys.readouterr().err.count("13 of 45 done") == 2


def test_the_bar_is_drawn_where_stderr_is_a_terminal() -> None:
    """Also while stdout is a file."""
    ours, theirs = pty.openpty()
    env = {**command.environment(), "TERM": "xterm", "COLUMNS": "120"}
    code = (
        "from tests.cli.test_progress_bar import _progress\n"
        "from opentrain_async._cli.views import progress_bar as watching\n"
        "with watching.watching() as watch: watch.show(_progress())"
    )
    with subprocess.Popen([command.COMMAND[0], "-c", code], env=env, stdout=subprocess.PIPE, stderr=theirs):
        os.close(theirs)
        shown = b""
        with suppress(OSError):
            while chunk := os.read(ours, 65536):
                shown += chunk
    os.close(ours)
    assert b"13 of 45 done" in shown
    assert shown.rstrip().endswith((b"\x1b[?25h", b"\x1b[2K", b"\r"))
