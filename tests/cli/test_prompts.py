"""Answers for missing fields: from a file, or typed at a prompt."""

import asyncio
import json
import signal
from asyncio.subprocess import Process
from pathlib import Path

import pytest

from opentrain_async.sandbox import Sandbox

from ..support.command import described, interrupt, run, start


async def read_until(process: Process, text: str) -> str:
    """What a process writes to stderr, up to a text."""
    assert process.stderr is not None
    seen = b""
    async with asyncio.timeout(20):
        while text.encode() not in seen:
            seen += await process.stderr.read(1)
    return seen.decode()


async def test_the_gaps_are_asked_for_with_choices_and_defaults(sandbox: Sandbox, tmp_path: Path) -> None:
    """A wrong answer is asked again, Enter alone takes the default, but no price; each round is one request."""
    answers = b"bogus\n\nNUMBER_OF_FILES\nPAY_PER_HOUR\n\nfree\n18.50\n"
    finished = await run("post", "--file", described(tmp_path), sandbox=sandbox, text=answers)
    assert (finished.status, finished.out) == (0, "job_1 is live: https://app.opentrain.ai/jobs/job_1\n")
    assert (
        "What is the experience level? (EXPERT, ENTRY_LEVEL, INTERMEDIATE, ANY_EXPERIENCE_LEVEL) [EXPERT]"
        in finished.err
    )
    assert "Error: experience_level has to be one of EXPERT," in finished.err
    assert (
        "What is the price per hour? (such as 0.05): Error: price_per_hour has to be a number above 0, not 'free'"
        in finished.err
    )
    operations = [request.operation for request in sandbox.requests]
    assert operations == ["create_draft", "update_draft", "update_draft", "publish"]
    assert sandbox.live == ("job_1",)


async def test_answers_come_from_a_file_for_scripts(sandbox: Sandbox, tmp_path: Path) -> None:
    """In either spelling of the names; what is no field is named."""
    answers = tmp_path / "answers.json"
    answers.write_text(
        json.dumps({
            "experienceLevel": "EXPERT",
            "data_volume_unit": "NUMBER_OF_FILES",
            "payment_type": "PAY_PER_LABEL",
            "pricePerLabel": "0.05",
            "colour": "red",
        })
    )
    finished = await run("post", "--answers", str(answers), "--json", sandbox=sandbox, text=b"Label cats")
    assert (finished.status, finished.err) == (0, "A draft has no such field: colour\n")
    (line,) = finished.outcomes
    assert (line["job_id"], line["status"], line["error"]) == ("job_1", "published", None)
    assert line["idempotency_key"]


async def test_a_wrong_answer_in_a_file_is_misuse(sandbox: Sandbox, tmp_path: Path) -> None:
    """It is named with the reason, and nothing of it is sent."""
    answers = tmp_path / "answers.json"
    answers.write_text('{"experienceLevel": "WIZARD"}')
    finished = await run("post", "--answers", str(answers), sandbox=sandbox, text=b"Label cats")
    assert finished.status == 2
    assert "the answer for experienceLevel: experience_level has to be one of EXPERT" in finished.err
    assert "goes on with it" in finished.err
    assert [request.operation for request in sandbox.requests] == ["create_draft"]


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
async def test_answers_have_to_be_one_object(sandbox: Sandbox, tmp_path: Path, content: bytes) -> None:
    """Anything else is misuse, before anything is sent."""
    answers = tmp_path / "answers.json"
    answers.write_bytes(content)
    finished = await run("post", "--answers", str(answers), sandbox=sandbox, text=b"Label cats")
    assert (finished.status, sandbox.requests) == (2, [])
    assert "Traceback" not in finished.err


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_question_can_be_interrupted(
    sandbox: Sandbox, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    """The command ends at once, without a traceback, and says how to go on with the draft."""
    process = await start("post", "--file", described(tmp_path), sandbox=sandbox)
    await read_until(process, "What is the experience level?")
    finished = await interrupt(process, number)
    assert finished.status == status
    assert "Interrupted. The draft is job_1. The same command with --idempotency-key" in finished.err
    assert "Traceback" not in finished.err
