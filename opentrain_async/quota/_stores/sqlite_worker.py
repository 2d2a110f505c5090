"""The thread of an SQLite ledger: it runs steps in transactions, and takes turns at the file with other processes."""

import asyncio
import os
import threading
import time
import weakref
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ..._base.text import one_line
from ...errors import QuotaLedgerError
from .._log import AccountLog
from .batch import PendingStep, StepFailedError, by_account
from .serialized import dump_log, load_log

if TYPE_CHECKING:
    from .sqlite_file import LedgerFile

PAUSE_SECONDS = 0.01
"""How long a process leaves the file to others after a turn. A process that waits tries again within that time."""
_TURN = 250
"""Steps of a turn, in one transaction or several. Fewer cost more changes of turns, more make the others wait."""
_Logs = dict[str, tuple[bytes | None, str | None]]
"""Each account's log as text: as it was, or `None` without one, and as it becomes, or `None` if it stays."""


class Worker:
    """One process's thread, which opens the file and takes turns at it with other processes."""

    def __init__(self, path: Path) -> None:
        self.process = os.getpid()
        self._path = path
        self._lock = threading.Lock()
        self._waiting: list[PendingStep] = []
        self._is_at_work = False
        self._thread: ThreadPoolExecutor | None = None
        self._files: list[LedgerFile] = []
        self.file_lock = threading.Lock()
        self._transactions = 0
        self._left = _TURN
        self._is_crowded = False
        weakref.finalize(self, _close_files, self._files)

    @property
    def progress(self) -> int:
        """How many transactions have ended, others' as well while this process waits for its turn."""
        return self._transactions + sum(file.others for file in self._files)

    def put(self, pending: PendingStep) -> None:
        """Have a step run; those who put several have them run in that order."""
        with self._lock:
            self._waiting.append(pending)
            if self._is_at_work:
                return
            self._is_at_work = True
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, "opentrain-quota")
            self._thread.submit(self._work)

    def close(self) -> None:
        """Wait until nothing is left to do, and close the thread and the file."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown()
        with self.file_lock:
            self.close_file()

    def close_file(self) -> None:
        """Close the file; it is opened again when it is needed."""
        _close_files(self._files)

    def _work(self) -> None:
        while self._is_needed():
            with self.file_lock:
                steps = self._transaction()
            self._transactions += 1
            _answer(steps)
            self._left -= len(steps)
            if self._left <= 0:
                self._end_turn()

    def _is_needed(self) -> bool:
        with self._lock:
            self._is_at_work = bool(self._waiting)
            return self._is_at_work

    def _take(self, most: int | None = None) -> list[PendingStep]:
        with self._lock:
            steps = self._waiting[:most]
            del self._waiting[:most]
            return steps

    def _end_turn(self) -> None:
        """Leave the file to the other processes if there were any in this turn."""
        if self._is_crowded:
            time.sleep(PAUSE_SECONDS)
        self._left, self._is_crowded = _TURN, False

    def _transaction(self) -> list[PendingStep]:
        """Run as many steps as the turn has left, all or none; return those whose callers are to be answered.

        A file that cannot be had fails all steps that wait for it. A later fault fails those in the transaction.
        """
        steps, is_begun = self._take(self._left), False
        try:
            file = self._open()
            logs: _Logs = {}
            # Most of the work is done before it keeps others from the file. What they change meanwhile is done again.
            with suppress(Exception):
                logs = self._run(file, steps, logs)
            self._is_crowded |= file.begin()
            is_begun = True
            logs = self._run(file, steps, logs)
            file.commit([(account, after) for account, (_, after) in logs.items() if after is not None])
        except Exception as error:
            self.close_file()  # what is wrong with it may be gone when it is opened again
            failed = self._failed(error)
            failed.__cause__ = error
            steps += [] if is_begun else self._take()
            for pending in steps:
                pending.error = pending.error or failed
        return steps

    def _open(self) -> "LedgerFile":
        if not self._files:
            from .sqlite_file import LedgerFile

            _close_before_forks()
            _workers.add(self)
            self._files.append(LedgerFile(self._path))
        return self._files[0]

    def _run(self, file: "LedgerFile", steps: list[PendingStep], known: _Logs) -> _Logs:
        """Run the steps on their accounts' logs, except where it is *known* what comes of the log as it is now."""
        logs: _Logs = {}
        for account, ours in by_account(steps).items():
            try:
                before = file.read(account)
            except ValueError as error:
                for pending in ours:
                    pending.error = self._failed(error, account)
                continue
            if account in known and known[account][0] == before:
                logs[account] = known[account]
            else:
                logs[account] = before, self._log_after(account, before, ours)
        return logs

    def _log_after(self, account: str, before: bytes | None, steps: list[PendingStep]) -> str | None:
        """Run steps on one log; return it as text, or `None` if it stays as it is.

        A step that raises, or makes of the log what cannot be kept, is left out. Its caller alone is told.
        """
        for pending in steps:
            pending.error = None
        with suppress(BaseException):
            return _text_after(before, steps)
        after: str | None = None
        for pending in steps:
            try:
                after = _text_after(after or before, [pending])
            except StepFailedError as failed:
                pending.error = failed.error
            except Exception as error:
                pending.error = self._failed(error, account)
            except BaseException as error:
                pending.error = cast("Exception", error)  # a step that exits must not end the thread
        return after

    def _failed(self, error: Exception, account: str | None = None) -> QuotaLedgerError:
        reason = error.message if isinstance(error, QuotaLedgerError) else error
        whose = "" if account is None else f" (account {one_line(account)})"
        return QuotaLedgerError(f"the quota ledger {one_line(self._path)} failed: {reason}{whose}")


def _text_after(text: str | bytes | None, steps: Iterable[PendingStep]) -> str:
    """Run steps on a log; return what it is then, as text like the log itself."""
    log = AccountLog() if text is None else load_log(text)
    for pending in steps:
        pending.run(log, pending.now)
    return dump_log(log)


def _answer(steps: Iterable[PendingStep]) -> None:
    """Tell the callers, each in its own event loop."""
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[PendingStep]] = defaultdict(list)
    for pending in steps:
        by_loop[pending.future.get_loop()].append(pending)
    for loop, ours in by_loop.items():
        with suppress(RuntimeError):  # a loop that was closed has nobody who waits
            loop.call_soon_threadsafe(_answer_here, ours)


def _answer_here(steps: Iterable[PendingStep]) -> None:
    for pending in steps:
        pending.answer()


def _close_files(files: "list[LedgerFile]") -> None:
    while files:
        files.pop().close()


_workers: "weakref.WeakSet[Worker]" = weakref.WeakSet()
"""Those of this process that may have a file open."""


@cache
def _close_before_forks() -> None:
    """Have no file open across a fork: SQLite's own notes of who holds which lock would be wrong in the child."""
    held: list[Worker] = []

    def close_all() -> None:
        for worker in tuple(_workers):
            worker.file_lock.acquire()
            worker.close_file()
            held.append(worker)

    def go_on() -> None:
        while held:
            held.pop().file_lock.release()

    os.register_at_fork(before=close_all, after_in_parent=go_on, after_in_child=go_on)
