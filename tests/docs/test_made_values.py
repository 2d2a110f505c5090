"""What `opentrain_async.testing` makes is what a client gives: each is held against a true one."""

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from attrs import evolve

from opentrain_async import AsyncOpenTrain, OutcomeStatus, PublishOutcome, PublishReport, RetryPolicy
from opentrain_async.errors import (
    AuthenticationError,
    ClaimError,
    ClientClosedError,
    ConfigurationError,
    ConflictError,
    ConnectError,
    ConnectionLostError,
    JournalError,
    ModerationBlockedError,
    NotFoundError,
    NotPublishReadyError,
    OpenTrainError,
    PermissionDeniedError,
    PreflightError,
    QuotaExceededError,
    QuotaLedgerError,
    RateLimitedError,
    RequestTimeoutError,
    ServerError,
    TLSError,
    TruncatedResponseError,
    UnexpectedResponseError,
)
from opentrain_async.sandbox import Sandbox
from opentrain_async.testing import (
    make_draft,
    make_error,
    make_job,
    make_outcome,
    make_quota,
    make_report,
    make_result,
)

from ..support.clients import Connect
from ..support.peers import peer, sends, server_tls
from ..support.stores import BrokenStore, accept_one

Options = dict[str, object]
AT_ONCE = RetryPolicy(base_delay=0.0, max_delay=0.0)
NAIVE = datetime(2030, 1, 1)  # noqa: DTZ001 - which is what is refused


def faulty(word: str, status: int = 503, **options: object) -> Callable[[Sandbox], Options]:
    """Has every publish go wrong in that way, for a client with these options."""

    def arrange(sandbox: Sandbox) -> Options:
        sandbox.fault(word, status=status, times=99)
        return options

    return arrange


TROUBLES: Mapping[type[OpenTrainError], Callable[[Sandbox], Options]] = {
    AuthenticationError: lambda _: {"token": "ot_pat_unknown"},
    ConnectError: lambda _: {"base_url": "http://127.0.0.1:1"},
    ConnectionLostError: faulty("reset"),
    PermissionDeniedError: lambda sandbox: {"token": sandbox.add_token(scopes=["jobs:read"])},
    QuotaLedgerError: lambda _: {"ledger": BrokenStore()},
    RateLimitedError: faulty("status", 429),
    RequestTimeoutError: faulty("stall", timeout=0.05),
    ServerError: faulty("status", 503),
    TruncatedResponseError: faulty("truncated"),
    UnexpectedResponseError: faulty("html"),
}
"""How a publish of a good draft comes to end with each kind of error."""
DRAFTS: Mapping[type[OpenTrainError], Callable[[Sandbox], str]] = {
    ConflictError: lambda sandbox: sandbox.draft(status="ARCHIVED"),
    ModerationBlockedError: lambda sandbox: sandbox.draft(blocked=True),
    NotFoundError: lambda _: "job_of_nobody",
    NotPublishReadyError: lambda sandbox: sandbox.draft(missing=["experienceLevel"]),
}
"""The drafts whose publish ends with an error of their own."""
COMPARED = (
    "effect", "operation", "job_id", "status", "code", "reason", "retry_after", "job_status", "required_scopes",
    "source", "limit", "used",
)  # fmt: skip


def facts(error: OpenTrainError | None) -> dict[str, object]:
    """What a program reads from an error."""
    assert error is not None
    return {"kind": type(error), **{name: getattr(error, name) for name in COMPARED if hasattr(error, name)}}


def told(outcome: PublishOutcome) -> tuple[object, ...]:
    """What a program reads from an outcome, but for the time itself."""
    return outcome.job_id, outcome.status, facts(outcome.error), outcome.attempts, outcome.retry_at is None


@pytest.mark.parametrize("kind", [*TROUBLES, *DRAFTS], ids=lambda kind: kind.__name__)
async def test_an_error_and_its_outcome_are_as_in_truth(
    sandbox: Sandbox, connect: Connect, kind: type[OpenTrainError]
) -> None:
    """Class, effect and whatever a program looks at; and in a run status, attempts, and whether there is a time."""
    job_id = DRAFTS[kind](sandbox) if kind in DRAFTS else sandbox.draft()
    options = TROUBLES[kind](sandbox) if kind in TROUBLES else {}
    await assert_made_as_in_truth(connect(sandbox, retry=AT_ONCE, **options), kind, job_id)


