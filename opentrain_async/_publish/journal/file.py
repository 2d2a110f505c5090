"""The file of a journal: lock it, read what is in it, append to it."""

import json
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from ..._base.text import one_line
from ...errors import JournalError
from ...outcomes import PublishOutcome
from ...outcomes._answer_table import REJECTED
from .account import JournalAccount
from .facts import NotAnEntryError
from .lines import BEGINS, read_line

_MODE = 0o600


def read(path: Path, account: JournalAccount) -> dict[str, PublishOutcome]:
    """The last outcome of each draft, in the order in which they came; a last line that is torn is left out.

    Args:
        path: The file.
        account: The account whose lines count.

    Raises:
        JournalError: There is no such file, or it is no journal.
    """
    try:
        if not path.is_file() and path.exists():
            raise _no_file(path)
        content = path.read_bytes()
    except OSError as error:
        raise _failed(path, "read", error) from None
    return _outcomes(path, content, account)


class JournalFile:
    """A journal that is open to be written, by one run at a time.

    Opening it shows whether it can be: that its file is a journal, that nobody else writes it, and that the disk takes
    more. A last line that was torn, as by a kill, is cut off.

    Args:
        path: Where it is. A file that is missing is made for the user alone; its folder has to be there.
        account: The account whose lines count. Those of another service, such as a sandbox, do not.

    Raises:
        JournalError: It cannot be. Nothing was sent.

    Attributes:
        outcomes: The last outcome of each draft, as of the opening.
    """

    def __init__(self, path: Path, account: JournalAccount) -> None:
        path = path.resolve()  # whoever comes by a link has the same journal
        self._path = path
        self._account = account
        self._failure: OSError | None = None
        self._lock = _Lock(path)
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _MODE)
            try:
                self.outcomes = self._begin()
            except BaseException:
                os.close(self._file)
                raise
        except BaseException as error:
            self._lock.release()
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
        os.close(self._file)
        self._lock.release()

    def _begin(self) -> dict[str, PublishOutcome]:
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            raise _no_file(self._path)
        with open(self._file, "rb", closefd=False) as file:
            file.seek(0)
            content = file.read()
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
        JournalError: Another run has it, or there can be no such file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")
        self._file = -1
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
        try:
            import fcntl
        except ImportError:
            raise JournalError("a journal needs file locks such as Linux and macOS have") from None
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._is_beside(file):
                if (content := os.pread(file, 1000, 0)) and _owner(content) is None:
                    raise JournalError(f"{one_line(self._path)} is in the way: it is no lock of a journal.")
                os.ftruncate(file, 0)
                os.write(file, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
                self._file = file
        except BlockingIOError:
            owner = _owner(os.pread(file, 1000, 0)) or "one that has only begun"
            raise JournalError(
                f"another run has the journal {one_line(path)}: {owner}. Wait until it ends, or stop it."
            ) from None
        finally:
            if self._file != file:
                os.close(file)

    def _is_beside(self, file: int) -> bool:
        """Whether the file is still there: who had the lock until now has taken it away."""
        with suppress(OSError):
            return os.path.samestat(os.fstat(file), self._path.stat())
        return False


def _failed(path: Path, what: str, error: OSError) -> JournalError:
    """What it means that the system refused something."""
    return JournalError(f"the journal {one_line(path)} cannot be {what}: {error.strerror or error}")


def _outcomes(path: Path, content: bytes, account: JournalAccount) -> dict[str, PublishOutcome]:
    """Return the last outcome of each draft that counts."""
    *lines, torn = content.split(b"\n")
    outcomes: dict[str, PublishOutcome] = {}
    for number, text in enumerate(lines, start=1):
        if not text:  # a run that is beginning, or was killed then, has tried whether the disk takes it
            continue
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
    torn = torn.replace(b"\0", b"")  # which a crash of the machine may leave
    if torn and not (torn.startswith(BEGINS) or BEGINS.startswith(torn)):
        raise _no_journal(path, len(lines) + 1)
    return outcomes


def _counts_after(outcome: PublishOutcome, known: PublishOutcome) -> bool:
    """True unless the known outcome is final: of a live draft a second look changes nothing.

    A draft that was not ready, or was blocked, may have been sent again: then the later outcome counts.
    """
    return outcome.is_final or not known.is_final or (known.status is REJECTED and outcome.attempts > 0)


def _no_file(path: Path) -> JournalError:
    return JournalError(f"{one_line(path)} is no regular file.")


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
