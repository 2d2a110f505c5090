"""JSON as it comes: decoded, or refused with a text that shows no value."""

import json

import pytest

from opentrain_async._base.json import WrongShapeError, decode
from opentrain_async._service import codec

from ..support.answers import LIVE, result_of


def nested(depth: int) -> bytes:
    """Lists in lists."""
    return b"[" * depth + b"]" * depth


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


def test_F03_a_200_that_says_it_is_not_ok_is_no_result() -> None:
    """What contradicts itself is not taken for a publish."""
    with pytest.raises(WrongShapeError, match='says "ok": false'):
        result_of({**LIVE, "ok": False})