async def test_an_error_of_a_wrong_certificate_is_as_in_truth(
    sandbox: Sandbox, connect: Connect, tmp_path: Path
) -> None:
    """Of a server that nobody vouches for."""
    async with peer(sends(), tls=server_tls(tmp_path)) as server:
        client = connect(sandbox, retry=AT_ONCE, base_url=server.url)
        await assert_made_as_in_truth(client, TLSError, sandbox.draft())


async def assert_made_as_in_truth(client: AsyncOpenTrain, kind: type[OpenTrainError], job_id: str) -> None:
    """Hold the error and the outcome that are made of this kind against the client's."""
    with pytest.raises(kind) as caught:
        await client.publish(job_id)
    made = make_error(kind, job_id)
    assert facts(made) == facts(caught.value)
    (outcome,) = (await client.publish_many([job_id])).outcomes
    assert told(make_outcome(outcome.status, job_id, error=made)) == told(outcome)


async def test_a_day_that_is_used_up_is_as_in_truth(sandbox: Sandbox, connect: Connect) -> None:
    """The error, the outcome with its time, and the quota with its slots."""
    client = connect(sandbox, daily_limit=20)
    await client.publish_many([sandbox.draft() for _ in range(20)])
    job_id = sandbox.draft()
    with pytest.raises(QuotaExceededError) as caught:
        await client.publish(job_id)
    made = make_error(QuotaExceededError, job_id)
    assert facts(made) == facts(caught.value)
    assert str(made).partition("Try again")[0] == str(caught.value).partition("Try again")[0]
    (outcome,) = (await client.publish_many([job_id])).outcomes
    assert told(make_outcome("deferred", job_id)) == told(outcome)
    quota, true = make_quota(used=20), await client.quota()
    assert (quota.limit, quota.used, quota.remaining, quota.doubtful) == (20, 20, 0, 0)
    assert (quota.limit_source, quota.window) == (true.limit_source, true.window)
    assert [slot.state for slot in quota.slots] == [slot.state for slot in true.slots]


async def test_a_result_is_as_in_truth(sandbox: Sandbox, connect: Connect) -> None:
    """With the body as it came, which a test can have a server answer."""
    client, job_id = connect(sandbox), sandbox.draft()
    for already in (False, True):
        true, made = await client.publish(job_id), make_result(job_id, already_published=already)
        assert (made, made.raw) == (true, true.raw)
        (outcome,) = (await connect(sandbox).publish_many([job_id])).outcomes
        assert make_outcome(OutcomeStatus.ALREADY_PUBLISHED, job_id) == outcome
    (outcome,) = (await connect(sandbox).publish_many([sandbox.draft("job_new")])).outcomes
    assert make_outcome("published", "job_new") == outcome


async def test_a_draft_that_awaits_approval_is_as_in_truth(sandbox: Sandbox, connect: Connect) -> None:
    """Result and outcome; of an archived job there is only an error."""
    sandbox.needs_approval = True
    (true,) = (await connect(sandbox).publish_many([sandbox.draft("job_1")])).outcomes
    made = make_outcome("pending", "job_1")
    assert (made.result, made.attempts, made.error) == (true.result, true.attempts, true.error)
    assert true.retry_at is not None
    assert made.retry_at is not None
    assert abs(made.retry_at - true.retry_at) < timedelta(minutes=1)
    assert str(make_report(published=1, pending=2)) == "3 drafts: 1 published, 2 pending"
    with pytest.raises(ValueError, match="ConflictError"):
        make_result(status="ARCHIVED")


async def test_a_draft_and_a_job_are_as_in_truth(sandbox: Sandbox, connect: Connect) -> None:
    """Its gaps ask for the same fields, and take and refuse the same answers; as a job it is listed the same."""
    client = connect(sandbox)
    true = await client.create_draft("Label cats")
    made = make_draft(true.job_id, missing=[gap.field for gap in true.missing], idempotency_key="key")
    assert (made.job_id, made.status, made.idempotency_key) == (true.job_id, true.status, "key")
    assert (made.draft_url, made.review_url, made.publish_ready) == (true.draft_url, true.review_url, False)
    for ours, theirs in zip(made.missing, true.missing, strict=True):
        assert (ours.field, ours.type, ours.choices, ours.update_keys) == (
            theirs.field, theirs.type, theirs.choices, theirs.update_keys,
        )  # fmt: skip
    (listed,) = [job async for job in client.iter_jobs()]
    job = make_job(true.job_id, status="DRAFT", title=listed.title)
    assert evolve(job, created_at=listed.created_at, updated_at=listed.updated_at) == listed
    assert make_job().published


