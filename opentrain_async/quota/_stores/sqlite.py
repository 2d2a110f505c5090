"""The ledger of one machine, in an SQLite file."""

import asyncio
import os
import threading
import weakref
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, TypeVar

from ..._base.found_file import NoHomeError, user_folder
from ..._base.representation import repr_if_ready
from ..._base.tasks import Closable
from ..._base.text import SENTENCE, exact_str, one_line, shown
from ...errors import ConfigurationError, QuotaLedgerError, _checks
from ...errors._refusing import refusing
from .._log import AccountLog
from .batch import PendingStep, StepFailedError
from .protocol import Step
from .serialized import dump_log, load_log

if TYPE_CHECKING:
    from .sqlite_file import LedgerFile

T = TypeVar("T")

ENDS = ("", "-wal", "-shm", "-journal")
"""The ends of the names of the files that SQLite reads: the ledger's own, and those beside it."""


class SQLiteLedger(Closable):
    """A quota ledger in a file, for all processes of one machine, that outlives them.

    Clients, event loops and processes that use the same file share the quota of the accounts they have in common.
    A killed process loses nothing that was counted; a power cut may lose the last moments, of which the server's next
    refusal then tells. Time is the machine's own wall clock.

    The file is opened when it is first used, and again in a forked child. `close` it, or use ``async with``, to be
    rid of its thread before the object is; it can be used again afterwards.

    Args:
        path: The file, on a local disk: SQLite's write-ahead log, which lies beside it, does not work across a network.
            It is made with mode 0600, and missing folders with 0700. A file that is there must be the user's own, or
            root's, and no other user may write to it. ``~`` is the home folder. `None`:
            ``opentrain-async/quota.sqlite3`` in ``$XDG_STATE_HOME``, or in ``~/.local/state``.

    Raises:
        ConfigurationError: *path* is not valid, or the home folder is not known.
    """

    @refusing
    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path: Path = _checked(path)
        self._worker = _Worker(self.path)

    def has_file(self, path: Path) -> bool:
        """True if a path is one of the ledger's files: its own, or one that SQLite makes beside it."""
        own = os.path.realpath(self.path)
        return os.path.realpath(path) in {own + end for end in ENDS}

    @repr_if_ready
    def __repr__(self) -> str:
        return f"SQLiteLedger({shown(str(self.path), SENTENCE)})"

    def run(self, account: str, step: Step[T], now: float) -> "asyncio.Future[T]":
        """Run *step* on the account's log, in a transaction."""
        pending = PendingStep.begin(account, step, now)
        self._worker_here().put(pending)
        return pending.future

    async def close(self) -> None:
        """Finish what was begun, close the file and end the thread."""
        await asyncio.to_thread(self._worker_here().close)

    def _worker_here(self) -> "_Worker":
        """This process's: in a forked child the parent's has no thread."""
        if self._worker.process != os.getpid():
            self._worker = _Worker(self.path)
        return self._worker


class _Worker:
    """One process's thread, which opens the file and runs what was asked for meanwhile in one transaction."""

    def __init__(self, path: Path) -> None:
        self.process = os.getpid()
        self._path = path
        self._lock = threading.Lock()
        self._waiting: list[PendingStep] = []
        self._is_at_work = False
        self._thread: ThreadPoolExecutor | None = None
        self._logs: dict[str, AccountLog] = {}
        self._files: list[LedgerFile] = []
        self.file_lock = threading.Lock()
        weakref.finalize(self, _close_files, self._files)

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
        while steps := self._take():
            try:
                with self.file_lock:
                    self._carry_out(steps)
            except QuotaLedgerError as error:
                # Whoever came while the file was out of reach has waited long enough; the next one finds out anew.
                with self._lock:
                    late, self._waiting = self._waiting, []
                steps += late
                for pending in steps:
                    pending.error = error
            _answer(steps)

    def _take(self) -> list[PendingStep]:
        with self._lock:
            steps, self._waiting = self._waiting, []
            self._is_at_work = bool(steps)
            return steps

    def _carry_out(self, steps: list[PendingStep]) -> None:
        """Run these steps in one transaction; those that raise are left out of it.

        Raises:
            QuotaLedgerError: The file failed, and none has taken place.
        """
        try:
            while True:
                try:
                    return self._transaction([pending for pending in steps if pending.error is None])
                except StepFailedError as failed:
                    failed.pending.error = failed.error
        except Exception as error:
            self.close_file()  # what is wrong with it may be gone when it is opened again
            raise self._failed(error.message if isinstance(error, QuotaLedgerError) else error) from error

    def _failed(self, reason: object) -> QuotaLedgerError:
        return QuotaLedgerError(f"the quota ledger {one_line(self._path)} failed: {reason}")

    def _transaction(self, steps: list[PendingStep]) -> None:
        """Run the steps and keep their logs, all or nothing."""
        file = self._open()
        try:
            if file.begin():
                self._logs.clear()
            changed: dict[str, AccountLog] = {}
            for pending in steps:
                try:
                    log = self._log_of(file, pending.account)
                except QuotaLedgerError as error:  # the logs of other accounts can be read
                    pending.error = self._failed(f"{error.message} (account {one_line(pending.account)})")
                    continue
                changed[pending.account] = log
                pending.run(log, pending.now)
            file.commit([(account, dump_log(log)) for account, log in changed.items()])
        except BaseException:
            self._logs.clear()
            file.roll_back()
            raise

    def _open(self) -> "LedgerFile":
        if not self._files:
            from .sqlite_file import LedgerFile

            _close_before_forks()
            _workers.add(self)
            self._files.append(LedgerFile(self._path))
        return self._files[0]

    def _log_of(self, file: "LedgerFile", account: str) -> AccountLog:
        """The log as it is in the file; remembered for as long as nobody else writes to it."""
        log = self._logs.get(account)
        if log is None:
            text = file.read(account)
            log = self._logs[account] = AccountLog() if text is None else load_log(text)
        return log


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


_workers: "weakref.WeakSet[_Worker]" = weakref.WeakSet()
"""Those of this process that may have a file open."""


@cache
def _close_before_forks() -> None:
    """Have no file open across a fork: SQLite's own notes of who holds which lock would be wrong in the child."""
    held: list[_Worker] = []

    def close_all() -> None:
        for worker in tuple(_workers):
            worker.file_lock.acquire()
            worker.close_file()
            held.append(worker)

    def go_on() -> None:
        while held:
            held.pop().file_lock.release()

    os.register_at_fork(before=close_all, after_in_parent=go_on, after_in_child=go_on)


def _checked(value: object) -> Path:
    """The path, made absolute: a process may change its folder."""
    if value is None:
        return _default_path()
    name = exact_str(value) or (str(value) if isinstance(value, PurePath) else "")
    if name == ":memory:":
        raise ConfigurationError("a ledger that lives in memory is MemoryLedger(), or 'memory' on the command line")
    if "://" in name:
        raise ConfigurationError("a file's path is not a URL; those of Redis are for RedisLedger")
    return Path(os.path.abspath(_checks.path("path", value)))  # noqa: PTH100 - resolving would follow links


def _default_path() -> Path:
    try:
        return user_folder("XDG_STATE_HOME", ".local/state") / "opentrain-async" / "quota.sqlite3"
    except NoHomeError as error:
        raise ConfigurationError(str(error)) from None
