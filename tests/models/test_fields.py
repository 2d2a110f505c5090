"""A draft's fields: what has another name, what cannot be a value, and what an answer for a gap means."""

import math
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrain_async.models import DraftFields, MissingField
from opentrain_async.models._fields import DOCUMENTED, body_of, camel, snake

ENDLESS: list[object] = []
ENDLESS.append(ENDLESS)
LEVEL = MissingField("experienceLevel")
RATE = MissingField("rate", type="number", update_keys=("pricePerHour", "pricePerLabel"))


class Level(str, Enum):  # noqa: UP042 - as callers have it whose own floor is older
    """What callers make of the documented values."""

    BEST = "EXPERT"


class Mute:
    """What nobody can show."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def refusal_of(fields: Mapping[str, object], keys: tuple[str, ...] = ()) -> str:
    """Why an update of these fields is refused."""
    with pytest.raises(ValueError, match=r".") as caught:
        body_of(fields, keys)
    return str(caught.value)


def refusal_by(gap: MissingField, answer: object) -> str:
    """Why an answer for a gap is refused."""
    with pytest.raises(ValueError, match=r".") as caught:
        gap.update(answer)
    return str(caught.value)


def test_every_field_has_the_service_s_name() -> None:
    """The documented ones, in camel case, and none besides."""
    assert body_of({"job_title": "Cats", "price_per_hour": 18}) == {"jobTitle": "Cats", "pricePerHour": 18}
    assert {camel(name) for name in DraftFields.__annotations__} == DOCUMENTED
    assert {snake(key) for key in DOCUMENTED} == set(DraftFields.__annotations__)
    assert len(DOCUMENTED) == 26


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"job_title": "Cats", "job_description": " x "}, {"jobTitle": "Cats", "jobDescription": " x "}),
        ({"payment_type": "PAY_PER_HOUR"}, {"paymentType": "PAY_PER_HOUR"}),
        ({"experience_level": Level.BEST, "job_title": "x"}, {"experienceLevel": "EXPERT", "jobTitle": "x"}),
        ({"price_per_label": 0.05}, {"pricePerLabel": 0.05}),
        ({"fixed_price": 90.0}, {"fixedPrice": 90}),
        ({"data_volume": 1e15}, {"dataVolume": 10**15}),
        ({"headcount": 2.0}, {"headcount": 2}),
        ({"languages": ("English", "Dutch")}, {"languages": ["English", "Dutch"]}),
        ({"countries": ["NL"]}, {"countries": ["NL"]}),
        ({"budget_range": {"min": 1, "max": [2, None]}}, {"budgetRange": {"min": 1, "max": [2, None]}}),
        ({"visibility": False}, {"visibility": False}),
    ],
)
def test_what_a_field_can_hold_is_sent_as_it_is(fields: dict[str, object], sent: dict[str, object]) -> None:
    """A whole number goes without a point; of a field without a documented type anything goes that JSON can say."""
    body = body_of(fields)
    assert body == sent
    assert [type(value) for value in body.values()] == [type(value) for value in sent.values()]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "nothing to update: name at least one field, such as job_title="),
        ({"job_titel": "x"}, "a draft has no field job_titel: did you mean job_title?"),
        ({"jobTitle": "x"}, "a draft has no field jobTitle: did you mean job_title?"),
        ({"price__per_hour": 1}, "did you mean price_per_hour?"),
        ({"zzz\n": 1}, "a draft has no field zzz\\n: a draft has ai_interview_requirements, budget_range, countries"),
        ({"job_title": ""}, "job_title has to be a text that is not empty, not ''"),
        ({"job_title": " \n"}, "job_title has to be a text that is not empty"),
        ({"job_description": 5}, "job_description has to be a text that is not empty, not 5"),
        ({"labeling_overview": None}, "labeling_overview has to be a text"),
        ({"payment_type": "hourly"}, "payment_type has to be one of PAY_PER_LABEL, PAY_PER_HOUR, FIXED_PRICE, not"),
        ({"payment_type": "pay per hour"}, "; did you mean PAY_PER_HOUR?"),
        ({"experience_level": "expert"}, "; did you mean EXPERT?"),
        ({"experience_level": 5}, "experience_level has to be one of EXPERT"),
        ({"experience_level": ["EXPERT"]}, "experience_level has to be one of EXPERT"),
        ({"price_per_hour": 0}, "price_per_hour has to be a number above 0, not 0"),
        ({"price_per_hour": -1.5}, "price_per_hour has to be a number above 0, not -1.5"),
        ({"price_per_hour": "18"}, "price_per_hour has to be a number above 0, not '18'"),
        ({"price_per_label": True}, "price_per_label has to be a number above 0, not True"),
        ({"fixed_price": math.nan}, "fixed_price has to be a number above 0, not nan"),
        ({"fixed_price": math.inf}, "fixed_price has to be a number above 0, not inf"),
        ({"fixed_price": 10**5000}, "fixed_price has to be a number that makes sense, not <int>"),
        ({"data_volume": None}, "data_volume has to be a number above 0, not None"),
        ({"headcount": 0}, "headcount has to be a whole number from 1, not 0"),
        ({"headcount": "3"}, "headcount has to be a whole number from 1, not '3'"),
        ({"headcount": 1.5}, "headcount has to be a whole number from 1, not 1.5"),
        ({"languages": "English"}, "languages has to be a list of texts"),
        ({"languages": {"English"}}, "languages has to be a list of texts"),
        ({"languages": ["English", ""]}, "languages has to be a list of texts"),
        ({"countries": ["NL", 5]}, "countries has to be a list of texts"),
        ({"label_types": []}, "label_types has to be a list of texts, at least one and none of them empty, not []"),
        ({"visibility": None}, "visibility cannot be cleared: what null does is not documented"),
        ({"data_type": math.nan}, "data_type has to be what JSON can say, not nan"),
        ({"data_type": b"x"}, "data_type has to be what JSON can say, not b'x'"),
        ({"data_type": ENDLESS}, "data_type has to be what JSON can say"),
        ({"data_type": Mute()}, "data_type has to be what JSON can say, not <Mute>"),
    ],
)
def test_what_cannot_be_right_is_refused_by_name(fields: dict[str, object], text: str) -> None:
    """The text says which field it is, as it is called here, and why."""
    assert text in refusal_of(fields)


def test_a_field_that_cannot_be_cleared_is_not_told_what_else_it_is_not() -> None:
    """The reason is the whole of it."""
    assert refusal_of({"visibility": None}).endswith("is not documented")


def test_a_field_that_the_service_has_named_is_let_through() -> None:
    """It may hold anything, as nobody has said what it is."""
    assert body_of({"review_stages": 2, "job_title": "x"}, ["reviewStages"]) == {"reviewStages": 2, "jobTitle": "x"}
    assert "review_stages" in refusal_of({"review_stage": 2}, ("reviewStages",))


NAMES = st.sampled_from(sorted(DraftFields.__annotations__)) | st.text(max_size=12)


def test_the_choices_are_those_that_the_service_has_named() -> None:
    """In the place of the documented ones, if it has named any; and of a field that it has only now."""
    enums = {"experienceLevel": ("GURU",), "reviewLevel": ("DEEP",), "paymentType": ()}
    keys = ["reviewLevel"]
    fields = {"experience_level": "GURU", "review_level": "DEEP", "payment_type": "FIXED_PRICE"}
    assert list(body_of(fields, keys, enums).values()) == ["GURU", "DEEP", "FIXED_PRICE"]
    for wrong in {"experience_level": "EXPERT"}, {"review_level": "SHALLOW"}, {"payment_type": "NONE"}:
        with pytest.raises(ValueError, match="has to be one of"):
            body_of(wrong, keys, enums)


@given(st.from_regex(r"[a-z]+([A-Z][a-z0-9]*)*", fullmatch=True))
def test_a_name_leads_back_to_its_key(key: str) -> None:
    """Also where the service's has digits, or a capital after a capital."""
    assert camel(snake(key)) == key