def test_a_gap_checks_its_answer() -> None:
    """By the field's documented rule, under its name here or the service's."""
    level, price = make_draft(missing=["experience_level", "pricePerHour"]).missing
    assert (level.question, level.update("EXPERT")) == ("Experience level?", {"experienceLevel": "EXPERT"})
    assert price.update("18.5") == {"pricePerHour": 18.5}
    with pytest.raises(ValueError, match="experience"):
        level.update("NOVICE")
    (languages,) = make_draft(missing="languages").missing
    assert (languages.type, languages.update("English, French")) == (None, {"languages": ["English", "French"]})
    assert make_draft().publish_ready


def test_a_report_counts_what_was_asked_for() -> None:
    """Drafts by number or by name, each once, and each with an outcome of its own."""
    report = make_report(published=2, already_published="job_2", rejected=["job_x"], deferred=1, not_sent=1, unknown=1)
    assert str(report) == ("7 drafts: 2 published, 1 already published, 1 rejected, 1 deferred, 1 not sent, 1 unknown")
    assert [outcome.job_id for outcome in report.outcomes] == [
        "job_1", "job_3", "job_2", "job_x", "job_4", "job_5", "job_6",
    ]  # fmt: skip
    assert all(outcome.retry_at is not None for outcome in report.deferred)
    with pytest.raises(ExceptionGroup) as caught:
        report.raise_for_failures()
    assert [type(error) for error in caught.value.exceptions] == [
        NotPublishReadyError, QuotaExceededError, ConnectError, ConnectionLostError,
    ]  # fmt: skip
    assert make_report() == PublishReport()
    with pytest.raises(ValueError, match="one outcome for each id"):
        make_report(published=["job_1"], unknown=["job_1"])


async def test_a_run_that_stopped_is_as_in_truth(sandbox: Sandbox, connect: Connect) -> None:
    """What was not sent has the error that stopped the run."""
    client = connect(sandbox, retry=AT_ONCE, ledger=BrokenStore())
    true = await client.publish_many(["job_1", "job_2", "job_3"], concurrency=1)
    made = make_report(not_sent=3, stopped_by=make_error(QuotaLedgerError))
    assert facts(made.stopped_by) == facts(true.stopped_by)
    assert [told(outcome) for outcome in made.not_sent] == [told(outcome) for outcome in true.not_sent]


async def test_a_run_that_one_draft_has_stopped_is_as_in_truth(sandbox: Sandbox, connect: Connect) -> None:
    """That draft has the error as its own; of the others nothing was begun, not even a look at their ids."""
    client = connect(sandbox, retry=AT_ONCE, token="ot_pat_unknown")
    true = await client.publish_many(["job_1", "job_2", "../x"], concurrency=1)
    stop = make_error(AuthenticationError)
    made = make_report(rejected=["job_1"], not_sent=["job_2", "../x"], stopped_by=stop)
    assert [told(outcome) for outcome in made.outcomes] == [told(outcome) for outcome in true.outcomes]
    assert told(make_outcome("not_sent", "../x", error=stop)) == told(true.outcomes[2])
    assert [outcome.job_id for outcome in make_report(not_sent=1, stopped_by=stop).outcomes] == ["job_2"]


async def test_what_a_run_that_stopped_has_left_in_doubt_is_as_in_truth(sandbox: Sandbox, connect: Connect) -> None:
    """It has the error of another draft, by which the run was stopped; no time of that is its own."""
    for job_id in ("job_1", "job_2"):
        sandbox.draft(job_id)
    sandbox.fault("reset", job_id="job_2", times=99)
    sandbox.fault("status", status=401, job_id="job_1")
    policy = RetryPolicy(base_delay=900.0, max_delay=900.0, deadline=1800.0)
    client = connect(sandbox, retry=policy, daily_limit=20)
    await accept_one(client)
    alone = asyncio.create_task(client.publish("job_2"))
    true = await client.publish_many(["job_2", "job_1"])
    alone.cancel()
    (in_doubt,) = true.unknown
    made = make_outcome("unknown", "job_2", error=make_error(AuthenticationError), attempts=in_doubt.attempts)
    assert (told(made)[:2], told(made)[3:]) == (told(in_doubt)[:2], told(in_doubt)[3:])
    assert (in_doubt.error, type(made.error)) == (true.stopped_by, AuthenticationError)
    assert make_outcome("unknown", "job_2", error=make_error(AuthenticationError)).attempts == 0
    throttled = make_error(RateLimitedError, retry_after=7)
    assert make_outcome("not_sent", "job_2", error=throttled).retry_at is None


