"""A caller's string is what it is, whatever its class says: checked, sent, counted and written down as an exact str."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from opentrain_async import AsyncOpenTrain, Journal, MemoryLedger, RedisLedger, SQLiteLedger
from opentrain_async._base.secret import Secret
from opentrain_async._service import operations
from opentrain_async._service.http.messages import Request
from opentrain_async.errors import ConfigurationError, OpenTrainError
from opentrain_async.events import Event, PublishEnded, PublishStarted
from opentrain_async.models import Draft, MissingField
from opentrain_async.models._fields import camel
from opentrain_async.quota import AccountLog
from opentrain_async.sandbox import Sandbox

from ..support.hostile import KINDS, Impostor

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
Kind = Callable[[str], str]
ANSWERS = {"experienceLevel": "EXPERT", "fixedPrice": "30"}


def exact(value: object, text: str) -> bool:
    """Whether that is just this text, of no class but str."""
    return type(value) is str and value == text


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The JSON bodies that clients have sent."""
    bodies: list[Any] = []

    def recorded(*arguments: Any, **named: Any) -> Request:
        request = Request(*arguments, **named)
        if request.content is not None and request.content_type == "application/json":
            body = request.content
            bodies.append(json.loads(body.reveal() if isinstance(body, Secret) else body))
        return request

    monkeypatch.setattr(operations, "Request", recorded)
    return bodies


@every_kind
async def test_F62_one_draft_is_published_and_it_is_the_one_asked_for(
    sandbox: Sandbox, connect: Callable[..., AsyncOpenTrain], kind: Kind
) -> None:
    """Its result, its events and its slot have the plain id."""
    wanted, other = sandbox.draft(), sandbox.draft("lie")
    seen: list[Event] = []
    client = connect(sandbox, on_event=seen.append)
    result = await client.publish(kind(wanted))
    assert sandbox.live == (wanted,) != (other,)
    assert exact(result.job_id, wanted)
    assert all(exact(e.job_id, wanted) for e in seen if isinstance(e, PublishStarted | PublishEnded))
    assert [slot.job_id for slot in (await client.quota()).slots] == [wanted]
    with pytest.raises(OpenTrainError) as caught:
        await client.publish(kind("job_that_is_not"))
    assert exact(caught.value.job_id, "job_that_is_not")
    with pytest.raises(ConfigurationError, match="not a job id") as caught:
        await client.publish(kind("no/id"))
    assert exact(caught.value.job_id, "no/id")


@every_kind
async def test_F62_a_run_has_an_outcome_for_each_value(
    sandbox: Sandbox, connect: Callable[..., AsyncOpenTrain], kind: Kind, journal_path: Path
) -> None:
    """Equal values are one draft, those that only say so are several, and the journal finds each again."""
    first, second = sandbox.draft(), sandbox.draft()
    client = connect(sandbox)
    ids = [kind(first), first, kind(second), kind(first), kind("no/id"), kind("no/id"), kind("a" * 129)]
    report = await client.publish_many(ids, concurrency=1, journal=kind(str(journal_path)))
    assert [outcome.job_id for outcome in report.outcomes] == [first, second, "no/id", "a" * 129]
    assert all(type(outcome.job_id) is str for outcome in report.outcomes)
    assert [json.loads(line)["job_id"] for line in journal_path.read_text().splitlines()] == [
        outcome.job_id for outcome in report.outcomes
    ]
    journal = Journal.open(kind(str(journal_path)), service=kind(sandbox.url))
    assert (len(journal), journal.is_final(kind(first)), journal.is_final(kind("lie"))) == (4, True, False)
    assert len(Journal.open(journal_path, service=kind("https://other.test"))) == 0
    planned = await client.plan(ids, journal=journal_path)
    assert planned.drafts == ()
    assert all(exact(text, text) for text in planned.invalid)
    before = len(sandbox.requests)
    async with client.publish_stream([kind(first), kind(first)], journal=journal_path) as outcomes:
        assert [outcome async for outcome in outcomes] == []
        earlier = outcomes.earlier(kind(second))
        assert earlier is not None
        assert exact(earlier.job_id, second)
        assert outcomes.earlier(kind("lie")) is None
    assert len(sandbox.requests) == before


@every_kind
async def test_a_stream_names_each_draft_plainly(
    sandbox: Sandbox, connect: Callable[..., AsyncOpenTrain], kind: Kind
) -> None:
    """It leaves nothing out, and its ids are exact all the same; also those of an async source."""

    async def source() -> AsyncIterator[str]:
        for job_id in (first, first, "lie"):
            yield kind(job_id)

    first = sandbox.draft()
    async with connect(sandbox).publish_stream(source(), concurrency=1) as outcomes:
        ids = [outcome.job_id async for outcome in outcomes]
    assert ids == [first, first, "lie"]
    assert all(type(job_id) is str for job_id in ids)


