"""A campaign on the command line: stopped, killed, resumed and watched."""

import asyncio
import json
import os
import random
import signal
from collections import Counter
from pathlib import Path

import pytest
from attrs import evolve

from opentrain_async import (
    AsyncOpenTrain,
    Journal,
    MemoryLedger,
    OutcomeStatus,
    PublishOutcome,
    RetryPolicy,
    SQLiteLedger,
)
from opentrain_async._cli.campaign import Campaign, PublishOptions
from opentrain_async.quota import AccountLog
from opentrain_async.sandbox import Fault, Sandbox

from ..support import command
from ..support.command import end, interrupt, start
from ..support.peers import TOKEN, Call, answer, client_of, live, peer, unused_port
from ..support.waiting import until

PUBLISHED, ALREADY = OutcomeStatus.PUBLISHED, OutcomeStatus.ALREADY_PUBLISHED
FAULTS = (Fault.RESET, Fault.CLOSE, Fault.TRUNCATED, Fault.DRIP)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_F38_a_campaign_that_is_stopped_ends_in_good_order(journal_path: Path, number: signal.Signals) -> None:
    """What is being sent is answered and written down, nothing more is taken, and it says how to go on."""
    may_answer = asyncio.Event()

    async def behave(call: Call) -> None:
        job_id = call.head.decode().split("/jobs/")[1].split("/")[0]
        await may_answer.wait()
        call.writer.write(answer(live(job_id)))

    ids = [f"job_{number}" for number in range(9)]
    async with peer(behave) as server:
        env = {"OT_API_TOKEN": TOKEN, "OT_API_BASE_URL": server.url}
        arguments = ["publish", *ids, "--concurrency", "2", "--journal", str(journal_path)]
        process = await start(*arguments, env=env)
        await server.arrived(2)
        process.send_signal(number)
        assert process.stderr is not None
        assert (await process.stderr.readline()).startswith(b"Stopping: no more drafts are taken")
        may_answer.set()
        finished = await end(process)
        assert (finished.status, len(server.calls)) == (1, 2)
        assert finished.err == "Stopped, and 7 of 9 are left. Run the same command again: none is charged twice.\n"
        assert {(outcome.job_id, outcome.status) for outcome in Journal.open(journal_path)} == {
            ("job_0", PUBLISHED), ("job_1", PUBLISHED),
        }  # fmt: skip
        async with SQLiteLedger() as ledger, client_of(server.url, ledger=ledger) as client:
            assert {(slot.job_id, slot.state) for slot in (await client.quota()).slots} == {
                ("job_0", "spent"), ("job_1", "spent"),
            }  # fmt: skip
        finished = await end(await start(*arguments, env=env))
    assert finished.status == 0
    assert finished.out.endswith("9 drafts: 9 published\n")
    assert Counter(call.head.split(b" ")[1] for call in server.calls).most_common(1)[0][1] == 1


async def test_F38_a_campaign_waits_for_the_window_and_can_be_stopped_and_started(
    unclaimed: Sandbox, journal_path: Path, tmp_path: Path
) -> None:
    """Stopped while it waits it ends at once; started again it asks for nothing that cannot be had."""
    ids = tmp_path / "ids.txt"
    ids.write_text("\n".join(unclaimed.draft() for _ in range(5)))
    arguments = ["publish", "--file", str(ids), "--journal", str(journal_path), "--wait"]
    for number in (signal.SIGTERM, signal.SIGINT):
        process = await start(*arguments, sandbox=unclaimed)
        await until(lambda: len(unclaimed.live) == 3 and journal_path.with_name("run.jsonl.lock").exists())
        await until(lambda: journal_path.exists() and len(Journal.open(journal_path)) >= 3)
        finished = await interrupt(process, number)
        assert finished.status == 1
        assert "Stopped, and 2 of 5 are left." in finished.err
        assert "drafts: 3 published" in finished.out.splitlines()[-1]
    assert unclaimed.refusals <= 1
    assert len([request for request in unclaimed.requests if request.status == 200]) == 3


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_second_signal_ends_a_campaign_at_once(
    sandbox: Sandbox, journal_path: Path, number: signal.Signals, status: int
) -> None:
    """What was being sent may be live then; the journal does not have it, so that it is tried again."""
    stalled = sandbox.draft()
    sandbox.fault(Fault.STALL, job_id=stalled)
    process = await start("publish", stalled, "--journal", str(journal_path), sandbox=sandbox)
    await until(lambda: sandbox.requests)
    process.send_signal(number)
    assert process.stderr is not None
    await process.stderr.readline()
    finished = await interrupt(process, number)
    assert finished.status == status
    assert finished.err.startswith("Interrupted after 0 of 1. Drafts that had been begun may be live.")
    assert len(Journal.open(journal_path)) == 0


