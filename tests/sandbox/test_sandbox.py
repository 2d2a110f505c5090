"""The sandbox behaves as the service's documentation says, to anyone who speaks HTTP."""

import ast
import asyncio
import math
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from opentrain_async import sandbox as package
from opentrain_async.sandbox import Fault, Sandbox, SandboxClock, UnknownRouteError

from ..support.plain_http import Caller
from ..support.raw import HOSTILE, assert_harmless


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    """Somebody who calls the sandbox."""
    async with aiohttp.ClientSession() as session:
        yield Caller(session)


async def test_a_draft_goes_live_once(sandbox: Sandbox, caller: Caller) -> None:
    """Publishing is idempotent: the second time nothing is done, and nothing is used up."""
    job_id = sandbox.draft()
    status, first = await caller.publish(sandbox, job_id)
    assert (status, first["alreadyPublished"], first["jobId"], first["status"]) == (200, False, job_id, "OPEN")
    assert first["sideEffects"] == {"dispatched": True, "status": "queued"}
    status, second = await caller.publish(sandbox, job_id)
    assert (status, second["alreadyPublished"], second["publishAttemptId"]) == (200, True, None)
    assert sandbox.live == (job_id,)
    assert await caller.publish_some(sandbox, 20) == [200] * 19 + [429]


async def test_the_window_frees_slots_exactly_after_24_hours(unclaimed: Sandbox, caller: Caller) -> None:
    """An unclaimed account publishes three times; a fourth draft waits until the first publish is a day old."""
    assert await caller.publish_some(unclaimed, 1) == [200]
    unclaimed.advance(hours=1)
    assert await caller.publish_some(unclaimed, 3) == [200, 200, 429]
    assert unclaimed.refusals == 1
    unclaimed.advance(hours=22, seconds=3590)
    assert await caller.publish_some(unclaimed, 1) == [429]
    unclaimed.advance(seconds=10)
    assert await caller.publish_some(unclaimed, 2) == [200, 429]


async def test_a_refusal_names_limit_and_window(unclaimed: Sandbox, caller: Caller) -> None:
    """The 429 of the quota has the documented details."""
    unclaimed.publish_elsewhere(3)
    status, body = await caller.publish(unclaimed, unclaimed.draft())
    assert (status, body["code"], body["details"]) == (429, "RATE_LIMITED", {"limit": 3, "windowHours": 24})
    assert str(body["requestId"]).startswith("00000000-0000-4000-8000-")


async def test_claiming_an_account_raises_its_limit(unclaimed: Sandbox, caller: Caller) -> None:
    """Seventeen more can go, at once."""
    assert await caller.publish_some(unclaimed, 4) == [200, 200, 200, 429]
    unclaimed.claim()
    assert await caller.publish_some(unclaimed, 18) == [200] * 17 + [429]


async def test_a_token_is_needed_and_can_be_revoked(sandbox: Sandbox, caller: Caller) -> None:
    """Without a valid token nothing is told, not even whether a job exists."""
    job_id = sandbox.draft()
    status, body = await caller.publish(sandbox, job_id, "ot_pat_wrong")
    assert (status, body["code"]) == (401, "UNAUTHORIZED")
    sandbox.revoke()
    assert (await caller.publish(sandbox, job_id))[0] == 401
    assert (await caller.post(sandbox, "/job-drafts", body={"rawJobDescription": "x"}))[0] == 401
    assert sandbox.live == ()


async def test_a_scope_is_needed(sandbox: Sandbox, caller: Caller) -> None:
    """A token that may only read is told which scope it lacks."""
    reader = sandbox.add_account(scopes=["jobs:read"])
    status, body = await caller.publish(sandbox, sandbox.draft(token=reader), reader)
    assert (status, body["details"]) == (403, {"requiredScopes": ["jobs:write"]})


async def test_accounts_are_apart(sandbox: Sandbox, caller: Caller) -> None:
    """Each has its own quota, and somebody else's job is absent."""
    other = sandbox.add_account(claimed=False)
    assert (await caller.publish(sandbox, sandbox.draft(token=other)))[0] == 404
    assert await caller.publish_some(sandbox, 4, other) == [200, 200, 200, 429]
    assert await caller.publish_some(sandbox, 1) == [200]


async def test_what_cannot_be_published_is_refused_for_its_reason(sandbox: Sandbox, caller: Caller) -> None:
    """Absent, archived, incomplete and blocked drafts have each their documented answer, and use up nothing."""
    assert (await caller.publish(sandbox, "job_none"))[0] == 404
    status, body = await caller.publish(sandbox, sandbox.draft("old", status="ARCHIVED"))
    assert (status, body["code"], body["details"]) == (409, "CONFLICT", {"jobId": "old", "status": "ARCHIVED"})
    status, body = await caller.publish(sandbox, sandbox.draft(blocked=True))
    assert (status, body["code"]) == (403, "FORBIDDEN")
    assert isinstance(body["details"], dict)
    assert body["details"]["reason"] == "moderation_blocked"
    assert await caller.publish_some(sandbox, 21) == [200] * 20 + [429]


@pytest.mark.parametrize(
    ("gaps", "named"),
    [
        (["experienceLevel"], ["experienceLevel"]),
        (["pricePerHour"], ["pricePerHour"]),
        (["paymentType", "dataVolumeUnit"], ["dataVolumeUnit", "paymentType"]),
    ],
)
async def test_a_draft_with_gaps_is_told_them(
    sandbox: Sandbox, caller: Caller, gaps: list[str], named: list[str]
) -> None:
    """A 400 lists the missing fields, each with the question that fills it."""
    status, body = await caller.publish(sandbox, sandbox.draft(missing=gaps))
    details = body["details"]
    assert isinstance(details, dict)
    assert (status, details["validation"]["missingFieldCount"]) == (400, len(named))
    assert [item["field"] for item in details["missingFields"]] == named
    assert all(item["prompt"].startswith("ask: ") for item in details["missingFields"])


