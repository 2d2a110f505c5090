"""Values that nest deep, and every way in which a value travels."""

import copy
import json
import pickle
from collections.abc import Mapping

import attrs

DEPTHS = (64, 65, 100, 500, 900, 10_000, 100_000)


def nested(depth: int, kind: str = "lists") -> str:
    """JSON of so many lists, of as many objects, or of both in turn."""
    pairs = {"lists": ["[]"], "objects": ['{"a":}'], "both": ["[]", '{"a":}']}[kind]
    opening = [pairs[level % len(pairs)][:-1] for level in range(depth)]
    closing = [pairs[level % len(pairs)][-1] for level in reversed(range(depth))]
    innermost = "1" if opening[-1].endswith(":") else ""
    return "".join(opening) + innermost + "".join(closing)


def deep_list(depth: int) -> list[object]:
    """So many lists in lists, as a value."""
    value: list[object] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def travels(value: object) -> None:
    """See that a value can be shown, pickled, copied and turned into plain data."""
    assert repr(value)
    assert str(value)
    assert repr(getattr(value, "__dict__", None))
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert type(pickle.loads(pickle.dumps(value, protocol))) is type(value)  # noqa: S301
    assert type(copy.copy(value)) is type(value)
    assert type(copy.deepcopy(value)) is type(value)
    if attrs.has(type(value)):
        assert attrs.asdict(value)  # type: ignore[arg-type]
    for name in ("raw", "details"):
        plain = getattr(value, name, None)
        assert json.loads(json.dumps(plain)) == (dict(plain) if isinstance(plain, Mapping) else plain)
