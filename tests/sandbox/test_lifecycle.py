"""The sandbox lists jobs, edits live ones and closes them, as the service's documentation says."""

import base64
from datetime import UTC, datetime

import pytest

from opentrain_async.sandbox import BLOCKED_PHRASE, Sandbox

from ..support.plain_http import Answered, ask

STATUSES = ["DRAFT", "OPEN", "ONGOING", "COMPLETED", "ARCHIVED", "PENDING_APPROVAL"]


async def page(sandbox: Sandbox, query: str = "") -> tuple[list[str], str | None]:
    """The ids of a page of jobs, and where the next one begins."""
    status, body = await ask(sandbox, f"GET /jobs/mine?{query}")
    assert status == 200, body
    assert isinstance(body["jobs"], list)
    cursor = body["nextCursor"]
    assert cursor is None or isinstance(cursor, str)
    return [job["id"] for job in body["jobs"]], cursor


async def edit(sandbox: Sandbox, job_id: str, **changes: object) -> Answered:
    return await ask(sandbox, f"PATCH /jobs/{job_id}", changes)


async def live(sandbox: Sandbox) -> str:
    """Make a job that is live."""
    job_id = sandbox.draft()
    assert (await ask(sandbox, f"POST /jobs/{job_id}/publish"))[0] == 200
    return job_id


async def test_a_job_is_listed_with_what_is_documented(sandbox: Sandbox) -> None:
    """A draft without a title has none; times are the sandbox's, in UTC."""
    before = sandbox.clock.now()
    draft, job_id = sandbox.draft(), await live(sandbox)
    sandbox.advance(hours=1)
    await edit(sandbox, job_id, jobTitle="Cats")
    _, body = await ask(sandbox, "GET /jobs/mine")
    assert isinstance(body["jobs"], list)
    first, second = body["jobs"]
    created, updated = first.pop("createdAt"), first.pop("updatedAt")
    assert first == {
        "id": job_id,
        "title": "Cats",
        "status": "OPEN",
        "published": True,
        "acceptingApplicants": True,
        "jobUrl": f"https://app.opentrain.ai/jobs/{job_id}",
        "proposalCounts": {"total": 0, "unreviewed": 0},
    }
    assert (second["id"], second["title"], second["jobUrl"], second["published"]) == (draft, None, None, False)
    assert created.endswith("Z")
    assert abs(datetime.fromisoformat(created) - datetime.fromtimestamp(before, UTC)).total_seconds() < 60
    assert (datetime.fromisoformat(updated) - datetime.fromisoformat(created)).total_seconds() >= 3600


async def test_pages_come_newest_first_until_there_is_no_more(sandbox: Sandbox) -> None:
    """25 make a page, more if asked, and never more than a hundred; other accounts' are not among them."""
    ids = [sandbox.draft() for _ in range(102)]
    sandbox.draft(token=sandbox.add_account())
    newest = ids[::-1]
    first, cursor = await page(sandbox)
    assert first == newest[:25]
    second, cursor = await page(sandbox, f"limit=75&cursor={cursor}")
    assert second == newest[25:100]
    assert await page(sandbox, f"cursor={cursor}") == (newest[100:], None)
    assert len((await page(sandbox, "limit=101"))[0]) == 100
    assert len((await page(sandbox, "limit=" + "9" * 5000))[0]) == 100
    assert len((await page(sandbox, "limit=007"))[0]) == 7
    assert await page(sandbox, "limit=2&status=ARCHIVED") == ([], None)


async def test_a_page_that_ends_with_the_list_has_no_next(sandbox: Sandbox) -> None:
    """Nobody is sent for an empty page; a draft that is made anew is the newest."""
    ids = [sandbox.draft() for _ in range(2)]
    sandbox.draft(ids[0])
    assert await page(sandbox, "limit=2") == (ids, None)


async def test_a_list_that_shrinks_makes_the_next_page_skip(sandbox: Sandbox) -> None:
    """A client that publishes what it pages through has to look again."""
    ids = [sandbox.draft() for _ in range(4)]
    first, cursor = await page(sandbox, "status=DRAFT&limit=2")
    assert first == [ids[3], ids[2]]
    for job_id in first:
        await ask(sandbox, f"POST /jobs/{job_id}/publish")
    assert await page(sandbox, f"status=DRAFT&limit=2&cursor={cursor}") == ([], None)
    assert await page(sandbox, "status=DRAFT") == ([ids[1], ids[0]], None)


@pytest.mark.parametrize(
    ("query", "details"),
    [
        ("status=open", {"supportedStatuses": STATUSES}),
        ("limit=0", {"field": "limit"}),
        ("limit=-1", {"field": "limit"}),
        ("limit=2.5", {"field": "limit"}),
        ("limit=", {"field": "limit"}),
        ("cursor=", {"field": "cursor"}),
        ("cursor=x", {"field": "cursor"}),
        ("cursor=%C3%A9", {"field": "cursor"}),
        ("cursor=" + base64.b64encode(b"offset:-1").decode(), {"field": "cursor"}),
    ],
)  # fmt: skip
async def test_a_question_that_makes_no_sense_is_refused(
    sandbox: Sandbox, query: str, details: dict[str, object]
) -> None:
    """The details name what is wrong with it."""
    status, body = await ask(sandbox, f"GET /jobs/mine?{query}")
    assert (status, body["code"], body["details"]) == (400, "BAD_REQUEST", details)