def test_a_key_that_is_in_snake_case_already_is_its_own_name() -> None:
    """The service has the last word on how it spells what."""
    assert body_of({"odd_key": 1}, ["odd_key"]) == {"odd_key": 1}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(NAMES, JSON, max_size=3))
def test_any_fields_are_sent_or_refused(fields: dict[str, object]) -> None:
    """Whatever is given for them, under whatever name, nothing but a ValueError is raised."""
    try:
        body = body_of(fields)
    except ValueError:
        return
    assert set(body) <= DOCUMENTED


GAPS = [
    LEVEL,
    RATE,
    MissingField("languages"),
    MissingField("headcount", type="number"),
    MissingField("budgetRange"),
    MissingField("newOne", type="boolean"),
    MissingField("labelTypes", enum_values=("BOX", "MASK")),
]
ANSWERS = JSON | st.dictionaries(
    NAMES | st.sampled_from(["experienceLevel", "budgetRange", "newOne"]), JSON, max_size=3
)


@pytest.mark.parametrize("gap", GAPS, ids=lambda gap: gap.field)
@given(answer=ANSWERS)
def test_any_answer_is_a_body_or_refused(gap: MissingField, answer: object) -> None:
    """A person or a model may say anything: nothing but a ValueError is raised."""
    try:
        body = gap.update(answer)
    except ValueError:
        return
    assert body


