"""The file of a journal: lock it, read what is in it, append to it."""

import io
import json
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..._base.found_file import MIB, check_path, open_found, read_all, read_found, real_path
from ..._base.text import one_line
from ...errors import JournalError
from ...outcomes import PublishOutcome
from ...outcomes._answer_table import REJECTED
from .account import JournalAccount
from .facts import NotAnEntryError
from .lines import BEGINS, read_line

_LARGEST = 512 * MIB
"""Bytes of a journal that is believed: of a million drafts and more."""
_LONGEST_LOCK = 1000


def read(path: Path, account: JournalAccount, *, may_be_missing: bool = False) -> dict[str, PublishOutcome]:
    """The last outcome of each draft, in the order in which they came; a last line that is torn is left out.

    Args:
        path: The file.
        account: The account whose lines count.
        may_be_missing: Take a file that is missing for an empty one.

    Raises:
        JournalError: There is no such file, it is not believed, or it is not a journal.
    """
    try:
        content = read_found(path, _LARGEST)
    except FileNotFoundError as error:
        if may_be_missing:
            return {}
        raise _failed(path, "read", error) from None
    except OSError as error:
        raise _failed(path, "read", error) from None
    return _outcomes(path, content, account)


class JournalFile:
    """A journal that is open to be written, by one run at a time.

    Opening it shows whether it can be: that its file is a journal, that nobody else writes it, and that the disk takes
    more. A last line that was torn, as by a kill, is cut off.

    Two locks show that it is in use. The one beside it says whose it is, and earlier versions look at it. The one on
    the file itself holds under each of its names.

    Args:
        path: Where it is. A file that is missing is made for the user alone; its folder must be there. A link is
            followed to a file that is there.
        account: The account whose lines count. Those of another service, such as a sandbox, do not.

    Raises:
        JournalError: It cannot be. Nothing was sent.

    Attributes:
        outcomes: The last outcome of each draft, as of the opening.
    """

    def __init__(self, path: Path, account: JournalAccount) -> None:
        try:
            real = real_path(path)  # a link is the same journal
            check_path(real, _LARGEST)  # before a lock is made beside it
        except OSError as error:
            raise _failed(path, "opened", error) from None
        self._path = path = real
        self._account = account
        self._failure: OSError | None = None
        self._lock = _Lock(path)
        try:
            self._file = open_found(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, _LARGEST)
            try:
                _lock(self._file)
                self.outcomes = self._begin()
            except BaseException:
                _unlock(self._file)
                os.close(self._file)
                raise
        except BaseException as error:
            self._lock.release()
            if isinstance(error, BlockingIOError):
                raise _in_use(path, "one that has it by another name") from None
            if isinstance(error, OSError):
                raise _failed(path, "written", error) from None
            raise

    def append(self, lines: bytes) -> None:
        """Add whole lines, and have them on the disk when this returns.

        Raises:
            JournalError: They are not, or not all of them. Nothing is added any more: the last line may be torn.
        """
        try:
            if self._failure is not None:
                raise self._failure
            while lines:
                lines = lines[os.write(self._file, lines) :]
            os.fsync(self._file)
        except OSError as error:
            self._failure = error
            raise _failed(self._path, "written", error) from None

    def close(self) -> None:
        """Let another run have it."""
        _unlock(self._file)
        os.close(self._file)
        self._lock.release()

    def _begin(self) -> dict[str, PublishOutcome]:
        content = read_all(self._file, self._path, _LARGEST)
        outcomes = _outcomes(self._path, content, self._account)
        whole = content.rfind(b"\n") + 1
        os.ftruncate(self._file, whole)
        # A disk that is full, or a file system that is mounted read-only, is found out before anything is sent.
        os.write(self._file, b"\n")
        os.fsync(self._file)
        os.ftruncate(self._file, whole)
        os.fsync(self._file)
        _sync_folder(self._path)
        return outcomes


