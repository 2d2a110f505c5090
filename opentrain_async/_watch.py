"""How far a run is, for whoever looks on: a bar where stderr is a terminal, and otherwise a line now and then."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from . import _show
from .outcomes import PublishProgress

Watch = Callable[[PublishProgress], None]

_LINE_SECONDS = 10.0
"""How often there is a line where no bar can be drawn."""


@contextmanager
def watching(*, draws: bool = True) -> Generator[Watch, None, None]:
    """Show how far a run is on stderr, for the length of the block.

    Args:
        draws: Draw a bar where stderr is a terminal; not where something else is written to the same one meanwhile.

    Yields:
        What is to be told.
    """
    console = _show.stderr()
    if not (draws and console.is_terminal):
        yield _lines(console.print)
        return
    bar = Progress(
        SpinnerColumn(),
        TextColumn("Publishing"),
        BarColumn(20),
        TextColumn("{task.fields[told]}", markup=False),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    task = bar.add_task("", total=None, told="")

    def tell(progress: PublishProgress) -> None:
        bar.update(task, total=progress.total, completed=progress.done, told=line_of(progress))

    with bar:
        yield tell


def line_of(progress: PublishProgress) -> str:
    """The whole in a line: what is done and how it ended, what is under way, what it waits for, and until when."""
    counts = [f"{count} {_show.words(status)}" for status, count in progress.counts.items() if count]
    parts = [f"{progress.done} of {progress.total or '?'} done" + (f" ({', '.join(counts)})" if counts else "")]
    if progress.in_flight:
        parts.append(f"{progress.in_flight} under way")
    if progress.rate:
        parts.append(f"{progress.rate:.3g}/s")
    if progress.held_until:
        parts.append(f"no answer from the service, tried again at {progress.held_until:%H:%M:%S} UTC")
    if progress.waiting_until:
        parts.append(f"waiting for quota until {_show.when(progress.waiting_until)}")
    if progress.eta and progress.in_flight:
        parts.append(f"ends about {_show.when(progress.eta)}")
    return ", ".join(parts)


def _lines(write: Callable[[str], object]) -> Watch:
    due = time.monotonic() + _LINE_SECONDS

    def tell(progress: PublishProgress) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + _LINE_SECONDS
            write(line_of(progress))

    return tell
