"""The turns that processes take at one SQLite file, and who is told what when a step or the file fails."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from opentrain_async import SQLiteLedger
from opentrain_async.errors import QuotaLedgerError
from opentrain_async.quota import AccountLog
from opentrain_async.quota._slots import Slot
from opentrain_async.quota._stores import sqlite_file, sqlite_worker
from opentrain_async.quota._stores.serialized import dump_log
from opentrain_async.quota._stores.sqlite_file import LedgerFile

from ..support import stores
from ..support.stores import publish, used

ledger_on = partial(stores.ledger_on, limit=20)


def _used(log: AccountLog, _now: float) -> int:
    return log.used


def _log_of(used: int) -> AccountLog:
    return AccountLog(others=[Slot("elsewhere", 0.0) for _ in range(used)])


def _fails(_log: AccountLog, _now: float) -> None:
    raise LookupError("its own affair")


class Begun:
    """A step that keeps the thread busy until it `may_end`; meanwhile others can be put behind it."""

    def __init__(self) -> None:
        self.is_running = threading.Event()
        self.may_end = threading.Event()

    def __call__(self, _log: AccountLog, _now: float) -> None:
        self.is_running.set()
        assert self.may_end.wait(10)


async def behind_another(store: SQLiteLedger, steps: dict[str, Callable[[AccountLog, float], object]]) -> list[object]:
    """Put a step for each account while another is run, so that all of them wait; return what each caller got."""
    first = Begun()
    running = store.run("first", first, 0.0)
    await asyncio.to_thread(first.is_running.wait, 10)
    waiting = [store.run(account, step, 0.0) for account, step in steps.items()]
    first.may_end.set()
    await running
    return await asyncio.gather(*waiting, return_exceptions=True)


@pytest.fixture
def turns_of(monkeypatch: pytest.MonkeyPatch, ledger_path: Path) -> Callable[[int], SQLiteLedger]:
    """Makes a ledger whose turns have that many steps."""

    def make(steps: int) -> SQLiteLedger:
        monkeypatch.setattr(sqlite_worker, "_TURN", steps)
        return SQLiteLedger(ledger_path)

    return make


async def test_F58_a_transaction_has_no_more_steps_than_a_turn(
    turns_of: Callable[[int], SQLiteLedger], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many wait; what one transaction has used of the turn is not left to the next."""
    sizes: list[int] = []
    commit = LedgerFile.commit

    def sized(file: LedgerFile, logs: Sequence[tuple[str, str]]) -> None:
        sizes.append(len(logs))
        commit(file, logs)

    monkeypatch.setattr(LedgerFile, "commit", sized)
    async with turns_of(3) as store:
        assert await behind_another(store, {f"account_{number}": _used for number in range(7)}) == [0] * 7
    assert sizes == [1, 2, 3, 2]


