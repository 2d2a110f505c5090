"""What the service says against a draft, over a real socket: whose fault it is, and what becomes of the run."""

import logging
from datetime import UTC, datetime

import pytest

from opentrain_async import OutcomeStatus, RetryPolicy
from opentrain_async.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    ModerationBlockedError,
    NotFoundError,
    NotPublishReadyError,
    OpenTrainError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
)
from opentrain_async.sandbox import Dialect, Fault, Sandbox

from ..support.clients import Connect
from ..support.peers import AT_ONCE, answer, client_of, envelope, live, peer, sends
from ..support.proxy import nth, proxied, saying
from ..support.virtual import VirtualClock

BUSY = ["429 Too Many Requests", "503 Service Unavailable"]
DATE = "Date: Fri, 15 Jan 2027 08:00:00 GMT\r\n"
PUBLISHED, REJECTED, NOT_SENT = OutcomeStatus.PUBLISHED, OutcomeStatus.REJECTED, OutcomeStatus.NOT_SENT


@pytest.mark.parametrize("status", BUSY)
@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ("Retry-After: 86400\r\n", 86400.0),
        ("Retry-After: 31622400\r\n", 31622400.0),
        ("Retry-After: 5\r\nRetry-After: 61\r\n", 61.0),
        (f"{DATE}Retry-After: Fri, 15 Jan 2027 10:00:00 +0100\r\n", 3600.0),
    ],
    ids=["a day", "a year", "two headers", "another zone"],
)
async def test_F10_what_is_longer_than_anybody_waits_surfaces_at_once(
    clock: VirtualClock, status: str, headers: str, asked: float
) -> None:
    """With the seconds on the error, and the instant on the outcome."""
    async with (
        peer(sends(answer(b"", status=status, headers=headers))) as server,
        client_of(server.url, clock=clock, retry=RetryPolicy()) as client,
    ):
        (outcome,) = (await client.publish_many(["job_1"])).outcomes
    assert isinstance(outcome.error, RateLimitedError | ServerError)
    assert (outcome.error.retry_after, outcome.attempts, clock.slept) == (asked, 1, [])
    assert outcome.retry_at == datetime.fromtimestamp(clock.time + asked, UTC)


@pytest.mark.parametrize("status", BUSY)
@pytest.mark.parametrize(
    "value",
    ["inf", "nan", "-5", "0", "soon", "", "9" * 400, "Fri, 01 Jan 1999 00:00:00 GMT", "Fri, 99 Foo 2026 99:99:99 GMT"],
)
async def test_F10_what_makes_no_sense_is_backed_off_from(clock: VirtualClock, status: str, value: str) -> None:
    """As if nothing had been said: the retry comes after its jitter, and nothing of its own is raised."""
    busy = answer(b"", status=status, headers=f"Retry-After: {value}\r\n")
    async with (
        peer(sends(busy, answer(live("job_1")))) as server,
        client_of(server.url, clock=clock, retry=RetryPolicy(base_delay=0.5)) as client,
    ):
        (outcome,) = (await client.publish_many(["job_1"])).outcomes
    assert (outcome.status, outcome.attempts, outcome.error) == (PUBLISHED, 2, None)
    assert sum(clock.slept) <= 0.5


@pytest.mark.parametrize("status", BUSY)
@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ("Retry-After: 30\r\n", 30),
        ("Retry-After: 5\r\nRetry-After: 7\r\n", 7),
        (f"{DATE}Retry-After: Fri, 15 Jan 2027 09:00:30 +0100\r\n", 30),
    ],
    ids=["seconds", "two headers", "another zone"],
)
async def test_F10_what_can_be_waited_for_is_the_least_that_is_waited(
    clock: VirtualClock, status: str, headers: str, asked: float
) -> None:
    """With the jitter on top."""
    busy = answer(b"", status=status, headers=headers)
    async with (
        peer(sends(busy, answer(live("job_1")))) as server,
        client_of(server.url, clock=clock, retry=RetryPolicy(base_delay=0.5)) as client,
    ):
        assert (await client.publish("job_1")).newly_published
    assert asked < sum(clock.slept) <= asked + 1