@pytest.mark.parametrize(
    "stop",
    [
        make_error(ServerError),
        make_error(ConnectionLostError),
        make_error(ConnectError),
        make_error(RateLimitedError),
        make_error(TLSError),
        make_error(QuotaLedgerError),
        make_error(PermissionDeniedError),
        make_error(PermissionDeniedError, details={"requiredScopes": []}),
        JournalError("the disk is full"),
        ClientClosedError("the client is closed", job_id="job_1"),
    ],
    ids=lambda stop: type(stop).__name__,
)
def test_what_can_stop_a_run_is_the_error_of_what_is_left(stop: OpenTrainError) -> None:
    """The last failure of an outage, the second bare 403 in a row, and what would be the same for every draft."""
    (left,) = make_report(not_sent=["job_2"], stopped_by=stop).outcomes
    assert left == PublishOutcome("job_2", OutcomeStatus.NOT_SENT, error=stop)


def test_an_error_takes_on_what_it_is_given() -> None:
    """Details, a text, and the server's or the ledger's time."""
    blocked = make_error(ModerationBlockedError, "job_7", details={"reasons": ["Spam."]})
    assert (blocked.reasons, blocked.job_id, blocked.status) == (("Spam.",), "job_7", 403)
    gaps = make_error(NotPublishReadyError, details={"validation": {"missingFields": ["languages"]}})
    assert [gap.field for gap in gaps.validation.missing_fields] == ["languages"]
    assert make_error(ServerError, message="Down.", retry_after=7).retry_after == 7.0
    assert "Down." in str(make_error(ConnectError, message="Down."))
    at = datetime(2030, 1, 1, tzinfo=UTC)
    assert make_error(QuotaExceededError, retry_at=at).retry_at == at
    assert make_outcome("deferred", retry_at=at).retry_at == at
    throttled = make_outcome("deferred", error=make_error(RateLimitedError, retry_after=3600))
    assert throttled.attempts == 1
    assert throttled.retry_at is not None


