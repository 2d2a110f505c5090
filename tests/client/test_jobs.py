"""The account's jobs: listed a page at a time, edited while they are live, and closed."""

import asyncio
import gc
import weakref
from collections.abc import Callable

import pytest

from opentrain_async.errors import (
    APIError,
    ConfigurationError,
    ConflictError,
    ModerationBlockedError,
    NotFoundError,
    UnexpectedResponseError,
)
from opentrain_async.models import JOB_STATUSES, Job
from opentrain_async.sandbox import BLOCKED_PHRASE, Fault, Sandbox

from ..support import documented
from ..support.clients import Connect
from ..support.peers import AT_ONCE, client_of, envelope
from ..support.scripted import NEVER, Said, scripted
from ..support.waiting import cancelled, tasks_but_of_servers, until

MINE, EDIT, CLOSE = "GET /jobs/mine", "PATCH /jobs/job_1", "POST /jobs/job_1/close"


def page(*ids: str, then: object = None) -> documented.Body:
    """A page of drafts."""
    return {"jobs": [{"id": job_id, "status": "DRAFT"} for job_id in ids], "nextCursor": then}


async def test_a_thousand_drafts_are_ten_pages_of_which_one_is_held(sandbox: Sandbox, connect: Connect) -> None:
    """Of a hundred each, newest first; those that were read are gone as soon as nobody has them."""
    made = [sandbox.draft() for _ in range(1000)]
    seen: list[str] = []
    references: list[weakref.ref[Job]] = []
    most = 0
    async for job in connect(sandbox).iter_jobs("DRAFT"):
        seen.append(job.id)
        references.append(weakref.ref(job))
        if len(seen) % 100 in {0, 1}:
            most = max(most, sum(reference() is not None for reference in references))
    assert seen == made[::-1]
    assert len(sandbox.requests) == 10
    del job
    gc.collect()
    assert most <= 101
    assert not any(reference() for reference in references)


async def test_the_pages_are_asked_for_as_they_are_wanted() -> None:
    """Whoever stops reading has asked for no more; the cursor is the service's own, and comes back as it is."""
    async with scripted() as server, client_of(server.url) as client:
        server.on(MINE, page("a", "b", then="x&y=z"), page("c"))
        jobs = client.iter_jobs("OPEN")
        assert server.log == []
        assert [(await anext(jobs)).id for _ in range(2)] == ["a", "b"]
        assert [dict(seen.query) for seen in server.log] == [{"limit": "100", "status": "OPEN"}]
        assert [job.id async for job in jobs] == ["c"]
        assert dict(server.log[1].query) == {"limit": "100", "status": "OPEN", "cursor": "x&y=z"}


async def test_without_a_status_all_are_listed(sandbox: Sandbox, connect: Connect) -> None:
    """With one only those."""
    client = connect(sandbox)
    ids = {status: sandbox.draft(status=status) for status in JOB_STATUSES}
    assert {job.status: job.id async for job in client.iter_jobs()} == ids
    for status in JOB_STATUSES:
        assert [(job.id, job.published) async for job in client.iter_jobs(status)] == [(ids[status], status == "OPEN")]


@pytest.mark.parametrize("status", ["draft", "", 5, ["DRAFT"], 10**5000], ids=range(5))
def test_a_status_that_there_is_not_is_refused_at_the_call(status: str) -> None:
    """Before anything is iterated, with those that there are."""
    with pytest.raises(ConfigurationError, match="status has to be one of DRAFT, OPEN, ONGOING"):
        client_of("http://127.0.0.1:9").iter_jobs(status)


async def test_a_page_that_was_lost_is_asked_for_again(sandbox: Sandbox, connect: Connect) -> None:
    """Nothing is left out and nothing comes twice."""
    made = [sandbox.draft() for _ in range(150)]
    sandbox.fault(Fault.RESET, on="jobs", call=2)
    assert [job.id async for job in connect(sandbox, retry=AT_ONCE).iter_jobs()] == made[::-1]
    assert len(sandbox.requests) == 3