async def test_F38_what_outlasts_the_grace_is_in_doubt_and_written_down(sandbox: Sandbox, journal_path: Path) -> None:
    """Each draft that was being sent has an outcome; the next run settles it."""
    stalled = sandbox.draft()
    sandbox.fault(Fault.STALL, job_id=stalled)
    options = PublishOptions((stalled, "job_x"), 1, 0.0, 900.0, journal_path, grace=0.01)
    seen: list[PublishOutcome] = []
    campaign = Campaign(options, MemoryLedger(), seen.append, lambda _: None)
    running = asyncio.create_task(campaign.run(AsyncOpenTrain(sandbox.token, base_url=sandbox.url)))
    await until(lambda: sandbox.requests)
    campaign.stop()
    await running
    assert [(outcome.job_id, outcome.status) for outcome in seen] == [(stalled, OutcomeStatus.UNKNOWN)]
    assert [outcome.status for outcome in Journal.open(journal_path)] == [OutcomeStatus.UNKNOWN]
    assert (campaign.is_stopped, campaign.left, len(campaign.report.outcomes)) == (True, 2, 1)


async def test_F38_the_grace_ends_what_its_own_timeout_does_not(sandbox: Sandbox) -> None:
    """A request that would be waited for an hour is left when the grace is over, which is ten seconds as a rule."""
    stalled = sandbox.draft()
    sandbox.fault(Fault.STALL, job_id=stalled)
    seen: list[PublishOutcome] = []
    options = PublishOptions((stalled,), 1, 0.0, 900.0, None, grace=0.01)
    campaign = Campaign(options, MemoryLedger(), seen.append, lambda _: None)
    client = AsyncOpenTrain(sandbox.token, base_url=sandbox.url, timeout=3600.0, retry=RetryPolicy(deadline=3600.0))
    running = asyncio.create_task(campaign.run(client))
    await until(lambda: sandbox.requests)
    campaign.stop()
    async with asyncio.timeout(10):
        await running
    assert [outcome.status for outcome in seen] == [OutcomeStatus.UNKNOWN]
    assert PublishOptions((), 1, 0.0, 0.0, None).grace == 10.0


async def test_a_campaign_goes_by_what_this_service_has_answered(sandbox: Sandbox, journal_path: Path) -> None:
    """Stopped before it comes to a draft, it does not take the word of a rehearsal elsewhere for it."""
    first, second = sandbox.draft(), sandbox.draft()
    async with Sandbox() as rehearsal, AsyncOpenTrain(rehearsal.token, base_url=rehearsal.url) as client:
        rehearsal.draft(second)
        await client.publish_many([second], journal=journal_path)
    async with AsyncOpenTrain(sandbox.token, base_url=sandbox.url) as client:
        await client.publish_many([first], journal=journal_path)
    stalled = sandbox.draft()
    sandbox.fault(Fault.STALL, job_id=stalled)
    options = PublishOptions((stalled, first, second), 1, 0.0, 900.0, journal_path, grace=0.01)
    campaign = Campaign(options, MemoryLedger(), lambda _: None, lambda _: None)
    running = asyncio.create_task(campaign.run(AsyncOpenTrain(sandbox.token, base_url=sandbox.url)))
    await until(lambda: len(sandbox.requests) == 2)
    campaign.stop()
    await running
    assert [outcome.job_id for outcome in campaign.report.outcomes] == [stalled, first]
    assert (campaign.earlier, campaign.left) == (1, 2)


async def test_a_campaign_that_is_stopped_before_it_has_begun_sends_nothing(
    sandbox: Sandbox, journal_path: Path
) -> None:
    """Nor does it open its journal."""
    options = PublishOptions((sandbox.draft(),), 1, 0.0, 900.0, journal_path)
    campaign = Campaign(options, MemoryLedger(), lambda _: None, lambda _: None)
    campaign.stop()
    await campaign.run(AsyncOpenTrain(sandbox.token, base_url=sandbox.url))
    assert (sandbox.requests, journal_path.exists(), campaign.left) == ([], False, 1)


async def test_a_campaign_whose_stderr_is_gone_can_be_stopped(unclaimed: Sandbox, journal_path: Path) -> None:
    """That it cannot say so is no reason not to."""
    reading, writing = os.pipe()
    ids = [unclaimed.draft() for _ in range(4)]
    process = await asyncio.create_subprocess_exec(
        *command.COMMAND, "publish", *ids, "--journal", str(journal_path), "--wait",
        env=command.environment(unclaimed), stdout=asyncio.subprocess.PIPE, stderr=writing,
    )  # fmt: skip
    os.close(writing)
    os.close(reading)
    await until(lambda: len(unclaimed.live) == 3 and unclaimed.refusals)
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(8):
        await process.wait()
    assert len([outcome for outcome in Journal.open(journal_path) if outcome.result]) == 3


