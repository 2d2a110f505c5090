"""The SQLite file of a ledger: where it is, who may read it, and what may be in its place."""

import asyncio
import os
import sqlite3
import stat
from functools import partial
from pathlib import Path

import pytest

from opentrain_async import SQLiteLedger
from opentrain_async.errors import ConfigurationError, QuotaLedgerError

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
        ("CREATE TABLE somebody_elses (x)", "no quota ledger"),
        ("PRAGMA user_version = 7; CREATE TABLE somebody_elses (x)", "no quota ledger"),
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
