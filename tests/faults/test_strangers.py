"""Answers that are not the service's: a gateway, a proxy or a portal says them, and none is a word on a draft."""

import json
import logging
from pathlib import Path

import pytest

from opentrain_async import Journal, OutcomeStatus, RetryPolicy
from opentrain_async.errors import (
    APIError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    UnexpectedResponseError,
)
from opentrain_async.sandbox import Sandbox

from ..support.clients import Connect
from ..support.outages import PATIENT, Fail, Service, facing, ids
from ..support.peers import AT_ONCE, Call, answer, client_of, envelope, job_of, live, peer, sends
from ..support.stores import accept_one
from ..support.virtual import VirtualClock

GATEWAYS: dict[str, bytes] = {
    "ingress": answer(b"default backend - 404", status="404 Not Found"),
    "route": answer({"message": "no Route matched with those values"}, status="404 Not Found"),
    "framework": answer({"error": "Not Found"}, status="404 Not Found"),
    "html": answer(b"<html><h1>400 Bad Request</h1>nginx</html>", status="400 Bad Request"),
    "bill": answer(b"<html>Payment Required</html>", status="402 Payment Required"),
    "method": answer(b"", status="405 Method Not Allowed"),
    "state": answer(b"conflict", status="409 Conflict"),
    "size": answer(b"<html>Too large</html>", status="413 Payload Too Large"),
    "cut": answer(b'{"error": "No su', status="422 Unprocessable"),
    "closed": answer({"status": 499}, status="499 Client Closed Request"),
    "busy": answer(b"<html>Bad Gateway</html>", status="502 Bad Gateway"),
}
REFUSED = [OutcomeStatus.REJECTED, OutcomeStatus.NOT_SENT]


def saying(reply: bytes) -> Fail:
    async def fail(call: Call) -> None:
        call.writer.write(reply)

    return fail


@pytest.mark.parametrize("name", GATEWAYS)
async def test_F45_a_run_outlasts_a_gateway_that_answers_by_itself(clock: VirtualClock, name: str) -> None:
    """It is paused as by an outage, and every draft is published, each charged once."""
    service = Service(clock, after=20, seconds=30.0, fail=saying(GATEWAYS[name]))
    async with facing(service, clock) as (_server, client):
        report = await client.publish_many(ids(60), concurrency=10)
        quota = await client.quota()
    assert (len(report.published), quota.used - 1, quota.doubtful) == (60, 60, 0), report
    assert sorted(service.live) == sorted(ids(60))
    assert len(service.met) <= 40


@pytest.mark.parametrize("name", GATEWAYS)
async def test_F45_nothing_that_a_gateway_says_is_final(clock: VirtualClock, tmp_path: Path, name: str) -> None:
    """At worst a draft is UNKNOWN, with its slot; with the same journal each of them is tried again."""
    path, is_back = tmp_path / "run.jsonl", False

    async def behave(call: Call) -> None:
        call.writer.write(answer(live(job_of(call))) if is_back else GATEWAYS[name])

    async with peer(behave) as server, client_of(server.url, clock=clock, retry=PATIENT, daily_limit=20) as client:
        first = await client.publish_many(ids(20), concurrency=2, journal=path, outage_patience=5)
        assert {outcome.status for outcome in first.outcomes} == {OutcomeStatus.UNKNOWN, OutcomeStatus.NOT_SENT}
        assert (await client.quota()).doubtful == len(first.unknown)
        assert not any(outcome.is_final for outcome in Journal.open(path))
        is_back = True
        assert len((await client.publish_many(ids(20), journal=path)).published) == 20


@pytest.mark.parametrize("status", [404, 499])
async def test_F45_a_draft_that_was_published_before_the_gateway_spoke_is_found_live(
    sandbox: Sandbox, connect: Connect, status: int
) -> None:
    """The retry is told so, and it was this run that put it there, for one slot."""
    job_id = sandbox.draft()
    sandbox.fault("gateway", status=status, published=True)
    client = connect(sandbox, retry=AT_ONCE)
    (outcome,) = (await client.publish_many([job_id])).outcomes
    assert (outcome.status, outcome.attempts) == (OutcomeStatus.PUBLISHED, 2)
    assert ((await client.quota()).used, sandbox.live) == (1, (job_id,))


@pytest.mark.parametrize(("line", "requests"), [("302 Found", 1), ("303 See Other", 1), ("403 Forbidden", 3)])
async def test_F45_a_portal_or_firewall_stops_the_run_and_decides_nothing(
    clock: VirtualClock, line: str, requests: int
) -> None:
    """To repeat the request would harden a block: it is sent once a draft, and those drafts are UNKNOWN."""
    page = answer(b"<html>Your address is blocked.</html>", status=line)
    async with peer(sends(page)) as server, client_of(server.url, clock=clock, retry=RetryPolicy()) as client:
        report = await client.publish_many(ids(20), concurrency=1)
        assert (await client.quota()).doubtful == requests
    assert (len(report.unknown), len(report.not_sent), len(server.calls)) == (requests, 20 - requests, requests)
    assert isinstance(report.stopped_by, UnexpectedResponseError)
    assert report.stopped_by.effect == "unknown"


