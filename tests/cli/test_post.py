"""`opentrain-async post`, as processes against a real service."""

import asyncio
import os
import pty
import signal
from asyncio.subprocess import PIPE
from contextlib import suppress
from pathlib import Path

import pytest

from opentrain_async._cli.commands.post import state_of
from opentrain_async.models import PublishResult
from opentrain_async.sandbox import BLOCKED_PHRASE, Fault, Sandbox
from opentrain_async.testing import make_result

from ..support.command import COMMAND, described, end, environment, run, start

COMPLETE = (
    "Label cats\nexperienceLevel: EXPERT\ndataVolumeUnit: NUMBER_OF_FILES\npaymentType: FIXED_PRICE\nfixedPrice: 90"
)


async def test_a_description_without_gaps_goes_live_from_stdin(sandbox: Sandbox) -> None:
    """Two requests, and the page on stdout."""
    finished = await run("post", sandbox=sandbox, text=COMPLETE.encode())
    assert (finished.status, finished.err) == (0, "")
    assert finished.out == "job_1 is live: https://app.opentrain.ai/jobs/job_1\n"
    assert [request.operation for request in sandbox.requests] == ["create_draft", "publish"]


async def test_without_answers_the_gaps_are_told_and_the_draft_can_be_gone_on_with(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """The exit status is 1; with the key the same draft is filled, and no second one is made."""
    finished = await run("post", sandbox=sandbox, text=b"Label cats")
    assert (finished.status, finished.out) == (1, "")
    assert "there is no answer for experienceLevel, dataVolumeUnit, paymentType" in finished.err
    assert "  paymentType: What is the payment type? (PAY_PER_LABEL, PAY_PER_HOUR, FIXED_PRICE)\n" in finished.err
    key = finished.err.partition("--idempotency-key ")[2].split()[0]
    again = await run(
        "post", "--file", described(tmp_path), "--idempotency-key", key, sandbox=sandbox,
        text=b"EXPERT\nNUMBER_OF_FILES\nFIXED_PRICE\n90\n",
    )  # fmt: skip
    assert again.status == 0
    assert sandbox.live == ("job_1",)


@pytest.mark.parametrize(
    ("text", "told"),
    [(b"", "is not empty"), (b"x" * 60_001, "60,001 characters; the service takes 60,000"), (b"\xff", "not in UTF-8")],
)
async def test_a_description_that_cannot_be_one_is_misuse(sandbox: Sandbox, text: bytes, told: str) -> None:
    """It is said why, and nothing is sent."""
    finished = await run("post", sandbox=sandbox, text=text)
    assert (finished.status, sandbox.requests) == (2, [])
    assert told in finished.err


async def test_a_draft_for_which_there_is_no_quota_can_be_published_later(unclaimed: Sandbox) -> None:
    """The status is 1, and what is left to be done is one command."""
    unclaimed.publish_elsewhere(3)
    finished = await run("post", "--json", sandbox=unclaimed, text=COMPLETE.encode())
    assert finished.status == 1
    assert finished.outcomes[0]["status"] == "deferred"
    assert "The draft is job_1, and complete: opentrain-async publish job_1\n" in finished.err


async def test_what_hits_every_command_could_not_run(sandbox: Sandbox) -> None:
    """A revoked token, and a service that is not there, exit with 3."""
    sandbox.revoke()
    assert (await run("post", sandbox=sandbox, text=COMPLETE.encode())).status == 3
    nowhere = {"OT_API_TOKEN": sandbox.token, "OT_API_BASE_URL": "http://127.0.0.1:1"}
    assert (await run("drafts", env=nowhere)).status == 3
    assert (await run("post", text=COMPLETE.encode())).status == 3


async def test_a_lost_reply_makes_no_second_draft(sandbox: Sandbox) -> None:
    """The repetition finds the draft that the first request has made."""
    sandbox.fault(Fault.RESET, on="create_draft", published=True)
    finished = await run("post", sandbox=sandbox, text=COMPLETE.encode())
    assert (finished.status, finished.out) == (0, "job_1 is live: https://app.opentrain.ai/jobs/job_1\n")
    assert len((await run("drafts", "--status", "all", "--json", sandbox=sandbox)).outcomes) == 1


async def test_a_request_can_be_interrupted(sandbox: Sandbox) -> None:
    """Before there is a draft, all that can be said is that one may have been made."""
    sandbox.fault(Fault.STALL, on="create_draft")
    process = await start("post", sandbox=sandbox)
    assert process.stdin is not None
    process.stdin.write(COMPLETE.encode())
    process.stdin.close()
    async with asyncio.timeout(20):
        while not sandbox.requests:
            await asyncio.sleep(0.01)
    process.send_signal(signal.SIGINT)
    finished = await end(process)
    assert finished.status == 130
    assert finished.err.startswith("Interrupted. A draft may have been made. The same command with --idempotency-key ")


async def test_a_description_that_is_typed_in_is_asked_about() -> None:
    """Ctrl-D ends the description and, at a question, the answers."""
    async with Sandbox() as service:
        typed = [b"Label cats\n", b"\x04", b"EXPERT\n", b"\x04"]
        status, shown = await at_a_terminal(service, "post", typed)
    assert status == 1
    assert "Describe the job, then press Ctrl-D" in shown
    assert "there is no answer for dataVolumeUnit, paymentType" in shown
    assert shown.count("What is the payment type?") == 1


async def at_a_terminal(service: Sandbox, command: str, typed: list[bytes]) -> tuple[int, str]:
    """Run a command at a terminal, type something whenever it waits for that; what it showed."""
    ours, theirs = pty.openpty()
    env = environment(service, {"TERM": "dumb"})
    process = await asyncio.create_subprocess_exec(
        *COMMAND, command, env=env, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    shown, left = b"", list(typed)
    async with asyncio.timeout(30):
        while process.returncode is None:
            with suppress(BlockingIOError, OSError):
                shown += os.read(ours, 65536)
            if left and shown.rstrip(b" \r\n").endswith((b":", b"cats")):
                os.write(ours, left.pop(0))
                shown += b"\n"
            await asyncio.sleep(0.02)
    os.close(ours)
    return process.returncode, shown.decode()


@pytest.mark.parametrize(("more", "status"), [([], 2), (["--file", "FILE"], 1)])
async def test_a_closed_stdin_is_no_crash(sandbox: Sandbox, tmp_path: Path, more: list[str], status: int) -> None:
    """Nobody can be asked then; and without a file there is no description."""
    arguments = [described(tmp_path) if argument == "FILE" else argument for argument in more]
    script = 'exec "$@" <&-'
    process = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        script,
        "sh",
        *COMMAND,
        "post",
        *arguments,
        env=environment(sandbox),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )
    finished = await end(process)
    assert (finished.status, "Traceback" in finished.err) == (status, False)


async def test_a_wait_that_is_no_number_is_misuse(sandbox: Sandbox) -> None:
    """Before a draft is made."""
    finished = await run("post", "--max-wait", "nan", sandbox=sandbox, text=COMPLETE.encode())
    assert (finished.status, sandbox.requests) == (2, [])


async def test_a_draft_that_moderation_blocks_has_to_be_changed(sandbox: Sandbox) -> None:
    """The reasons are told, and to publish it again as it is is not advised."""
    finished = await run("post", sandbox=sandbox, text=f"{COMPLETE}\n{BLOCKED_PHRASE} me@x.test".encode())
    assert finished.status == 1
    assert "The reasons: Asks for personal contact details. Change the draft" in finished.err
    assert (
        "The draft is job_1. Once it is changed, on the site or in Python: opentrain-async publish job_1"
        in finished.err
    )


async def test_F47_a_job_that_awaits_approval_is_not_called_live(sandbox: Sandbox) -> None:
    """The exit status is that of a deferred one; the same command says later that it is live."""
    sandbox.needs_approval = True
    finished = await run("post", "--idempotency-key", "cats", sandbox=sandbox, text=COMPLETE.encode())
    assert (finished.status, finished.err) == (1, "")
    assert finished.out.startswith("job_1 is accepted and not live yet (PENDING_APPROVAL): ")
    sandbox.approve("job_1")
    finished = await run("post", "--idempotency-key", "cats", sandbox=sandbox, text=COMPLETE.encode())
    assert finished.status == 0
    assert finished.out.startswith("job_1 is live")


@pytest.mark.parametrize(
    ("result", "state"),
    [
        (make_result(), "is live"),
        (make_result(already_published=True), "is live, and was before"),
        (make_result(status="SCHED\x1bULED"), r"is accepted and not live yet (SCHED\x1bULED)"),
        (make_result(status="COMPLETED"), "was live before, and is COMPLETED now"),
    ],
)
def test_a_job_is_told_by_its_state(result: PublishResult, state: str) -> None:
    """Only an open one is called live."""
    assert state_of(result) == state
