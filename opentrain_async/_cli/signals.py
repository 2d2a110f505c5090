"""Run a coroutine so that Ctrl-C and SIGTERM end it gracefully, and the command learns which signal came."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
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


def run(work: Coroutine[object, object, T], gently: Callable[[], None] | None = None) -> T:
    """Run a coroutine in an event loop of its own.

    SIGINT and SIGTERM cancel it; so it can settle what it holds, and no task is left. A second signal cancels what
    it does about the first.

    Args:
        work: The coroutine.
        gently: Asks it to finish by itself: then the first signal does that, and only the second one cancels.

    Raises:
        Interruption: A signal came, and the coroutine was cancelled.
    """
    caught: list[int] = []
    try:
        return asyncio.run(_stopped_by_signals(work, caught, gently))
    except Interruption:
        raise
    except (asyncio.CancelledError, KeyboardInterrupt):
        raise Interruption(caught[0] if caught else signal.SIGINT) from None


async def _stopped_by_signals(
    work: Coroutine[object, object, T], caught: list[int], gently: Callable[[], None] | None
) -> T:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        caught.append(number)
        if gently is None or len(caught) > 1:
            task.cancel()
        else:
            gently()

    for number in (signal.SIGINT, signal.SIGTERM):
        # Not on Windows, and not beside the main thread. There asyncio.run handles SIGINT, if not as well.
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stop, number)
    return await task


@contextmanager
def ends_at_once() -> Generator[list[int], None, None]:
    """While something blocks the loop, such as a question at the terminal: a signal ends that, and not the loop later.

    Yields:
        The signals that came.
    """
    caught: list[int] = []

    def stop(number: int, _frame: object) -> None:
        caught.append(number)
        raise Interruption(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    wakeup = signal.set_wakeup_fd(-1)  # by which the loop would learn of it as well
    try:
        yield caught
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
