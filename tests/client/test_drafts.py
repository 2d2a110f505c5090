"""Drafts are made once, whatever becomes of the reply, and go from a description to a live job."""

import asyncio
from collections.abc import Callable

import pytest

from opentrain_async.errors import (
    BadRequestError,
    ClientClosedError,
    ConfigurationError,
    ConflictError,
    ConnectionLostError,
    DraftIncompleteError,
    ModerationBlockedError,
    NotFoundError,
    OpenTrainError,
    ServerError,
    UnexpectedResponseError,
)
from opentrain_async.models import Draft, MissingField
from opentrain_async.sandbox import BLOCKED_PHRASE, Fault, Sandbox

from ..support import documented
from ..support.clients import Connect
from ..support.peers import AT_ONCE, ONCE, TOKEN, client_of, envelope
from ..support.scripted import NEVER, Said, scripted
from ..support.waiting import cancelled, tasks_but_of_servers, until

CREATE, PATCH, PUBLISH = "POST /job-drafts", "PATCH /job-drafts/job_1", "POST /jobs/job_1/publish"
REFERENCE = documented.CREATED["api-reference/job-drafts/create"]
ANSWERS = {"experienceLevel": "EXPERT", "pricePerLabel": "0.05", "dataVolumeUnit": "NUMBER_OF_FILES"}


def answer(gap: MissingField) -> object:
    """What there is to say of a gap."""
    return ANSWERS[gap.field]


@pytest.mark.parametrize("page", documented.CREATED)
async def test_from_a_description_to_a_live_job(page: str) -> None:
    """Create, one update for each round of gaps, publish: four requests, whatever the service's answers look like."""
    first = documented.STILL_INCOMPLETE | {"missingFields": [{"field": "dataVolumeUnit"}]}
    async with scripted() as server, client_of(server.url) as client:
        server.on(CREATE, documented.CREATED[page]).on(PATCH, first, documented.UPDATED).on(PUBLISH, documented.LIVE)
        result = await client.post("Label cats.", answer=answer, external_id="7", idempotency_key="cats")
        assert (result.job_id, result.newly_published) == ("job_1", True)
        assert server.lines == [CREATE, PATCH, PATCH, PUBLISH]
        assert [seen.body for seen in server.log] == [
            {"rawJobDescription": "Label cats.", "externalId": "7", "idempotencyKey": "cats"},
            {"experienceLevel": "EXPERT", "pricePerLabel": 0.05},
            {"dataVolumeUnit": "NUMBER_OF_FILES"},
            None,
        ]
        assert {seen.headers["Authorization"] for seen in server.log} == {f"Bearer {TOKEN}"}
        assert [seen.headers.get("Content-Type") for seen in server.log[:3]] == ["application/json"] * 3


async def test_the_same_in_the_sandbox(sandbox: Sandbox, connect: Connect) -> None:
    """With the key of an earlier call it goes on with that draft, and finds it live."""
    client = connect(sandbox)
    text = "Label cats.\nexperienceLevel: EXPERT\npaymentType: FIXED_PRICE\nfixedPrice: 90"
    with pytest.raises(DraftIncompleteError) as caught:
        await client.post(text, idempotency_key="cats")
    assert caught.value.__notes__ == ["the draft is job_1; idempotency_key='cats' goes on with it"]
    results = [await client.post(text, answer=answer, idempotency_key="cats") for _ in range(2)]
    assert [result.already_published for result in results] == [False, True]
    assert sandbox.live == ("job_1",)


async def test_what_ends_it_after_the_draft_was_made_says_which_draft(sandbox: Sandbox, connect: Connect) -> None:
    """Also where that is the service's refusal of the last step."""
    text = f"Label cats, {BLOCKED_PHRASE} x.\nexperienceLevel: EXPERT\npaymentType: FIXED_PRICE\nfixedPrice: 90"
    with pytest.raises(ModerationBlockedError) as caught:
        await connect(sandbox).post(text, answer=answer)
    (note,) = caught.value.__notes__
    assert note.startswith("the draft is job_1; idempotency_key='")