@every_kind
async def test_F62_drafts_and_jobs_are_edited_by_their_plain_values(
    sandbox: Sandbox, connect: Callable[..., AsyncOpenTrain], kind: Kind, sent: list[Any]
) -> None:
    """Ids, the values of fields, descriptions, keys and states."""
    client, job_id = connect(sandbox), sandbox.draft(missing=["experienceLevel"])
    fields: dict[str, Any] = {
        "job_title": kind("Cats"),
        "payment_type": kind("FIXED_PRICE"),
        "languages": [kind("German"), kind("English")],
        "data_type": kind("image"),
    }
    updated = await client.update_draft(kind(job_id), **fields)
    assert sent[-1] == {
        "jobTitle": "Cats",
        "paymentType": "FIXED_PRICE",
        "languages": ["German", "English"],
        "dataType": "image",
    }
    filled = await client.fill_gaps(
        Draft(kind(job_id), validation=updated.validation), lambda field: kind(ANSWERS[field.field])
    )
    assert exact(filled.job_id, job_id)
    await client.publish(job_id)
    await client.update_job(kind(job_id), job_title="Dogs")
    assert [job.id async for job in client.iter_jobs(kind("OPEN"))] == [job_id]
    assert (await client.close_job(kind(job_id))).job_id == job_id
    made = await client.create_draft(
        kind("Label cats, 18 USD an hour"), external_id=kind("mine"), idempotency_key=kind("key")
    )
    assert sent[-1] == {
        "rawJobDescription": "Label cats, 18 USD an hour",
        "externalId": "mine",
        "idempotencyKey": "key",
    }
    assert exact(made.idempotency_key, "key")
    for wrong in ({"no_field": 1}, {"job_title": kind(" ")}, {"payment_type": kind("FREE")}):
        with pytest.raises(ConfigurationError) as caught:
            await client.update_draft(kind(job_id), **wrong)
        assert exact(caught.value.job_id, job_id)
    with pytest.raises(ConfigurationError, match="status has to be one of"):
        client.iter_jobs(kind("OPENED"))


@every_kind
def test_an_answer_for_several_keys_is_one_by_its_plain_names(kind: Kind) -> None:
    """Names and values of the answer to a missing field."""
    missing = MissingField("paymentType", update_keys=("paymentType", "fixedPrice"))
    for name, text, value in (("payment_type", "FIXED_PRICE", "FIXED_PRICE"), ("fixed_price", "30", 30)):
        found = missing.update({kind(name): kind(text)})
        assert list(found.values()) == [value]
        assert all(exact(key, camel(name)) for key in found)


@every_kind
async def test_F62_the_account_and_its_token_are_what_they_are(
    sandbox: Sandbox, kind: Kind, sent: list[Any], tmp_path: Path
) -> None:
    """So are the origin, and what ledgers are made of."""
    store = MemoryLedger()
    async with AsyncOpenTrain(
        kind(sandbox.token), base_url=kind(sandbox.url), account=kind("acme"), ledger=store, clock=sandbox.clock
    ) as client:
        await client.publish(sandbox.draft())
        assert repr(client) == f"<AsyncOpenTrain {sandbox.url}>"
    assert [request.status for request in sandbox.requests] == [200]
    used: Callable[[AccountLog, float], object] = lambda log, now: log.snapshot(now, None).used  # noqa: E731
    assert await store.run(f"{sandbox.url} acme", used, sandbox.clock.now()) == 1
    path = tmp_path / "quota.sqlite3"
    assert SQLiteLedger(kind(str(path))).path == path
    assert repr(RedisLedger(kind("redis://localhost"), prefix=kind("ours"))).endswith("prefix='ours')")
    registered = await AsyncOpenTrain.register(
        agent_name=kind("bot"), organization_name=kind("acme"), base_url=kind(sandbox.url), save=False
    )
    assert sent[-1] == {"agent_name": "bot", "organization_name": "acme"}
    async with AsyncOpenTrain(
        registered.access_token, base_url=sandbox.url, claim_token=kind(registered.claim_token.reveal())
    ) as client:
        await client.start_claim(kind("person@example.test"))
    assert sent[-1]["email"] == "person@example.test"


async def test_what_only_says_that_it_is_a_string_is_refused(
    sandbox: Sandbox, connect: Callable[..., AsyncOpenTrain]
) -> None:
    """As any other object is."""
    client, impostor = connect(sandbox), Impostor()
    report = await client.publish_many([impostor])  # type: ignore[list-item]
    assert [outcome.status.name for outcome in report.outcomes] == ["REJECTED"]
    with pytest.raises(ConfigurationError):
        connect(sandbox, token=impostor)
    with pytest.raises(ConfigurationError):
        connect(sandbox, account=impostor)
    with pytest.raises(ConfigurationError):
        connect(sandbox, base_url=impostor)
