"""The SQLite file of a ledger: where it is, who may read it, and what may be in its place."""

import asyncio
import os
import sqlite3
import stat
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from opentrain_async import SQLiteLedger
from opentrain_async.errors import ConfigurationError, QuotaLedgerError
from opentrain_async.quota._stores import sqlite_file
from opentrain_async.quota._stores.sqlite_file import LedgerFile

from ..support import stores
from ..support.stores import publish

ledger_on = partial(stores.ledger_on, limit=2)


async def test_the_file_is_for_its_user_alone(sqlite_store: SQLiteLedger, ledger_path: Path) -> None:
    """Mode 0600 in a folder of mode 0700, and the log beside it no less."""
    await publish(ledger_on(sqlite_store), "a")
    assert stat.S_IMODE(ledger_path.parent.parent.stat().st_mode) == 0o700
    modes = {
        file.name: stat.S_IMODE(file.stat().st_mode) for file in [ledger_path.parent, *ledger_path.parent.iterdir()]
    }
    assert modes.pop("state") == 0o700
    assert set(modes) == {"quota.sqlite3", "quota.sqlite3-wal", "quota.sqlite3-shm"}
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("state_home", ["set", "relative", None])
def test_it_lies_in_the_users_state_folder(
    state_home: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In XDG_STATE_HOME, or in ~/.local/state where that is not set or, against its specification, not absolute."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state") if state_home == "set" else "relative")
    if state_home is None:
        monkeypatch.delenv("XDG_STATE_HOME")
    folder = tmp_path / "state" if state_home == "set" else tmp_path / "home" / ".local" / "state"
    assert SQLiteLedger().path == folder / "opentrain-async" / "quota.sqlite3"


def test_without_a_home_folder_there_is_no_place_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose user is not known; a file that is named needs none."""
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    for path in (None, "~/quota.sqlite3"):
        with pytest.raises(ConfigurationError, match=r"the home folder is not known\. Set HOME"):
            SQLiteLedger(path)
    assert SQLiteLedger("/quota.sqlite3").path == Path("/quota.sqlite3")


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As text and as a path."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert SQLiteLedger("~/q.db").path == SQLiteLedger(Path("~/q.db")).path == tmp_path / "q.db"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("PRAGMA user_version = 2; CREATE TABLE account_log (x)", "newer version of opentrain_async"),
        ("CREATE TABLE somebody_elses (x)", "not a quota ledger"),
        ("PRAGMA user_version = 7; CREATE TABLE somebody_elses (x)", "not a quota ledger"),
        (None, "not a database"),
    ],
)
async def test_a_file_of_something_else_is_refused_and_left_alone(
    ledger_path: Path, sqlite_store: SQLiteLedger, script: str | None, said: str
) -> None:
    """A newer schema, another program's database, or no database: the error says which, and names the file."""
    ledger_path.parent.mkdir(parents=True)
    if script is None:
        ledger_path.write_text("something else" * 100)
    else:
        with sqlite3.connect(ledger_path) as other:
            other.executescript(script)
        other.close()
    ledger_path.chmod(0o600)
    before = ledger_path.read_bytes()
    with pytest.raises(QuotaLedgerError, match=said) as refused:
        await publish(ledger_on(sqlite_store), "a")
    assert str(ledger_path) in refused.value.message
    assert ledger_path.read_bytes() == before


async def test_a_log_of_a_newer_version_is_refused(ledger_path: Path, sqlite_store: SQLiteLedger) -> None:
    """Also one in a file of the known schema, and one that is damaged."""
    await publish(ledger_on(sqlite_store), "a")
    with sqlite3.connect(ledger_path) as other:
        for log, said in [("[3]", "newer version"), ("[2,2]", "not a log"), ("{}", "not a log"), ("[", "not a log")]:
            other.execute("UPDATE account_log SET log = ?", (log,))
            other.commit()
            with pytest.raises(QuotaLedgerError, match=said):
                await ledger_on(sqlite_store).snapshot()
    other.close()


async def test_processes_that_make_the_file_at_once_make_one(ledger_path: Path) -> None:
    """Nobody takes a file that another one is making for something else, and none fails."""
    stores = [SQLiteLedger(ledger_path) for _ in range(8)]
    await asyncio.gather(*(publish(ledger_on(store, limit=20), f"job_{id(store)}") for store in stores))
    assert (await ledger_on(stores[0]).snapshot()).used == 8
    for sqlite_store in stores:
        await sqlite_store.close()


