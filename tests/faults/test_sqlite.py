"""What a disk, and others at the same file, do to the ledger that is kept in it, and what its publishes become then."""

import asyncio
import os
import sqlite3
import warnings
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from opentrain_async import AsyncOpenTrain, SQLiteLedger
from opentrain_async._base.clock import SystemClock
from opentrain_async.errors import QuotaLedgerError
from opentrain_async.quota import QuotaLedger
from opentrain_async.quota._stores import sqlite_file
from opentrain_async.sandbox import Sandbox

from ..support import stores
from ..support.clients import Connect
from ..support.disks import folder_for_everybody, full_disk, read_only
from ..support.peers import Call, answer, client_of, live, peer
from ..support.processes import in_a_process
from ..support.stores import publish
from ..support.virtual import LoopTime

ledger_on = partial(stores.ledger_on, limit=2)


async def test_F29_a_file_that_is_locked_too_long_is_an_error_with_nothing_sent(
    ledger_path: Path, sqlite_store: SQLiteLedger, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits is told within the bound; once the lock is gone all is well again."""
    # So that the reason is told, and not that it was slow.
    assert SQLiteLedger.patience > 2 * sqlite_file._BUSY_SECONDS
    monkeypatch.setattr(sqlite_file, "_BUSY_SECONDS", 0.02)
    await publish(ledger_on(sqlite_store), "a")
    await sqlite_store.close()
    other = locked(ledger_path)
    async with AsyncOpenTrain(sandbox.token, base_url=sandbox.url, ledger=sqlite_store) as client:
        report = await client.publish_many([sandbox.draft() for _ in range(3)])
        assert len(report.not_sent) == 3
        assert isinstance(report.stopped_by, QuotaLedgerError)
        assert "database is locked" in str(report.stopped_by)
        assert sandbox.requests == []
        other.close()
        assert (await client.publish(sandbox.draft())).newly_published


def locked(ledger_path: Path) -> sqlite3.Connection:
    """Somebody else's connection, which has the file's lock until it is closed."""
    other = sqlite3.connect(ledger_path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


async def test_F29_a_file_that_is_locked_after_a_publish_does_not_change_its_outcome(
    ledger_path: Path, sqlite_store: SQLiteLedger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its slot goes on counting, and is settled when its job is tried again."""
    monkeypatch.setattr(sqlite_file, "_BUSY_SECONDS", 0.02)
    others: list[sqlite3.Connection] = []

    async def behave(call: Call) -> None:
        if call.number == 1:
            others.append(locked(ledger_path))
        call.writer.write(answer(live("job_1", already=call.number > 1)))

    async with peer(behave) as server:
        async with client_of(server.url, ledger=sqlite_store) as client:
            assert (await client.publish("job_1")).newly_published
        assert "could not settle" in caplog.text
        others[0].close()
        async with client_of(server.url, ledger=sqlite_store) as client:
            assert [slot.state for slot in (await client.quota()).slots] == ["held"]
            assert (await client.publish("job_1")).already_published
            assert [slot.state for slot in (await client.quota()).slots] == ["spent"]


async def test_F29_a_ledger_that_never_answers_is_waited_for_seven_seconds(sandbox: Sandbox, connect: Connect) -> None:
    """Five for the place, and two to give it back; then it is an error, with nothing sent."""
    client, time = connect(sandbox, ledger=stores.SlowStore(goes_on=False)), LoopTime()
    publishing = asyncio.create_task(client.publish(sandbox.draft()))
    assert 4.5 < await time.passed_until(publishing.done) <= 7.5
    with pytest.raises(QuotaLedgerError):
        await publishing
    assert sandbox.requests == []


@pytest.mark.parametrize("lock", ["BEGIN EXCLUSIVE", "BEGIN; CREATE TABLE x (y); ROLLBACK; BEGIN IMMEDIATE"])
async def test_F29_a_file_in_the_making_is_waited_for(
    ledger_path: Path, sqlite_store: SQLiteLedger, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    """Of several that are the first to use a file one makes it; a file that stays locked is an error."""
    ledger_path.parent.mkdir(parents=True)
    other = sqlite3.connect(ledger_path, isolation_level=None)
    for statement in lock.split("; "):
        other.execute(statement)
    monkeypatch.setattr(sqlite_file, "_BUSY_SECONDS", 0.02)
    with pytest.raises(QuotaLedgerError, match="locked"):
        await ledger_on(sqlite_store).snapshot()
    monkeypatch.setattr(sqlite_file, "_BUSY_SECONDS", 10.0)
    waiting = asyncio.create_task(ledger_on(sqlite_store).snapshot())
    await asyncio.sleep(0.03)
    other.execute("ROLLBACK")
    other.close()
    assert (await waiting).used == 0


@pytest.mark.parametrize("begun", [True, False])
async def test_F29_a_file_that_may_not_be_written_is_an_error_with_nothing_sent(sandbox: Sandbox, begun: bool) -> None:
    """As in a container whose disk is read-only, whether there is a ledger already or not; the error names the file."""
    with folder_for_everybody() as folder:
        async with SQLiteLedger(folder / "quota.sqlite3") as sqlite_store:
            if begun:
                await publish(ledger_on(sqlite_store), "a")
                await sqlite_store.close()
            async with AsyncOpenTrain(sandbox.token, base_url=sandbox.url, ledger=sqlite_store) as client:
                with read_only(folder), pytest.raises(QuotaLedgerError, match=r"quota\.sqlite3"):
                    await client.publish(sandbox.draft())
                assert sandbox.requests == []
                assert (await client.publish(sandbox.draft())).newly_published


async def test_F29_a_disk_that_is_full_is_an_error_and_what_was_kept_stays(
    ledger_path: Path, sqlite_store: SQLiteLedger
) -> None:
    """SQLite's own limit on the pages of a file stands in for the disk's."""
    await publish(ledger_on(sqlite_store), "a")
    worker = sqlite_store._worker
    worker._files[0]._connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(QuotaLedgerError, match="full"):
        await QuotaLedger(sqlite_store, "x" * 9000, SystemClock(), daily_limit=2, lease=1.0).snapshot()
    assert (await ledger_on(sqlite_store).snapshot()).used == 1


@pytest.mark.parametrize("begun", [True, False])
async def test_F29_a_disk_that_is_full_stops_a_run_before_more_is_sent(
    ledger_path: Path, sqlite_store: SQLiteLedger, sandbox: Sandbox, connect: Connect, begun: bool
) -> None:
    """Full at the beginning, nothing is sent; full in the middle, no more. With room again it works again."""
    client, ids = connect(sandbox, ledger=sqlite_store, daily_limit=20), [sandbox.draft() for _ in range(6)]
    live_then = 2 if begun else 0
    with ExitStack() as disk:

        def fill(_: object) -> None:
            if len(sandbox.live) == live_then:
                disk.enter_context(full_disk())

        fill(None)
        report = await client.publish_many(ids, concurrency=1, on_outcome=fill)
    assert (len(report.published), len(report.not_sent), len(sandbox.requests)) == (live_then, 6 - live_then, live_then)
    assert isinstance(report.stopped_by, QuotaLedgerError)
    assert str(ledger_path) in str(report.stopped_by)
    assert len((await client.publish_many(ids)).outcomes) == len(sandbox.live) == 6
    assert (await client.quota()).used == 6


_FORK = """
import asyncio, os, sys
from opentrain_async import SQLiteLedger
from opentrain_async.quota import QuotaLedger, Saw
from opentrain_async._base.clock import SystemClock

store = SQLiteLedger(sys.argv[1])
ledger = QuotaLedger(store, "account", SystemClock(), daily_limit=20, lease=180.0)

async def publish(*jobs):
    for job in jobs:
        await ledger.settle(await ledger.reserve(job, 0), Saw("published"))

async def charged_by():
    return await store.run("account", lambda log, _: {slot.charged_by for slot in log.jobs.values()}, 0.0)

asyncio.run(publish("before"))
tell_parent, tell_child = os.pipe(), os.pipe()
if os.fork() == 0:
    asyncio.run(publish("child_1"))
    os.write(tell_parent[1], b"x")
    os.read(tell_child[0], 1)
    asyncio.run(publish("child_2"))
    sys.exit()
asyncio.run(publish("parent"))
os.read(tell_parent[0], 1)
asyncio.run(store.close())
os.write(tell_child[1], b"x")
os.wait()
snapshot = asyncio.run(ledger.snapshot())
print(*sorted(slot.job_id for slot in snapshot.slots), sep=", ")
print(len(asyncio.run(charged_by())))
"""


def test_F29_a_forked_child_opens_the_file_anew(ledger_path: Path) -> None:
    """Parent and child go on side by side, also when one of them closes it; their reservations have their own ids."""
    assert in_a_process(_FORK, ledger_path) == "before, child_1, child_2, parent\n4\n"


async def test_F29_another_process_has_a_worker_of_its_own(sqlite_store: SQLiteLedger) -> None:
    """What a child does first, seen from inside: it leaves the parent's worker alone."""
    await publish(ledger_on(sqlite_store), "a")
    parents = sqlite_store._worker
    parents.process = -1
    await publish(ledger_on(sqlite_store), "b")
    assert sqlite_store._worker is not parents
    assert (await ledger_on(sqlite_store).snapshot()).used == 2
    parents.close()


async def test_F29_forking_waits_for_a_transaction_and_closes_the_file(sqlite_store: SQLiteLedger) -> None:
    """No file is open across a fork; afterwards the parent opens it again."""
    await publish(ledger_on(sqlite_store), "a")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads
        child = os.fork()
    if child == 0:
        os._exit(len(sqlite_store._worker._files))
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    await publish(ledger_on(sqlite_store), "b")
    assert (await ledger_on(sqlite_store).snapshot()).used == 2
