"""Ctrl-C and SIGTERM for a command: what is under way is ended in good order, and the command learns which it was."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


class Interruption(KeyboardInterrupt):
    """A signal asked for the end.

    A `KeyboardInterrupt`, as it passes wherever a Ctrl-C passes: no ``except Exception`` may hold it up.

    Args:
        number: Which signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def exit_code(stop: KeyboardInterrupt) -> int:
    """128 plus the signal's number, as shells have it: 130 for Ctrl-C, 143 for SIGTERM."""
    return 128 + (stop.number if isinstance(stop, Interruption) else signal.SIGINT)


def run(work: Coroutine[object, object, T]) -> T:
    """Run a coroutine in an event loop of its own.

    SIGINT and SIGTERM cancel it; so it can settle what it holds, and no task is left. A second signal cancels what
    it does about the first.

    Raises:
        Interruption: A signal came.
    """
    caught: list[int] = []
    try:
        return asyncio.run(_cancelled_by_signals(work, caught))
    except (asyncio.CancelledError, KeyboardInterrupt):
        raise Interruption(caught[0] if caught else signal.SIGINT) from None


async def _cancelled_by_signals(work: Coroutine[object, object, T], caught: list[int]) -> T:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        caught.append(number)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        # Not on Windows, and not beside the main thread. There asyncio.run handles SIGINT, if not as well.
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stop, number)
    return await task
