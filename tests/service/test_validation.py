"""What a draft still needs, in each documented form."""

import pytest
from hypothesis import given

from opentrain_async._service.validation import validation
from opentrain_async.models import MissingField, Validation

from ..support.answers import FULL, JSON


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