@pytest.mark.parametrize("cursors", [["x", "x"], ["x", "y", "x"]])
async def test_a_list_that_leads_back_is_no_list(cursors: list[str]) -> None:
    """That is an error, and no loop."""
    async with scripted() as server, client_of(server.url) as client:
        server.on(MINE, *(page("a", then=cursor) for cursor in cursors))
        with pytest.raises(UnexpectedResponseError, match="the list of jobs does not end: a page leads back") as caught:
            async for _ in client.iter_jobs():
                pass
        assert (caught.value.effect, caught.value.operation) == ("none", "iter_jobs")
        assert len(server.log) == len(cursors)


async def test_a_list_does_not_end_at_a_cursor_that_cannot_be_read() -> None:
    """Whoever closes all jobs would leave some open, and not know."""
    async with scripted() as server, client_of(server.on(MINE, page("a", then=5)).url) as client:
        with pytest.raises(UnexpectedResponseError, match="next_cursor"):
            await anext(client.iter_jobs())


@pytest.mark.parametrize("end", [{"nextCursor": None}, {"nextCursor": ""}, {}])
async def test_a_list_ends_where_no_cursor_leads_on(end: dict[str, object]) -> None:
    """Null is documented; there is nothing else that an empty one could mean."""
    async with scripted() as server, client_of(server.on(MINE, {"jobs": [], **end}).url) as client:
        assert [job async for job in client.iter_jobs()] == []
        assert len(server.log) == 1


async def test_a_list_that_is_refused_says_so_where_it_is_read() -> None:
    """Not at the call."""
    async with scripted() as server, client_of(server.on(MINE, Said(403, envelope())).url) as client:
        jobs = client.iter_jobs()
        with pytest.raises(APIError) as caught:
            await anext(jobs)
        assert (caught.value.operation, caught.value.effect) == ("iter_jobs", "none")


async def test_reading_changes_nothing_whatever_happens() -> None:
    """A failure leaves no doubt."""
    async with scripted() as server, client_of(server.on(MINE, Said(500, {})).url) as client:
        with pytest.raises(APIError) as caught:
            await anext(client.iter_jobs())
        assert caught.value.effect == "none"


async def test_a_live_job_is_edited(sandbox: Sandbox, connect: Connect) -> None:
    """And stays live."""
    edited = await connect(sandbox).update_job(sandbox.draft("job_1", status="OPEN"), job_title="Label dogs")
    assert (edited.job_id, edited.status, edited.moderation.decision) == ("job_1", "OPEN", "ALLOW")
    assert sandbox.live == ("job_1",)


async def test_an_edit_that_moderation_refuses_has_been_applied(sandbox: Sandbox, connect: Connect) -> None:
    """The job is a draft again: mended as one, it can be published anew."""
    client, job_id = connect(sandbox), sandbox.draft(status="OPEN")
    with pytest.raises(ModerationBlockedError) as caught:
        await client.update_job(job_id, job_description=f"Please {BLOCKED_PHRASE} x")
    assert (caught.value.effect, caught.value.reasons) == ("applied", ("Asks for personal contact details.",))
    told = "The edit has been applied, and the job is a draft again. The reasons: Asks for personal contact details."
    assert f"{told} Change the draft, then publish again." in str(caught.value)
    assert sandbox.live == ()
    await client.update_draft(job_id, job_description="Label cats.")
    assert (await client.publish(job_id)).newly_published


async def test_the_documented_answers_to_an_edit_mean_the_same() -> None:
    """Of a service that is not the sandbox."""
    async with scripted() as server, client_of(server.url) as client:
        server.on(EDIT, documented.EDITED, Said(409, documented.TAKEN_DOWN), Said(409, documented.NOT_OPEN))
        assert (await client.update_job("job_1", headcount=5)).status == "OPEN"
        with pytest.raises(ModerationBlockedError) as blocked:
            await client.update_job("job_1", headcount=5)
        assert blocked.value.effect == "applied"
        with pytest.raises(ConflictError) as caught:
            await client.update_job("job_1", headcount=5)
        assert (caught.value.effect, caught.value.job_status, caught.value.required_status) == (
            "none", "ARCHIVED", "OPEN",
        )  # fmt: skip
        assert server.bodies(EDIT) == [{"headcount": 5}] * 3


