"""Decode JSON and take it apart without surprises."""

import json
from typing import TypeVar, cast

T = TypeVar("T")

_scan = json.JSONDecoder().raw_decode
_AROUND = " \t\r\n\ufeff"
"""What may stand around JSON: its blanks, and a byte order mark."""


class WrongShapeError(ValueError):
    """JSON that is not what the model asks for. The text names the keys and the types, not the values."""


class ContradictionError(WrongShapeError):
    """An object that is well formed and says something else: ``"ok": false``, or another job."""


def decode(body: bytes) -> object:
    """The JSON of a body, in UTF-8 as RFC 8259 has it; to have `json.loads` guess that takes as long as the reading.

    Raises:
        WrongShapeError: It is none, is cut, or nests without end.
    """
    try:
        text = body.decode().strip(_AROUND)
        value, end = _scan(text)
    except (ValueError, RecursionError) as error:
        raise WrongShapeError(f"no JSON ({type(error).__name__})") from None
    if end < len(text):
        raise WrongShapeError("no JSON (something follows it)")
    return value


def object_of(body: bytes) -> dict[str, object]:
    """The object that a body holds, as what every success of the service does.

    Raises:
        WrongShapeError: It does not hold an object.
        ContradictionError: The object says ``"ok": false``.
    """
    payload = decode(body)
    if not isinstance(payload, dict):
        raise not_a("an object", payload)
    keys = cast("dict[str, object]", payload)
    if keys.get("ok") is False:
        raise ContradictionError('the body says "ok": false')
    return keys


def as_object(value: object) -> dict[str, object]:
    """The object that a JSON value is; an empty one where it is none."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    """The list that a JSON value is; an empty one where it is none."""
    return cast("list[object]", value) if isinstance(value, list) else []


def of_type(kind: type[T], value: object) -> T | None:
    """The value, if it is of just that type."""
    return value if type(value) is kind else None


def not_a(expected: str, value: object) -> WrongShapeError:
    """The error that a value is something else."""
    return WrongShapeError(f"expected {expected}, got {'null' if value is None else type(value).__name__}")
