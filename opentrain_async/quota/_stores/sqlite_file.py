"""The SQLite file of a ledger: its mode, its transactions."""

import os
import random
import sqlite3
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ...errors import QuotaLedgerError

SCHEMA = 1
_BUSY_SECONDS = 4.0
"""How long others may keep the file locked: less than a publish waits for its ledger, so that the reason is told."""


class LedgerFile:
    """An open file; to be used by one thread at a time.

    Args:
        path: Where it is. What is missing of its folder is made for the user alone, as is the file.

    Raises:
        OSError: The folder or the file could not be made.
        QuotaLedgerError: The file is something else, or a newer version's.
    """

    def __init__(self, path: Path) -> None:
        for folder in reversed(path.parents):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
        # Only a file of its own making is opened here: to close one in use would drop this process's locks on it.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        self._connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        self._others: int = -1
        try:
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def begin(self) -> bool:
        """Begin a transaction, once nobody else has one; returns whether others have written since the last one."""
        self._connection.execute("BEGIN IMMEDIATE")
        before = self._others
        (self._others,) = self._connection.execute("PRAGMA data_version").fetchone()
        return self._others != before

    def read(self, account: str) -> str | None:
        """The account's log, or `None` if there is none yet."""
        row = self._connection.execute("SELECT log FROM account_log WHERE account = ?", (account,)).fetchone()
        return None if row is None else row[0]

    def commit(self, logs: Iterable[tuple[str, str]]) -> None:
        """Write these logs, each with its account before it, and end the transaction."""
        # In place, and in a table with row ids: else a log of a day is spread over pages, each written anew.
        self._connection.executemany(
            "INSERT INTO account_log VALUES (?, ?) ON CONFLICT (account) DO UPDATE SET log = excluded.log", logs
        )
        self._connection.execute("COMMIT")

    def roll_back(self) -> None:
        """End the transaction, if there is one, as if it had not been."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _prepare(self) -> None:
        """Make an empty file a ledger; refuse what is none."""
        if self._schema() != SCHEMA:
            self._set_journal_mode()
            self._connection.execute("BEGIN IMMEDIATE")
            if self._schema() == 0:  # still, now that nobody else can be making it one
                self._connection.execute("CREATE TABLE account_log (account TEXT PRIMARY KEY, log TEXT)")
                self._connection.execute(f"PRAGMA user_version = {SCHEMA}")
            self._connection.execute("COMMIT")

    def _set_journal_mode(self) -> None:
        """Switch to write-ahead logging; of all locks this is the one that SQLite does not wait for by itself."""
        give_up_at = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_at:
                    raise
                time.sleep(random.uniform(0, 0.01))
            else:
                return

    def _schema(self) -> int:
        """The schema's version; 0 if the file is empty.

        Raises:
            QuotaLedgerError: It is a newer one, or none of ours.
        """
        # In one statement: between two, another process may make it one.
        version, tables, ours = self._connection.execute(
            "SELECT user_version, (SELECT count(*) FROM sqlite_schema), "
            "(SELECT count(*) FROM sqlite_schema WHERE name = 'account_log') FROM pragma_user_version"
        ).fetchone()
        if version > SCHEMA and ours:
            raise QuotaLedgerError(
                f"a newer version of opentrain_async made this ledger (schema {version}; this one knows {SCHEMA})"
            )
        if (version, tables) != (0, 0) and (version != SCHEMA or not ours):
            raise QuotaLedgerError("this is a database of something else, and no quota ledger")
        return int(version)