def test_a_file_that_another_process_makes_a_ledger_meanwhile_is_that_ledger(
    ledger_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the first look at an empty file and the lock on it."""
    begin = LedgerFile.begin

    def after_another(file: LedgerFile) -> bool:
        monkeypatch.undo()
        LedgerFile(ledger_path).close()
        return begin(file)

    monkeypatch.setattr(LedgerFile, "begin", after_another)
    file = LedgerFile(ledger_path)
    file.begin()
    assert file.read("account") is None
    file.close()


_TABLE = "CREATE TABLE account_log (account TEXT PRIMARY KEY, log TEXT)"
_ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"


def changed_by(ledger_path: Path, script: str) -> None:
    """Another program changes the file."""
    with closing(sqlite3.connect(ledger_path)) as other:
        other.executescript(script)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (f"CREATE VIEW account_log (account, log) AS {_ENDLESS.replace('max(x)', 'x, x')}", "not a quota ledger"),
        (f"CREATE VIEW ACCOUNT_LOG (account, log) AS {_ENDLESS.replace('max(x)', 'x, x')}", "not a quota ledger"),
        ("CREATE VIRTUAL TABLE account_log USING fts5 (account, log)", "not a quota ledger"),
        (_TABLE.replace(")", ", more TEXT)"), "not a quota ledger"),
        (_TABLE.replace("log TEXT", "log TEXT AS (account)"), "not a quota ledger"),
        (_TABLE.replace("log TEXT", "log BLOB"), "not a quota ledger"),
        (_TABLE.replace("log TEXT", "log TEXT CHECK (length(log) > 7)"), "not a quota ledger"),
        (f"{_TABLE}; CREATE TRIGGER t AFTER INSERT ON Account_Log BEGIN {_ENDLESS}; END", "has triggers or indexes"),
        (f"{_TABLE}; CREATE INDEX i ON account_log (zeroblob(999999999))", "has triggers or indexes"),
    ],
)
async def test_F73_a_database_that_acts_by_itself_is_refused(
    ledger_path: Path, sqlite_store: SQLiteLedger, script: str, said: str
) -> None:
    """A view, a virtual table, other columns, a trigger, an index that computes: nothing of it is run."""
    ledger_path.parent.mkdir(parents=True)
    changed_by(ledger_path, f"PRAGMA user_version = 1; {script}")
    ledger_path.chmod(0o600)
    before = ledger_path.read_bytes()
    with pytest.raises(QuotaLedgerError, match=said):
        await publish(ledger_on(sqlite_store), "a")
    assert ledger_path.read_bytes() == before


async def test_tables_of_others_beside_the_ledgers_own_do_no_harm(
    ledger_path: Path, sqlite_store: SQLiteLedger
) -> None:
    """Nothing reads them, such as the statistics that ANALYZE leaves."""
    await publish(ledger_on(sqlite_store), "a")
    await sqlite_store.close()
    changed_by(ledger_path, "ANALYZE; CREATE TABLE notes (x)")
    await publish(ledger_on(sqlite_store), "b")
    assert (await ledger_on(sqlite_store).snapshot()).used == 2


async def test_F73_a_statement_that_does_not_end_is_interrupted(
    ledger_path: Path, sqlite_store: SQLiteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a trigger is made while the ledger is open; with that gone all is well again."""
    await publish(ledger_on(sqlite_store), "a")
    monkeypatch.setattr(sqlite_file, "_BUSY_SECONDS", 0.05)
    changed_by(ledger_path, f"CREATE TRIGGER t AFTER UPDATE ON account_log BEGIN {_ENDLESS}; END")
    with pytest.raises(QuotaLedgerError, match=r"a statement took longer than 0\.05 s"):
        await publish(ledger_on(sqlite_store), "b")
    with pytest.raises(QuotaLedgerError, match="has triggers"):  # found when the file is opened again
        await publish(ledger_on(sqlite_store), "b")
    monkeypatch.undo()
    changed_by(ledger_path, "DROP TRIGGER t")
    await publish(ledger_on(sqlite_store), "b")
    assert (await ledger_on(sqlite_store).snapshot()).used == 2


@pytest.mark.parametrize(
    "log",
    ["NULL", "x''", "x'ff'", "CAST(x'ff' AS TEXT)", "7", "1e308", "zeroblob(6000000)", "printf('%.*c', 5000000, 'x')"],
)
async def test_F73_an_account_without_a_log_in_its_row_does_not_start_anew(
    ledger_path: Path, sqlite_store: SQLiteLedger, log: str
) -> None:
    """NULL, bytes, a number, what is not text, a text without end: an error, and other accounts have their logs."""
    accounts = [ledger_on(sqlite_store, account=name) for name in ("one\x1b", "two")]
    for account in accounts:
        await publish(account, "a")
    changed_by(ledger_path, "UPDATE account_log SET log = ? WHERE account LIKE 'one%'".replace("?", log))
    asked = [account.snapshot() for account in accounts * 2]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(answer, QuotaLedgerError) for answer in answers] == [True, False] * 2
    assert "something that is not a log" in str(answers[0])
    assert "(account one\\x1b)" in str(answers[0])


async def test_a_log_in_bytes_is_a_log(ledger_path: Path, sqlite_store: SQLiteLedger) -> None:
    """What decides is what it says."""
    await publish(ledger_on(sqlite_store), "a")
    changed_by(ledger_path, "UPDATE account_log SET log = CAST(log AS BLOB)")
    assert (await ledger_on(sqlite_store).snapshot()).used == 1


