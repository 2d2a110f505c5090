"""JSON and the models: nothing is coerced, nothing unknown is lost, and no shape raises anything but its own error."""

import json
from collections.abc import Callable

import pytest
from attrs import fields
from hypothesis import given
from hypothesis import strategies as st

from opentrain_async._base.json import WrongShapeError, decode
from opentrain_async._service import codec
from opentrain_async._service.validation import validation
from opentrain_async.models import Draft, MissingField, PublishResult, SideEffects, Validation

LIVE: dict[str, object] = {
    "ok": True,
    "jobId": "job_1",
    "status": "OPEN",
    "alreadyPublished": False,
    "jobUrl": "https://app.opentrain.ai/jobs/job_1",
    "publishAttemptId": "attempt_7",
    "warnings": ["thin description"],
    "sideEffects": {"dispatched": True, "status": "queued"},
}
FULL = {
    "field": "experienceLevel",
    "label": "Experience level",
    "message": "It is missing.",
    "code": "missing_required_field",
    "prompt": "ask: which level?",
    "type": "enum",
    "enumValues": ["EXPERT", "ENTRY_LEVEL"],
    "updateKeys": ["experienceLevel"],
    "example": "EXPERT",
    "hint": None,
}
WRONG: dict[str, list[object]] = {
    "jobId": [5, True, 1.5, [], ["job_1"], {}],
    "status": [5, False, 1.5, [], {}],
    "alreadyPublished": ["false", "", 0, 1, 0.0, [], {}],
    "jobUrl": [5, True, [], {}],
    "publishAttemptId": [5, True, [], {}],
    "warnings": ["thin", 5, True, {}, [5], [None], [["thin"]], ["thin", {}]],
    "sideEffects": ["queued", 5, True, [], {"dispatched": "true"}, {"dispatched": 1}, {"status": 5}, {"status": []}],
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*LIVE, *FULL, "x"]), inner, max_size=6)
    ),
    max_leaves=12,
)


def result_of(payload: object) -> PublishResult:
    """What the JSON of a payload is read as."""
    return codec.publish_result(json.dumps(payload).encode())


def nested(depth: int) -> bytes:
    """Lists in lists."""
    return b"[" * depth + b"]" * depth


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


@pytest.mark.parametrize(("before", "after"), [(b"\xef\xbb\xbf", b""), (b" \r\n\t", b"\n ")])
def test_blanks_and_a_byte_order_mark_may_stand_around_json(before: bytes, after: bytes) -> None:
    """They are allowed, or at least usual, and change nothing."""
    assert codec.publish_result(before + json.dumps(LIVE).encode() + after).job_id == "job_1"


@pytest.mark.parametrize("body", [b'{"ok": true} {}', b"\xc2\xa0{}", b"{}\x1c", b"\xff{}", '{"a": 1}'.encode("utf-16")])
def test_anything_else_around_it_is_no_json(body: bytes) -> None:
    """Nor is what is not UTF-8."""
    with pytest.raises(WrongShapeError, match="no JSON"):
        decode(body)


def test_F41_a_status_that_is_new_passes() -> None:
    """Values that the service adds to its enumerations are strings as they are."""
    assert result_of(LIVE | {"status": "SCHEDULED"}).status == "SCHEDULED"


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"<html>", b'{"jobId":', b"\xff\xfe\x00", nested(100_000), b"[" + b"9" * 5000 + b"]", b"nul"],
    ids=["empty", "blank", "html", "cut", "binary", "deep", "huge int", "word"],
)
def test_what_is_no_json_is_a_wrong_shape(body: bytes) -> None:
    """Also where it is nested without end, or a number longer than Python reads."""
    with pytest.raises(WrongShapeError, match="no JSON"):
        codec.publish_result(body)


@pytest.mark.parametrize("body", [b"[]", b"null", b"5", b'"job_1"', b"true", b"NaN", nested(50)])
def test_json_that_is_no_object_is_a_wrong_shape(body: bytes) -> None:
    """What it is instead is said."""
    with pytest.raises(WrongShapeError, match="expected an object, got"):
        codec.publish_result(body)


@given(JSON)
def test_any_json_is_a_result_or_a_wrong_shape(payload: object) -> None:
    """No JSON whatsoever makes reading fail in another way."""
    try:
        read = result_of(payload)
    except WrongShapeError:
        return
    assert isinstance(payload, dict)
    assert (read.job_id, read.already_published) == (payload["jobId"], payload["alreadyPublished"])


@given(JSON, JSON)
def test_any_json_is_read_as_some_validation(details: object, body: object) -> None:
    """Validation is help for the user, so reading it never fails; what it counts are numbers."""
    objects = [value if isinstance(value, dict) else {"validation": value} for value in (details, body)]
    read = validation(*objects)
    assert {type(item) for item in read.missing_fields} <= {MissingField}
    assert type(read.issue_count) in {int, type(None)}