@pytest.mark.parametrize(
    "wrong", [{"answer": "x"}, {"max_wait": -1}, {"description": ""}, {"external_id": ""}, {"idempotency_key": 5}]
)
async def test_what_cannot_be_posted_is_refused_before_anything_is_sent(wrong: dict[str, object]) -> None:
    """By the name of the argument."""
    async with scripted() as server, client_of(server.url) as client:
        with pytest.raises(ConfigurationError, match=next(iter(wrong))):
            await client.post(**{"description": "Label cats.", **wrong})  # type: ignore[arg-type]
        assert server.log == []


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"description": "Cats."}, {"rawJobDescription": "Cats."}),
        ({"job": {"title": "Cats"}}, {"format": "opentrain_canonical", "job": {"title": "Cats"}}),
        ({"json_ld": {"title": "Cats"}}, {"format": "schema_org_job_posting", "jsonLd": {"title": "Cats"}}),
        ({"indeed_xml": "<job/>"}, {"format": "indeed_xml", "xml": "<job/>"}),
        ({"hr_xml": "<job/>"}, {"format": "hr_xml", "xml": "<job/>"}),
    ],
)
async def test_each_draft_has_a_key_of_its_own(given: dict[str, object], sent: dict[str, object]) -> None:
    """The library makes one where none is given, sends it, and shows it on the result."""
    async with scripted() as server, client_of(server.on(CREATE, REFERENCE).url) as client:
        drafts = [await client.create_draft(**given) for _ in range(2)]  # type: ignore[arg-type]
        keys = [draft.idempotency_key for draft in drafts]
        assert server.bodies(CREATE) == [sent | {"idempotencyKey": key} for key in keys]
        assert len({*keys, None}) == 3


async def test_the_sandbox_takes_each_form(sandbox: Sandbox, connect: Connect) -> None:
    """A draft comes of each."""
    client = connect(sandbox)
    drafts = [
        await client.create_draft("Label cats."),
        await client.create_draft(job={"title": "Cats", "tools": ["CVAT"]}),
        await client.create_draft(json_ld={"@type": "JobPosting", "title": "Cats"}),
        await client.create_draft(indeed_xml="<job><title>Cats</title></job>"),
        await client.create_draft(hr_xml="<job><title>Cats</title></job>", external_id="7"),
    ]
    assert len({draft.job_id for draft in drafts}) == 5
    assert drafts[1].normalized_fields == {"jobTitle": "Cats"}
    assert drafts[1].unmapped_fields[0].path == "job.tools"


@pytest.mark.parametrize("kind", [Fault.RESET, Fault.CLOSE, Fault.TRUNCATED, Fault.HTML])
async def test_a_lost_reply_makes_no_second_draft(sandbox: Sandbox, connect: Connect, kind: Fault) -> None:
    """The second attempt has the same key, and finds the draft that the first one has made."""
    sandbox.fault(kind, on="create_draft", published=True)
    client = connect(sandbox, retry=AT_ONCE)
    draft = await client.create_draft("Label cats.")
    assert [request.operation for request in sandbox.requests] == ["create_draft"] * 2
    assert [job.id async for job in client.iter_jobs()] == [draft.job_id]
    assert (await client.create_draft("Label cats.", idempotency_key=draft.idempotency_key)).job_id == draft.job_id


async def test_both_attempts_have_the_same_key() -> None:
    """Not only the same draft comes of it: the very body is the same."""
    async with scripted() as server, client_of(server.url, retry=AT_ONCE) as client:
        server.on(CREATE, Said(503, {}), REFERENCE)
        draft = await client.create_draft("Label cats.")
        first, second = server.bodies(CREATE)
        assert first == second == {"rawJobDescription": "Label cats.", "idempotencyKey": draft.idempotency_key}


async def test_a_creation_that_is_in_doubt_tells_the_key(sandbox: Sandbox, connect: Connect) -> None:
    """With it the caller finds out later, and makes no second draft either."""
    sandbox.fault(Fault.RESET, on="create_draft", published=True)
    client = connect(sandbox, retry=ONCE)
    with pytest.raises(ConnectionLostError) as caught:
        await client.create_draft("Label cats.")
    assert (caught.value.effect, caught.value.operation) == ("unknown", "create_draft")
    assert caught.value.idempotency_key is not None
    assert f"create it again with this idempotency key, and it is that one. ({caught.value.idempotency_key})" in str(
        caught.value
    )
    assert (await client.create_draft("Label cats.", idempotency_key=caught.value.idempotency_key)).job_id == "job_1"


async def test_an_update_after_a_lost_reply_changes_nothing_twice(sandbox: Sandbox, connect: Connect) -> None:
    """The same fields are sent again, and the draft is what it was."""
    sandbox.fault(Fault.RESET, on="update_draft", published=True)
    client, job_id = connect(sandbox, retry=AT_ONCE), sandbox.draft(missing=["experienceLevel"])
    draft = await client.update_draft(job_id, experience_level="EXPERT")
    assert (draft.job_id, draft.publish_ready, draft.idempotency_key) == (job_id, True, None)
    assert [request.operation for request in sandbox.requests] == ["update_draft"] * 2


