"""A run's journal: what is in it, when, whose it is, and how a run goes on with it."""

import asyncio
import json
import logging
import os
import stat
import threading
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest

from opentrain_async import AsyncOpenTrain, Journal, OutcomeStatus, PublishOutcome, RetryPolicy
from opentrain_async._publish.journal.account import JournalAccount
from opentrain_async._publish.journal.file import JournalFile
from opentrain_async._publish.journal.journal import JournalWriter
from opentrain_async._publish.journal.lines import line_of
from opentrain_async.errors import (
    AuthenticationError,
    JournalError,
    TLSError,
)
from opentrain_async.sandbox import Fault, Sandbox

from ..support.clients import Connect
from ..support.disks import full_disk
from ..support.journals import AT, SERVICE, lines
from ..support.peers import AT_ONCE
from ..support.virtual import VirtualClock
from ..support.waiting import until


async def test_a_run_writes_down_every_outcome(sandbox: Sandbox, connect: Connect, journal_path: Path) -> None:
    """One line each, in a file for its owner alone; and it is read back as what the report says."""
    ids = [sandbox.draft() for _ in range(3)] + [sandbox.draft(missing=["experienceLevel"])]
    report = await connect(sandbox).publish_many([*ids, "no/id"], journal=journal_path)
    assert stat.S_IMODE(journal_path.stat().st_mode) == 0o600
    assert len(lines(journal_path)) == 5
    journal = Journal.open(journal_path)
    assert [outcome.job_id for outcome in journal] == [outcome.job_id for outcome in report.outcomes]
    assert {outcome.job_id: outcome.status for outcome in journal.outcomes} == {
        outcome.job_id: outcome.status for outcome in report.outcomes
    }
    assert [journal.is_final(job_id) for job_id in [*ids, "no/id", "job_x"]] == [True] * 4 + [False] * 2
    assert repr(journal) == "<Journal of 5 drafts>"
    assert not journal_path.with_name("run.jsonl.lock").exists()
    assert sandbox.token not in journal_path.read_text()


async def test_an_outcome_is_on_the_disk_before_anybody_is_told(
    sandbox: Sandbox, connect: Connect, journal_path: Path
) -> None:
    """Whoever sees one, by callback or by stream, finds its line."""
    told = []

    def see(outcome: PublishOutcome) -> None:
        told.append(outcome.job_id in {line["job_id"] for line in lines(journal_path)})

    client = connect(sandbox)
    await client.publish_many([sandbox.draft() for _ in range(3)], journal=journal_path, on_outcome=see)
    async with client.publish_stream([sandbox.draft() for _ in range(3)], journal=journal_path) as outcomes:
        async for outcome in outcomes:
            see(outcome)
    assert told == [True] * 6


async def test_a_run_goes_on_with_a_journal(sandbox: Sandbox, connect: Connect, journal_path: Path) -> None:
    """What is live or refused is left out and reported as it was; what was deferred or is in doubt is tried."""
    ids = [sandbox.draft() for _ in range(25)]
    gaps = sandbox.draft(missing=["experienceLevel"])
    sandbox.fault(Fault.STATUS, job_id=ids[0], times=4)
    client = connect(sandbox, daily_limit=20, retry=AT_ONCE)
    first = await client.publish_many([gaps, *ids], journal=journal_path)
    assert [len(first.published), len(first.unknown), len(first.rejected), len(first.deferred)] == [20, 1, 1, 4]
    sandbox.advance(hours=25)
    asked, told = len(sandbox.requests), list[PublishOutcome]()
    second = await client.publish_many([gaps, *ids], journal=str(journal_path), on_outcome=told.append)
    assert [len(second.published), len(second.rejected)] == [25, 1]
    assert len(second.outcomes) == 26
    assert len(told) == len(sandbox.requests) - asked == 5
    third = [outcome async for outcome in _stream(client, [gaps, *ids], journal_path)]
    assert third == []
    assert {job_id for job_id in ids if Journal.open(journal_path).is_final(job_id)} == set(ids)


async def _stream(client: AsyncOpenTrain, ids: list[str], journal_path: Path):  # type: ignore[no-untyped-def]
    async with client.publish_stream(ids, journal=journal_path) as outcomes:
        async for outcome in outcomes:
            yield outcome


async def test_what_stopped_a_run_is_not_final_for_its_drafts(
    sandbox: Sandbox, connect: Connect, journal_path: Path
) -> None:
    """With a new token the run goes on where it was."""
    ids = [sandbox.draft() for _ in range(3)]
    sandbox.fault(Fault.STATUS, status=401)
    client = connect(sandbox)
    report = await client.publish_many(ids, concurrency=1, journal=journal_path)
    assert isinstance(report.stopped_by, AuthenticationError)
    assert [line["status"] for line in lines(journal_path)] == ["rejected", "not_sent", "not_sent"]
    assert len((await client.publish_many(ids, journal=journal_path)).published) == 3


