"""Read the values of a journal's line, each only if it is of its type and in its range."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ..._base.json import as_list, nests_deep

Check = Callable[[Any], bool]
NULL: Final = type(None)
_MOST = 10**9
"""No count is higher."""
_DEEPEST = 49
"""Levels of objects and lists in each other: more can be read, and not be copied or written again."""


class NotAnEntryError(ValueError):
    """It is not a line of a journal."""


def decode(line: bytes) -> Any:
    """Return what a line of JSON says.

    Raises:
        ValueError: It is not JSON, or says something that another program may read as something else.
        RecursionError: It nests without end.
    """
    return _JSON.decode(line.decode())


def typed(facts: Mapping[str, Any], key: str, *kinds: type) -> Any:
    """Return the value of a key that is of just one of these types; `NULL` stands for null.

    Raises:
        KeyError: The key is missing.
        NotAnEntryError: The value is of another type.
    """
    value = facts[key]
    if type(value) not in kinds:
        raise NotAnEntryError(f"{key} is {type(value).__name__}")
    return value


def valid(facts: Mapping[str, Any], key: str, is_valid: Check) -> Any:
    """Return the value of a key for which the check is true.

    Raises:
        KeyError: The key is missing.
        NotAnEntryError: The value is another one.
    """
    value = facts[key]
    if not is_valid(value):
        raise NotAnEntryError(f"{key} is not valid")
    return value


def time(facts: Mapping[str, Any], key: str) -> datetime | None:
    """Return the time of a key, in UTC; `None` for null.

    Raises:
        KeyError: The key is missing.
        ValueError: It is not a time with a zone.
        OverflowError: It lies outside of the calendar.
    """
    text = typed(facts, key, str, NULL)
    if text is None:
        return None
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise NotAnEntryError(f"{key} is without a zone")
    return at.astimezone(UTC)


def is_count(value: Any) -> bool:
    """True for a whole number of things."""
    return type(value) is int and 0 <= value <= _MOST


def is_status(value: Any) -> bool:
    """True for an HTTP status."""
    return is_count(value) and value < 1000


def is_amount(value: Any) -> bool:
    """True for a number from 0 that a float can hold."""
    return (type(value) is float or type(value) is int) and 0 <= value < 1e300


def is_text(value: Any) -> bool:
    """True for text."""
    return type(value) is str


def is_texts(value: Any) -> bool:
    """True for a list of texts."""
    texts = as_list(value)
    return texts is value and all(map(is_text, texts))


def is_flag(value: Any) -> bool:
    """True for true and false."""
    return type(value) is bool


def is_object(value: Any) -> bool:
    """True for an object that nests no more than can be read, copied and written again."""
    return not nests_deep(value, _DEEPEST) and type(value) is dict


def or_null(is_valid: Check) -> Check:
    """Return a check that is also true for null."""
    return lambda value: value is None or is_valid(value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object, in which a key stands once: of two, another program may believe the other one."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NotAnEntryError("a key is there twice")
    return found


_JSON = json.JSONDecoder(object_pairs_hook=_object)