async def test_F58_a_turn_ends_in_a_pause_where_others_had_the_file(
    turns_of: Callable[[int], SQLiteLedger], ledger_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the pause another process has its turn without waiting. A ledger that is alone makes no pause."""
    pauses: list[tuple[float, bool]] = []
    async with turns_of(2) as store:
        await publish(ledger_on(store), "alone")

        def pause(seconds: float) -> None:
            another = LedgerFile(ledger_path)
            pauses.append((seconds, another.begin()))
            another.commit([])
            another.close()

        other = sqlite3.connect(ledger_path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(sqlite_worker, "time", SimpleNamespace(sleep=pause))
        monkeypatch.setattr(
            sqlite_file, "time", SimpleNamespace(sleep=lambda _: other.rollback(), monotonic=time.monotonic)
        )
        await publish(ledger_on(store), "crowded", "alone_again")
        assert await used(store) == 3
        assert pauses == [(sqlite_worker.PAUSE_SECONDS, False)]
        other.close()


async def test_F58_a_ledger_that_is_always_busy_starves_no_other(turns_of: Callable[[int], SQLiteLedger]) -> None:
    """Another one has its turns at the file, although the first one has always more to do."""
    async with turns_of(10) as busy, turns_of(10) as other:
        others = asyncio.create_task(publish(ledger_on(other), *"abcdefgh"))
        rounds = 0
        while not others.done():
            await asyncio.gather(*(busy.run(f"account_{number}", _used, 0.0) for number in range(25)))
            rounds += 1
            assert rounds < 2_000
        await others


async def test_F58_progress_is_seen_of_ones_own_steps_and_of_others(
    turns_of: Callable[[int], SQLiteLedger], ledger_path: Path
) -> None:
    """It does not change while nothing happens."""
    async with turns_of(10) as store:
        seen = {store.progress}
        await publish(ledger_on(store), "a")
        seen.add(store.progress)
        assert store.progress in seen
        (file,) = store._worker._files
        file.others += 1
        seen.add(store.progress)
        assert len(seen) == 3


async def test_what_others_change_before_the_transaction_is_taken_into_account(
    sqlite_store: SQLiteLedger, ledger_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step is run again on the log as it is then; what it raised on the earlier one is forgotten."""
    begin = LedgerFile.begin

    def after_another(file: LedgerFile) -> bool:
        monkeypatch.undo()
        another = LedgerFile(ledger_path)
        another.begin()
        another.commit([("changed", dump_log(_log_of(7)))])
        another.close()
        return begin(file)

    def looks(log: AccountLog, _now: float) -> int:
        if log.used != 7:
            raise LookupError("not yet")
        return log.used

    await used(sqlite_store)
    monkeypatch.setattr(LedgerFile, "begin", after_another)
    assert await sqlite_store.run("changed", looks, 0.0) == 7


async def test_a_step_that_raises_is_left_out_of_its_transaction(sqlite_store: SQLiteLedger) -> None:
    """What it did to the log before is dropped; the others take place, on its account too, and the file stays open."""

    def leaves(log: AccountLog, _now: float) -> None:
        log.others = _log_of(3).others
        raise SystemExit("leaving")

    def learns(log: AccountLog, _now: float) -> None:
        log.others = _log_of(5).others

    await used(sqlite_store)
    files = list(sqlite_store._worker._files)
    first = Begun()
    running = sqlite_store.run("first", first, 0.0)
    await asyncio.to_thread(first.is_running.wait, 10)
    told = [sqlite_store.run("account", step, 1.0) for step in (learns, _fails, leaves, _used)]
    others = sqlite_store.run("other", _used, 1.0)
    first.may_end.set()
    await running
    assert (await told[0], await told[3], await others) == (None, 5, 0)
    assert isinstance(told[1].exception(), LookupError)
    assert isinstance(told[2].exception(), SystemExit)
    assert sqlite_store._worker._files == files
    assert await sqlite_store.run("account", _used, 1.0) == 5


async def test_a_log_that_cannot_be_kept_is_the_affair_of_who_made_it_so(
    sqlite_store: SQLiteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger's other callers are not told, be it on the same account, and the file stays open."""

    def spoils(log: AccountLog, _now: float) -> None:
        log.others = _log_of(9).others

    def dumped(log: AccountLog) -> str:
        if log.used == 9:
            raise QuotaLedgerError("too long")
        return dump_log(log)

    await used(sqlite_store)
    files = list(sqlite_store._worker._files)
    monkeypatch.setattr(sqlite_worker, "dump_log", dumped)
    answers = await behind_another(sqlite_store, {"a": _used, "spoiled\x1b": spoils, "b": _used})
    assert (answers[0], answers[2]) == (0, 0)
    assert isinstance(answers[1], QuotaLedgerError)
    assert answers[1].message.endswith(r"quota.sqlite3 failed: too long (account spoiled\x1b)")
    assert sqlite_store._worker._files == files
    spoiling = sqlite_store.run("a", spoils, 0.0)
    counting = sqlite_store.run("a", _used, 0.0)
    assert await counting == 0
    with pytest.raises(QuotaLedgerError, match="too long"):
        await spoiling


async def test_an_account_whose_name_is_not_text_is_the_affair_of_its_caller(sqlite_store: SQLiteLedger) -> None:
    """SQLite takes no lone surrogate."""
    await used(sqlite_store)
    files = list(sqlite_store._worker._files)
    answers = await behind_another(sqlite_store, {"a": _used, "\udc80": _used, "b": _used})
    assert [isinstance(answer, QuotaLedgerError) for answer in answers] == [False, True, False]
    assert sqlite_store._worker._files == files


async def test_F29_a_transaction_that_fails_is_told_to_those_in_it(
    turns_of: Callable[[int], SQLiteLedger], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps that wait behind it have a transaction of their own; a step that raised is told its own error."""
    commit = LedgerFile.commit

    def fail(file: LedgerFile, logs: list[tuple[str, str]]) -> None:
        if logs[0][0] == "b":
            raise OSError("a sector is gone")
        commit(file, logs)

    monkeypatch.setattr(LedgerFile, "commit", fail)
    async with turns_of(3) as store:
        answers = await behind_another(store, {"b": _used, "c": _fails, "d": _used, "e": _used})
    assert isinstance(answers[0], QuotaLedgerError)
    assert isinstance(answers[0].__cause__, OSError)
    assert "a sector is gone" in str(answers[0])
    assert isinstance(answers[1], LookupError)
    assert answers[2:] == [0, 0]


async def test_F29_a_file_that_cannot_be_had_is_told_to_all_who_wait(
    turns_of: Callable[[int], SQLiteLedger], ledger_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, however few steps a turn has; the next caller finds out anew."""
    looks: list[LedgerFile] = []
    begin = LedgerFile.begin

    def counted(file: LedgerFile) -> bool:
        looks.append(file)
        return begin(file)

    async with turns_of(1) as store:
        await publish(ledger_on(store), "a")
        monkeypatch.setattr(sqlite_file, "_BUSY_SECONDS", 0.01)
        other = sqlite3.connect(ledger_path, isolation_level=None)
        first = Begun()
        asked: list[asyncio.Future[None] | asyncio.Future[int]] = [store.run("first", first, 0.0)]
        await asyncio.to_thread(first.is_running.wait, 10)
        monkeypatch.setattr(LedgerFile, "begin", counted)
        other.execute("BEGIN IMMEDIATE")
        asked += [store.run(f"account_{number}", _used, 0.0) for number in range(5)]
        first.may_end.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [str(answer).count("database is locked") for answer in answers] == [1] * 6
        assert len(looks) == 1
        other.close()
        assert await store.run("first", _used, 0.0) == 0
