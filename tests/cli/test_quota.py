"""The command line remembers what was published, and shows it."""

import json
import os
import pty
from pathlib import Path

import pytest

from opentrain_async.sandbox import Fault, Sandbox

from ..support import command
from ..support.peers import unused_port
from ..support.servers import RedisServer


async def test_a_second_run_knows_the_publishes_of_the_first(sandbox: Sandbox) -> None:
    """20 go live; the next command sends nothing, and says when the slots come back."""
    ids = [sandbox.draft() for _ in range(25)]
    await command.run("publish", *ids[:20], sandbox=sandbox)
    assert (len(sandbox.live), len(sandbox.requests)) == (20, 20)
    finished = await command.run("publish", *ids[20:], "--json", sandbox=sandbox)
    assert finished.status == 1
    assert {outcome["status"] for outcome in finished.outcomes} == {"deferred"}
    assert all(outcome["retry_at"] for outcome in finished.outcomes)
    assert len(sandbox.requests) == 20


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


async def test_quota_knows_what_a_refusal_told(unclaimed: Sandbox) -> None:
    """Slots that were used elsewhere have no job."""
    unclaimed.publish_elsewhere(2)
    await command.run("publish", *[unclaimed.draft() for _ in range(4)], sandbox=unclaimed)
    finished = await command.run("quota", sandbox=unclaimed)
    assert finished.out.startswith("3 of 3 used (2 elsewhere), 0 free\nLimit: as the service said on ")
    assert finished.out.count("elsewhere") == 3


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


async def test_the_ledger_can_be_elsewhere(sandbox: Sandbox, tmp_path: Path, redis_server: RedisServer) -> None:
    """A file, a Redis, or only this process; on the command line or in the environment."""
    for ledger, is_kept in [(str(tmp_path / "a.sqlite3"), True), (redis_server.url, True), ("Memory", False)]:
        await command.run("publish", sandbox.draft(), "--ledger", ledger, sandbox=sandbox)
        finished = await command.run("quota", "--json", sandbox=sandbox, env={"OPENTRAIN_ASYNC_LEDGER": ledger})
        assert json.loads(finished.out)["used"] == is_kept, ledger
    assert (tmp_path / "a.sqlite3").exists()


@pytest.mark.parametrize("arguments", [["quota"], ["publish", "job_1"]])
async def test_a_ledger_that_fails_is_one_line_and_3(sandbox: Sandbox, tmp_path: Path, arguments: list[str]) -> None:
    """Nothing is sent."""
    (tmp_path / "file").write_text("")
    for ledger in (str(tmp_path / "file" / "quota.sqlite3"), f"redis://127.0.0.1:{unused_port()}"):
        finished = await command.run(*arguments, "--ledger", ledger, sandbox=sandbox)
        assert finished.status == 3
        assert "the quota ledger" in finished.err
        assert "Traceback" not in finished.err
    assert sandbox.requests == []


@pytest.mark.parametrize("ledger", ["mysql://localhost/0", ":memory:", "localhost:6379", "redis://localhost/abc"])
async def test_a_ledger_that_cannot_be_one_is_misuse(sandbox: Sandbox, ledger: str) -> None:
    """Exit status 2."""
    finished = await command.run("quota", "--ledger", ledger, sandbox=sandbox)
    assert finished.status == 2
    assert "Invalid value for '--ledger'" in finished.err
