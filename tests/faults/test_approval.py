"""A publish that is accepted and awaits approval: PENDING, counted, never told to be live, and found out later."""

from datetime import timedelta
from pathlib import Path

import pytest

from opentrain_async import Journal, OutcomeStatus, SQLiteLedger
from opentrain_async._base.clock import instant
from opentrain_async.errors import ConflictError, NotPublishReadyError, ServerError
from opentrain_async.quota import QuotaSnapshot
from opentrain_async.sandbox import Fault, Sandbox

from ..support import command
from ..support.clients import Connect
from ..support.peers import AT_ONCE, answer, client_of, live, peer, sends
from ..support.virtual import VirtualClock

HOUR = timedelta(hours=1)


def states(quota: QuotaSnapshot) -> list[str]:
    """The states of the slots, in the order in which they leave the window."""
    return [slot.state for slot in quota.slots]


async def test_F47_a_draft_that_awaits_approval_is_pending_and_counts(sandbox: Sandbox, connect: Connect) -> None:
    """It is not live, not final and no failure; its slot is not doubtful, and an hour later it is looked at again."""
    sandbox.needs_approval = True
    client = connect(sandbox, daily_limit=2)
    report = await client.publish_many([sandbox.draft() for _ in range(3)], concurrency=1)
    assert [outcome.status.value for outcome in report.outcomes] == ["pending", "pending", "deferred"]
    assert report.pending == report.outcomes[:2]
    first = report.pending[0]
    assert first.result is not None
    assert (first.result.is_live, first.result.newly_published, first.result.status) == (
        False, False, "PENDING_APPROVAL",
    )  # fmt: skip
    assert (first.error, first.is_final) == (None, False)
    assert first.retry_at is not None
    assert abs(first.retry_at - HOUR - instant(sandbox.clock.now())) < timedelta(minutes=1)
    assert str(report) == "3 drafts: 2 pending, 1 deferred"
    quota = await client.quota()
    assert (states(quota), quota.used, quota.doubtful) == (["accepted", "accepted"], 2, 0)
    assert (sandbox.refusals, len(sandbox.requests)) == (0, 2)


async def test_F47_a_draft_that_was_approved_was_published_by_this_account(sandbox: Sandbox, connect: Connect) -> None:
    """Found live, it is PUBLISHED, in the slot and at the time of its acceptance."""
    sandbox.needs_approval = True
    client, job_id = connect(sandbox, daily_limit=2), sandbox.draft()
    assert not (await client.publish(job_id)).is_live
    (before,) = (await client.quota()).slots
    sandbox.approve(job_id)
    sandbox.advance(hours=1)
    result = await client.publish(job_id)
    assert (result.is_live, result.newly_published, result.already_published) == (True, True, True)
    (after,) = (await client.quota()).slots
    assert (after.state, after.frees_at) == ("spent", before.frees_at)


async def test_F47_a_draft_that_was_refused_and_published_again_is_charged_twice(
    sandbox: Sandbox, connect: Connect
) -> None:
    """The first publish was accepted, and stays counted."""
    sandbox.needs_approval = True
    client, job_id = connect(sandbox), sandbox.draft()
    await client.publish(job_id)
    sandbox.refuse(job_id)
    sandbox.needs_approval = False
    assert (await client.publish(job_id)).newly_published
    assert sorted(states(await client.quota())) == ["accepted", "spent"]


async def test_F47_a_draft_that_still_awaits_approval_is_pending_again(sandbox: Sandbox, connect: Connect) -> None:
    """The service's 409 names the state; the slot keeps its date."""
    sandbox.needs_approval = True
    client, job_id = connect(sandbox), sandbox.draft()
    await client.publish(job_id)
    (before,) = (await client.quota()).slots
    sandbox.advance(hours=2)
    result = await client.publish(job_id)
    assert (result.is_pending, result.status, sandbox.requests[-1].status) == (True, "PENDING_APPROVAL", 409)
    assert (await client.quota()).slots == (before,)