async def test_F24_a_torn_last_line_is_left_out(sandbox: Sandbox, connect: Connect, journal_path: Path) -> None:
    """Wherever it was cut; a run cuts it off and writes on, and its draft is settled by asking again."""
    ids = [sandbox.draft() for _ in range(2)]
    client = connect(sandbox)
    await client.publish_many(ids, concurrency=1, journal=journal_path)
    content = journal_path.read_bytes()
    begins = content.index(b"\n") + 1
    for cut in range(begins, len(content), 7):
        journal_path.write_bytes(content[:cut] + b"\0" * (cut % 2))
        assert [outcome.job_id for outcome in Journal.open(journal_path)] == ids[:1]
    report = await client.publish_many(ids, journal=journal_path)
    assert [outcome.status for outcome in report.outcomes] == [
        OutcomeStatus.PUBLISHED, OutcomeStatus.ALREADY_PUBLISHED,
    ]  # fmt: skip
    assert [outcome.job_id for outcome in Journal.open(journal_path)] == ids
    assert len(lines(journal_path)) == 2


async def test_what_another_service_has_answered_does_not_count(
    sandbox: Sandbox, connect: Connect, journal_path: Path
) -> None:
    """A journal of a rehearsal leaves nothing out of the real run; lines that name no service count for any."""
    async with Sandbox() as rehearsal:
        ids = [rehearsal.draft() for _ in range(2)]
        await connect(rehearsal).publish_many(ids, journal=journal_path)
    for job_id in ids:
        sandbox.draft(job_id)
    assert len((await connect(sandbox).publish_many(ids, journal=journal_path)).published) == 2
    assert sorted(sandbox.live) == sorted(ids)
    nameless = [json.dumps({key: line[key] for key in line if key != "service"}) for line in lines(journal_path)]
    journal_path.write_text("\n".join(nameless) + "\n")
    await connect(sandbox).publish_many(ids, journal=journal_path)
    assert len(sandbox.requests) == 2


async def test_a_draft_that_is_live_stays_so_whatever_came_of_it_later(
    sandbox: Sandbox, connect: Connect, journal_path: Path
) -> None:
    """In a stream it may come again after the run has stopped."""
    a, b = sandbox.draft(), sandbox.draft()
    sandbox.fault(Fault.STATUS, job_id=b, status=401)
    async with connect(sandbox).publish_stream([a, b, a], concurrency=1, journal=journal_path) as outcomes:
        assert [outcome.status async for outcome in outcomes] == ["published", "rejected", "not_sent"]
    assert Journal.open(journal_path).is_final(a)
    assert [outcome.status for outcome in Journal.open(journal_path)] == ["published", "rejected"]


