"""`opentrain-async drafts`, as a process against a real service."""

from opentrain_async.sandbox import Sandbox

from ..support.command import run


async def test_the_drafts_are_listed_newest_first(sandbox: Sandbox) -> None:
    """With their titles, whatever characters they hold; other states by their names."""
    sandbox.draft("old")
    sandbox.advance(hours=1)
    await run("post", sandbox=sandbox, text=b"Label \x1b[31mcats")
    listed = await run("drafts", sandbox=sandbox)
    rows = [line.split()[0] for line in listed.out.splitlines() if "DRAFT" in line]
    assert (listed.status, rows, listed.out.splitlines()[-1]) == (0, ["job_1", "old"], "2 jobs")
    assert "\x1b" not in listed.out
    assert (await run("drafts", "--status", "open", sandbox=sandbox)).out == "0 jobs\n"
    (line, _) = (await run("drafts", "--json", sandbox=sandbox)).outcomes
    assert (line["job_id"], line["status"], line["title"]) == ("job_1", "DRAFT", "Label \x1b[31mcats")


async def test_a_list_that_cannot_be_had_is_told_in_one_line(sandbox: Sandbox) -> None:
    """Nothing is published then."""
    sandbox.draft()
    sandbox.revoke()
    finished = await run("publish", "--all-drafts", sandbox=sandbox)
    assert finished.status == 3
    assert finished.err.startswith("Error: The token is missing, invalid, expired or revoked.")
