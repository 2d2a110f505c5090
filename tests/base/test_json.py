"""JSON as it comes: decoded, or refused with a text that shows no value."""

import json
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrain_async._base.json import DEEPEST, WrongShapeError, decode, encode, nests_deep, shallow
from opentrain_async._base.text import SENTENCE
from opentrain_async._service import codec

from ..support.answers import LIVE, result_of
from ..support.depth import DEPTHS, deep_list, nested
from ..support.raw import HOSTILE, assert_harmless


@pytest.mark.parametrize(("before", "after"), [(b"\xef\xbb\xbf", b""), (b" \r\n\t", b"\n ")])
def test_blanks_and_a_byte_order_mark_may_stand_around_json(before: bytes, after: bytes) -> None:
    """They are allowed, or at least usual, and change nothing."""
    assert codec.publish_result(before + json.dumps(LIVE).encode() + after).job_id == "job_1"


@pytest.mark.parametrize("body", [b'{"ok": true} {}', b"\xc2\xa0{}", b"{}\x1c", b"\xff{}", '{"a": 1}'.encode("utf-16")])
def test_anything_else_around_it_is_no_json(body: bytes) -> None:
    """Nor is what is not UTF-8."""
    with pytest.raises(WrongShapeError, match="no JSON"):
        decode(body)


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"<html>", b'{"jobId":', b"\xff\xfe\x00", b"[" * 100_000, b"[" + b"9" * 5000 + b"]", b"nul"],
    ids=["empty", "blank", "html", "cut", "binary", "deep", "huge int", "word"],
)
def test_what_is_no_json_is_a_wrong_shape(body: bytes) -> None:
    """Also where it is nested without end, or a number longer than Python reads."""
    with pytest.raises(WrongShapeError, match="no JSON"):
        codec.publish_result(body)


@pytest.mark.parametrize(
    "body", [b"[]", b"null", b"5", b'"job_1"', b"true", b"NaN", nested(50).encode(), nested(100_000).encode()]
)
def test_json_that_is_no_object_is_a_wrong_shape(body: bytes) -> None:
    """What it is instead is said."""
    with pytest.raises(WrongShapeError, match="expected an object, got"):
        codec.publish_result(body)


def test_F70_json_that_is_shown_is_printable_ascii() -> None:
    """It is one line, has no token in it, and no text without end; it is read as it was but for that."""
    value = {HOSTILE: [HOSTILE, ("x" * 1_000_000, 5, None, True)], "job_id": "job_1", "ü": 0.5}
    line = encode(value)
    assert line.isascii()
    assert line.isprintable()
    assert_harmless(line)
    read = json.loads(line)
    assert list(read)[1:] == ["job_id", "ü"]
    assert next(iter(read.values()))[1] == ["x" * SENTENCE + "…", 5, None, True]
    assert json.loads(encode("\x7f\u2028")) == "\x7f\u2028"


def test_F03_a_200_that_says_it_is_not_ok_is_no_result() -> None:
    """What contradicts itself is not taken for a publish."""
    with pytest.raises(WrongShapeError, match='says "ok": false'):
        result_of({**LIVE, "ok": False})


@pytest.mark.parametrize("kind", ["lists", "objects", "both"])
@pytest.mark.parametrize("depth", DEPTHS)
def test_what_nests_deep_is_kept_as_its_text_from_a_certain_level_on(depth: int, kind: str) -> None:
    """The same level in each version of Python; nothing of it is lost."""
    text = nested(depth, kind)
    value, levels = decode(text.encode()), 0
    while isinstance(value, dict | list):
        levels += 1
        value = next(iter(value.values() if isinstance(value, dict) else value), None)
    assert levels == min(depth, DEEPEST)
    assert isinstance(value, str) == (depth > DEEPEST)
    if isinstance(value, str):
        assert value in text
        assert value.count("[") + value.count("{") == depth - DEEPEST


def test_what_stands_beside_a_deep_part_is_read_as_ever() -> None:
    """Before it, behind it and between two; brackets and quotes in strings are text."""
    strings = ["[" * 99, '\\"[', "\\\\", "]}", "\u202e", ""]
    deep = nested(200)
    text = f'{{"a": {deep}, "b": {json.dumps(strings)}, "c": [{deep}, {{"d": {deep}}}], "e": 5}}'
    value = decode(text.encode())
    assert isinstance(value, dict)
    assert list(value) == ["a", "b", "c", "e"]
    assert (value["b"], value["e"], not nests_deep(value)) == (strings, 5, True)


@given(st.text(st.sampled_from('[]{}",:\\1a '), max_size=60))
def test_many_brackets_change_nothing_of_what_is_json(rest: str) -> None:
    """Whatever follows so many of them is JSON or not, as it would be without the look at its depth."""
    text = "[" + "[]," * 70 + rest + "]"
    try:
        expected: object = json.loads(text)
    except ValueError:
        with pytest.raises(WrongShapeError, match="no JSON"):
            decode(text.encode())
    else:
        assert decode(text.encode()) == expected


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_000_000, '"' + '\\"' * 500_000, "[" * 70 + '"' + '\\"' * 500_000, "[" * 70 + '"' * 999_999,
        "[]" * 500_000, "[" * 70 + "\\" * 999_999, nested(500_000), "[" + "[]," * 300_000 + "1]",
        "[" * 70 + "]" * 900_000,
    ],
    ids=range(9),
)  # fmt: skip
def test_no_text_takes_long_to_be_read_or_refused(text: str) -> None:
    """A megabyte of it takes no longer than the same of another."""
    began = time.process_time()
    with suppress(WrongShapeError):
        decode(text.encode())
    assert time.process_time() - began < 2


def test_a_value_that_does_not_nest_deep_is_left_alone() -> None:
    """It is the same object."""
    value = deep_list(DEEPEST)
    assert shallow(value) is value
    assert shallow(None) is None


def test_a_value_that_nests_deep_ends_at_a_dot() -> None:
    """In lists and in objects; what does not nest deep stays."""
    value = {"a": deep_list(DEEPEST - 1), "b": deep_list(100_000), "c": {"d": [deep_list(500)]}, "e": 1}
    cut = shallow(value)
    assert (cut["a"], cut["e"], nests_deep(cut)) == (value["a"], 1, False)
    assert repr(cut["b"]) == "[" * (DEEPEST - 1) + "'…'" + "]" * (DEEPEST - 1)
    assert repr(cut["c"]).count("[") == DEEPEST - 2