async def test_F10_no_wait_outlasts_the_deadline(clock: VirtualClock) -> None:
    """A retry that could only begin after it is not waited for: the 503 surfaces, with what it asked for."""
    busy = answer(b"", status=BUSY[1], headers="Retry-After: 30\r\n")
    async with (
        peer(sends(busy)) as server,
        client_of(server.url, clock=clock, retry=RetryPolicy(deadline=20.0)) as client,
    ):
        with pytest.raises(ServerError) as caught:
            await client.publish("job_1")
    assert (caught.value.retry_after, len(server.calls), clock.slept) == (30.0, 1, [])


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
async def test_F12_a_failure_after_the_draft_went_live_is_found_out(
    sandbox: Sandbox, connect: Connect, status: int
) -> None:
    """Such a status refuses nothing: the replay finds each of them live, put there by this run, and charged once."""
    ids = [sandbox.draft() for _ in range(4)]
    for job_id in ids[1:3]:
        sandbox.fault(Fault.STATUS, job_id=job_id, status=status, published=True)
    client = connect(sandbox, retry=AT_ONCE)
    report = await client.publish_many(ids, concurrency=2)
    assert sorted(outcome.job_id for outcome in report.published) == ids
    assert sorted(outcome.attempts for outcome in report.published) == [1, 1, 2, 2]
    quota = await client.quota()
    assert (quota.used, quota.doubtful) == (4, 0)


@pytest.mark.parametrize("status", [501, 505])
async def test_F12_a_failure_that_is_not_tried_again_leaves_doubt(
    sandbox: Sandbox, connect: Connect, status: int
) -> None:
    """Nor does such a one prove that the draft is not live."""
    job_id = sandbox.draft()
    sandbox.fault(Fault.STATUS, job_id=job_id, status=status, published=True)
    client = connect(sandbox, retry=AT_ONCE)
    (outcome,) = (await client.publish_many([job_id])).outcomes
    assert (outcome.status, outcome.attempts) == (OutcomeStatus.UNKNOWN, 1)
    assert (await client.quota()).doubtful == 1


@pytest.mark.parametrize("dialect", Dialect)
async def test_F13_a_draft_with_gaps_says_which_and_holds_nobody_up(
    sandbox: Sandbox, connect: Connect, dialect: Dialect
) -> None:
    """Asked once, whatever form the gaps have; its slot is free again, and the others go live."""
    sandbox.dialect = dialect
    ids = [sandbox.draft(), sandbox.draft(missing=["experienceLevel", "paymentType"]), sandbox.draft()]
    client = connect(sandbox)
    report = await client.publish_many(ids, concurrency=1)
    assert [outcome.status for outcome in report.outcomes] == [PUBLISHED, REJECTED, PUBLISHED]
    (outcome,) = report.rejected
    assert isinstance(outcome.error, NotPublishReadyError)
    assert (outcome.attempts, outcome.error.effect, outcome.error.status) == (1, "none", 400)
    gaps = outcome.error.validation.missing_fields
    assert {gap.field for gap in gaps} == {"experienceLevel", "paymentType"}
    assert all("What is the" in (gap.prompt or "") for gap in gaps)
    assert (await client.quota()).used == 2
    assert (len(sandbox.requests), report.stopped_by) == (3, None)


async def test_F15_moderation_is_about_one_draft(sandbox: Sandbox, connect: Connect) -> None:
    """However many it blocks in a row, each is asked once and says why, and the run goes on."""
    ids = [sandbox.draft(blocked=True) for _ in range(3)] + [sandbox.draft()]
    client = connect(sandbox)
    report = await client.publish_many(ids, concurrency=1)
    assert [outcome.status for outcome in report.outcomes] == [REJECTED] * 3 + [PUBLISHED]
    for outcome in report.rejected:
        assert isinstance(outcome.error, ModerationBlockedError)
        assert outcome.error.reasons == ("Asks for personal contact details.",)
    assert ((await client.quota()).used, len(sandbox.requests)) == (1, 4)


