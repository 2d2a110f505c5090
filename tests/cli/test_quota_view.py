"""The view of the quota."""

import json
import os
import pty

import pytest

from opentrain_async._base.clock import instant
from opentrain_async._cli.commands import demo
from opentrain_async._cli.views import quota_view
from opentrain_async.quota import MemoryLedger, QuotaSnapshot
from opentrain_async.sandbox import Fault, Sandbox

from ..support import command
from ..support.account import ACCEPTED, T0, Account


async def test_quota_shows_each_slot(sandbox: Sandbox) -> None:
    """Limit and where it comes from, use, and each slot with its job, its state and when it comes back."""
    ids = [sandbox.draft() for _ in range(5)]
    sandbox.fault(Fault.RESET, job_id=ids[4], times=9)
    await command.run("publish", *ids, sandbox=sandbox)
    requests = len(sandbox.requests)
    finished = await command.run("quota", sandbox=sandbox)
    assert finished.status == 0
    lines = finished.out.splitlines()
    assert lines[0] == "5 of 20 used (1 in doubt), 15 free"
    assert lines[1].startswith("Limit: a claimed account's, since more was accepted")
    assert sum("published" in line and " 23 h 5" in line for line in lines) == 4
    assert sum(ids[4] in line and "in doubt" in line for line in lines) == 1
    shown = json.loads((await command.run("quota", "--json", sandbox=sandbox)).out)
    assert (shown["limit"], shown["used"], shown["remaining"], shown["doubtful"]) == (20, 5, 15, 1)
    assert sorted(slot["job_id"] for slot in shown["slots"]) == sorted(ids)
    assert shown["next_slot_at"] == min(slot["frees_at"] for slot in shown["slots"])
    assert len(sandbox.requests) == requests


async def test_quota_of_an_account_that_has_published_nothing(sandbox: Sandbox) -> None:
    """There is nothing to show but that."""
    finished = await command.run("quota", sandbox=sandbox)
    assert finished.out.splitlines()[:2] == [
        "0 of an unknown limit used",
        "Limit: nobody has said yet, and it is learned on the way",
    ]
    assert finished.out.splitlines()[2].startswith("Ledger: SQLiteLedger('")


@pytest.mark.parametrize(("columns", "has_room"), [(100, True), (60, False)])
async def test_on_a_terminal_each_slot_has_a_bar(sandbox: Sandbox, columns: int, has_room: bool) -> None:
    """As long as what is left of its day; where there is room for it."""
    await command.run("publish", sandbox.draft(), sandbox=sandbox)
    ours, theirs = pty.openpty()
    process = await command.start("quota", sandbox=sandbox, out=theirs, env={"TERM": "xterm", "COLUMNS": str(columns)})
    await command.end(process)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert ("24 h" in shown) is has_room
    assert ("━" * 20 in shown) is has_room
    assert sandbox.live[0] in shown


def test_a_quota_of_which_little_is_known_is_shown_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    """There may be no limit yet, and no slot in the window."""
    demo.show(demo.Performance((), (), 0, QuotaSnapshot(limit=None, used=0, remaining=None, next_slot_at=None)))
    assert "Quota     0 of an unknown limit used\n" in capsys.readouterr().out


def test_an_accepted_publish_is_shown_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    """It counts, and is not among those in doubt."""
    account = Account(cap=20)
    account.settled("job_1", ACCEPTED)
    quota_view.show(account.log.snapshot(T0, 20), MemoryLedger(), instant(T0))
    first, *rows = capsys.readouterr().out.splitlines()
    assert first == "1 of 20 used, 19 free"
    assert [row.split()[:2] for row in rows if "job_1" in row] == [["job_1", "accepted"]]