@pytest.mark.parametrize(
    ("gap", "answer", "sent"),
    [
        (LEVEL, " EXPERT ", {"experienceLevel": "EXPERT"}),
        (RATE, "18", {"pricePerHour": 18}),
        (RATE, 18.5, {"pricePerHour": 18.5}),
        (RATE, " 1e-2\n", {"pricePerHour": 0.01}),
        (RATE, {"price_per_label": "0.05"}, {"pricePerLabel": 0.05}),
        (RATE, {"pricePerHour": "18", "job_title": "x"}, {"pricePerHour": 18, "jobTitle": "x"}),
        (MissingField("pricePerHour", update_keys=("paymentType", "pricePerHour")), 18, {"pricePerHour": 18}),
        (MissingField("headcount"), "3", {"headcount": 3}),
        (MissingField("?", update_keys=("headcount",)), "3", {"headcount": 3}),
        (MissingField("?"), {"headcount": "3"}, {"headcount": 3}),
        (MissingField("newRate", type="number"), "3", {"newRate": 3}),
        (MissingField("newOne"), " as it is ", {"newOne": "as it is"}),
        (MissingField("newOne"), 5, {"newOne": 5}),
        (MissingField("newOne", enum_values=("A", "B")), "A", {"newOne": "A"}),
        (MissingField("experienceLevel", enum_values=("GURU",)), "GURU", {"experienceLevel": "GURU"}),
        (MissingField("languages"), "English, Dutch ,", {"languages": ["English", "Dutch"]}),
        (MissingField("labelTypes", enum_values=("BOX", "MASK")), "MASK", {"labelTypes": ["MASK"]}),
        (MissingField("labelTypes", enum_values=("BOX", "MASK")), ["BOX"], {"labelTypes": ["BOX"]}),
        (MissingField("budgetRange"), {"budget_range": {"min": 1}}, {"budgetRange": {"min": 1}}),
        (MissingField("dataType"), {"data_type": {"job_title": "x"}}, {"dataType": {"job_title": "x"}}),
        (MissingField("budgetRange"), MappingProxyType({"data_type": "x"}), {"dataType": "x"}),
    ],
)  # fmt: skip
def test_an_answer_is_taken_as_people_give_it(gap: MissingField, answer: object, sent: dict[str, object]) -> None:
    """Numbers may be written out, lists have commas, and a mapping is for several keys."""
    assert gap.update(answer) == sent


@pytest.mark.parametrize(
    ("gap", "answer", "text"),
    [
        (LEVEL, "expert", "experience_level has to be one of EXPERT, ENTRY_LEVEL"),
        (LEVEL, "expert", "did you mean EXPERT?"),
        (MissingField("experienceLevel", enum_values=("GURU",)), "EXPERT", "has to be one of GURU, not 'EXPERT'"),
        (RATE, "a lot", "price_per_hour has to be a number above 0, not 'a lot'"),
        (RATE, "-1", "price_per_hour has to be a number above 0, not '-1'"),
        (RATE, "inf", "price_per_hour has to be a number above 0, not 'inf'"),
        (MissingField("headcount"), "2.5", "headcount has to be a whole number from 1, not '2.5'"),
        (MissingField("headcount"), "some", "headcount has to be a whole number from 1, not 'some'"),
        (MissingField("languages"), " , ", "languages has to be a list of texts"),
        (MissingField("labelTypes", enum_values=("BOX", "MASK")), "box, MASK", "did you mean BOX?"),
        (MissingField("jobTitle"), "", "job_title has to be a text that is not empty"),
        (MissingField("?"), "EXPERT", "the service does not name the field"),
        (RATE, {}, "rate: an answer for several keys needs their names"),
        (RATE, {5: 6}, "rate: an answer for several keys needs their names"),
        (RATE, {"price": 18}, "rate: an answer for price, which a draft does not have"),
        (RATE, {"payment_type": "PAY"}, "payment_type has to be one of"),
    ],
)
def test_an_answer_that_cannot_be_right_is_refused_with_the_reason(
    gap: MissingField, answer: object, text: str
) -> None:
    """It says of which field, and what would do."""
    assert text in refusal_by(gap, answer)


@pytest.mark.parametrize(
    ("gap", "question"),
    [
        (MissingField("experienceLevel", prompt="ask: Which level?"), "Which level?"),
        (MissingField("experienceLevel", prompt=" Which level? "), "Which level?"),
        (MissingField("experienceLevel", prompt="ask:", label="Level"), "Level?"),
        (MissingField("experienceLevel"), "Experience level?"),
    ],
)
def test_every_gap_has_a_question(gap: MissingField, question: str) -> None:
    """The service's own without what some pages put before it, or else one that is made of the name."""
    assert gap.question == question


def test_choices_are_the_service_s_or_else_the_documented_ones() -> None:
    """A bare name still has its choices."""
    assert MissingField("experienceLevel", enum_values=("GURU",)).choices == ("GURU",)
    assert LEVEL.choices == ("EXPERT", "ENTRY_LEVEL", "INTERMEDIATE", "ANY_EXPERIENCE_LEVEL")
    assert (RATE.choices, MissingField("newOne").choices) == ((), ())