async def test_lines_that_come_while_others_are_written_follow_together(
    journal_path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In their order, and with far fewer syncs than lines."""
    syncs: list[int] = []
    monkeypatch.setattr(os, "fsync", syncs.append)
    writer = JournalWriter(journal_path, lambda: SERVICE, clock)
    await writer.open()
    syncs.clear()
    outcomes = [PublishOutcome(f"job_{number}", OutcomeStatus.DEFERRED) for number in range(100)]
    await asyncio.gather(*(writer.write(outcome) for outcome in outcomes))
    await writer.close()
    await writer.close()
    assert [line["job_id"] for line in lines(journal_path)] == [outcome.job_id for outcome in outcomes]
    assert len(syncs) == 2


async def test_a_run_that_is_cancelled_writes_down_what_it_knows(
    sandbox: Sandbox, connect: Connect, journal_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outcomes that were on their way to the disk get there, and the journal is free then."""
    stuck, really_sync = asyncio.Event(), os.fsync
    loop = asyncio.get_running_loop()

    def sync(file: int) -> None:
        if journal_path.exists() and journal_path.stat().st_size > 1:
            loop.call_soon_threadsafe(stuck.set)
        really_sync(file)

    monkeypatch.setattr(os, "fsync", sync)
    ids = [sandbox.draft()]
    run = asyncio.create_task(connect(sandbox, daily_limit=20).publish_many(ids, journal=journal_path))
    await stuck.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert {line["job_id"] for line in lines(journal_path)} == set(sandbox.live)
    JournalFile(journal_path, SERVICE).close()


@pytest.mark.parametrize("is_full", [False, True])
async def test_a_line_whose_writer_is_cancelled_before_the_thread_takes_it_is_written_all_the_same(
    journal_path: Path, clock: VirtualClock, caplog: pytest.LogCaptureFixture, is_full: bool
) -> None:
    """The thread may be slow to begin, as on a busy machine: what is known is not lost by that, or said so."""
    writer, go_on = JournalWriter(journal_path, lambda: SERVICE, clock), threading.Event()
    await writer.open()
    writer._thread.submit(go_on.wait)
    writing = asyncio.create_task(writer.write(PublishOutcome("job_1", OutcomeStatus.DEFERRED)))
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.wait({writing})
    assert writing.cancelled()
    with full_disk() if is_full else nullcontext():
        go_on.set()
        await writer.close()
    assert [line["job_id"] for line in lines(journal_path)] == ([] if is_full else ["job_1"])
    assert ("is not in the journal" in caplog.text) is is_full


async def test_a_run_cancelled_while_it_opens_its_journal_lets_it_go(
    sandbox: Sandbox, connect: Connect, journal_path: Path
) -> None:
    """Whether it had it already or not."""
    for times in (1, 2):
        run = asyncio.create_task(connect(sandbox).publish_many([sandbox.draft()], journal=journal_path))
        for _ in range(times):
            await asyncio.sleep(0)
            run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        await until(lambda: is_free(journal_path))
    assert sandbox.requests == []


def is_free(journal_path: Path) -> bool:
    """Whether a run can have that journal now."""
    with suppress(JournalError):
        JournalFile(journal_path, SERVICE).close()
        return True
    return False


async def test_a_run_cancelled_while_it_opens_what_is_no_journal_is_cancelled(
    sandbox: Sandbox, connect: Connect, journal_path: Path
) -> None:
    """That it could not have had it is nobody's business then."""
    journal_path.write_text("job_1\n")
    run = asyncio.create_task(connect(sandbox).publish_many([sandbox.draft()], journal=journal_path))
    await asyncio.sleep(0)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def test_a_stream_left_at_once_lets_its_journal_go(
    sandbox: Sandbox, connect: Connect, journal_path: Path
) -> None:
    """Also where the run itself had no time to begin."""
    async with connect(sandbox).publish_stream([sandbox.draft()], journal=journal_path):
        assert journal_path.with_name("run.jsonl.lock").exists()
    JournalFile(journal_path, SERVICE).close()


async def test_F24_what_cannot_be_written_at_the_end_is_logged(
    journal_path: Path, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A cancelled run stays a cancelled run."""
    writer = JournalWriter(journal_path, lambda: SERVICE, clock)
    await writer.open()
    with full_disk():
        writing = [asyncio.create_task(writer.write(PublishOutcome(name, OutcomeStatus.UNKNOWN))) for name in "abc"]
        await asyncio.sleep(0)
        for task in writing:
            task.cancel()
        await asyncio.wait(writing)
        with caplog.at_level(logging.WARNING, "opentrain_async"):
            await writer.close()
    assert "is not in the journal" in caplog.text
    JournalFile(journal_path, SERVICE).close()


async def test_again_tries_what_was_refused_and_nothing_that_is_live(
    sandbox: Sandbox, connect: Connect, journal_path: Path
) -> None:
    """By a run, by a stream and in the plan; without it the draft is left out, edited or not."""
    job_id, done = sandbox.draft(missing=["paymentType"]), sandbox.draft()
    client = connect(sandbox)
    assert len((await client.publish_many([job_id, done], journal=journal_path)).rejected) == 1
    await client.update_draft(job_id, payment_type="PAY_PER_HOUR")
    before = len(sandbox.requests)
    assert len((await client.publish_many([job_id, done], journal=journal_path)).rejected) == 1
    assert len(sandbox.requests) == before
    assert [draft.job_id for draft in (await client.plan([job_id, done], journal=journal_path)).drafts] == []
    plan = await client.plan([job_id, done], journal=journal_path, again=True)
    assert [draft.job_id for draft in plan.drafts] == [job_id]
    async with client.publish_stream([job_id, done], journal=journal_path, again=True) as outcomes:
        assert [(outcome.job_id, outcome.status.value) async for outcome in outcomes] == [(job_id, "published")]
    assert len((await client.publish_many([job_id, done], journal=journal_path, again=True)).published) == 2
    assert len(sandbox.requests) == before + 1


async def test_a_draft_that_was_tried_again_in_vain_is_not_final_any_more(
    sandbox: Sandbox, connect: Connect, journal_path: Path
) -> None:
    """It may be live now; what was not even sent leaves the refusal as it was."""
    job_id = sandbox.draft(blocked=True)
    client = connect(sandbox, retry=RetryPolicy(max_attempts=1))
    await client.publish_many([job_id], journal=journal_path)
    sandbox.fault(Fault.RESET, job_id=job_id)
    report = await client.publish_many([job_id], journal=journal_path, again=True)
    assert (len(report.unknown), Journal.open(journal_path).is_final(job_id)) == (1, False)
    await client.publish_many([job_id], journal=journal_path)
    assert Journal.open(journal_path).is_final(job_id)
    stopped = PublishOutcome(job_id, OutcomeStatus.NOT_SENT, error=TLSError("no"))
    with journal_path.open("ab") as file:
        file.write(line_of(stopped, AT, JournalAccount(sandbox.url)))
    assert Journal.open(journal_path).is_final(job_id)