async def test_doubt_about_an_update_stays() -> None:
    """A refusal of the repetition does not say what became of the first, unless it says that the request is wrong."""
    async with scripted() as server, client_of(server.url, retry=AT_ONCE) as client:
        conflict = documented.refused("no", "CONFLICT", {"status": "OPEN"})
        server.on(PATCH, Said(502, {}), Said(409, conflict), Said(502, {}), Said(400, documented.INVALID))
        with pytest.raises(ConflictError) as caught:
            await client.update_draft("job_1", job_title="x")
        assert (caught.value.effect, caught.value.job_status) == ("unknown", "OPEN")
        with pytest.raises(BadRequestError) as refused:
            await client.update_draft("job_1", job_title="x")
        assert refused.value.effect == "none"


async def test_an_update_sends_just_what_it_is_given() -> None:
    """By the service's names."""
    async with scripted() as server, client_of(server.on(PATCH, documented.UPDATED).url) as client:
        await client.update_draft("job_1", price_per_hour=18.0, languages=("English",), visibility={"of": "all"})
        assert server.bodies(PATCH) == [
            {"pricePerHour": 18, "languages": ["English"], "visibility": {"of": "all"}}
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "job_1: there is nothing to update"),
        ({"job_titel": "x"}, "job_1: a draft has no field job_titel: did you mean job_title?"),
        ({"experience_level": "GURU"}, "job_1: experience_level has to be one of"),
        ({"price_per_hour": -1}, "job_1: price_per_hour has to be a number above 0, not -1"),
    ],
)
async def test_bad_fields_are_refused_here(fields: dict[str, object], text: str) -> None:
    """With the job, the field and the reason; nothing is sent, neither of a draft nor of a live job."""
    async with scripted() as server, client_of(server.url) as client:
        for call in client.update_draft, client.update_job:
            with pytest.raises(ConfigurationError) as caught:
                await call("job_1", **fields)  # type: ignore[arg-type]
            assert str(caught.value).startswith(text)
            assert caught.value.job_id == "job_1"
        assert server.log == []


async def test_what_capabilities_names_is_let_through() -> None:
    """Fields that no page has, and choices that have come since; to be known, they have to have been asked for."""
    draft = {"updateKeys": ["reviewStages"], "enums": {"experienceLevel": ["GURU"]}}
    async with scripted() as server, client_of(server.on(PATCH, documented.UPDATED).url) as client:
        server.on("GET /job-drafts/capabilities", {"capabilities": {}, "draft": draft})
        fields: dict[str, object] = {"review_stages": 2, "experience_level": "GURU"}
        for field, value in fields.items():
            with pytest.raises(ConfigurationError, match=field):
                await client.update_draft("job_1", **{field: value})  # type: ignore[arg-type]
        await client.capabilities()
        await client.update_draft("job_1", **fields)  # type: ignore[arg-type]
        assert server.bodies(PATCH) == [{"reviewStages": 2, "experienceLevel": "GURU"}]


@pytest.mark.parametrize("job_id", ["", "..", "a/b", "a b", 5, None])
async def test_a_bad_id_is_refused_here(job_id: str) -> None:
    """Nothing is sent, whatever is to be done to it."""
    async with scripted() as server, client_of(server.url) as client:
        for call in (
            client.update_draft(job_id, job_title="x"),
            client.update_job(job_id, job_title="x"),
            client.close_job(job_id),
        ):
            with pytest.raises(ConfigurationError, match="not a job id"):
                await call
        assert server.log == []


async def test_only_a_draft_of_ones_own_can_be_updated(sandbox: Sandbox, connect: Connect) -> None:
    """One that went live is in conflict, and says what it is; somebody else's is not found."""
    client = connect(sandbox)
    with pytest.raises(ConflictError) as caught:
        await client.update_draft(sandbox.draft(status="ARCHIVED"), job_title="x")
    assert (caught.value.job_status, caught.value.effect) == ("ARCHIVED", "none")
    assert "The job is ARCHIVED." in str(caught.value)
    with pytest.raises(NotFoundError):
        await client.update_draft(sandbox.draft(token=sandbox.add_account()), job_title="x")


async def test_the_service_has_the_last_word(sandbox: Sandbox, connect: Connect) -> None:
    """What is let through here and refused there is told field by field."""
    client, job_id = connect(sandbox), sandbox.draft()
    with pytest.raises(BadRequestError) as caught:
        await client.update_draft(job_id, data_type=5, visibility=["all"])
    assert [(issue.path, issue.code) for issue in caught.value.issues] == [
        (("dataType",), "invalid_type"), (("visibility",), "invalid_type"),
    ]  # fmt: skip
    assert caught.value.job_id == job_id


