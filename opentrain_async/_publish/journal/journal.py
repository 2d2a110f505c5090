"""Read a journal, or write one during a run."""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from ..._base.clock import Clock, instant
from ..._base.fenced_log import logger
from ..._base.representation import repr_if_ready
from ..._base.tasks import ended
from ..._base.text import exact_str
from ...errors import JournalError, _checks
from ...errors._refusing import refusing
from ...outcomes import PublishOutcome
from ...outcomes._answer_table import ALREADY_PUBLISHED, PUBLISHED
from .account import JournalAccount
from .file import JournalFile, read
from .lines import line_of

T = TypeVar("T")


class Journal:
    """What the runs with one journal have written down: the last outcome of each draft, in the order of writing.

    It is a value: a run that resumes does not change it. The file has a JSON object a line, for other programs too.

    Args:
        outcomes: The outcomes; `open` reads them from a file.
    """

    def __init__(self, outcomes: tuple[PublishOutcome, ...]) -> None:
        self.outcomes = outcomes
        self._final = _final(outcomes)

    @classmethod
    @refusing
    def open(cls, path: str | os.PathLike[str], *, service: str | None = None) -> "Journal":
        """Read a journal, also one that a run is writing just now; a last line that is torn is left out.

        Args:
            path: The file.
            service: The origin of a service: then what was written of another one is left out. `None`: of all.

        Raises:
            ConfigurationError: *path* is not the path of a file.
            JournalError: There is no such file, it is not believed (another user's, or others may write to it), or it
                is not a journal.
        """
        return journal_of(_checks.path("path", path), JournalAccount(exact_str(service)))

    def is_final(self, job_id: str) -> bool:
        """True if a run with this journal leaves the draft out: it is live, not ready, or blocked by moderation."""
        return exact_str(job_id) in self._final

    def __len__(self) -> int:
        return len(self.outcomes)

    def __iter__(self) -> Iterator[PublishOutcome]:
        return iter(self.outcomes)

    @repr_if_ready
    def __repr__(self) -> str:
        return f"<Journal of {len(self.outcomes)} drafts>"


def journal_of(path: Path, account: JournalAccount, *, may_be_missing: bool = False) -> Journal:
    """Read a journal as a run of this account does: without the lines of other accounts.

    Raises:
        JournalError: There is no such file and there must be one, or it is not a journal.
    """
    return Journal(tuple(read(path, account, may_be_missing=may_be_missing).values()))


class JournalWriter:
    """Writes outcomes down, each before anybody is told of it, and knows those of earlier runs.

    Those that come while others are on their way to the disk follow together, in their order.

    Args:
        path: The file.
        account: Called when the journal is opened: by then the account is known.
        clock: What time it is, for the lines.
    """

    def __init__(self, path: Path, account: Callable[[], JournalAccount], clock: Clock) -> None:
        self._path = path
        self._account_now = account
        self._account = JournalAccount(None)
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "opentrain-journal")
        self._file: JournalFile | None = None
        self._earlier: dict[str, PublishOutcome] = {}
        self._lines: list[bytes] = []
        self._came = 0
        self._written = 0
        self._turn = asyncio.Lock()
        self._closing: list[asyncio.Future[None]] = []

    async def open(self) -> None:
        """Take hold of the file.

        Raises:
            JournalError: It cannot be written, is no journal, or another run has it.
        """
        self._account = self._account_now()
        opening = self._in_thread(JournalFile, self._path, self._account)
        try:
            file = await asyncio.shield(opening)
            self._file, self._earlier = file, _final(file.outcomes.values())
        except asyncio.CancelledError:
            opening.add_done_callback(_close_unwanted)
            await asyncio.wait({opening})
            raise
        finally:
            if self._file is None:
                self._thread.shutdown(wait=False)

    def final(self, job_id: object) -> PublishOutcome | None:
        """The outcome of an earlier run, if it leaves nothing to be done for the draft."""
        return self._earlier.get(job_id) if isinstance(job_id, str) else None

    async def write(self, outcome: PublishOutcome) -> None:
        """Write an outcome down, and wait until it is on the disk.

        Raises:
            JournalError: It is not; nor will any that comes later be.
        """
        self._lines.append(line_of(outcome, instant(self._clock.now()), self._account))
        self._came += 1
        number = self._came
        async with self._turn:
            if self._written >= number:
                return
            came = self._came
            await self._append()
            self._written = came

    async def close(self) -> None:
        """Have everything on the disk, and let another run have the file; whoever closes again waits for that too."""
        try:
            if self._file is not None and self._lines:  # of workers that were cancelled
                await self._append()
        except JournalError as error:
            _warn_of_loss(error)
        finally:
            if self._file is not None:
                file, self._file = self._file, None
                self._closing.append(self._in_thread(file.close))
                self._thread.shutdown(wait=False)
            for closing in self._closing:
                await ended(closing)

    async def _append(self) -> None:
        """Write what has come; the one thread keeps the order, and writes also for somebody who is cancelled meanwhile.

        Unshielded, the work of one who is cancelled before the thread has taken it up would never be done.
        """
        assert self._file is not None, "a journal that is open"  # noqa: S101 - of the run that uses it
        lines, self._lines = b"".join(self._lines), []
        writing = self._in_thread(self._file.append, lines)
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            writing.add_done_callback(_warn_if_failed)
            raise

    def _in_thread(self, work: Callable[..., T], *arguments: object) -> "asyncio.Future[T]":
        return asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)


def is_left_out(outcome: PublishOutcome, *, again: bool) -> bool:
    """True if a run leaves out a draft that has this outcome; with *again* only if it is live."""
    return outcome.status in {PUBLISHED, ALREADY_PUBLISHED} if again else outcome.is_final


def _warn_if_failed(writing: "asyncio.Future[None]") -> None:
    if (error := writing.exception()) is not None:
        _warn_of_loss(error)


def _warn_of_loss(error: BaseException) -> None:
    logger.warning("what was cancelled last is not in the journal: %s", error)


def _final(outcomes: Iterable[PublishOutcome]) -> dict[str, PublishOutcome]:
    """Those that leave nothing to be done, by their drafts."""
    return {outcome.job_id: outcome for outcome in outcomes if outcome.is_final}


def _close_unwanted(opening: "asyncio.Future[JournalFile]") -> None:
    if opening.exception() is None:
        opening.result().close()
