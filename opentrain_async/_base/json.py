"""Decode JSON and take it apart without surprises; encode it so that it can be shown."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import TypeVar, cast

from .text import SENTENCE, without_tokens

T = TypeVar("T")

DEEPEST = 64
"""Levels of JSON that are kept. Deeper than a few hundred, pickle and deepcopy run out of Python's stack."""
_scan = json.JSONDecoder().raw_decode
_AROUND = " \t\r\n\ufeff"
"""What may stand around JSON: its blanks, and a byte order mark."""
# A string, or a bracket. It never goes back, so that a string without an end takes no longer than any other.
_MARKS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)


class WrongShapeError(ValueError):
    """JSON that is not what the model asks for. The text names the keys and the types, not the values."""


class ContradictionError(WrongShapeError):
    """An object that is well formed and says something else: ``"ok": false``, or another job."""


def decode(body: bytes) -> object:
    """The JSON of a body, in UTF-8 as RFC 8259 has it; to have `json.loads` guess that takes as long as the reading.

    What nests deeper than `DEEPEST` levels is kept as its text, so that the value can be pickled and copied.

    Raises:
        WrongShapeError: It is none, is cut, or nests without end.
    """
    try:
        text = body.decode().strip(_AROUND)
        if (read := _read_if_shallow(text)) is None:
            text = _flattened(text)
            read = _scan(text)
    except (ValueError, RecursionError) as error:
        raise WrongShapeError(f"no JSON ({type(error).__name__})") from None
    value, end = read
    if end < len(text):
        raise WrongShapeError("no JSON (something follows it)")
    return value


def _read_if_shallow(text: str) -> tuple[object, int] | None:
    """Return the value with which a text begins and where it ends; `None` if it nests deeper than `DEEPEST` levels."""
    try:
        value, end = _scan(text)
    except RecursionError:  # at a depth that differs between versions of Python
        return None
    # Almost no answer has so many brackets.
    may_nest_deep = text.count("[") + text.count("{") > DEEPEST
    return None if may_nest_deep and nests_deep(value) else (value, end)


def _flattened(text: str) -> str:
    """Return JSON in which each part that nests too deep is a string: the part's own text."""
    done: list[str] = []
    depth = begins = ends = 0
    for mark in _MARKS.finditer(text):
        if mark[0] in "[{":
            if depth == DEEPEST:
                begins = mark.start()
            depth += 1
        elif mark[0] in "]}":
            depth -= 1
            if depth == DEEPEST:
                done += text[ends:begins], json.dumps(text[begins : mark.end()])
                ends = mark.end()
    return "".join([*done, text[ends:]])


def nests_deep(value: object, levels: int = DEEPEST) -> bool:
    """True if a JSON value nests deeper than so many levels."""
    level = [value]
    for _ in range(levels + 1):
        containers: list[Iterable[object]] = [
            cast("dict[str, object]", item).values() if isinstance(item, dict) else cast("list[object]", item)
            for item in level
            if isinstance(item, dict | list)
        ]
        if not containers:
            return False
        level = [inner for container in containers for inner in container]
    return True


def shallow(value: T) -> T:
    """Return a JSON value with ``…`` in place of what nests deeper than `DEEPEST` levels; any other value unchanged."""
    return cast("T", _pruned(value, DEEPEST)) if nests_deep(value) else value


def _pruned(value: object, levels: int) -> object:
    if not isinstance(value, dict | list):
        return value
    if not levels:
        return "…"
    if isinstance(value, dict):
        return {key: _pruned(item, levels - 1) for key, item in cast("dict[object, object]", value).items()}
    return [_pruned(item, levels - 1) for item in cast("list[object]", value)]


def encode(value: object) -> str:
    """Return a value as a line of JSON that can be shown: printable ASCII, without tokens, with long texts cut."""
    return without_tokens(json.dumps(_cut(value)))


def _cut(value: object) -> object:
    match value:
        case str():
            return value if len(value) <= SENTENCE else value[:SENTENCE] + "…"
        case Mapping():
            return {cast("str", _cut(key)): _cut(item) for key, item in cast("Mapping[object, object]", value).items()}
        case list() | tuple():
            return [_cut(item) for item in cast("list[object]", value)]
        case _:
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