@pytest.mark.parametrize("first", [Said(502, {}), {"html": True}])
async def test_an_edit_whose_reply_was_lost_may_have_taken_the_job_down(first: object) -> None:
    """Then the repetition finds no live job, and does not know who has taken it down."""
    async with scripted() as server, client_of(server.url, retry=AT_ONCE) as client:
        server.on(EDIT, first, Said(409, documented.NOT_OPEN))
        with pytest.raises(ConflictError) as caught:
            await client.update_job("job_1", headcount=5)
        assert caught.value.effect == "unknown"


async def test_a_draft_is_not_edited_as_a_job(sandbox: Sandbox, connect: Connect) -> None:
    """It is in conflict, and says what it would have to be."""
    with pytest.raises(ConflictError) as caught:
        await connect(sandbox).update_job(sandbox.draft(), job_title="x")
    assert (caught.value.job_status, caught.value.required_status) == ("DRAFT", "OPEN")


async def test_a_job_is_closed_once(sandbox: Sandbox, connect: Connect) -> None:
    """Closing it again changes nothing, and says so."""
    client, job_id = connect(sandbox), sandbox.draft(status="OPEN")
    closed = [await client.close_job(job_id) for _ in range(2)]
    assert [(job.status, job.already_closed) for job in closed] == [("ARCHIVED", False), ("ARCHIVED", True)]
    with pytest.raises(NotFoundError):
        await client.close_job("job_none")


async def test_a_lost_reply_closes_nothing_twice(sandbox: Sandbox, connect: Connect) -> None:
    """The repetition finds it closed: by the service's word it was so already."""
    sandbox.fault(Fault.RESET, on="close_job", published=True)
    closed = await connect(sandbox, retry=AT_ONCE).close_job(sandbox.draft(status="OPEN"))
    assert closed.already_closed
    assert len(sandbox.requests) == 2


async def test_a_closing_has_no_body() -> None:
    """As its page has it."""
    async with scripted() as server, client_of(server.on(CLOSE, documented.CLOSED).url) as client:
        assert (await client.close_job("job_1")).already_closed is False
        assert server.bodies(CLOSE) == [None]


@pytest.mark.parametrize("operation", ["first page", "next page", "update_job", "close_job"])
async def test_cancelled_in_the_middle_it_ends_there(operation: str) -> None:
    """No task is left, and the client goes on working."""

    async def read() -> None:
        async for _ in client.iter_jobs():
            pass

    async with scripted() as server, client_of(server.url, retry=AT_ONCE) as client:
        if operation == "next page":
            server.on(MINE, page("a", then="x"))
        server.on(MINE, NEVER, page("b")).on(EDIT, NEVER, documented.EDITED).on(CLOSE, NEVER, documented.CLOSED)
        calls: dict[str, Callable[[], object]] = {
            "update_job": lambda: client.update_job("job_1", headcount=5),
            "close_job": lambda: client.close_job("job_1"),
        }
        running: asyncio.Task[object] = asyncio.create_task(calls.get(operation, read)())  # type: ignore[arg-type]
        await until(lambda: len(server.log) == (2 if operation == "next page" else 1))
        await cancelled(running)
        assert tasks_but_of_servers() == {asyncio.current_task()}
        server.forget()
        assert [job.id async for job in client.iter_jobs()] == ["b"]
        assert (await client.update_job("job_1", headcount=5)).job_id == "job_1"


async def test_a_list_that_is_left_in_the_middle_leaves_nothing() -> None:
    """Whoever breaks out of it need not close it."""
    async with scripted() as server, client_of(server.on(MINE, page("a", "b", then="x")).url) as client:
        async for _ in client.iter_jobs():
            break
        gc.collect()
        await until(lambda: tasks_but_of_servers() == {asyncio.current_task()})
        assert len(server.log) == 1
