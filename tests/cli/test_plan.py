"""`opentrain-async plan`, as a process against a real service."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from opentrain_async.sandbox import Sandbox

from ..support import command
from ..support.command import run


async def test_all_drafts_can_be_planned(sandbox: Sandbox) -> None:
    """Which lists them, and publishes none."""
    ids = [sandbox.draft() for _ in range(3)]
    planned = json.loads((await run("plan", "--all-drafts", "--json", sandbox=sandbox)).out)
    assert [draft["job_id"] for draft in planned["drafts"]] == ids
    assert sandbox.live == ()
    assert (await run("plan", sandbox=sandbox)).status == 2


async def test_a_plan_tells_who_goes_when(unclaimed: Sandbox, journal_path: Path) -> None:
    """By the ledger, as a table or as data; what a journal has is left out. Nothing is sent."""
    ids = [unclaimed.draft() for _ in range(5)]
    assert (await command.run("publish", *ids[:2], "--journal", str(journal_path), sandbox=unclaimed)).status == 0
    asked = len(unclaimed.requests)
    planned = await command.run("plan", *ids, "no/id", "--journal", str(journal_path), sandbox=unclaimed)
    assert (planned.status, planned.err) == (0, "")
    lines = [line for line in planned.out.splitlines() if line]
    assert lines[:3] == [
        "3 drafts: 3 now, 0 later",
        "Limit: 20 a day, assumed, as nobody has said yet",
        "No ids of drafts: no/id",
    ]
    assert lines[-1].split() == ["now", "3", f"{ids[2]},", f"{ids[3]},", ids[4]]
    many = [f"job_{number}" for number in range(100, 130)]
    facts = json.loads((await command.run("plan", *many, "--json", sandbox=unclaimed)).out)
    assert (facts["limit"], facts["limit_is_assumed"], facts["now"], facts["later"]) == (20, True, 18, 12)
    assert [draft["job_id"] for draft in facts["drafts"]] == many
    last = datetime.fromisoformat(facts["ends_at"]) - datetime.now(UTC)
    assert timedelta(hours=23, minutes=59) < last <= timedelta(hours=24)
    table = (await command.run("plan", *many, sandbox=unclaimed)).out.rstrip().splitlines()
    rows = [line.split() for line in table]
    assert ["now", "18", "job_100,", "job_101,", "job_102", "and", "15", "more"] in rows
    assert (
        sum(int(row[5]) for row in rows if row[4:5] == ["UTC"]) == 12
    )  # of the same minute together: of one, or of two
    assert len(unclaimed.requests) == asked


async def test_a_plan_may_come_before_the_journal(sandbox: Sandbox, journal_path: Path) -> None:
    """What has not begun leaves nothing out; what can be no journal is said in one line."""
    planned = await command.run("plan", "job_1", "--journal", str(journal_path), sandbox=sandbox)
    assert planned.out.startswith("1 draft: 1 now, 0 later\n")
    for bad in ("/", "."):
        for name in ("plan", "publish"):
            refused = await command.run(name, "job_1", "--journal", bad, sandbox=sandbox)
            assert refused.status in {2, 3}
            assert "Traceback" not in refused.err


async def test_a_plan_of_nothing_left_is_short(sandbox: Sandbox, journal_path: Path) -> None:
    """There is no table of no rows."""
    job_id = sandbox.draft()
    await command.run("publish", job_id, "--journal", str(journal_path), sandbox=sandbox)
    planned = await command.run("plan", job_id, "--journal", str(journal_path), sandbox=sandbox)
    assert planned.out.startswith("0 drafts: 0 now, 0 later\nLimit: 20 a day")
    assert len(planned.out.splitlines()) == 2


async def test_a_plan_with_what_is_no_journal_exits_with_3(sandbox: Sandbox, journal_path: Path) -> None:
    """And says so in one line."""
    journal_path.write_text("job_1\n")
    planned = await command.run("plan", "job_1", "--journal", str(journal_path), sandbox=sandbox)
    assert (planned.status, planned.out) == (3, "")
    assert planned.err.startswith("Error: line 1 of ")
    assert len(planned.err.splitlines()) == 1
