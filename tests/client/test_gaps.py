"""Gaps of a draft: asked one by one, checked here, sent together, and never for ever."""

import asyncio
from collections.abc import Callable

import pytest

from opentrain_async.errors import (
    ConfigurationError,
    ConflictError,
    DraftIncompleteError,
    NotPublishReadyError,
)
from opentrain_async.models import Draft, MissingField, Validation
from opentrain_async.sandbox import Dialect, Sandbox

from ..support import documented
from ..support.clients import Connect
from ..support.peers import client_of
from ..support.scripted import NEVER, Scripted, scripted
from ..support.waiting import cancelled, tasks_but_of_servers, until

PATCH = "PATCH /job-drafts/job_1"
ANSWERS = {
    "experienceLevel": "EXPERT",
    "dataVolumeUnit": "NUMBER_OF_FILES",
    "paymentType": "PAY_PER_HOUR",
    "pricePerHour": "18",
}


def answer(gap: MissingField) -> object:
    """What there is to say of a gap."""
    return ANSWERS.get(gap.field)


def draft_with(*missing: str | MissingField, count: int | None = None) -> Draft:
    """A draft with these gaps."""
    gaps = tuple(MissingField(gap) if isinstance(gap, str) else gap for gap in missing)
    return Draft("job_1", validation=Validation(False, len(gaps) if count is None else count, missing_fields=gaps))


def left(*missing: object, count: int | None = None, ready: bool = False) -> documented.Body:
    """What an update is answered with."""
    counted = len(missing) if count is None else count
    validation = {"publishReady": ready, "missingFieldCount": counted, "missingFields": list(missing)}
    return {"ok": True, "jobId": "job_1", "status": "DRAFT", "validation": validation}


async def filled(
    draft: Draft | NotPublishReadyError, say: Callable[[MissingField], object], *answers: object
) -> tuple[Draft, Scripted]:
    """The draft once its gaps are filled, updates being answered so, and the server that did."""
    async with scripted() as server, client_of(server.on(PATCH, *answers).url) as client:
        return await client.fill_gaps(draft, say), server


async def stopped(
    draft: Draft, say: Callable[[MissingField], object], *answers: object
) -> tuple[DraftIncompleteError, list[object]]:
    """The error by which filling the gaps ends, and what was sent before."""
    async with scripted() as server, client_of(server.on(PATCH, *answers).url) as client:
        with pytest.raises(DraftIncompleteError) as caught:
            await client.fill_gaps(draft, say)
        return caught.value, server.bodies(PATCH)


@pytest.mark.parametrize("dialect", Dialect)
async def test_gaps_are_filled_in_each_dialect(sandbox: Sandbox, connect: Connect, dialect: Dialect) -> None:
    """Two rounds, of one request each: the payment type has to be known before its rate can be asked for."""
    sandbox.dialect = dialect
    client = connect(sandbox)
    draft = await client.create_draft("Label cats.")
    asked: list[str] = []

    async def say(gap: MissingField) -> object:
        asked.append(gap.field)
        await asyncio.sleep(0)
        return answer(gap)

    ready = await client.fill_gaps(draft, say)
    assert (ready.publish_ready, ready.missing, ready.job_id) == (True, (), draft.job_id)
    assert asked == list(ANSWERS)
    assert [request.operation for request in sandbox.requests] == ["create_draft", "update_draft", "update_draft"]
    assert (await client.publish(ready.job_id)).newly_published


async def test_a_draft_that_is_ready_is_left_alone() -> None:
    """Nobody is asked, and nothing is sent."""
    draft = Draft("job_1", validation=Validation(publish_ready=True))
    ready, server = await filled(draft, answer)
    assert (ready, server.log) == (draft, [])


async def test_only_what_is_missing_is_asked_and_sent() -> None:
    """In one request for all gaps of a round."""
    ready, server = await filled(draft_with("experienceLevel", "dataVolumeUnit"), answer, documented.UPDATED)
    assert server.bodies(PATCH) == [{"experienceLevel": "EXPERT", "dataVolumeUnit": "NUMBER_OF_FILES"}]
    assert ready.publish_ready


async def test_an_answer_for_several_keys_spares_their_questions() -> None:
    """What it has filled is not asked any more."""
    asked: list[str] = []

    def say(gap: MissingField) -> object:
        asked.append(gap.field)
        return {"payment_type": "FIXED_PRICE", "fixed_price": 90, "experience_level": "EXPERT"}

    pay = MissingField("pay", update_keys=("paymentType", "fixedPrice"))
    _, server = await filled(draft_with(pay, "experienceLevel"), say, documented.UPDATED)
    assert asked == ["pay"]
    assert server.bodies(PATCH) == [{"paymentType": "FIXED_PRICE", "fixedPrice": 90, "experienceLevel": "EXPERT"}]


