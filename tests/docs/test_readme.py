"""The README says what is so: its examples run."""

import asyncio
import sys
import textwrap
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

import pytest

from opentrain_async import AsyncOpenTrain
from opentrain_async.sandbox import Fault, Sandbox

from ..support.command import end, environment, interrupt
from ..support.readme import (
    ACCOUNTS,
    ALL_DRAFTS,
    EVENTS,
    JOURNAL,
    LEDGER,
    MADE,
    MAIN,
    POST,
    README,
    REGISTER,
    REPLACED,
    STREAM,
    TEST,
    TRACED,
)
from ..support.waiting import until

pytest_plugins = ["pytester"]


@pytest.fixture
def credentials(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox's token and address in the environment, where an example expects those of its user."""
    monkeypatch.setenv("OT_API_TOKEN", sandbox.token)
    monkeypatch.setenv("OT_API_BASE_URL", sandbox.url)


def names_of(example: str) -> dict[str, Any]:
    """Run an example as it stands; what it defines."""
    names: dict[str, Any] = {}
    exec(compile(example, str(README), "exec"), names)  # noqa: S102 - the README's own words
    return names


async def started(script: str, sandbox: Sandbox) -> Process:
    """Begin a script in a process of its own, with the sandbox's credentials."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment(sandbox)
    )


@pytest.mark.usefixtures("credentials")
async def test_the_ten_lines_publish_three_drafts(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """With a token and a base URL in the environment the first example runs as it stands."""
    for number in range(3):
        sandbox.draft(f"job_{number + 1}")
    example = names_of(MAIN.replace("asyncio.run(main())", ""))
    assert len([line for line in MAIN.splitlines() if line.strip()]) <= 10
    await example["main"]()
    assert capsys.readouterr().out == "3 drafts: 3 published\n"


async def test_a_ctrl_c_in_the_ten_lines_says_what_was_done_until_then(sandbox: Sandbox) -> None:
    """The traceback counts the outcomes, and a second run ends with the truth about the draft that was being sent."""
    for number in range(3):
        sandbox.draft(f"job_{number + 1}")
    sandbox.fault(Fault.STALL, published=True, job_id="job_3")
    process = await started(MAIN, sandbox)
    await until(lambda: len(sandbox.live) == 3)
    told = (await interrupt(process)).err
    assert "until then: " in told
    assert "; to run again is safe" in told
    assert (await end(await started(MAIN, sandbox))).out == "3 drafts: 3 already published\n"


async def test_the_stream_yields_outcomes_as_they_come(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """The second example runs with a client and ids around it."""
    body = textwrap.indent(STREAM, "    ")
    example = names_of(f"async def example(client, job_ids):\n{body}")
    job_id = sandbox.draft()
    async with AsyncOpenTrain(sandbox.token, base_url=sandbox.url) as client:
        await example["example"](client, iter([job_id]))
    assert capsys.readouterr().out == f"{job_id} published\n"


@pytest.mark.usefixtures("credentials")
async def test_a_description_becomes_a_live_job(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """The example of the whole loop answers for every gap."""
    example = names_of(POST)
    await example["post"]("Label cats")
    assert capsys.readouterr().out == "https://app.opentrain.ai/jobs/job_1\n"


@pytest.mark.usefixtures("credentials")
async def test_all_drafts_are_published(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """The example that lists them first leaves none out."""
    for _ in range(5):
        sandbox.draft()
    example = names_of(ALL_DRAFTS)
    await example["publish_all"]()
    assert capsys.readouterr().out == "5 drafts: 5 published\n"


async def test_an_account_comes_from_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The example registers, shows what a person needs, and goes on once that person has claimed the account."""
    async with Sandbox(claim_interval=0.01) as service:
        monkeypatch.setenv("OT_API_BASE_URL", service.url)
        example = names_of(REGISTER)
        onboarding = asyncio.create_task(example["onboard"]("me@acme.test"))
        while not (printed := capsys.readouterr().out):
            await asyncio.sleep(0.01)
        service.approve_claim(printed.split()[-1])
        await onboarding
        async with AsyncOpenTrain() as client:
            assert (await client.whoami()).actor.email == "me@acme.test"


@pytest.mark.usefixtures("credentials")
async def test_the_ledger_remembers(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """The third example, run twice with a file of its own, publishes 20 in all."""
    example = names_of(LEDGER)
    for _ in range(2):
        await example["publish"]([sandbox.draft() for _ in range(15)])
    assert capsys.readouterr().out.splitlines() == ["15 drafts: 15 published", "15 drafts: 5 published, 10 deferred"]
    assert sandbox.refusals == 0


async def test_many_accounts_publish_at_once(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fourth example gives each account its own day."""
    monkeypatch.setenv("OT_API_BASE_URL", sandbox.url)
    example = names_of(ACCOUNTS)
    tokens = [sandbox.token, sandbox.add_account()]
    reports = await example["publish_for_all"]({
        token: [sandbox.draft(token=token) for _ in range(21)] for token in tokens
    })
    assert [(len(report.published), len(report.deferred)) for report in reports] == [(20, 1)] * 2


@pytest.mark.usefixtures("credentials")
async def test_what_happens_is_watched(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """The example tells of a retry, and of what is left."""
    example = names_of(EVENTS)
    sandbox.fault(Fault.CLOSE)
    await example["publish_watched"]([sandbox.draft()])
    counted, retried, *_ = capsys.readouterr().out.splitlines()
    assert counted == "1 of an unknown limit used"
    assert retried.startswith("job_1 again in 0.0 s: ")


async def test_what_happens_is_traced(sandbox: Sandbox) -> None:
    """The example shows the publish and its request, in a process of its own: tracing is set up for all of one."""
    script = f"import asyncio\n{TRACED}\nasyncio.run(publish_traced(['{sandbox.draft()}']))"
    finished = await end(await started(script, sandbox))
    assert finished.status == 0
    for name in ("opentrain.publish", "POST /api/public/v1/jobs/{jobId}/publish"):
        assert f'"name": "{name}"' in finished.out


@pytest.mark.usefixtures("credentials")
async def test_the_campaign_keeps_a_journal(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The fifth example, run twice, publishes once, and tells both times what became of the drafts."""
    monkeypatch.chdir(tmp_path)
    example = names_of(JOURNAL)
    job_id = sandbox.draft()
    for _ in range(2):
        await example["campaign"]([job_id])
    assert capsys.readouterr().out == f"{job_id} published\n" * 2
    assert len(sandbox.requests) == 1


def test_the_bots_tests_pass(pytester: pytest.Pytester) -> None:
    """The first of them has ten lines, and each passes as it stands in a folder with nothing else in it."""
    assert len([line for line in TEST.splitlines() if line.strip()]) <= 10
    pytester.makepyfile(test_bot=TEST, test_bot_without_requests=REPLACED)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_the_made_values_are_what_they_seem() -> None:
    """The example makes a run of 21 drafts, and one that moderation has refused."""
    example = names_of(MADE)
    assert str(example["report"]) == "21 drafts: 20 published, 1 deferred"
    assert "The reasons: Asks for contact details." in str(example["outcome"].error)


def test_the_two_commands_stand_near_the_top() -> None:
    """A new user finds the demo's command and the tests' command within the first screen."""
    lines = README.read_text(encoding="utf-8").splitlines()
    commands = [number for number, line in enumerate(lines) if line.startswith("python3 -m venv .venv && ")]
    assert len(commands) == 2
    assert max(commands) < 40
