"""JSON and the models: nothing is coerced, nothing unknown is lost, and no shape raises anything but its own error."""

import json
from collections.abc import Callable

import pytest
from attrs import fields
from hypothesis import given

from opentrain_async._base.json import WrongShapeError
from opentrain_async._service import codec
from opentrain_async.models import Claim, Draft, PublishResult, SideEffects

from ..support.answers import JSON, LIVE, result_of

WRONG: dict[str, list[object]] = {
    "jobId": [5, True, 1.5, [], ["job_1"], {}],
    "status": [5, False, 1.5, [], {}],
    "alreadyPublished": ["false", "", 0, 1, 0.0, [], {}],
    "jobUrl": [5, True, [], {}],
    "publishAttemptId": [5, True, [], {}],
    "warnings": ["thin", 5, True, {}, [5], [None], [["thin"]], ["thin", {}]],
    "sideEffects": ["queued", 5, True, [], {"dispatched": "true"}, {"dispatched": 1}, {"status": 5}, {"status": []}],
}


@pytest.mark.parametrize("value", ["", "a b", "ü", "\x1b[2J", "x" * 8193, 5, None, ["x"]], ids=range(8))
def test_what_cannot_be_a_token_is_a_wrong_shape(value: object) -> None:
    """A page that is printed whole is one too: it has no control characters, and it has an end."""
    claim = {"user_code": "1", "verification_uri": "x" * 8192}
    assert codec.read(Claim, claim).verification_uri.reveal() == "x" * 8192
    with pytest.raises(WrongShapeError, match="verification_uri"):
        codec.read(Claim, {**claim, "verification_uri": value})


def test_the_documented_answer_is_read_key_by_key() -> None:
    """Each key of the page has its attribute, in snake_case."""
    assert result_of(LIVE) == PublishResult(
        job_id="job_1",
        already_published=False,
        status="OPEN",
        job_url="https://app.opentrain.ai/jobs/job_1",
        publish_attempt_id="attempt_7",
        warnings=("thin description",),
        side_effects=SideEffects(dispatched=True, status="queued"),
        newly_published=True,
    )


def test_the_results_of_a_run_share_what_is_equal() -> None:
    """A run keeps every result, and nearly all of them had the same effects."""
    one, other = result_of(LIVE), result_of(LIVE | {"jobId": "job_2"})
    assert one.side_effects is other.side_effects
    one, other = (result_of(LIVE | {"sideEffects": {"dispatched": True}, "jobId": job}) for job in ("job_1", "job_2"))
    assert one.side_effects is other.side_effects
    assert result_of(LIVE | {"sideEffects": {"dispatched": False}}).side_effects == SideEffects(dispatched=False)
    assert [key.name for key in fields(SideEffects)] == ["dispatched", "status"], "there is more that has to be equal"


@pytest.mark.parametrize(("already", "newly"), [(False, True), (True, False)])
def test_newly_is_the_opposite_of_already(already: bool, newly: bool) -> None:
    """Of one single answer the server's word is all there is."""
    assert result_of(LIVE | {"alreadyPublished": already}).newly_published is newly


@pytest.mark.parametrize("left_out", [False, True], ids=["null", "left out"])
@pytest.mark.parametrize(
    ("key", "read"),
    [
        ("ok", lambda result: result.newly_published),
        ("status", lambda result: result.status == "OPEN"),
        ("jobUrl", lambda result: result.job_url is None),
        ("publishAttemptId", lambda result: result.publish_attempt_id is None),
        ("warnings", lambda result: result.warnings == ()),
        ("sideEffects", lambda result: result.side_effects == SideEffects(None, None)),
    ],
)
def test_null_is_as_good_as_left_out(key: str, read: Callable[[PublishResult], bool], left_out: bool) -> None:
    """Only the id and `alreadyPublished` have to be there."""
    payload = {name: value for name, value in LIVE.items() if name != key}
    assert read(result_of(payload if left_out else payload | {key: None}))


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in WRONG.items() for value in values])
def test_a_wrong_type_is_no_publish_result(key: str, value: object) -> None:
    """Nothing is coerced: the text names the key, and is neither a KeyError nor a TypeError."""
    with pytest.raises(WrongShapeError) as caught:
        result_of(LIVE | {key: value})
    snake = {"jobId": "job_id", "alreadyPublished": "already_published", "jobUrl": "job_url"}
    snake |= {"publishAttemptId": "publish_attempt_id", "sideEffects": "side_effects"}
    assert f"$.{snake.get(key, key)}" in str(caught.value)


@pytest.mark.parametrize("key", ["jobId", "alreadyPublished"])
@pytest.mark.parametrize("left_out", [False, True], ids=["null", "left out"])
def test_what_decides_has_to_be_there(key: str, left_out: bool) -> None:
    """A body that does not say which job, or whether it was live before, says nothing."""
    payload = {name: value for name, value in LIVE.items() if name != key}
    with pytest.raises(WrongShapeError, match="required field missing" if left_out else "expected (str|bool)"):
        result_of(payload if left_out else payload | {key: None})


def test_what_is_wrong_with_the_effects_is_named_to_the_key() -> None:
    """The effects of a publish are read as strictly as the rest, one key at a time."""
    with pytest.raises(WrongShapeError, match=r"\$\.side_effects\.status"):
        result_of(LIVE | {"sideEffects": {"dispatched": True, "status": 5}})


def test_the_text_of_a_wrong_shape_keeps_the_values_to_itself() -> None:
    """Values may be personal, so the error names keys and types only."""
    with pytest.raises(WrongShapeError) as caught:
        result_of(LIVE | {"jobUrl": ["private"], "warnings": "private"})
    assert "private" not in str(caught.value)
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)


@pytest.mark.parametrize("extra", [{"cost": 1}, {"raw": [1]}, {"newlyPublished": "yes"}, {"sideEffects": {"x": 2}}])
def test_F41_what_is_unknown_is_kept_and_means_nothing(extra: dict[str, object]) -> None:
    """A key that the service adds later changes nothing but `raw`, whatever it is called."""
    payload = {"jobId": "job_1", "alreadyPublished": False}
    read = result_of(payload | extra)
    assert read == PublishResult("job_1", already_published=False)
    assert read.raw == payload | extra


def test_a_body_key_of_the_server_does_not_take_the_body_s_place() -> None:
    """`body` is the body as it came, even where the body itself has a key of that name."""
    payload = LIVE | {"body": "forged"}
    read = result_of(payload)
    assert read.body == json.dumps(payload).encode()
    assert read.raw == payload


def test_F41_a_status_that_is_new_passes() -> None:
    """Values that the service adds to its enumerations are strings as they are."""
    assert result_of(LIVE | {"status": "SCHEDULED"}).status == "SCHEDULED"


@given(JSON)
def test_any_json_is_a_result_or_a_wrong_shape(payload: object) -> None:
    """No JSON whatsoever makes reading fail in another way."""
    try:
        read = result_of(payload)
    except WrongShapeError:
        return
    assert isinstance(payload, dict)
    said = payload.get("alreadyPublished")
    assert (read.job_id, read.already_published) == (payload["jobId"], True if said is None else said)


def test_F41_a_key_of_another_shape_is_taken_for_one_that_was_left_out() -> None:
    """Whichever it is, of a draft; what decides is there."""
    keys = ("status", "draftUrl", "validation", "normalizedFields", "warnings", "unmappedFields", "lowConfidenceFields")
    assert codec.read(Draft, {"jobId": "job_1", **dict.fromkeys(keys, 7)}) == Draft("job_1")