async def test_F73_a_file_that_is_damaged_is_an_error(ledger_path: Path, sqlite_store: SQLiteLedger) -> None:
    """Wherever its bytes are others: an error, or the log as it was."""
    await publish(ledger_on(sqlite_store), "a")
    await sqlite_store.close()
    whole = ledger_path.read_bytes()
    refused = 0
    for place in range(0, len(whole), 401):
        ledger_path.write_bytes(whole[:place] + b"\xff" * 16 + whole[place + 16 :])
        try:
            assert (await ledger_on(sqlite_store).snapshot()).used == 1
        except QuotaLedgerError:
            refused += 1
        await sqlite_store.close()
        for end in ("-wal", "-shm"):
            ledger_path.with_name(ledger_path.name + end).unlink(missing_ok=True)
    assert refused > 0


@pytest.mark.parametrize("end", ["", "-wal", "-shm", "-journal"])
async def test_F72_a_file_that_others_may_write_is_refused(
    ledger_path: Path, sqlite_store: SQLiteLedger, end: str
) -> None:
    """The ledger, or what lies beside it and SQLite would take for its own."""
    await publish(ledger_on(sqlite_store), "a")
    await sqlite_store.close()
    found = ledger_path.with_name(ledger_path.name + end)
    found.touch()
    found.chmod(0o620)
    with pytest.raises(QuotaLedgerError, match=rf"failed: other users may write to {found.name}\. Forbid that"):
        await ledger_on(sqlite_store).snapshot()
    found.chmod(0o600)
    assert (await ledger_on(sqlite_store).snapshot()).used == 1


async def test_a_ledger_behind_a_link_is_the_same_ledger(ledger_path: Path, tmp_path: Path) -> None:
    """It lies where the link leads, and what belongs to it lies there too."""
    (tmp_path / "link").symlink_to(ledger_path)
    async with SQLiteLedger(ledger_path) as straight, SQLiteLedger(tmp_path / "link") as by_the_link:
        with pytest.raises(QuotaLedgerError, match="link is a link that leads nowhere"):
            await publish(ledger_on(by_the_link), "a")
        await publish(ledger_on(straight), "a")
        await publish(ledger_on(by_the_link), "b")
        assert (await ledger_on(straight).snapshot()).used == 2
        assert sorted(file.name for file in tmp_path.iterdir()) == ["link", "new"]


def locked(ledger_path: Path) -> sqlite3.Connection:
    """Another connection, which has the file's lock."""
    other = sqlite3.connect(ledger_path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    return other


def test_F58_a_file_is_waited_for_as_long_as_others_get_on(ledger_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of their transactions begins the wait anew; a lock that is only held ends it."""
    file = LedgerFile(ledger_path)
    other = locked(ledger_path)
    monkeypatch.setattr(sqlite_file, "_BUSY_SECONDS", 0.0)
    turns = 5

    def work(_: LedgerFile) -> bool:
        nonlocal turns
        turns -= 1
        if turns >= 0:
            other.execute("INSERT INTO account_log VALUES (?, '')", (f"other_{turns}",))
            other.execute("COMMIT")
        if turns > 0:
            other.execute("BEGIN IMMEDIATE")
        return turns >= 0

    monkeypatch.setattr(LedgerFile, "_is_late", work)
    assert file.begin()
    assert turns == 0
    file.commit([])
    assert not file.begin()
    file.commit([])
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(LedgerFile, "_is_late", lambda _: True)
    with pytest.raises(sqlite3.OperationalError, match="database is locked"):
        file.begin()
    other.close()
    file.close()


def test_F58_a_commit_waits_for_readers_where_there_is_no_write_ahead_log(
    ledger_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a tool has changed the file's journal mode: then a reader keeps a writer from its commit."""
    LedgerFile(ledger_path).close()
    with closing(sqlite3.connect(ledger_path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        file = LedgerFile(ledger_path)
        file.begin()
        other.execute("BEGIN")
        other.execute("SELECT * FROM account_log").fetchall()
        sleep = time.sleep

        def end_reading(seconds: float) -> None:
            other.execute("ROLLBACK")
            sleep(seconds)

        monkeypatch.setattr(sqlite_file, "time", SimpleNamespace(sleep=end_reading, monotonic=time.monotonic))
        file.commit([("account", "")])
        file.close()
        assert other.execute("SELECT count(*) FROM account_log").fetchone() == (1,)


def test_F73_a_database_whose_schema_takes_long_to_parse_is_refused(ledger_path: Path) -> None:
    """No table's text is read beyond a bound: SQLite cannot be interrupted while it parses one."""
    LedgerFile(ledger_path).close()
    changed_by(ledger_path, f"CREATE VIEW v AS SELECT 1 IN ({','.join(['1'] * 100_000)})")
    with pytest.raises(sqlite3.DatabaseError, match="malformed database schema"):
        LedgerFile(ledger_path)


def test_F29_a_file_that_cannot_be_written_is_not_waited_for(
    ledger_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a lock passes."""
    file = LedgerFile(ledger_path)
    monkeypatch.setattr(sqlite_file, "time", SimpleNamespace(sleep=pytest.fail, monotonic=time.monotonic))
    file._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        file.begin()
    file.close()
