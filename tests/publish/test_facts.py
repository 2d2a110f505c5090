"""The values of a journal's line: each is of its type and in its range, or it is not an entry."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest

from opentrain_async._publish.journal.facts import (
    NULL,
    NotAnEntryError,
    decode,
    is_amount,
    is_count,
    is_flag,
    is_object,
    is_status,
    is_text,
    is_texts,
    or_null,
    time,
    typed,
    valid,
)


def nested(levels: int) -> Any:
    """So many lists and objects in each other."""
    value: Any = 1
    for level in range(levels - 1):
        value = {"a": value} if level % 2 else [value]
    return {"a": value}


@pytest.mark.parametrize(
    "line",
    [b"", b"[", b"\xff", b'{"a": 1, "a": 2}', b'{"a": 1} 2',
     b"\xef\xbb\xbf{}", '{"a": 1}'.encode("utf-16"), b"[" * 99_999, b'{"a": %b}' % (b"9" * 5000)],
)  # fmt: skip
def test_what_is_not_plain_json_is_not_decoded(line: bytes) -> None:
    """Nor is what one reader takes for this, and another one for that."""
    with pytest.raises((ValueError, RecursionError)):
        decode(line)


def test_plain_json_is_decoded() -> None:
    """As `json` has it, in UTF-8."""
    for value in ({"a": [1, 2.5, None, True, "ä\ud800"], "b": {}}, "x", 1):
        assert decode(json.dumps(value).encode()) == value
    assert decode('"ä"'.encode()) == "ä"


def test_a_value_is_of_just_its_type() -> None:
    """True is not 1, and null is a type of its own."""
    facts = {"text": "x", "flag": True, "number": 1, "null": None}
    assert typed(facts, "text", str) == "x"
    assert typed(facts, "null", str, NULL) is None
    for key, kind in (("flag", int), ("number", bool), ("number", float), ("null", str)):
        with pytest.raises(NotAnEntryError, match=f"{key} is"):
            typed(facts, key, kind)
    with pytest.raises(KeyError):
        typed(facts, "missing", str)
    with pytest.raises(NotAnEntryError, match="number is not valid"):
        valid(facts, "number", is_text)
    assert valid(facts, "number", is_count) == 1


@pytest.mark.parametrize(
    ("is_valid", "good", "bad"),
    [
        (is_count, [0, 1, 10**9], [-1, 10**9 + 1, 10**400, 1.0, True, "1", None]),
        (is_status, [0, 200, 999], [1000, -1, "200", None]),
        (is_amount, [0, 1, 0.5, 1e299], [-0.1, 1e300, math.inf, math.nan, 10**400, True, "1", None]),
        (is_text, ["", "x"], [None, 1, ["x"]]),
        (is_texts, [[], ["x", "y"]], ["x", {"x": 1}, [1], [None], None]),
        (is_flag, [True, False], [0, 1, None, "true"]),
        (is_object, [{}, {"a": [1]}, nested(49)], [[], "x", None, nested(51)]),
        (or_null(is_text), ["x", None], [1, False]),
    ],
)
def test_a_value_is_in_its_range(is_valid: Any, good: list[object], bad: list[object]) -> None:
    """What lies outside of it is not valid."""
    assert [value for value in good if not is_valid(value)] == []
    assert [value for value in bad if is_valid(value)] == []


def test_a_time_has_a_zone() -> None:
    """It comes back in UTC."""
    facts = {"utc": "2026-11-25T12:30:15+00:00", "east": "2026-11-25T14:30:15+02:00", "null": None}
    assert time(facts, "utc") == time(facts, "east") == datetime(2026, 11, 25, 12, 30, 15, tzinfo=UTC)
    east = time(facts, "east")
    assert east is not None
    assert east.tzinfo is UTC
    assert time(facts, "null") is None


@pytest.mark.parametrize("value", ["", "x", "2026-11-25", "2026-11-25T12:30:15", 1, ["2026"], "0001-01-01T00:00+23:59"])
def test_what_is_not_such_a_time_is_refused(value: object) -> None:
    """A time without a zone is a guess, and one before the calendar cannot be told in UTC."""
    with pytest.raises((ValueError, OverflowError)):
        time({"at": value}, "at")