async def test_F46_an_unpaid_bill_stops_the_run_at_once(clock: VirtualClock, tmp_path: Path) -> None:
    """Nothing is final: once it is paid the same journal publishes them all."""
    path, is_paid = tmp_path / "run.jsonl", False
    unpaid = answer(envelope(code="PAYMENT_REQUIRED"), status="402 Payment Required")

    async def behave(call: Call) -> None:
        call.writer.write(answer(live(job_of(call))) if is_paid else unpaid)

    async with peer(behave) as server, client_of(server.url, clock=clock, retry=AT_ONCE, daily_limit=20) as client:
        report = await client.publish_many(ids(20), concurrency=4, journal=path)
        assert {outcome.status for outcome in report.outcomes} == set(REFUSED)
        assert isinstance(report.stopped_by, APIError)
        assert report.stopped_by.code == "PAYMENT_REQUIRED"
        assert len(server.calls) <= 4
        is_paid = True
        assert len((await client.publish_many(ids(20), journal=path)).published) == 20


async def test_F46_a_suspended_account_stops_the_run_at_the_third_draft(clock: VirtualClock, tmp_path: Path) -> None:
    """The same reason of three drafts is not the drafts'; restored, the same journal publishes them all."""
    path, is_restored = tmp_path / "run.jsonl", False
    suspended = envelope(code="FORBIDDEN", details={"reason": "account_suspended"})

    async def behave(call: Call) -> None:
        call.writer.write(answer(live(job_of(call))) if is_restored else answer(suspended, status="403 Forbidden"))

    async with peer(behave) as server, client_of(server.url, clock=clock, retry=AT_ONCE, daily_limit=20) as client:
        report = await client.publish_many(ids(20), concurrency=1, journal=path)
        assert (len(report.rejected), len(report.not_sent), len(server.calls)) == (3, 17, 3)
        assert isinstance(report.stopped_by, PermissionDeniedError)
        is_restored = True
        assert len((await client.publish_many(ids(20), journal=path)).published) == 20


