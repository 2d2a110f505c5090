"""The SQLite file of a ledger: what may be in its place, its transactions."""

import os
import random
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..._base.found_file import MIB, check_path, make_folder, real_path
from ...errors import QuotaLedgerError
from .serialized import LONGEST_LOG, NOT_A_LOG
from .sqlite import ENDS
from .sqlite_worker import PAUSE_SECONDS

SCHEMA = 1
_BUSY_SECONDS = 5.0
"""How long others may keep the file locked without getting on, and how long a statement may take."""
_LARGEST = 512 * MIB
"""Bytes of a file that is believed: of a hundred thousand accounts and more."""
_TABLE = "CREATE TABLE account_log (account TEXT PRIMARY KEY, log TEXT)"
_INSTRUCTIONS = 1_000
"""SQLite's instructions between two looks at the clock: few, since one can be the parsing of a whole table's text."""
_LONGEST_SQL = 100_000
"""Characters of such a text."""


class LedgerFile:
    """An open file; to be used by one thread at a time.

    Args:
        path: Where it is. What is missing of its folder is made for the user alone, as is the file.

    Attributes:
        others: Another number when others were seen to have written.

    Raises:
        OSError: The folder or the file could not be made, or is not believed.
        QuotaLedgerError: The file is something else, or a newer version's.
    """

    def __init__(self, path: Path) -> None:
        path = real_path(path)
        make_folder(path.parent)
        # Only a file of its own making is opened here: to close one in use would drop this process's locks on it.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            path.chmod(0o600)  # the umask may have taken away the user's own rights
        # For the same reason it is judged by its name, just before SQLite opens that.
        for end in ENDS:
            check_path(path.with_name(path.name + end), _LARGEST)
        self._connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        self.others = -1
        self._give_up_at = 0.0
        self._has_waited = False
        try:
            self._trust_nothing()
            self._execute("PRAGMA synchronous = NORMAL")
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def begin(self) -> bool:
        """Begin a transaction, after as many turns of others as it takes; return whether it had to wait.

        Raises:
            sqlite3.OperationalError: The file stayed locked, and those who have it did not get on.
        """
        self._has_waited = False
        give_up_at = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                self._execute("BEGIN IMMEDIATE", seconds=_BUSY_SECONDS / 5)
            except sqlite3.OperationalError as error:
                if not _is_locked(error):
                    raise
                before = self.others
                (self.others,) = self._execute("PRAGMA data_version").fetchone()
                if self.others != before:
                    give_up_at = time.monotonic() + _BUSY_SECONDS
                elif time.monotonic() > give_up_at:
                    raise
            else:
                return self._has_waited

    def read(self, account: str) -> bytes | None:
        """Return the text of the account's log, unchecked; `None` for an account that is new.

        Raises:
            ValueError: It is too long, or the account's name is not text.
        """
        try:
            # An account that is new has its whole day. One whose log is NULL is not new.
            row = self._execute("SELECT coalesce(log, '') FROM account_log WHERE account = ?", account).fetchone()
        except sqlite3.DataError:  # too long
            raise ValueError(NOT_A_LOG) from None
        return None if row is None else row[0]

    def commit(self, logs: Sequence[tuple[str, str]]) -> None:
        """Write these logs, each with its account before it, and end the transaction."""
        # In place, and in a table with row ids: else a log of a day is spread over pages, each written anew.
        self._execute(
            "INSERT INTO account_log VALUES (?, ?) ON CONFLICT (account) DO UPDATE SET log = excluded.log", many=logs
        )
        self._execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _prepare(self) -> None:
        """Make an empty file a ledger; refuse what is none."""
        if self._schema() != SCHEMA:
            self._execute("PRAGMA journal_mode = WAL")
            self.begin()
            if self._schema() == 0:  # still, now that nobody else can be making it one
                self._execute(_TABLE)
                self._execute(f"PRAGMA user_version = {SCHEMA}")
            self._execute("COMMIT")

    def _schema(self) -> int:
        """The schema's version; 0 if the file is empty.

        Raises:
            QuotaLedgerError: It is a newer one, or not a ledger's.
        """
        # In one statement: between two, another process may make it a ledger. The index of our table is without SQL; an
        # index with SQL can compute, as a trigger can.
        version, parts, named, ours, acting = self._execute(
            "SELECT user_version, (SELECT count(*) FROM sqlite_schema), "
            "(SELECT count(*) FROM sqlite_schema WHERE name = 'account_log'), "
            "(SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'account_log' AND sql = ?), "
            "(SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' OR (type = 'index' AND sql IS NOT NULL)) "
            "FROM pragma_user_version",
            _TABLE,
        ).fetchone()
        if version > SCHEMA and named:
            raise QuotaLedgerError(
                f"a newer version of opentrain_async made this ledger (schema {version}; this one knows {SCHEMA})"
            )
        if (version, parts) != (0, 0) and (version != SCHEMA or not ours):
            raise QuotaLedgerError("this is a database of something else, and not a quota ledger")
        if acting:
            raise QuotaLedgerError("this database has triggers or indexes that a quota ledger does not have: drop them")
        return int(version)

    def _trust_nothing(self) -> None:
        """Have SQLite run nothing that the file asks for, read no huge row, and end in time."""
        connection = self._connection
        connection.set_progress_handler(self._is_late, _INSTRUCTIONS)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_LOG + MIB)  # of a whole row
        connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, _LONGEST_SQL)
        connection.text_factory = bytes  # the reader of logs decodes, and refuses what it cannot decode
        self._execute("PRAGMA trusted_schema = OFF")

    def _is_late(self) -> bool:
        return time.monotonic() > self._give_up_at

    def _execute(
        self, statement: str, *values: str, many: Sequence[tuple[str, str]] | None = None, seconds: float | None = None
    ) -> sqlite3.Cursor:
        """Run a statement, once or for each of *many*, within its time; wait that long for the locks of others.

        Raises:
            QuotaLedgerError: It took too long.
            sqlite3.OperationalError: The file stayed locked, or something else is wrong with it.
        """
        self._give_up_at = time.monotonic() + (_BUSY_SECONDS if seconds is None else seconds)
        while True:
            try:
                if many is not None:
                    return self._connection.executemany(statement, many)
                return self._connection.execute(statement, values)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                    raise QuotaLedgerError(f"a statement took longer than {_BUSY_SECONDS:g} s") from None
                if not _is_locked(error):
                    raise
                self._has_waited = True
                if self._is_late():
                    raise
            # SQLite's own waiting sleeps ever longer, so that the latest comer wins, and does not cover every lock.
            time.sleep(random.uniform(0, PAUSE_SECONDS))


def _is_locked(error: sqlite3.OperationalError) -> bool:
    """True if somebody else has the lock, for whichever reason: that is in the higher bits."""
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