async def test_F47_a_draft_that_another_tool_has_published_for_approval_is_pending(
    sandbox: Sandbox, connect: Connect
) -> None:
    """Its first answer is the 409, and the slot counts: the service counts the publish, too."""
    client = connect(sandbox)
    (outcome,) = (await client.publish_many([sandbox.draft(status="PENDING_APPROVAL")])).outcomes
    assert (outcome.status, states(await client.quota())) == (OutcomeStatus.PENDING, ["accepted"])


async def test_F47_a_refused_draft_that_lacks_something_keeps_its_slot(clock: VirtualClock) -> None:
    """What was accepted stays counted whatever comes later."""
    gaps = {"error": "No.", "code": "BAD_REQUEST", "details": {"validation": {"missingFields": ["rate"]}}}
    answers = sends(answer(live("job_1") | {"status": "PENDING_APPROVAL"}), answer(gaps, status="400 No"))
    async with peer(answers) as server, client_of(server.url, clock=clock) as client:
        assert (await client.publish("job_1")).is_pending
        with pytest.raises(NotPublishReadyError) as caught:
            await client.publish("job_1")
        assert (caught.value.effect, states(await client.quota())) == ("none", ["accepted"])


async def test_F47_an_acceptance_after_a_lost_reply_settles_the_doubt(clock: VirtualClock) -> None:
    """Any success of the service's does."""
    answers = sends(answer(b"", status="503 No"), answer(live("job_1") | {"status": "PENDING_APPROVAL"}))
    async with peer(answers) as server, client_of(server.url, clock=clock, retry=AT_ONCE) as client:
        (outcome,) = (await client.publish_many(["job_1"])).outcomes
        quota = await client.quota()
        assert (outcome.status, states(quota), quota.doubtful) == (OutcomeStatus.PENDING, ["accepted"], 0)


@pytest.mark.parametrize("state", ["ONGOING", "COMPLETED"])
async def test_F47_a_job_that_has_ended_was_live_before(clock: VirtualClock, state: str) -> None:
    """It is ALREADY_PUBLISHED without being live, and uses up nothing."""
    ended = answer(live("job_1", already=True) | {"status": state})
    async with peer(sends(ended)) as server, client_of(server.url, clock=clock) as client:
        (outcome,) = (await client.publish_many(["job_1"])).outcomes
        assert (outcome.status, outcome.is_final) == (OutcomeStatus.ALREADY_PUBLISHED, True)
        assert outcome.result is not None
        assert (outcome.result.is_live, outcome.result.has_ended) == (False, True)
        assert (await client.quota()).used == 0


@pytest.mark.parametrize("state", ["ONGOING", "COMPLETED", "ARCHIVED"])
async def test_F47_after_a_lost_reply_a_job_that_has_ended_stays_unknown(clock: VirtualClock, state: str) -> None:
    """The lost request may have put it live before it ended, and its slot counts."""
    answers = sends(answer(b"", status="503 No"), answer(live("job_1", already=True) | {"status": state}))
    async with peer(answers) as server, client_of(server.url, clock=clock, retry=AT_ONCE) as client:
        (outcome,) = (await client.publish_many(["job_1"])).outcomes
        assert (outcome.status, outcome.attempts) == (OutcomeStatus.UNKNOWN, 2)
        assert isinstance(outcome.error, ConflictError)
        assert (outcome.error.job_status, outcome.error.effect, outcome.error.job_id) == (state, "unknown", "job_1")
        assert (await client.quota()).doubtful == 1


@pytest.mark.parametrize("status", [200, 409])
async def test_F47_an_archived_job_is_rejected_and_not_final(clock: VirtualClock, status: int) -> None:
    """Its slot is given back."""
    said: dict[str, object] = live("job_1") | {"status": "ARCHIVED"}
    if status == 409:
        said = {"error": "No.", "code": "CONFLICT", "details": {"status": "ARCHIVED"}}
    async with peer(sends(answer(said, status=f"{status} X"))) as server, client_of(server.url, clock=clock) as client:
        (outcome,) = (await client.publish_many(["job_1"])).outcomes
        assert (outcome.status, outcome.is_final, outcome.attempts) == (OutcomeStatus.REJECTED, False, 1)
        assert (await client.quota()).used == 0