def test_an_outcome_of_what_never_was_sent_has_no_attempts() -> None:
    """Nor one to which another number is given."""
    refused = make_outcome("rejected", "?", error=ConfigurationError("no id", job_id="?"))
    assert (refused.attempts, refused.retry_at) == (0, None)
    closed = ClientClosedError("the client is closed", job_id="job_1")
    assert make_outcome("not_sent", error=closed).attempts == 0
    assert make_outcome("not_sent", error=JournalError("the disk is full")).attempts == 0
    closed.effect = "unknown"
    assert make_outcome("unknown", error=closed).attempts == 1
    assert (make_outcome("unknown", attempts=2).attempts, make_outcome("published", attempts=3).attempts) == (2, 3)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: make_error(ClaimError), "no publish ends with a ClaimError by itself"),
        (lambda: make_error(NotPublishReadyError, details={"validation": None}), "it is a BadRequestError, and no"),
        (lambda: make_outcome("published", error=make_error(NotFoundError)), "that is published has no error"),
        (lambda: make_outcome("deferred", error=make_error(NotFoundError)), "is rejected, and not deferred"),
        (lambda: make_outcome("unknown", retry_at=datetime.now(UTC)), "only of a draft that is deferred"),
        (
            lambda: make_outcome("deferred", error=make_error(RateLimitedError), retry_at=datetime.now(UTC)),
            "an error brings its own",
        ),
        (lambda: make_result("a b"), "not a job id: 'a b'"),
        (lambda: make_error(NotFoundError, "../x"), "not a job id"),
        (lambda: make_draft("../x"), "not a job id"),
        (lambda: make_job("../x"), "not a job id"),
        (lambda: make_outcome("published", "../x"), "not a job id"),
        (lambda: make_outcome("rejected", "../x", error=NotFoundError()), "not a job id"),
        (lambda: make_outcome("rejected", "job_2", error=make_error(NotFoundError)), "about job_1, and no reason for"),
        (lambda: make_outcome("not_sent", "job_2", error=make_error(NotFoundError)), "about job_1, and no reason for"),
        (lambda: make_outcome("not_sent", "job_2", error=make_error(QuotaExceededError)), "about job_1, and no reason"),
        (lambda: make_outcome("not_sent", error=make_error(NotFoundError)), "is rejected, and not not_sent"),
        (lambda: make_outcome("not_sent", error=make_error(ConnectionLostError)), "is unknown, and not not_sent"),
        (lambda: make_outcome("not_sent", error=make_error(AuthenticationError)), "is rejected, and not not_sent"),
        (lambda: make_outcome("published", attempts=0), "1 or more requests were begun, and not 0"),
        (lambda: make_outcome("not_sent", attempts=-1), "0 or more requests were begun, and not -1"),
        (lambda: make_report(stopped_by=make_error(NotFoundError)), "no run is stopped by this NotFoundError"),
        (lambda: make_report(stopped_by=make_error(QuotaExceededError)), "no run is stopped by this QuotaExceeded"),
        (lambda: make_report(stopped_by=PreflightError(feature="x")), "no run is stopped by this PreflightError"),
        (lambda: make_report(published=["job_1"], stopped_by=make_error(TLSError)), "that is published has no error"),
        (lambda: make_job(status="FOO"), "the status of a job is one of DRAFT, .*, and not FOO"),
        (lambda: make_quota(limit=0), "at least 1, and not 0"),
        (lambda: make_quota(next_slot_at=datetime.now(UTC)), "where none is used no slot comes back"),
        (lambda: make_quota(used=1, next_slot_at=NAIVE), "next_slot_at needs its time zone"),
        (lambda: make_outcome("deferred", retry_at=NAIVE), "retry_at needs its time zone"),
        (lambda: make_error(QuotaExceededError, details={"limit": 3}), "a QuotaExceededError has no details"),
        (lambda: make_error(ConnectError, details={"reason": "x"}), "a ConnectError has no details"),
        (lambda: make_error(UnexpectedResponseError, message="x"), "an? UnexpectedResponseError has no message"),
        (lambda: make_error(NotFoundError, retry_at=datetime.now(UTC)), "a NotFoundError has no retry_at"),
        (lambda: make_error(NotFoundError, retry_after=7), "a NotFoundError has no retry_after"),
        (lambda: make_error(ServerError, retry_after=-7), "a Retry-After of -7 is none to a client"),
        (lambda: make_outcome("lost"), "'lost' is not a valid OutcomeStatus"),
        (lambda: make_quota(used=2, doubtful=3), "doubtful are some of the used ones"),
        (lambda: make_quota(used=1, next_slot_at=datetime.now(UTC) + timedelta(days=2)), "within a day from now"),
        (lambda: make_quota(used=1, next_slot_at=datetime.now(UTC) - timedelta(seconds=9)), "within a day from now"),
    ],
)
def test_what_no_client_gives_is_not_made(make: Callable[[], object], said: str) -> None:
    """A test that rests on it would prove nothing."""
    with pytest.raises(ValueError, match=said):
        make()


def test_a_quota_is_in_accord_with_itself() -> None:
    """Slots and counts, doubts among them, and a limit that four publishes show."""
    quota = make_quota(limit=3, used=3, doubtful=1)
    assert (quota.remaining, quota.doubtful) == (0, 1)
    assert [slot.state for slot in quota.slots] == ["spent", "spent", "unknown"]
    assert quota.next_slot_at == min(slot.frees_at for slot in quota.slots)
    at = datetime.now(UTC) + timedelta(hours=1)
    soon = make_quota(used=2, next_slot_at=at).next_slot_at
    assert soon is not None
    assert abs((soon - at).total_seconds()) < 0.01
    assert [make_quota(limit=None, used=used).limit for used in (0, 3, 4)] == [None, None, 20]
    assert make_quota().next_slot_at is None
    lowered = make_quota(limit=3, used=25)
    assert (lowered.limit, lowered.used, lowered.remaining) == (3, 25, 0)


def test_what_is_made_can_be_answered_by_a_server() -> None:
    """`raw` of a result is JSON, such as a stand-in for aiohttp answers."""
    assert json.loads(json.dumps(dict(make_result().raw)))["alreadyPublished"] is False
