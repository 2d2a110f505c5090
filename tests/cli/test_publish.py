"""`opentrain-async publish`, as a process against a real service."""

import os
import signal

import pytest
from click.testing import CliRunner

from opentrain_async._cli.main import main
from opentrain_async.sandbox import Fault, Sandbox

from ..support.command import interrupt, run, start
from ..support.waiting import until


async def test_drafts_that_all_go_live_are_shown_in_a_table_and_exit_with_0(sandbox: Sandbox) -> None:
    """The table is on stdout, in the order of the ids, and stderr stays empty."""
    sandbox.draft("first")
    sandbox.draft("second")
    finished = await run("publish", "second", "first", sandbox=sandbox)
    assert (finished.status, finished.err) == (0, "")
    rows = [line.split() for line in finished.out.splitlines() if "app.opentrain.ai" in line]
    assert rows == [
        ["second", "published", "1", "https://app.opentrain.ai/jobs/second"],
        ["first", "published", "1", "https://app.opentrain.ai/jobs/first"],
    ]
    assert finished.out.endswith("2 drafts: 2 published\n")
    assert "\x1b" not in finished.out


async def test_what_is_live_already_counts_as_published(sandbox: Sandbox) -> None:
    """Running the same command again exits with 0 as well."""
    sandbox.draft("job", status="OPEN")
    finished = await run("publish", "job", sandbox=sandbox)
    assert (finished.status, finished.out.splitlines()[-1]) == (0, "1 draft: 1 already published")


async def test_a_draft_that_does_not_go_live_makes_the_status_1(sandbox: Sandbox) -> None:
    """Each row says what stands in the way of its draft."""
    sandbox.draft("good")
    sandbox.draft("gaps", missing=["paymentType"])
    sandbox.draft("blocked", blocked=True)
    finished = await run("publish", "good", "gaps", "blocked", "absent", sandbox=sandbox)
    assert finished.status == 1
    assert "fill in paymentType\n" in finished.out
    assert "blocked by moderation: Asks for personal contact details.\n" in finished.out
    assert "No such job. The server changed nothing. (HTTP 404, request 00000000-" in finished.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no job ids"),
        (["--file", os.devnull], "no job ids"),
        (["job", "--concurrency", "0"], "0 is not in the range x>=1"),
        (["job", "--wait", "--max-wait", "5"], "give one of them"),
        (["job", "--max-wait", "-1"], "-1.0 is not in the range x>=0"),
        (["job", "--max-wait", "nan"], "max_wait has to be a number, not nan"),
        (["job", "--file", "/nowhere/at/all"], "No such file"),
        (["job", "--token", "ot_pat_x"], "No such option"),
    ],
)
def test_misuse_exits_with_2(arguments: list[str], said: str) -> None:
    """What cannot be right is said in a line, and nothing is sent. A token on the command line is misuse too."""
    result = CliRunner().invoke(main, ["publish", *arguments], env={"OT_API_TOKEN": "ot_pat_x"})
    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({}, "Error: no API token"),
        ({"OT_API_TOKEN": "ot_clm_x"}, "Error: OT_API_TOKEN begins with ot_clm_, but a token for the API"),
        (
            {"OT_API_TOKEN": "ot_pat_x", "OPENTRAIN_BASE_URL": "http://example.com"},
            "Error: OPENTRAIN_BASE_URL: http to example.com",
        ),
    ],
)
def test_without_usable_credentials_it_cannot_run(env: dict[str, str], said: str) -> None:
    """No token, a wrong one, or a base URL that would leak it: one line on stderr, and 3."""
    result = CliRunner().invoke(main, ["publish", "job"], env=env)
    assert result.exit_code == 3
    assert result.output.startswith(said)
    assert result.output.count("\n") == 1


async def test_a_revoked_token_exits_with_3(sandbox: Sandbox) -> None:
    """The run stops at the first 401; the rest is not sent, and the row says where it stopped."""
    sandbox.add_account()
    token = sandbox.token
    sandbox.revoke()
    finished = await run("publish", "a", "b", "--concurrency", "1", sandbox=sandbox)
    assert finished.status == 3
    assert "the run had stopped at a\n" in finished.out
    assert finished.err.splitlines()[-1].startswith("The run stopped: a: The token is missing, invalid")
    assert token not in finished.out + finished.err


async def test_a_server_without_tls_behind_https_exits_with_3(sandbox: Sandbox) -> None:
    """When no draft could be sent at all, the command could not run."""
    env = {"OT_API_TOKEN": sandbox.token, "OT_API_BASE_URL": sandbox.url.replace("http:", "https:")}
    finished = await run("publish", "job", env=env)
    assert finished.status == 3
    assert "not sent" in finished.out
    assert sandbox.requests == []


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("as_json", [False, True])
async def test_an_interrupted_run_tells_what_it_did(
    sandbox: Sandbox, number: signal.Signals, status: int, as_json: bool
) -> None:
    """The outcomes so far are on stdout, and one line on stderr says how to go on."""
    done, stalled = sandbox.draft(), sandbox.draft()
    sandbox.fault(Fault.STALL, job_id=stalled)
    process = await start("publish", done, stalled, "--concurrency", "1", *["--json"] * as_json, sandbox=sandbox)
    await until(lambda: len(sandbox.requests) == 2)
    finished = await interrupt(process, number)
    assert finished.status == status
    assert finished.err == (
        "Interrupted after 1 of 2. Drafts that had been begun may be live. "
        "Run the same command again: none is charged twice.\n"
    )
    if as_json:
        assert [outcome["job_id"] for outcome in finished.outcomes] == [done]
    else:
        assert finished.out.endswith("1 draft: 1 published\n")


async def test_a_run_that_is_interrupted_before_its_first_outcome_shows_no_table(sandbox: Sandbox) -> None:
    """There is nothing to show yet but how to go on."""
    stalled = sandbox.draft()
    sandbox.fault(Fault.STALL, job_id=stalled)
    process = await start("publish", stalled, sandbox=sandbox)
    await until(lambda: len(sandbox.requests) == 1)
    finished = await interrupt(process)
    assert (finished.status, finished.out) == (130, "")
    assert finished.err.startswith("Interrupted after 0 of 1. ")


async def test_an_outcome_is_written_as_soon_as_it_is_known(sandbox: Sandbox) -> None:
    """A reader of the JSON lines has the first one while the next draft is still under way."""
    done, stalled = sandbox.draft(), sandbox.draft()
    sandbox.fault(Fault.STALL, job_id=stalled)
    process = await start("publish", done, stalled, "--json", sandbox=sandbox)
    assert process.stdout is not None
    assert b'"status": "published"' in await process.stdout.readline()
    assert (await interrupt(process)).out == ""


async def test_a_preflight_ends_a_run_with_one_line(sandbox: Sandbox) -> None:
    """Where otherwise each draft would be refused."""
    sandbox.switch_off("publish")
    ids = [sandbox.draft() for _ in range(3)]
    finished = await run("publish", *ids, "--preflight", sandbox=sandbox)
    assert (finished.status, finished.out) == (3, "")
    assert finished.err.startswith("Error: publishing is switched off for this account")
    sandbox.switch_on("publish")
    assert (await run("publish", *ids, "--preflight", sandbox=sandbox)).status == 0