async def test_a_live_job_can_be_edited(sandbox: Sandbox) -> None:
    """It stays live, and no quota is used."""
    job_id = await live(sandbox)
    status, body = await edit(sandbox, job_id, jobTitle="Dogs", headcount=3)
    moderation = {"decision": "ALLOW", "reasons": []}
    assert (status, body) == (200, {"ok": True, "jobId": job_id, "status": "OPEN", "moderation": moderation})
    assert (await edit(sandbox, job_id))[0] == 400
    assert (await edit(sandbox, job_id, headcount="3"))[0] == 400
    assert sandbox.live == (job_id,)


async def test_an_edit_that_is_blocked_takes_the_job_down(sandbox: Sandbox) -> None:
    """It has been made all the same; clean words and another publish bring the job back."""
    job_id = await live(sandbox)
    status, body = await edit(sandbox, job_id, jobTitle=f"Dogs, {BLOCKED_PHRASE} x")
    reasons = ["Asks for personal contact details."]
    state = {"jobId": job_id, "reason": "moderation_blocked", "reasons": reasons, "status": "DRAFT"}
    assert (status, body["code"], body["details"]) == (409, "CONFLICT", state)
    listed = (await ask(sandbox, "GET /jobs/mine"))[1]["jobs"]
    assert listed[0]["title"].startswith("Dogs")  # type: ignore[index]
    assert sandbox.live == ()
    assert (await ask(sandbox, f"POST /jobs/{job_id}/publish"))[0] == 403
    await ask(sandbox, f"PATCH /job-drafts/{job_id}", {"jobTitle": "Dogs"})
    assert (await ask(sandbox, f"POST /jobs/{job_id}/publish"))[1]["alreadyPublished"] is False


async def test_only_a_live_job_of_ones_own_can_be_edited(sandbox: Sandbox) -> None:
    """A draft is in conflict; somebody else's is absent."""
    status, body = await edit(sandbox, sandbox.draft("d"), jobTitle="x")
    assert (status, body["details"]) == (409, {"jobId": "d", "status": "DRAFT", "requiredStatus": "OPEN"})
    foreign = sandbox.draft(status="OPEN", token=sandbox.add_account())
    assert (await edit(sandbox, foreign, jobTitle="x"))[0] == 404


@pytest.mark.parametrize("status", ["OPEN", "DRAFT"])
async def test_a_job_is_closed_once(sandbox: Sandbox, status: str) -> None:
    """The second time nothing is done; it can neither be published nor edited any more."""
    job_id = sandbox.draft(status=status)
    closed = {"ok": True, "jobId": job_id, "status": "ARCHIVED"}
    assert await ask(sandbox, f"POST /jobs/{job_id}/close") == (200, closed | {"alreadyClosed": False})
    assert await ask(sandbox, f"POST /jobs/{job_id}/close") == (200, closed | {"alreadyClosed": True})
    assert (await ask(sandbox, f"POST /jobs/{job_id}/publish"))[0] == 409
    assert (await edit(sandbox, job_id, jobTitle="x"))[0] == 409
    assert await page(sandbox, "status=ARCHIVED") == ([job_id], None)


async def test_only_ones_own_jobs_can_be_closed(sandbox: Sandbox) -> None:
    """Somebody else's is absent, and a token that may only read is told so."""
    foreign = sandbox.draft(token=sandbox.add_account())
    assert (await ask(sandbox, f"POST /jobs/{foreign}/close"))[0] == 404
    reader = sandbox.add_token(scopes=["jobs:read"])
    assert (await ask(sandbox, f"POST /jobs/{foreign}/close", token=reader))[0] == 403


async def test_a_publish_may_need_approval(sandbox: Sandbox) -> None:
    """Then it is accepted and counted, and the job is live once it is approved."""
    sandbox.needs_approval = True
    job_id = sandbox.draft()
    status, body = await ask(sandbox, f"POST /jobs/{job_id}/publish")
    assert (status, body["status"], body["alreadyPublished"], sandbox.live) == (200, "PENDING_APPROVAL", False, ())
    status, body = await ask(sandbox, f"POST /jobs/{job_id}/publish")
    assert (status, body["details"]) == (409, {"jobId": job_id, "status": "PENDING_APPROVAL"})
    sandbox.approve(job_id)
    status, body = await ask(sandbox, f"POST /jobs/{job_id}/publish")
    assert (status, body["status"], body["alreadyPublished"], sandbox.live) == (200, "OPEN", True, (job_id,))


async def test_a_job_that_is_refused_is_a_draft_again(sandbox: Sandbox) -> None:
    """Its publish stays counted; without the need for approval the next one puts it live."""
    sandbox.needs_approval = True
    job_id = sandbox.draft()
    await ask(sandbox, f"POST /jobs/{job_id}/publish")
    sandbox.refuse(job_id)
    sandbox.needs_approval = False
    assert not sandbox.needs_approval
    _, body = await ask(sandbox, f"POST /jobs/{job_id}/publish")
    assert (body["status"], body["alreadyPublished"]) == ("OPEN", False)
    with pytest.raises(LookupError, match="awaits approval"):
        sandbox.approve(job_id)
    with pytest.raises(LookupError, match="awaits approval"):
        sandbox.refuse("absent")
