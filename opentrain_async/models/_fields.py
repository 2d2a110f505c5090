"""The fields of a draft: their names here and at the service, and the values that each can have.

Source: https://www.opentrain.ai/docs/developers/api-reference/job-drafts/update/. The page prints the names, three
enumerations, and no ranges: that a price is above 0, and that trainers are counted in whole numbers, is inferred. Of a
field whose type is not shown anything passes that JSON can say; the service has the last word.
"""

import difflib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Literal, TypedDict, cast

from attrs import frozen

from .._base.text import exact_str, listed, one_line, shown

_HIGHEST = 1e15
"""Above it no number of this service makes sense, and not every JSON reader keeps it as it is."""
Kind = Literal["text", "amount", "count", "choice", "texts", "any"]


class DraftFields(TypedDict, total=False):
    """The documented fields of a draft. A field that is left out stays as it is."""

    job_title: str
    job_description: str
    payment_type: str
    price_per_hour: float
    price_per_label: float
    fixed_price: float
    experience_level: str
    data_volume: float
    data_volume_unit: str
    languages: list[str] | tuple[str, ...]
    countries: list[str] | tuple[str, ...]
    label_types: list[str] | tuple[str, ...]
    headcount: int
    labeling_overview: str
    dataset_description: str
    data_type: object
    subject_matter: object
    labeling_software: object
    ai_interview_requirements: object
    budget_range: object
    workload_desc: object
    time_requirement: object
    project_duration: object
    freelancer_type: object
    project_scope: object
    visibility: object


@frozen
class Rule:
    """What can be a value of a field."""

    kind: Kind = "any"
    choices: tuple[str, ...] = ()


_PAYMENT_TYPES = ("PAY_PER_LABEL", "PAY_PER_HOUR", "FIXED_PRICE")
_EXPERIENCE_LEVELS = ("EXPERT", "ENTRY_LEVEL", "INTERMEDIATE", "ANY_EXPERIENCE_LEVEL")
_DATA_VOLUME_UNITS = (
    "HOURS_OF_RECORDING_AUDIO_VIDEO",
    "NUMBER_OF_FILES",
    "NUMBER_OF_WORDS",
    "UNKNOWN_NOT_SPECIFIED",
)
_RULES: Mapping[str, Rule] = {
    "jobTitle": Rule("text"),
    "jobDescription": Rule("text"),
    "paymentType": Rule("choice", _PAYMENT_TYPES),
    "pricePerHour": Rule("amount"),
    "pricePerLabel": Rule("amount"),
    "fixedPrice": Rule("amount"),
    "experienceLevel": Rule("choice", _EXPERIENCE_LEVELS),
    "dataVolume": Rule("amount"),
    "dataVolumeUnit": Rule("choice", _DATA_VOLUME_UNITS),
    "languages": Rule("texts"),
    "countries": Rule("texts"),
    "labelTypes": Rule("texts"),
    "headcount": Rule("count"),
    "labelingOverview": Rule("text"),
    "datasetDescription": Rule("text"),
}


RATES: Mapping[str, str] = {
    "PAY_PER_LABEL": "pricePerLabel",
    "PAY_PER_HOUR": "pricePerHour",
    "FIXED_PRICE": "fixedPrice",
}
"""The rate that goes with each payment type."""


def camel(name: str) -> str:
    """A name of ours as the service spells it: ``pricePerHour`` of ``price_per_hour``."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def snake(key: str) -> str:
    """A name of the service's as it is spelled here: ``price_per_hour`` of ``pricePerHour``."""
    return "".join(f"_{mark.lower()}" if mark.isupper() else mark for mark in key)


_NO_ENUMS: Mapping[str, tuple[str, ...]] = {}

DOCUMENTED: frozenset[str] = frozenset(map(camel, DraftFields.__annotations__))
"""The keys that the pages name; there may be more, which `capabilities` tells."""


def rule_for(key: str, *, choices: tuple[str, ...] | None = None, type_name: str | None = None) -> Rule:
    """What can be a value of a key: what the service says of it now (*choices*, *type_name*), or what its pages do."""
    documented = _RULES.get(key, Rule())
    if choices:
        return Rule("texts" if documented.kind == "texts" else "choice", choices)
    if documented.kind == "any" and type_name == "number":
        return Rule("amount")
    return documented