@pytest.mark.parametrize(("state", "slots"), [("ONGOING", ["spent"]), ("OPEN", ["spent"])])
async def test_F47_an_accepted_job_that_went_on_was_charged(clock: VirtualClock, state: str, slots: list[str]) -> None:
    """Whether it is live when it is found, or ongoing by then."""
    answers = sends(
        answer(live("job_1") | {"status": "PENDING_APPROVAL"}), answer(live("job_1", already=True) | {"status": state})
    )
    async with peer(answers) as server, client_of(server.url, clock=clock) as client:
        await client.publish("job_1")
        result = await client.publish("job_1")
        assert (result.status, result.newly_published) == (state, state == "OPEN")
        assert states(await client.quota()) == slots


async def test_F47_a_published_job_that_is_ongoing_keeps_its_slot(clock: VirtualClock) -> None:
    """It was charged when it went live."""
    answers = sends(answer(live("job_1")), answer(live("job_1", already=True) | {"status": "ONGOING"}))
    async with peer(answers) as server, client_of(server.url, clock=clock) as client:
        await client.publish("job_1")
        assert (await client.publish("job_1")).has_ended
        assert states(await client.quota()) == ["spent"]


async def test_F47_a_pending_draft_is_tried_again_by_its_journal(
    sandbox: Sandbox, connect: Connect, tmp_path: Path
) -> None:
    """Also after a restart, on a ledger in a file: the next run finds it live, and its slot is the same."""
    path, job_id = tmp_path / "run.jsonl", sandbox.draft()
    sandbox.needs_approval = True
    for is_approved in (False, True):
        async with SQLiteLedger(tmp_path / "quota.sqlite3") as ledger:
            client = connect(sandbox, ledger=ledger)
            report = await client.publish_many([job_id], journal=path)
            assert (len(report.published), len(report.pending)) == (is_approved, not is_approved)
            assert (await client.quota()).used == 1
            await client.close()
        if not is_approved:
            sandbox.approve(job_id)
    assert [outcome.status.value for outcome in Journal.open(path)] == ["published"]


async def test_F47_the_command_line_tells_a_pending_draft(sandbox: Sandbox) -> None:
    """Its row says so and when to look again; the exit status is that of a deferred draft."""
    sandbox.needs_approval = True
    finished = await command.run("publish", sandbox.draft("job"), sandbox=sandbox)
    assert (finished.status, finished.out.splitlines()[-1]) == (1, "1 draft: 1 pending")
    assert "the job is PENDING_APPROVAL; look again at " in finished.out


async def test_F47_a_lost_answer_of_a_pending_draft_leaves_its_slot(sandbox: Sandbox, connect: Connect) -> None:
    """It was accepted before, whatever became of the second request."""
    sandbox.needs_approval = True
    client, job_id = connect(sandbox), sandbox.draft()
    await client.publish(job_id)
    sandbox.fault(Fault.STATUS, status=501)
    with pytest.raises(ServerError) as caught:
        await client.publish(job_id)
    assert (caught.value.effect, states(await client.quota())) == ("unknown", ["accepted"])


@pytest.mark.parametrize("already", [False, True])
async def test_F47_a_published_job_that_awaits_approval_is_charged_again_if_it_was_accepted_now(
    clock: VirtualClock, already: bool
) -> None:
    """As after an edit that took it down; found in that state, it keeps the slot that it has."""
    answers = sends(answer(live("job_1")), answer(live("job_1", already=already) | {"status": "PENDING_APPROVAL"}))
    async with peer(answers) as server, client_of(server.url, clock=clock) as client:
        await client.publish("job_1")
        assert (await client.publish("job_1")).is_pending
        assert sorted(states(await client.quota())) == (["spent"] if already else ["accepted", "spent"])
