"""`opentrain-async sandbox`, as a process."""

import signal

import pytest

from opentrain_async import AsyncOpenTrain
from opentrain_async.sandbox import Sandbox

from ..support import command


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_sandbox_command_says_how_to_reach_it_and_ends_on_a_signal(number: signal.Signals) -> None:
    """What it prints to be exported is all that a client needs; ended, it exits with 0."""
    process = await command.start("sandbox", "--port", "0", "--drafts", "3")
    assert process.stdout is not None
    lines = [(await process.stdout.readline()).decode() for _ in range(10)]
    exported = dict(line.split()[1].split("=") for line in lines if "export " in line)
    assert lines[2] == "  drafts  job_1 to job_3\n"
    assert lines[9] == "  opentrain-async publish job_1 job_2\n"
    finished = await command.run("publish", "job_1", "job_3", "job_4", "--json", env=exported)
    statuses = {outcome["job_id"]: outcome["status"] for outcome in finished.outcomes}
    assert statuses == {"job_1": "published", "job_3": "published", "job_4": "rejected"}
    assert await command.interrupt(process, number) == command.Finished(0, "", "Stopped.\n")


@pytest.mark.parametrize(("drafts", "shown"), [("0", "none"), ("1", "job_1")])
async def test_the_sandbox_command_can_begin_with_few_drafts(drafts: str, shown: str) -> None:
    """Without any there is no example to run either."""
    process = await command.start("sandbox", "--port", "0", "--drafts", drafts)
    assert process.stdout is not None
    lines = [(await process.stdout.readline()).decode().strip() for _ in range(9)]
    finished = await command.interrupt(process)
    assert lines[2] == f"drafts  {shown}"
    assert finished.out.strip() == ("" if drafts == "0" else "opentrain-async publish job_1")


async def test_the_sandbox_command_can_have_an_unclaimed_account() -> None:
    """Such an account has 3 publishes a day."""
    process = await command.start("sandbox", "--port", "0", "--unclaimed")
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().split()[6]
    token = (await process.stdout.readline()).decode().split()[1]
    async with AsyncOpenTrain(token, base_url=url) as client:
        report = await client.publish_many([f"job_{number}" for number in range(1, 6)])
    await command.interrupt(process)
    assert (len(report.published), len(report.deferred)) == (3, 2)


async def test_a_port_in_use_is_said_in_one_line(sandbox: Sandbox) -> None:
    """The status is 3."""
    finished = await command.run("sandbox", "--port", sandbox.url.rsplit(":", 1)[1])
    assert (finished.status, finished.out) == (3, "")
    assert finished.err.startswith("Error: ")
    assert finished.err.endswith("address already in use\n")
    assert finished.err.count("\n") == 1
