"""The command line remembers what was published, and shows it."""

import json
from pathlib import Path

import pytest

from opentrain_async.sandbox import Sandbox

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


async def test_quota_knows_what_a_refusal_told(unclaimed: Sandbox) -> None:
    """Slots that were used elsewhere have no job."""
    unclaimed.publish_elsewhere(2)
    await command.run("publish", *[unclaimed.draft() for _ in range(4)], sandbox=unclaimed)
    finished = await command.run("quota", sandbox=unclaimed)
    assert finished.out.startswith("3 of 3 used (2 elsewhere), 0 free\nLimit: as the service said on ")
    assert finished.out.count("elsewhere") == 3


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