class _Lock:
    """That a run has a journal: a lock on a file beside it, which goes with the process, and says whose it is.

    Raises:
        JournalError: Another run has it, there can be no such file, or the system has no such locks.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")
        self._file = -1
        _locks()  # before a file is made that cannot be locked
        try:
            while self._file < 0:
                self._try(path)
        except OSError as error:
            raise _failed(path, "opened", error) from None

    def release(self) -> None:
        """Let another run have the journal."""
        with suppress(OSError):
            self._path.unlink()
        os.close(self._file)

    def _try(self, path: Path) -> None:
        file = open_found(self._path, os.O_RDWR | os.O_CREAT, _LARGEST)
        try:
            _lock(file)
            if self._is_beside(file):
                if (content := os.pread(file, _LONGEST_LOCK, 0)) and _owner(content) is None:
                    raise JournalError(f"{one_line(self._path)} is in the way: it is not a lock of a journal.")
                os.ftruncate(file, 0)
                os.write(file, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
                self._file = file
        except BlockingIOError:
            raise _in_use(path, _owner(os.pread(file, _LONGEST_LOCK, 0)) or "one that has only begun") from None
        finally:
            if self._file != file:
                os.close(file)

    def _is_beside(self, file: int) -> bool:
        """Whether the file is still there: who had the lock until now has taken it away."""
        with suppress(OSError):
            return os.path.samestat(os.fstat(file), self._path.stat())
        return False


def _locks() -> Any:
    """Return the system's module of file locks.

    Raises:
        JournalError: This system has none.
    """
    try:
        import fcntl
    except ImportError:
        raise JournalError("a journal needs file locks such as Linux and macOS have") from None
    return fcntl


def _lock(file: int) -> None:
    """Lock an open file for as long as it is open.

    Raises:
        BlockingIOError: It is locked.
    """
    locks = _locks()
    locks.flock(file, locks.LOCK_EX | locks.LOCK_NB)


def _unlock(file: int) -> None:
    """Unlock an open file. A child that was forked meanwhile has it open too, and would keep the lock."""
    with suppress(OSError):
        _locks().flock(file, _locks().LOCK_UN)


def _failed(path: Path, what: str, error: OSError) -> JournalError:
    """Return the error for something that the system refuses, or for a file that is not believed."""
    return JournalError(f"the journal {one_line(path)} cannot be {what}: {error.strerror or error}")


def _in_use(path: Path, owner: str) -> JournalError:
    return JournalError(f"another run has the journal {one_line(path)}: {owner}. Wait until it ends, or stop it.")


def _outcomes(path: Path, content: bytes, account: JournalAccount) -> dict[str, PublishOutcome]:
    """Return the last outcome of each draft that counts."""
    outcomes: dict[str, PublishOutcome] = {}
    for number, text in enumerate(io.BytesIO(content), start=1):
        if text == b"\n":  # a run that is beginning, or was killed then, has tried whether the disk takes it
            continue
        if not text.endswith(b"\n"):
            _check_torn(path, number, text)
            break
        try:
            line = read_line(text)
        except NotAnEntryError:
            raise _no_journal(path, number) from None
        outcome = line.outcome
        if not account.covers(line.account):
            continue
        if (known := outcomes.get(outcome.job_id)) is None or _counts_after(outcome, known):
            outcomes.pop(outcome.job_id, None)
            outcomes[outcome.job_id] = outcome
    return outcomes


def _check_torn(path: Path, number: int, torn: bytes) -> None:
    """Refuse a last line without an end that is not the beginning of an entry."""
    torn = torn.replace(b"\0", b"")  # which a crash of the machine may leave
    if not (torn.startswith(BEGINS) or BEGINS.startswith(torn)):
        raise _no_journal(path, number)


def _counts_after(outcome: PublishOutcome, known: PublishOutcome) -> bool:
    """True unless the known outcome is final: of a live draft a second look changes nothing.

    A draft that was not ready, or was blocked, may have been sent again: then the later outcome counts.
    """
    return outcome.is_final or not known.is_final or (known.status is REJECTED and outcome.attempts > 0)


def _no_journal(path: Path, number: int) -> JournalError:
    return JournalError(f"line {number} of {one_line(path)} is not of a journal. Is that another file?")


def _owner(content: bytes) -> str | None:
    """Who has a lock, by what it says."""
    try:
        facts = json.loads(content)
        return f"process {facts['pid']} on {one_line(facts['host'])}"
    except (ValueError, KeyError, TypeError):
        return None


def _sync_folder(path: Path) -> None:
    """Have the file's name on the disk as well; where a folder cannot be synced, that is not needed."""
    with suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