async def test_F15_a_feature_that_is_off_is_met_three_times(sandbox: Sandbox, connect: Connect) -> None:
    """Two bare 403s may be the drafts' own; the third one in a row stops the run."""
    sandbox.switch_off("publish")
    client = connect(sandbox)
    report = await client.publish_many([sandbox.draft() for _ in range(5)], concurrency=1)
    assert [outcome.status for outcome in report.outcomes] == [REJECTED] * 3 + [NOT_SENT] * 2
    assert type(report.stopped_by) is PermissionDeniedError
    assert ((await client.quota()).used, len(sandbox.requests)) == (0, 3)


async def test_F15_a_reason_of_the_account_stops_the_run_at_the_third(sandbox: Sandbox, connect: Connect) -> None:
    """Each reason counts for itself, and an answer that gets past it begins the count anew."""
    suspended = envelope(code="FORBIDDEN", details={"reason": "account_suspended"})
    teams = envelope(code="FORBIDDEN", details={"reason": "teams_not\nenabled"})
    async with proxied(sandbox.url) as proxy:
        proxy.spoil(saying(answer(suspended, status="403 Forbidden")), reaches=False, which=nth(1, 2, 4, 6, 8), times=5)
        proxy.spoil(saying(answer(teams, status="403 Forbidden")), reaches=False, which=nth(5, 7), times=2)
        client = connect(sandbox, base_url=proxy.url)
        report = await client.publish_many([sandbox.draft() for _ in range(10)], concurrency=1)
        assert [outcome.status for outcome in report.outcomes] == (
            [REJECTED] * 2 + [PUBLISHED] + [REJECTED] * 5 + [NOT_SENT] * 2
        )
        assert isinstance(report.stopped_by, PermissionDeniedError)
        assert (report.stopped_by.reason, len(proxy.calls)) == ("account_suspended", 8)
        assert (await client.quota()).used == 1
        await client.close()


async def test_F16_a_job_that_cannot_be_published_is_rejected_and_asked_once(
    sandbox: Sandbox, connect: Connect
) -> None:
    """Absent, somebody else's or archived: typed, with the state that was named, and no more."""
    foreign, archived = sandbox.draft(token=sandbox.add_account()), sandbox.draft(status="ARCHIVED")
    client = connect(sandbox)
    report = await client.publish_many(["absent", foreign, archived, sandbox.draft()], concurrency=1)
    assert [type(outcome.error) for outcome in report.outcomes] == [
        NotFoundError, NotFoundError, ConflictError, type(None),
    ]  # fmt: skip
    assert [outcome.status for outcome in report.outcomes] == [REJECTED] * 3 + [PUBLISHED]
    error = report.outcomes[2].error
    assert isinstance(error, ConflictError)
    assert error.job_status == "ARCHIVED"
    assert {outcome.attempts for outcome in report.outcomes} == {1}
    assert ((await client.quota()).used, report.stopped_by) == (1, None)


@pytest.mark.parametrize(
    "more",
    [
        {"sponsored": {"tier": 1}, "newFlag": True},
        {"sideEffects": {"dispatched": True, "status": "deferred_to_batch", "eta": 5}},
        {"details": ["of", "another", "type"], "code": "SPLENDID"},
    ],
    ids=["fields", "side effects", "details"],
)
async def test_F41_a_success_with_something_new_is_a_success(clock: VirtualClock, more: dict[str, object]) -> None:
    """What this version does not know of is in `raw`."""
    async with peer(sends(answer(live("job_1") | more))) as server, client_of(server.url, clock=clock) as client:
        result = await client.publish("job_1")
    assert result.newly_published
    assert result.raw == live("job_1") | more