@pytest.mark.parametrize(
    ("details", "body"),
    [
        ({"validation": {"missingFields": [FULL]}}, {}),
        ({"validation": {}, "missingFields": [FULL]}, {}),
        ({"validation": {}}, {"missingFields": [FULL]}),
        ({"validation": {"missingFields": ["experienceLevel"]}, "missingFields": [FULL]}, {}),
        ({"validation": {"missingFields": [FULL]}, "missingFields": ["experienceLevel"]}, {}),
    ],
    ids=["inside", "beside", "top level", "name inside, object beside", "object inside, name beside"],
)
def test_missing_fields_are_found_wherever_they_stand(details: dict[str, object], body: dict[str, object]) -> None:
    """Said in several places, one gap is one gap, and the fuller item of it is kept."""
    (item,) = validation(details, body).missing_fields
    assert item == MissingField(
        "experienceLevel",
        label="Experience level",
        message="It is missing.",
        code="missing_required_field",
        prompt="ask: which level?",
        type="enum",
        enum_values=("EXPERT", "ENTRY_LEVEL"),
        update_keys=("experienceLevel",),
        example="EXPERT",
        hint=None,
    )
    assert item.raw == FULL


@pytest.mark.parametrize(
    ("items", "fields"),
    [
        ([], []),
        (["a", "b", "a"], ["a", "b"]),
        (["a", {"field": "b"}], ["a", "b"]),
        ([{"field": "a", "enumValues": None}], ["a"]),
        ([{"field": "a", "enumValues": "EXPERT", "unknown": 1}], ["a"]),
        ([{"field": 5}], ["?"]),
        ([{"label": "A"}], ["?"]),
        ([5, None, ["a"]], ["?", "?", "?"]),
        ({"a": "missing"}, []),
        ("a", []),
        (None, []),
    ],
)
def test_missing_fields_come_in_many_forms(items: object, fields: list[str]) -> None:
    """Names and objects are gaps in the order they came; an item without a readable name is a gap of no name."""
    read = validation({"validation": {"missingFields": items}}, {})
    assert [item.field for item in read.missing_fields] == fields


def test_a_gap_that_is_not_as_documented_keeps_its_object() -> None:
    """One key of a wrong type takes the others out of the attributes, and none out of `raw`."""
    odd = {"field": "rate", "updateKeys": "pricePerHour", "more": [1]}
    (item,) = validation({"validation": {"missingFields": [odd]}}, {}).missing_fields
    assert (item.field, item.update_keys, item.raw) == ("rate", (), odd)


def test_gaps_without_a_name_are_not_the_same_gap() -> None:
    """Two items that name no field are two, with what each of them says."""
    items = [{"label": "Rate"}, {"label": "Volume"}]
    read = validation({"validation": {"missingFields": items}}, {})
    assert [item.raw for item in read.missing_fields] == items


@pytest.mark.parametrize("value", [None, [], "x", 5, True, {}])
def test_a_validation_that_says_nothing_is_an_empty_one(value: object) -> None:
    """Whatever stands in its place."""
    assert validation({"validation": value}, {}) == Validation()


def test_the_verdict_and_the_counts_are_taken_as_they_are() -> None:
    """They and the issues come from `validation`, which is kept whole."""
    raw = {"publishReady": False, "missingFieldCount": 2, "issueCount": 1, "issues": [{"any": "thing"}, "text"], "n": 1}
    read = validation({"validation": raw}, {"issues": ["elsewhere"]})
    assert (read.publish_ready, read.missing_field_count, read.issue_count) == (False, 2, 1)
    assert (read.issues, read.raw) == (({"any": "thing"}, "text"), raw)


@pytest.mark.parametrize("value", ["2", 2.0, True, [], {}, None])
def test_a_count_that_is_no_whole_number_is_no_count(value: object) -> None:
    """Neither a string nor a float nor a truth value counts anything."""
    read = validation({"validation": {"missingFieldCount": value, "issueCount": value}}, {})
    assert (read.missing_field_count, read.issue_count) == (None, None)


def test_F41_a_key_of_another_shape_is_taken_for_one_that_was_left_out() -> None:
    """Whichever it is, of a draft; what decides is there."""
    keys = ("status", "draftUrl", "validation", "normalizedFields", "warnings", "unmappedFields", "lowConfidenceFields")
    assert codec.read(Draft, {"jobId": "job_1", **dict.fromkeys(keys, 7)}) == Draft("job_1")


def test_F03_a_200_that_says_it_is_not_ok_is_no_result() -> None:
    """What contradicts itself is not taken for a publish."""
    with pytest.raises(WrongShapeError, match="ok is false"):
        result_of({**LIVE, "ok": False})