async def end_leases(sandbox: Sandbox, path: str) -> None:
    """Let the leases run out that are in a ledger: those of processes that are no more."""

    def step(log: AccountLog, now: float) -> None:
        for slot in log.jobs.values():
            slot.holders = tuple(evolve(holder, made_at=now - holder.lease) for holder in slot.holders)

    async with (
        SQLiteLedger(path) as store,
        AsyncOpenTrain(sandbox.token, base_url=sandbox.url, ledger=store) as client,
    ):
        await store.run(client._ledger.account, step, sandbox.clock.now())


SEEDS = range(int(os.environ.get("KILL_SEEDS", "5")))


@pytest.mark.parametrize("seed", SEEDS)
async def test_F22_F23_a_campaign_that_is_killed_at_will_loses_nothing(
    sandbox: Sandbox, journal_path: Path, tmp_path: Path, seed: int
) -> None:
    """Resumed until it is done, each draft has one final line, is live, was published once, and charged once."""
    chance = random.Random(seed)
    ids = [sandbox.draft() for _ in range(20)]
    for job_id in chance.sample(ids, 6):
        sandbox.fault(chance.choice(FAULTS), job_id=job_id, published=chance.random() < 0.7)
    ledger = str(tmp_path / "quota.sqlite3")
    arguments = ["publish", *ids, "--journal", str(journal_path), "--ledger", ledger, "--concurrency", "3", "--json"]
    kills = leases = 0
    while True:
        process = await start(*arguments, sandbox=sandbox)
        ended = asyncio.create_task(process.wait())
        if kills < 6:
            goal = len(sandbox.requests) + chance.randint(0, 8)
            await until(lambda goal=goal, ended=ended: len(sandbox.requests) >= goal or ended.done())  # type: ignore[misc]
            await asyncio.sleep(chance.uniform(0, 0.03))
            if not ended.done():
                process.kill()
                kills += 1
        finished = await end(process)
        await ended
        if finished.status == 0:
            break
        if finished.status != -signal.SIGKILL:
            # One that was killed may have left a draft in flight behind which the others wait, until its lease ends.
            told = {outcome["status"] for outcome in finished.outcomes}
            assert told <= {PUBLISHED, ALREADY, "unknown", "deferred"}, finished
            leases += 1
            assert leases <= kills, finished
            await end_leases(sandbox, ledger)
    written = [json.loads(line) for line in journal_path.read_text().splitlines()]
    assert Counter(line["job_id"] for line in written if line["status"] in {PUBLISHED, ALREADY}) == Counter(ids)
    assert {outcome.job_id for outcome in Journal.open(journal_path)} == set(ids)
    assert sorted(sandbox.live) == sorted(ids)
    assert len(sandbox._service.accounts[sandbox.token].published_at) == 20
    assert sandbox.refusals == 0
    quota = json.loads((await command.run("quota", "--json", "--ledger", ledger, sandbox=sandbox)).out)
    assert quota["used"] == 20
    assert kills


async def test_F25_a_journal_that_is_another_runs_is_refused_with_3(sandbox: Sandbox, journal_path: Path) -> None:
    """In one line, which names the process."""
    stalled = sandbox.draft()
    sandbox.fault(Fault.STALL, job_id=stalled)
    first = await start("publish", stalled, "--journal", str(journal_path), sandbox=sandbox)
    await until(lambda: sandbox.requests)
    second = await command.run("publish", stalled, "--journal", str(journal_path), sandbox=sandbox)
    assert (second.status, second.out) == (3, "")
    assert second.err.startswith(f"Error: another run has the journal {journal_path}: process {first.pid} on ")
    first.kill()
    await end(first)


async def test_a_service_that_is_down_is_said_with_the_reason(sandbox: Sandbox) -> None:
    """How long nothing came, and what came last; as it could not run, it exits with 3."""
    env = {"OT_API_TOKEN": TOKEN, "OT_API_BASE_URL": f"http://127.0.0.1:{unused_port()}"}
    finished = await command.run("publish", "job_1", "job_2", "job_3", "--outage-patience", "0.1", env=env)
    assert finished.status == 3
    assert "The run stopped, as there was no answer for 0.1 s: job_" in finished.err
    assert "3 not sent" in finished.out


async def test_F49_a_throttle_that_does_not_end_is_said_with_its_429(sandbox: Sandbox) -> None:
    """The service has answered, so the command does not say that there was no answer."""
    sandbox.fault(Fault.STATUS, status=429, times=99)
    drafts = [sandbox.draft() for _ in range(3)]
    finished = await command.run("publish", *drafts, "--outage-patience", "0.1", sandbox=sandbox)
    assert finished.status == 3
    assert "The run stopped, as there was nothing but 429 for 0.1 s: " in finished.err
    assert " deferred" in finished.out
