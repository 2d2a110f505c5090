"""Show the progress of a run: a bar on a terminal, otherwise a line now and then."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from ...outcomes import PublishProgress
from . import output

_LINE_SECONDS = 10.0
"""How often there is a line where no bar can be drawn."""
_BAR = 12
"""Columns of the bar: the rest of the line is for what the run waits for."""


class ProgressView(Protocol):
    """Shows the progress of a run."""

    def show(self, progress: PublishProgress) -> None:
        """Show the progress of the run now."""
        ...

    def say(self, line: str) -> None:
        """Print a line beside the progress."""
        ...


@contextmanager
def watching(*, draws: bool = True) -> Generator[ProgressView, None, None]:
    """Show how far a run is on stderr, for the length of the block.

    Args:
        draws: Draw a bar where stderr is a terminal; not where something else is written to the same one meanwhile.

    Yields:
        The view to update.
    """
    console = output.stderr()
    if draws and console.is_terminal:
        bar = _Bar(console)
        with bar.shown:
            yield bar
    else:
        yield _Lines(console)


def line_of(progress: PublishProgress) -> str:
    """The whole in a line, the news first: what it waits for and until when, when it ends, and how it went so far."""
    parts = [f"{progress.done} of {progress.total or '?'} done"]
    if progress.held_by is not None:
        parts.append(f"no answer from the service, tried again at {progress.held_until:%H:%M:%S} UTC")
    if progress.waiting_until:
        parts.append(f"waiting for quota until {output.when(progress.waiting_until)}")
    if progress.eta and progress.in_flight:
        parts.append(f"ends about {output.when(progress.eta)}")
    if progress.in_flight:
        parts.append(f"{progress.in_flight} under way")
    parts += [f"{count} {output.words(status)}" for status, count in progress.counts.items() if count]
    if progress.held_by is not None:
        parts.append(str(progress.held_by))
    return ", ".join(parts)


class _Bar:
    """A bar that stays where it is."""

    def __init__(self, console: Console) -> None:
        self.shown = Progress(
            SpinnerColumn(),
            BarColumn(_BAR),
            TextColumn("{task.fields[line]}", markup=False),
            console=console,
            transient=True,
        )
        self._task = self.shown.add_task("", total=None, line="")

    def show(self, progress: PublishProgress) -> None:
        self.shown.update(self._task, total=progress.total, completed=progress.done, line=line_of(progress))

    def say(self, line: str) -> None:
        self.shown.console.print(line)


class _Lines:
    """A line now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._due = time.monotonic() + _LINE_SECONDS

    def show(self, progress: PublishProgress) -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _LINE_SECONDS
            self._console.print(line_of(progress))

    def say(self, line: str) -> None:
        self._console.print(line)