def body_of(
    fields: Mapping[str, object], keys: Iterable[str] = (), enums: Mapping[str, tuple[str, ...]] = _NO_ENUMS
) -> dict[str, object]:
    """The body of an update that sets these fields, by their names here.

    What the service has said of itself goes before its pages: *keys* are known beside the documented ones, and
    *enums* has the choices of some.

    Raises:
        ValueError: There are none, one has no such name, or cannot have that value. The text says which, and why.
    """
    if not fields:
        raise ValueError("there is nothing to update: name at least one field, such as job_title=")
    known = DOCUMENTED.union(keys)
    named = {_key(name, known): value for name, value in fields.items()}
    return {key: checked(key, value, rule_for(key, choices=enums.get(key))) for key, value in named.items()}


def checked(key: str, value: object, rule: Rule) -> object:
    """The value, as JSON has it, if the key can have it.

    Raises:
        ValueError: It cannot.
    """
    match rule.kind:
        case "text":
            if (text := exact_str(value)) is not None and text.strip():
                return text
            raise _wrong(key, "has to be a text that is not empty", value)
        case "choice":
            return _choice(key, value, rule.choices)
        case "texts":
            return _texts(key, value, rule.choices)
        case "amount":
            return _number(key, value, rule.kind)
        case "count":
            if (number := _number(key, value, rule.kind)) >= 1 and number == int(number):
                return int(number)
            raise _wrong(key, f"has to be {_NUMBERS[rule.kind]}", value)
        case _:
            return _anything(key, value)


def parsed(key: str, answer: object, rule: Rule) -> object:
    """The value that an answer means, if the key can have it: a person's or a model's, a number may be written out.

    Raises:
        ValueError: The key cannot have it.
    """
    written = exact_str(answer)
    if written is None:
        return checked(key, answer, rule)
    text = written.strip()
    if rule.kind in {"amount", "count"}:
        try:
            return checked(key, float(text), rule)
        except ValueError:
            raise _wrong(key, f"has to be {_NUMBERS[rule.kind]}", answer) from None
    if rule.kind == "texts":
        return checked(key, [part.strip() for part in text.split(",") if part.strip()], rule)
    return checked(key, text, rule)


_NUMBERS: Mapping[str, str] = {"amount": "a number above 0", "count": "a whole number from 1"}


def _key(name: str, known: frozenset[str]) -> str:
    names = {snake(key): key for key in known}
    name = exact_str(name) or ""
    if key := names.get(name):
        return key
    close = difflib.get_close_matches(snake(name), names, 1)
    hint = f"did you mean {one_line(close[0])}?" if close else f"a draft has {listed(sorted(names))}"
    raise ValueError(f"a draft has no field {one_line(name)}: {hint}")


def _choice(key: str, value: object, choices: tuple[str, ...]) -> object:
    text = exact_str(value)
    if text in choices:
        return text
    close = difflib.get_close_matches(text.upper().replace(" ", "_"), choices, 1) if text else []
    hint = f"; did you mean {one_line(close[0])}?" if close else ""
    raise _wrong(key, f"has to be one of {listed(choices)}", value, hint)


def _texts(key: str, value: object, choices: tuple[str, ...]) -> object:
    given = value
    items = [exact_str(item) for item in cast("Iterable[object]", value)] if isinstance(value, list | tuple) else []
    if not items or not all(item and item.strip() for item in items):
        raise _wrong(key, "has to be a list of texts, at least one and none of them empty", given)
    return [_choice(key, item, choices) for item in items] if choices else items


def _number(key: str, value: object, kind: Kind) -> float:
    """A number above 0; a whole one without a point."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise _wrong(key, f"has to be {_NUMBERS[kind]}", value)
    if value > _HIGHEST:
        raise _wrong(key, "has to be a number that makes sense", value)
    return int(value) if value == int(value) else float(value)


def _anything(key: str, value: object) -> object:
    if value is None:
        raise ValueError(f"{one_line(snake(key))} cannot be cleared: what null does is not documented")
    try:
        # What is checked is what is sent: the caller may go on changing the value, or have classes of its own in it.
        return cast("object", json.loads(json.dumps(value, allow_nan=False)))
    except (TypeError, ValueError, RecursionError):
        raise _wrong(key, "has to be what JSON can say", value) from None


def _wrong(key: str, reason: str, value: object, hint: str = "") -> ValueError:
    return ValueError(f"{one_line(snake(key))} {reason}, not {shown(value)}{hint}")