@pytest.mark.parametrize("status", [500, 503])
async def test_a_failing_service_is_asked_again_and_then_believed(status: int) -> None:
    """Four attempts, and the error of the last."""
    async with scripted() as server, client_of(server.on(CREATE, Said(status, {})).url, retry=AT_ONCE) as client:
        with pytest.raises(ServerError) as caught:
            await client.create_draft("Label cats.")
        assert (caught.value.effect, len(server.log)) == ("unknown", 4)


@pytest.mark.parametrize("job_id", ["../jobs/x", "", "a b", "x" * 129, "a\r\nb"])
async def test_an_id_that_can_be_none_is_not_gone_on_with(job_id: str) -> None:
    """It would become part of a path."""
    async with scripted() as server, client_of(server.url, retry=ONCE) as client:
        server.on("POST /job-drafts", documented.CREATED["api-reference/job-drafts/create"] | {"jobId": job_id})
        with pytest.raises(UnexpectedResponseError, match="an id that can be none") as caught:
            await client.post("Label cats.")
    assert caught.value.effect == "unknown"


async def test_a_creation_that_is_cancelled_tells_its_key(sandbox: Sandbox, connect: Connect) -> None:
    """With it the draft is found that may have been made."""
    client = connect(sandbox)
    sandbox.fault(Fault.STALL, on="create_draft", published=True)
    creating = asyncio.create_task(client.create_draft("Label cats."))
    await until(lambda: sandbox.requests)
    creating.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await creating
    key = caught.value.__notes__[0].partition("idempotency_key='")[2].partition("'")[0]
    assert (await client.create_draft("Label cats.", idempotency_key=key)).job_id == "job_1"


async def test_a_draft_without_an_id_is_none() -> None:
    """An answer that does not say which draft it is about cannot be gone on with."""
    async with scripted() as server, client_of(server.on(CREATE, {"ok": True}).url) as client:
        with pytest.raises(UnexpectedResponseError, match="is not a draft") as caught:
            await client.create_draft("Label cats.")
        assert caught.value.effect == "unknown"


async def test_a_closed_client_makes_no_drafts() -> None:
    """It says so, and sends nothing."""
    async with scripted() as server:
        client = client_of(server.url)
        await client.close()
        for call in (
            client.create_draft("x"),
            client.update_draft("job_1", job_title="x"),
            client.fill_gaps(Draft("job_1"), answer),
        ):
            with pytest.raises(ClientClosedError):
                await call


@pytest.mark.parametrize("operation", ["create_draft", "update_draft", "post"])
async def test_cancelled_in_the_middle_it_ends_there(operation: str) -> None:
    """No task is left, and the client goes on working."""
    async with scripted() as server, client_of(server.url, retry=AT_ONCE) as client:
        if operation != "post":
            server.on(CREATE, NEVER)
        server.on(CREATE, REFERENCE).on(PATCH, NEVER, documented.UPDATED)
        calls: dict[str, Callable[[], object]] = {
            "create_draft": lambda: client.create_draft("Label cats."),
            "update_draft": lambda: client.update_draft("job_1", job_title="x"),
            "post": lambda: client.post("Label cats.", answer=answer),
        }
        line = CREATE if operation == "create_draft" else PATCH
        running: asyncio.Task[object] = asyncio.create_task(calls[operation]())  # type: ignore[arg-type]
        await until(lambda: server.bodies(line))
        await cancelled(running)
        assert tasks_but_of_servers() == {asyncio.current_task()}
        server.forget()
        draft = await client.create_draft("Label cats.")
        assert (await client.update_draft(draft.job_id, job_title="x")).publish_ready


async def test_cancelled_between_two_attempts_it_ends_there(sandbox: Sandbox, connect: Connect) -> None:
    """While it waits to try again."""
    sandbox.fault(Fault.STATUS, on="create_draft", retry_after="30")
    client = connect(sandbox)
    creating = asyncio.create_task(client.create_draft("Label cats.", idempotency_key="cats"))
    await until(lambda: sandbox.requests and sandbox.requests[0].status)
    await asyncio.sleep(0.01)
    await cancelled(creating)
    assert (await client.create_draft("Label cats.", idempotency_key="cats")).job_id == "job_1"


async def test_every_error_of_a_call_says_of_which() -> None:
    """The operation and the job are on it, for a log."""
    async with scripted() as server, client_of(server.url) as client:
        server.on(PATCH, Said(403, envelope())).on("PATCH /jobs/job_1", Said(404, envelope()))
        for call, name in (client.update_draft, "update_draft"), (client.update_job, "update_job"):
            with pytest.raises(OpenTrainError) as caught:
                await call("job_1", job_title="x")
            assert (caught.value.operation, caught.value.job_id, caught.value.effect) == (name, "job_1", "none")
