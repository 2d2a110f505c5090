"""The drafts that a command is about: from arguments, a file, stdin or the account."""

from collections import Counter
from pathlib import Path

from opentrain_async.sandbox import Sandbox

from ..support.command import run


async def test_all_drafts_are_published_by_one_command(sandbox: Sandbox) -> None:
    """Though the list has several pages and shrinks as they go live: it is read before."""
    ids = [sandbox.draft() for _ in range(120)]
    finished = await run("publish", "--all-drafts", "--json", sandbox=sandbox)
    assert {line["job_id"] for line in finished.outcomes} == set(ids)
    assert Counter(line["status"] for line in finished.outcomes) == {"published": 20, "deferred": 100}
    assert sum(request.operation == "jobs" for request in sandbox.requests) == 2
    assert sandbox.refusals == 0


async def test_where_there_are_no_drafts_there_is_nothing_to_publish(sandbox: Sandbox) -> None:
    """That is no failure."""
    finished = await run("publish", "--all-drafts", sandbox=sandbox)
    assert (finished.status, finished.out, finished.err) == (0, "", "There are no drafts.\n")


async def test_ids_come_from_arguments_and_from_stdin(sandbox: Sandbox) -> None:
    """Blank lines, comments, a byte order mark, CRLF and repetitions make no draft of their own."""
    text = b"\xef\xbb\xbfjob_1\r\n\r\n  # a comment\r\n  job_2  \r\njob_1\n"
    finished = await run("publish", "job_0", "job_2", "--file", "-", "--json", sandbox=sandbox, text=text)
    assert sorted(str(outcome["job_id"]) for outcome in finished.outcomes) == ["job_0", "job_1", "job_2"]


async def test_ids_come_from_a_file(sandbox: Sandbox, tmp_path: Path) -> None:
    """A byte that is no UTF-8 costs its own line only."""
    path = tmp_path / "ids"
    path.write_bytes(b"job\xff\n" + sandbox.draft().encode())
    finished = await run("publish", "--file", str(path), "--json", "--concurrency", "1", sandbox=sandbox)
    assert [(o["job_id"], o["status"]) for o in finished.outcomes] == [("job\\xff", "rejected"), ("job_1", "published")]
