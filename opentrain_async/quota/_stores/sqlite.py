"""The ledger of one machine, in an SQLite file."""

import asyncio
import os
from pathlib import Path, PurePath
from typing import ClassVar, TypeVar

from ..._base.found_file import NoHomeError, user_folder
from ..._base.representation import repr_if_ready
from ..._base.tasks import Closable
from ..._base.text import SENTENCE, exact_str, shown
from ...errors import ConfigurationError, _checks
from ...errors._refusing import refusing
from .batch import PendingStep
from .protocol import Step
from .sqlite_worker import Worker

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

    patience: ClassVar[float] = 12.0
    """Seconds without `progress` after which a caller gives up: longer than the file's own bounds, which tell why."""

    @refusing
    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path: Path = _checked(path)
        self._worker = Worker(self.path)

    @property
    def progress(self) -> int:
        """Changes whenever the callers' steps, or those of other processes before them, have got on."""
        return self._worker_here().progress

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

    def _worker_here(self) -> Worker:
        """This process's: in a forked child the parent's has no thread."""
        if self._worker.process != os.getpid():
            self._worker = Worker(self.path)
        return self._worker


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