async def test_a_job_taken_down_can_be_published_again(sandbox: Sandbox, caller: Caller) -> None:
    """A second publish of it is a new one, and is charged."""
    job_id = sandbox.draft()
    await caller.publish(sandbox, job_id)
    sandbox.take_down(job_id)
    assert sandbox.live == ()
    assert (await caller.publish(sandbox, job_id))[1]["alreadyPublished"] is False
    assert await caller.publish_some(sandbox, 19) == [200] * 18 + [429]


async def test_an_unknown_route_fails_loudly(caller: Caller) -> None:
    """It is answered by 501, and the block ends with an error that names it."""
    with pytest.raises(UnknownRouteError, match="GET /api/public/v1/jobs/job_1"):
        async with Sandbox() as sandbox, caller.session.get(f"{sandbox.url}/api/public/v1/jobs/job_1") as response:
            assert response.status == 501
    assert sandbox.requests[0].status == 501


async def test_F70_no_error_and_no_request_shows_anything_raw(sandbox: Sandbox, caller: Caller) -> None:
    """What a bot asks for, and what a test asks of the sandbox, is text in a sentence."""
    wrong: list[Callable[[], object]] = [
        lambda: sandbox.fault(HOSTILE),
        lambda: sandbox.fault("reset", on=HOSTILE),
        lambda: sandbox.fault("status", status=HOSTILE),  # type: ignore[arg-type]
        lambda: sandbox.draft(missing=[HOSTILE]),
        lambda: sandbox.approve(HOSTILE),
        lambda: sandbox.advance(hours=math.nan),
    ]
    for ask in wrong:
        with pytest.raises((ValueError, LookupError, TypeError)) as refused:
            ask()
        assert_harmless(str(refused.value))
    with pytest.raises(UnknownRouteError, match=r"^the sandbox does not serve GET ") as caught:
        async with Sandbox() as other, caller.session.get(f"{other.url}/%1b[2J%0d%e2%80%ae%ef%b8%8f"):
            assert_harmless(repr(other.requests[0]))
    assert_harmless(str(caught.value))


async def test_an_unknown_route_does_not_hide_another_error(caller: Caller) -> None:
    """What the block itself raised is what is seen."""
    sandbox = Sandbox()
    await sandbox.__aenter__()
    async with caller.session.get(f"{sandbox.url}/nowhere") as response:
        assert response.status == 501
    failure = KeyError("the test's own failure")
    await sandbox.__aexit__(KeyError, failure, None)


async def test_the_request_log_holds_what_happened_and_no_token(sandbox: Sandbox, caller: Caller) -> None:
    """Method, path, job, time and status are kept; headers and bodies are not."""
    await caller.publish(sandbox, sandbox.draft())
    await caller.publish(sandbox, "job_none")
    first, second = sandbox.requests
    assert (first.method, first.path, first.job_id) == ("POST", "/api/public/v1/jobs/job_1/publish", "job_1")
    assert (first.status, second.status, first.fault) == (200, 404, None)
    assert abs(first.at - sandbox.clock.now()) < 60
    assert sandbox.token not in repr(sandbox.requests)


def test_a_sandbox_that_does_not_run_has_no_address() -> None:
    """Asking for it says how to start one."""
    with pytest.raises(RuntimeError, match="async with"):
        _ = Sandbox().url


async def test_a_sandbox_that_never_ran_can_be_left() -> None:
    """Leaving the block is harmless where entering it failed."""
    assert await Sandbox().__aexit__(None, None, None) is None  # type: ignore[func-returns-value]


async def test_a_sleeper_wakes_when_its_time_is_skipped() -> None:
    """Hours of sleep end at once when the clock is advanced by that much, and not by less."""
    clock = SandboxClock()
    before = (clock.now(), clock.monotonic())
    sleeper = asyncio.create_task(clock.sleep(7200))
    for _ in range(2):
        await asyncio.sleep(0)
        clock.advance(3500)
        await asyncio.sleep(0.001)
        assert not sleeper.done()
    clock.advance(300)
    async with asyncio.timeout(10):
        await sleeper
    assert clock.now() - before[0] >= 7300
    assert clock.monotonic() - before[1] >= 7300


async def test_a_sleeper_wakes_by_itself() -> None:
    """Time passes in a sandbox too."""
    clock = SandboxClock()
    before = clock.monotonic()
    await clock.sleep(0.01)
    assert clock.monotonic() - before >= 0.01


def test_time_does_not_go_back() -> None:
    """Nor does it end: what is no number of seconds from 0 is an error."""
    for seconds in (-1, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="time goes on"):
            SandboxClock().advance(seconds)


def test_the_sandbox_imports_nothing_of_the_client() -> None:
    """It would share the client's mistakes. It shares how text is escaped."""
    directory = Path(package.__path__[0])
    for path in directory.rglob("*.py"):
        depth = len(path.relative_to(directory).parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level <= depth or node.module in {"_base.text", "_base.value"}, path
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [name.name for name in node.names] if isinstance(node, ast.Import) else []
            assert not any(str(name).startswith("opentrain_async") for name in names), path


def test_every_fault_has_a_name_of_its_own() -> None:
    """The kinds are strings, to be given on a command line."""
    assert {fault.value for fault in Fault} == {fault.name.lower() for fault in Fault}