@pytest.mark.parametrize("details", [{"novel": 1}, ["a", "list"], "text", 5, None, {"reason": 7, "requiredScopes": 1}])
@pytest.mark.parametrize(
    ("status", "kind", "outcome"),
    [
        ("400 Bad Request", BadRequestError, "rejected"),
        ("401 Unauthorized", AuthenticationError, "rejected"),
        ("403 Forbidden", PermissionDeniedError, "rejected"),
        ("404 Not Found", NotFoundError, "rejected"),
        ("409 Conflict", ConflictError, "unknown"),
        ("418 New", APIError, "rejected"),
        ("429 Too Many Requests", RateLimitedError, "deferred"),
        ("503 Service Unavailable", ServerError, "unknown"),
        ("599 New", ServerError, "unknown"),
    ],
)
async def test_F41_an_error_with_something_new_is_of_its_statuss_class(
    clock: VirtualClock, status: str, kind: type[APIError], outcome: str, details: object
) -> None:
    """A code and details that nobody has seen before change neither that nor the outcome; all of it is in `raw`."""
    body = {"error": "No.", "code": "BRAND_NEW", "requestId": 5, "details": details, "trace": {"a": [1]}}
    async with peer(sends(answer(body, status=status))) as server, client_of(server.url, clock=clock) as client:
        (ended,) = (await client.publish_many(["job_1"])).outcomes
    assert isinstance(ended.error, APIError)
    assert (type(ended.error), ended.error.code, ended.error.raw) == (kind, "BRAND_NEW", body)
    assert ended.status.value == outcome
    assert ended.error.details == (details if isinstance(details, dict) else {})


NASTY = "Überlauf \x1b[2J\x1b[31mred\r\nINFO forged line\u2028\u202egnirts\x00\x07 " + "x" * 5000


@pytest.mark.parametrize(
    ("status", "details"),
    [
        ("400 Bad Request", {"validation": {"missingFields": [{"field": NASTY, "prompt": NASTY}]}}),
        ("400 Bad Request", {"issues": [{"path": [NASTY], "message": NASTY, "code": NASTY}]}),
        ("401 Unauthorized", {}),
        ("403 Forbidden", {"reason": "moderation_blocked", "reasons": [NASTY]}),
        ("403 Forbidden", {"reason": NASTY}),
        ("403 Forbidden", {"requiredScopes": [NASTY]}),
        ("409 Conflict", {"status": NASTY, "requiredStatus": NASTY}),
        ("429 Too Many Requests", {"windowHours": 24, "limit": 3}),
        ("503 Service Unavailable", {}),
        ("307 Temporary", {}),
        ("200 OK", {}),
    ],
)
async def test_F42_what_a_server_says_moves_no_cursor_and_forges_no_line(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture, status: str, details: dict[str, object]
) -> None:
    """In logs and in `str()` it is escaped and cut; whole it stands on an attribute, for whoever asks for it."""
    caplog.set_level(logging.DEBUG)
    body = {"ok": False, "error": NASTY, "code": NASTY, "requestId": NASTY, "details": details}
    headers = "Location: https://else.test/\x1b[31m\r\n" if status.startswith("307") else ""
    async with (
        peer(sends(answer(body, status=status, headers=headers))) as server,
        client_of(server.url, clock=clock, retry=RetryPolicy(max_attempts=2)) as client,
    ):
        report = await client.publish_many(["job_1", "job_2"], concurrency=1, outage_patience=1.0)
    error = report.outcomes[0].error
    assert isinstance(error, OpenTrainError)
    shown = [str(error), repr(error), str(report), *(record.getMessage() for record in caplog.records)]
    assert [text for text in shown if not text.isprintable()] == []
    assert max(map(len, shown)) < 4000
    if isinstance(error, APIError):
        assert (error.message, error.code, error.request_id) == (NASTY, NASTY, NASTY)
        assert error.raw == body