async def test_gaps_without_a_name_are_asked_one_by_one() -> None:
    """Whoever knows what they are says it with the name; nothing is sent under the name of nothing."""
    items = [{"label": "Level"}, {"label": "Rate", "updateKeys": ["pricePerHour"]}]
    said = {"Level": {"experience_level": "EXPERT"}, "Rate": "18"}
    async with scripted() as server, client_of(server.url) as client:
        server.on(PATCH, left(*items), documented.UPDATED)
        draft = await client.update_draft("job_1", job_title="x")
        with pytest.raises(ConfigurationError, match="does not name the field"):
            await client.fill_gaps(draft, lambda _: "EXPERT")
        await client.fill_gaps(draft, lambda gap: said[str(gap.raw["label"])])
        assert server.bodies(PATCH)[1:] == [{"experienceLevel": "EXPERT", "pricePerHour": 18}]


async def test_an_answer_that_cannot_be_right_sends_nothing_of_its_round() -> None:
    """The text says which field and why; so does that of a model's mistake."""
    async with scripted() as server, client_of(server.url) as client:
        said: dict[str, object] = dict(ANSWERS)
        for wrong, text in ("files", "not 'files'"), (5, "not 5"):
            said["dataVolumeUnit"] = wrong
            with pytest.raises(ConfigurationError, match=rf"the answer for dataVolumeUnit: data_volume_unit .*{text}"):
                await client.fill_gaps(draft_with("experienceLevel", "dataVolumeUnit"), lambda gap: said[gap.field])
        assert server.log == []


async def test_what_could_be_answered_is_sent_before_the_rest_is_missed() -> None:
    """It is kept: whoever comes with the other answer need not give this one again."""
    error, sent = await stopped(draft_with("experienceLevel", "seed"), answer, left("seed"))
    assert sent == [{"experienceLevel": "EXPERT"}]
    assert (error.effect, error.job_id, [gap.field for gap in error.missing]) == ("applied", "job_1", ["seed"])
    assert str(error) == (
        "job_1: there is no answer for seed. The server had applied the change. Fill in seed, then publish it."
    )
    assert error.operation == "fill_gaps"


async def test_without_any_answer_nothing_is_sent() -> None:
    """No request for nothing."""
    error, sent = await stopped(draft_with("experienceLevel"), lambda _: None)
    assert (error.effect, sent) == ("none", [])


async def test_a_gap_without_an_answer_that_fills_itself_is_none() -> None:
    """Ready is ready, whoever has left what open."""
    ready, _ = await filled(draft_with("experienceLevel", "seed"), answer, documented.UPDATED)
    assert ready.publish_ready


async def test_a_gap_that_another_answer_has_closed_needs_none() -> None:
    """The rate per label is no gap any more once it is the hour that is paid; the next round asks for that."""
    draft = draft_with("paymentType", "pricePerLabel")
    _, server = await filled(draft, answer, left("pricePerHour"), documented.UPDATED)
    assert server.bodies(PATCH) == [{"paymentType": "PAY_PER_HOUR"}, {"pricePerHour": 18}]


async def test_a_round_that_fills_no_gap_is_the_last() -> None:
    """The service takes the answer and asks the same again: there is no third time."""
    error, sent = await stopped(draft_with("experienceLevel"), answer, left("experienceLevel"))
    assert len(sent) == 1
    assert "the last round of answers filled no gap" in str(error)
    assert (error.effect, [gap.field for gap in error.missing]) == ("applied", ["experienceLevel"])


async def test_gaps_that_come_and_go_end_too() -> None:
    """A round may be other than the last, and yet one that was there before."""
    error, sent = await stopped(draft_with("experienceLevel"), answer, left("dataVolumeUnit"), left("experienceLevel"))
    assert sent == [{"experienceLevel": "EXPERT"}, {"dataVolumeUnit": "NUMBER_OF_FILES"}]
    assert "filled no gap" in str(error)


async def test_gaps_that_nobody_names_cannot_be_filled() -> None:
    """The service counts what it does not name: that is an error, and no question."""
    error, sent = await stopped(draft_with(count=2), answer)
    assert (sent, error.effect) == ([], "none")
    assert "names no gap" in str(error)


@pytest.mark.parametrize(
    ("missing", "count", "left_over"),
    [
        (["experienceLevel", "seed"], 1, ["seed"]),
        (["experienceLevel", "seed"], 2, []),
        (["paymentType", "seed"], 2, ["seed", "pricePerHour"]),
        (["paymentType", "seed"], 1, ["seed"]),
        (["paymentType", "pricePerHour", "seed"], 1, ["seed"]),
    ],
)
async def test_gaps_that_an_update_only_counts_are_those_that_were_not_filled(
    missing: list[str], count: int, left_over: list[str]
) -> None:
    """And the rate that goes with a payment type; where the number is another, nobody knows which they are."""
    error, _ = await stopped(draft_with(*missing), answer, left(count=count))
    assert [gap.field for gap in error.missing] == left_over