async def test_F46_the_token_of_another_account_is_warned_of_once(
    clock: VirtualClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each draft is asked for and absent; with the right token the same journal publishes them."""
    path = tmp_path / "run.jsonl"

    async def behave(call: Call) -> None:
        is_right = b"ot_pat_right" in call.head
        absent = answer(envelope(code="NOT_FOUND"), status="404 Not Found")
        call.writer.write(answer(live(job_of(call))) if is_right else absent)

    async with peer(behave) as server:
        async with client_of(server.url, clock=clock, token="ot_pat_wrong") as client:
            report = await client.publish_many(ids(30), journal=path)
            assert (len(report.rejected), report.stopped_by) == (30, None)
            assert all(isinstance(outcome.error, NotFoundError) for outcome in report.rejected)
            warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
            assert [record.getMessage()[:24] for record in warnings] == ["10 drafts in a row do no"]
        async with client_of(server.url, clock=clock, token="ot_pat_right", daily_limit=30) as client:
            assert len((await client.publish_many(ids(30), journal=path)).published) == 30


async def test_F46_drafts_that_are_missing_here_and_there_are_no_sign_of_another_account(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """An answer that gets past it begins the count anew, and one warning a run is enough."""

    async def behave(call: Call) -> None:
        is_there = call.number % 10 == 0 if call.number <= 30 else call.number % 12 == 0
        absent = answer(envelope(code="NOT_FOUND"), status="404 Not Found")
        call.writer.write(answer(live(job_of(call))) if is_there else absent)

    async with peer(behave) as server, client_of(server.url, clock=clock, daily_limit=30) as client:
        report = await client.publish_many(ids(30), concurrency=1)
        assert (len(report.rejected), len(report.published), caplog.text) == (27, 3, "")
        await client.publish_many([f"other_{number}" for number in range(30)], concurrency=1)
    assert caplog.text.count("10 drafts in a row do not exist") == 1


async def test_F48_a_draft_that_a_replica_does_not_know_yet_is_tried_again_later(
    clock: VirtualClock, tmp_path: Path
) -> None:
    """The service's 404 is a refusal, and not final: a minute later the same journal publishes it."""
    path, born = tmp_path / "run.jsonl", clock.time

    async def behave(call: Call) -> None:
        is_known = clock.time >= born + 5
        absent = answer(envelope(code="NOT_FOUND"), status="404 Not Found")
        call.writer.write(answer(live(job_of(call))) if is_known else absent)

    async with peer(behave) as server, client_of(server.url, clock=clock, retry=AT_ONCE, daily_limit=20) as client:
        await accept_one(client)
        first = await client.publish_many(ids(3), journal=path)
        assert (len(first.rejected), any(outcome.is_final for outcome in first.outcomes)) == (3, False)
        assert (await client.quota()).used == 1
        clock.time += 60
        assert len((await client.publish_many(ids(3), journal=path)).published) == 3


@pytest.mark.parametrize(
    ("line", "details"),
    [
        ("409 Conflict", {"reason": "publish_in_progress"}),
        ("409 Conflict", {"status": "DRAFT"}),
        ("409 Conflict", {"status": "OPEN"}),
        ("409 Conflict", {}),
        ("423 Locked", {}),
    ],
)
async def test_F48_a_publish_in_progress_is_waited_for(
    clock: VirtualClock, line: str, details: dict[str, object]
) -> None:
    """It is asked for again, and the service is not taken to be down."""
    busy = answer(envelope(code="CONFLICT", details=details), status=line)
    answers = sends(*[busy] * 3, answer(live("job_1", already=True)))
    async with peer(answers) as server, client_of(server.url, clock=clock, retry=RetryPolicy()) as client:
        (outcome,) = (await client.publish_many(["job_1"])).outcomes
        assert (outcome.status, outcome.attempts) == (OutcomeStatus.PUBLISHED, 4)
        assert ((await client.quota()).used, len(server.calls)) == (1, 4)


async def test_F48_conflicts_of_many_drafts_are_no_outage(clock: VirtualClock) -> None:
    """They are answers: nothing is paused, and each draft that stays in progress is UNKNOWN."""
    busy = answer(envelope(code="CONFLICT", details={"reason": "publish_in_progress"}), status="409 Conflict")
    async with peer(sends(busy)) as server, client_of(server.url, clock=clock, retry=AT_ONCE, daily_limit=20) as client:
        await accept_one(client)
        report = await client.publish_many(ids(10), concurrency=5)
        assert client._breaker.state == "closed"
    assert (len(report.unknown), report.stopped_by) == (10, None)
    assert {outcome.attempts for outcome in report.outcomes} == {AT_ONCE.max_attempts}


async def test_F45_an_old_journal_is_read_by_the_rules_of_today(clock: VirtualClock, tmp_path: Path) -> None:
    """A 404 that was final when it was written is tried again, and so is a pending draft that was called published."""
    path = tmp_path / "run.jsonl"
    line = {"attempts": 1, "at": "2026-01-01T00:00:00+00:00", "service": None, "retry_at": None}
    error = {"type": "NotFoundError", "message": "No.", "job_id": "job_0", "effect": "none", "status": 404}
    result = {
        "job_id": "job_1", "already_published": False, "status": "PENDING_APPROVAL", "job_url": None,
        "publish_attempt_id": None, "warnings": [], "side_effects": {"dispatched": None, "status": None},
        "newly_published": True,
    }  # fmt: skip
    lines = [
        {"job_id": "job_0", "status": "rejected", **line, "result": None, "error": error},
        {"job_id": "job_1", "status": "published", **line, "result": result, "error": None},
        {"job_id": "job_2", "status": "published", **line, "result": result | {"status": "OPEN"}, "error": None},
        {
            "job_id": "job_3",
            "status": "already_published",
            **line,
            "result": result | {"status": "ARCHIVED"},
            "error": None,
        },
    ]
    path.write_text("".join(f"{json.dumps(each)}\n" for each in lines))
    earlier = list(Journal.open(path))
    assert [outcome.status.value for outcome in earlier] == ["rejected", "pending", "published", "rejected"]
    assert [outcome.is_final for outcome in earlier] == [False, False, True, False]
    assert earlier[1].result is not None
    assert not earlier[1].result.newly_published
    assert isinstance(earlier[3].error, ConflictError)

    async def behave(call: Call) -> None:
        call.writer.write(answer(live(job_of(call))))

    async with peer(behave) as server, client_of(server.url, clock=clock) as client:
        await client.publish_many(ids(3), journal=path)
        assert sorted(job_of(call) for call in server.calls) == ["job_0", "job_1"]


async def test_F46_an_archived_job_is_an_answer_that_gets_past_a_refusal(clock: VirtualClock) -> None:
    """Also where it comes as a success: the count of refusals begins anew."""
    refused = answer(envelope(code="FORBIDDEN"), status="403 Forbidden")
    archived = {"ok": True, "status": "ARCHIVED", "alreadyPublished": True}

    async def behave(call: Call) -> None:
        call.writer.write(answer({**archived, "jobId": job_of(call)}) if call.number in {3, 6} else refused)

    async with peer(behave) as server, client_of(server.url, clock=clock) as client:
        report = await client.publish_many(ids(8), concurrency=1)
    assert (len(report.rejected), report.stopped_by) == (8, None)
