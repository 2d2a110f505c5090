"""Ctrl-C and SIGTERM."""

import asyncio
import io
import signal

import pytest
from click.testing import CliRunner

from opentrain_async._cli.main import main
from opentrain_async._cli.signals import Interruption, run


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