async def test_gaps_that_an_update_does_not_even_count_are_those_that_were_not_filled() -> None:
    """Its verdict alone is enough to go on."""
    error, _ = await stopped(
        draft_with("experienceLevel", "seed"), answer, left() | {"validation": {"publishReady": False}}
    )
    assert [gap.field for gap in error.missing] == ["seed"]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"publishReady": False}, "experienceLevel"),
        ({"publishReady": False, "missingFieldCount": 0}, "experienceLevel"),
        ({"publishReady": False, "missingFieldCount": 0, "issueCount": 2}, "experienceLevel"),
        ({"issueCount": 2}, "experienceLevel"),
        ({"issueCount": 0}, "seed"),
        ({}, "seed"),
    ],
)
async def test_a_verdict_stands_and_silence_is_none(said: dict[str, object], field: str) -> None:
    """What the service calls unready is so though every gap was answered; saying nothing closes no gap."""
    gaps = dict.fromkeys(["experienceLevel", field])
    error, _ = await stopped(draft_with(*gaps), answer, left() | {"validation": said})
    assert [gap.field for gap in error.missing] == ([] if field == "experienceLevel" else ["seed"])


async def test_a_refusal_to_publish_is_as_good_as_the_draft(sandbox: Sandbox, connect: Connect) -> None:
    """The error knows which gaps there are."""
    job_id, client = sandbox.draft(missing=["experienceLevel"]), connect(sandbox)
    with pytest.raises(NotPublishReadyError) as caught:
        await client.publish(job_id)
    ready = await client.fill_gaps(caught.value, answer)
    assert (await client.publish(ready.job_id)).newly_published


async def test_a_refusal_to_publish_that_names_no_gap_is_no_readiness() -> None:
    """The service has just said that it is not ready, whatever its validation leaves out."""
    error = NotPublishReadyError(job_id="job_1")
    assert error.validation.is_ready
    async with scripted() as server, client_of(server.url) as client:
        with pytest.raises(DraftIncompleteError, match="names no gap"):
            await client.fill_gaps(error, answer)


async def test_a_draft_that_went_live_meanwhile_is_in_conflict(sandbox: Sandbox, connect: Connect) -> None:
    """The error has its state."""
    client = connect(sandbox)
    job_id = sandbox.draft(status="OPEN")
    draft = Draft(job_id, validation=Validation(False, 1, missing_fields=(MissingField("experienceLevel"),)))
    with pytest.raises(ConflictError) as caught:
        await client.fill_gaps(draft, answer)
    assert (caught.value.job_status, caught.value.effect) == ("OPEN", "none")


async def test_what_an_answer_raises_is_raised() -> None:
    """It is the caller's own."""

    def say(gap: MissingField) -> object:
        raise LookupError(gap.field)

    async with scripted() as server, client_of(server.url) as client:
        with pytest.raises(LookupError, match="experienceLevel"):
            await client.fill_gaps(draft_with("experienceLevel"), say)
        assert server.log == []


@pytest.mark.parametrize(
    ("draft", "say", "text"),
    [
        (draft_with("experienceLevel"), "EXPERT", "answer has to be callable"),
        ("job_1", answer, "draft has to be a Draft"),
        (NotPublishReadyError(), answer, "not a job id"),
        (Draft("../jobs/job_1", validation=draft_with("experienceLevel").validation), answer, "not a job id"),
    ],
)
async def test_what_cannot_be_filled_is_refused(draft: object, say: object, text: str) -> None:
    """By the name of the argument."""
    async with scripted() as server, client_of(server.url) as client:
        with pytest.raises(ConfigurationError, match=text):
            await client.fill_gaps(draft, say)  # type: ignore[arg-type]


@pytest.mark.parametrize("where", ["answer", "request"])
async def test_cancelled_in_the_middle_it_ends_there(where: str) -> None:
    """While an answer is awaited, and while the update is under way; no task is left, and the client goes on."""
    asked = asyncio.Event()

    async def say(gap: MissingField) -> object:
        asked.set()
        if where == "answer":
            await asyncio.Event().wait()
        return answer(gap)

    async with scripted() as server, client_of(server.on(PATCH, NEVER, documented.UPDATED).url) as client:
        filling = asyncio.create_task(client.fill_gaps(draft_with("experienceLevel"), say))
        await until(lambda: server.log if where == "request" else asked.is_set())
        await cancelled(filling)
        assert len(server.log) == (1 if where == "request" else 0)
        assert tasks_but_of_servers() == {asyncio.current_task()}
        server.forget()
        assert (await client.update_draft("job_1", experience_level="EXPERT")).publish_ready
