"""The fields of a draft: their names, their values, and which are needed to publish it.

The service documents no complete list of what is needed. Here it is what its examples show as missing
(https://www.opentrain.ai/docs/developers/api-reference/job-drafts/create/ and …/update/). Where a field's type is
not documented either, it is a text here.
"""

import math
import sys
from collections.abc import Callable, Mapping
from enum import Enum
from typing import cast

from .refusals import Body, issue

Field = Mapping[str, object]
Path = tuple[str | int, ...]

LONGEST_DESCRIPTION = 60_000

ENUMS: Mapping[str, tuple[str, ...]] = {
    "experienceLevel": ("EXPERT", "ENTRY_LEVEL", "INTERMEDIATE", "ANY_EXPERIENCE_LEVEL"),
    "dataVolumeUnit": (
        "HOURS_OF_RECORDING_AUDIO_VIDEO",
        "NUMBER_OF_FILES",
        "NUMBER_OF_WORDS",
        "UNKNOWN_NOT_SPECIFIED",
    ),
    "paymentType": ("PAY_PER_LABEL", "PAY_PER_HOUR", "FIXED_PRICE"),
}
RATES = {"PAY_PER_LABEL": "pricePerLabel", "PAY_PER_HOUR": "pricePerHour", "FIXED_PRICE": "fixedPrice"}
"""The rate that goes with a payment type."""
LABELS = {
    "experienceLevel": "Experience level",
    "dataVolumeUnit": "Data volume unit",
    "paymentType": "Payment type",
    "pricePerLabel": "Price per label",
    "pricePerHour": "Price per hour",
    "fixedPrice": "Fixed price",
}
COMPLETE: Field = {
    "experienceLevel": "INTERMEDIATE",
    "dataVolumeUnit": "NUMBER_OF_FILES",
    "paymentType": "PAY_PER_HOUR",
    "pricePerHour": 18,
}
"""Values that leave nothing to ask."""


def camel(name: str) -> str:
    """A field's name as the service has it, from how Python would."""
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


class Kind(Enum):
    """What a field holds."""

    TEXT = "text"
    TEXTS = "texts"
    CHOICE = "choice"
    PRICE = "price"
    """A number above 0; also an amount of data."""
    COUNT = "count"
    """A whole number from 1."""


KINDS: Mapping[str, Kind] = {
    "jobTitle": Kind.TEXT,
    "jobDescription": Kind.TEXT,
    "labelingOverview": Kind.TEXT,
    "datasetDescription": Kind.TEXT,
    "dataType": Kind.TEXT,
    "subjectMatter": Kind.TEXT,
    "dataVolume": Kind.PRICE,
    "dataVolumeUnit": Kind.CHOICE,
    "labelingSoftware": Kind.TEXT,
    "headcount": Kind.COUNT,
    "experienceLevel": Kind.CHOICE,
    "paymentType": Kind.CHOICE,
    "pricePerHour": Kind.PRICE,
    "pricePerLabel": Kind.PRICE,
    "fixedPrice": Kind.PRICE,
    "countries": Kind.TEXTS,
    "languages": Kind.TEXTS,
    "labelTypes": Kind.TEXTS,
    "aiInterviewRequirements": Kind.TEXT,
    "budgetRange": Kind.TEXT,
    "workloadDesc": Kind.TEXT,
    "timeRequirement": Kind.TEXT,
    "projectDuration": Kind.TEXT,
    "freelancerType": Kind.TEXT,
    "projectScope": Kind.TEXT,
    "visibility": Kind.TEXT,
}
"""The update keys, and what each holds."""


def missing(fields: Field) -> list[str]:
    """The names of the fields that are missing or hold what they cannot."""
    gaps = [name for name, values in ENUMS.items() if fields.get(name) not in values]
    rate = RATES.get(str(fields.get("paymentType")))
    if rate and issues_of(rate, fields.get(rate)):
        gaps.append(rate)
    return gaps


def issues_of_all(changes: Field) -> list[Body]:
    """What is wrong with a change of fields; empty if it can be made."""
    if not changes:
        return [issue("custom", [], "Give at least one field.")]
    unknown = [name for name in changes if name not in KINDS]
    found = [issue("unrecognized_keys", [], f"Unrecognized key(s) in object: {unknown}")] if unknown else []
    return found + [one for name, value in changes.items() if name in KINDS for one in issues_of(name, value)]


def issues_of(name: str, value: object) -> list[Body]:
    """What is wrong with a value of a field; empty if the field can hold it."""
    return _CHECKS[KINDS[name]](name, value)


def text_issues(value: object, *path: str | int, longest: float = math.inf) -> list[Body]:
    """What is wrong with a text."""
    if not isinstance(value, str):
        return [issue("invalid_type", path, "Expected string.")]
    if len(value) > longest:
        return [issue("too_big", path, f"String must contain at most {longest} character(s).")]
    return []


def _text(name: str, value: object) -> list[Body]:
    return text_issues(value, name, longest=LONGEST_DESCRIPTION if name == "jobDescription" else math.inf)


def _texts(name: str, value: object) -> list[Body]:
    if not isinstance(value, list):
        return [issue("invalid_type", [name], "Expected array.")]
    items = cast("list[object]", value)
    return [one for number, item in enumerate(items) for one in text_issues(item, name, number)]


def _choice(name: str, value: object) -> list[Body]:
    values = ENUMS[name]
    return [] if value in values else [issue("invalid_enum_value", [name], f"Expected one of {', '.join(values)}.")]


def _price(name: str, value: object) -> list[Body]:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > sys.float_info.max:
        return [issue("invalid_type", [name], "Expected number.")]
    return [] if value > 0 else [issue("too_small", [name], "Number must be greater than 0.")]


def _count(name: str, value: object) -> list[Body]:
    if found := _price(name, value):
        return found
    # JSON does not tell 2.0 from 2.
    whole = float(cast("float", value)).is_integer()
    return [] if whole else [issue("invalid_type", [name], "Expected integer.")]


_CHECKS: Mapping[Kind, Callable[[str, object], list[Body]]] = {
    Kind.TEXT: _text,
    Kind.TEXTS: _texts,
    Kind.CHOICE: _choice,
    Kind.PRICE: _price,
    Kind.COUNT: _count,
}
