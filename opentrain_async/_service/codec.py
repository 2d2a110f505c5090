"""Read JSON objects as models, without coercion; the only importer of cattrs.

A key without a default must be present and of its type. The result of a publish is strict throughout, as a draft's
outcome rests on it, and so is a page of jobs, as a list must not end early for a cursor that cannot be read. In every
other model a key of another shape than the documented one counts as left out: the pages do not show all shapes, and
`raw` has the key as it came.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, TypeVar, cast, get_args, get_origin

import attrs
from cattrs import BaseValidationError, Converter, transform_error
from cattrs.gen import make_dict_structure_fn, override

from .._base.json import WrongShapeError, as_list, as_object, not_a, object_of, of_type
from .._base.secret import Secret
from ..models import Claim, JobPage, PublishResult, Registration, SideEffects, TokenGrant
from ..models._fields import camel

Hook = Callable[[object, Any], Any]
M = TypeVar("M")
_LONGEST_SECONDS = 366 * 24 * 3600.0
_LONGEST_TOKEN = 8192
"""Characters of a token, and of the page of a claim, which is printed whole."""
_EXACT = (str, bool, int)
_STRICT: frozenset[type] = frozenset({PublishResult, SideEffects, JobPage})
_OURS = {"newly_published", "idempotency_key", "saved_to"}
"""What this library says of itself, whatever keys the service may add."""
_IN_SNAKE_CASE: frozenset[type] = frozenset({Registration, Claim, TokenGrant})
"""The models of the agent endpoints, which spell their keys as OAuth does."""


def publish_result(body: bytes) -> PublishResult:
    """The result of a publish, from the body of a 2xx.

    Raises:
        WrongShapeError: The body is not a publish result.
    """
    keys = object_of(body)
    keys["body"] = body
    if keys.get("alreadyPublished") is None and of_type(str, keys.get("status")) not in {None, "OPEN"}:
        keys["alreadyPublished"] = True  # a publish that is not said to be new is not counted anew
    return read(PublishResult, keys)


def read(model: type[M], keys: Mapping[str, object]) -> M:
    """A model, from the keys of an object; its `raw`, where it has one, is all of them.

    Raises:
        WrongShapeError: What decides is missing or of another type.
    """
    kind: type = model
    try:
        value: M = _reader_of(kind)(keys, kind)
    except BaseValidationError as error:
        raise WrongShapeError("; ".join(transform_error(error))) from None
    return value


@cache
def _reader_of(model: type) -> Hook:
    """Reads the keys of an object into a model. Made when it is first needed: that takes a while."""
    spelled = str if model in _IN_SNAKE_CASE else camel
    keys = {
        key.name: override(rename=spelled(key.name), struct_hook=_hook_in(model, key)) for key in attrs.fields(model)
    }
    for name in _OURS & keys.keys():
        keys[name] = override(omit=True)
    made = cast("Hook", make_dict_structure_fn(model, Converter(), **keys))  # type: ignore[arg-type]
    if "raw" not in keys:
        return made

    def with_raw(value: object, kind: Any) -> object:
        return made({**cast("Mapping[str, object]", value), "raw": value}, kind)

    return with_raw


def _hook_in(model: type, key: "attrs.Attribute[Any]") -> Hook:
    hook = _hook_for(key)
    if model in _STRICT or key.default is attrs.NOTHING:
        return hook
    factory = getattr(key.default, "factory", None)
    default = key.default if factory is None else factory()

    def tolerant(value: object, kind: Any) -> object:
        try:
            return hook(value, kind)
        except (WrongShapeError, BaseValidationError):
            return default

    return tolerant


def _hook_for(key: "attrs.Attribute[Any]") -> Hook:
    """Null stands for the attribute's default, which is also what its type allows None for."""
    kind, null = key.type, key.default
    for exact in _EXACT:
        if kind in {exact, exact | None}:
            return _exactly(exact, null)
    if kind in {tuple[str, ...], tuple[str, ...] | None}:
        return _strings(null)
    if get_origin(kind) is tuple and attrs.has(item := get_args(kind)[0]):
        return _objects(item)
    if kind in _OTHERS:
        return _OTHERS[kind]
    if isinstance(kind, type) and attrs.has(kind):
        return _object(kind, null)
    return _as_it_came


def _exactly(kind: type, null: object) -> Hook:
    """Takes a value of just that type: cattrs by itself would take "false" for true, and 5 for "5"."""

    def hook(value: object, _: Any) -> object:
        if type(value) is kind:
            return value
        return _null(value, null, kind.__name__)

    return hook


def _strings(null: object) -> Hook:
    """Takes a list of nothing but strings."""
    string = _exactly(str, attrs.NOTHING)

    def hook(value: object, _: Any) -> object:
        if isinstance(value, list):
            return tuple([string(item, str) for item in cast("list[object]", value)]) if value else ()
        return _null(value, null, "a list")

    return hook


def _object(model: type, null: object) -> Hook:
    """Takes an object."""
    structure = _reader_of(model)

    def hook(value: object, _: Any) -> object:
        if isinstance(value, dict):
            return structure(cast("object", value), model)
        return _null(value, null, "an object")

    return hook


_effects_of = lru_cache(maxsize=4)(SideEffects)
"""A few at the most: how long a status is, the server decides."""


def _side_effects(value: object, kind: Any) -> object:
    """Takes the effects of a publish; those that are equal are one value, as a run keeps what each draft was told."""
    match value:
        case {"dispatched": bool() as dispatched, "status": str() as status}:
            return _effects_of(dispatched, status)
        case _:
            effects = cast("SideEffects", _object(SideEffects, SideEffects())(value, kind))
            return _effects_of(effects.dispatched, effects.status)


def _objects(model: type) -> Hook:
    """Takes a list of objects."""
    item_of = _object(model, attrs.NOTHING)

    def hook(value: object, _: Any) -> object:
        if not isinstance(value, list):
            raise not_a("a list", value)
        return tuple([item_of(item, model) for item in cast("list[object]", value)])

    return hook


def _null(value: object, default: object, expected: str) -> object:
    """What null stands for: the same as a key that was left out, where it may be."""
    if value is None and default is not attrs.NOTHING:
        return default
    raise not_a(expected, value)


def _as_it_came(value: object, _: Any) -> object:
    return value


def _keys(value: object, _: Any) -> object:
    if not isinstance(value, dict):
        raise not_a("an object", value)
    return cast("object", value)


def _items(value: object, _: Any) -> object:
    if not isinstance(value, list):
        raise not_a("a list", value)
    return tuple(as_list(cast("object", value)))


def _steps_of_a_path(value: object, kind: Any) -> object:
    return tuple(step for step in cast("tuple[object, ...]", _items(value, kind)) if type(step) in {str, int})


def _flags(value: object, kind: Any) -> object:
    return {key: flag for key, flag in as_object(_keys(value, kind)).items() if isinstance(flag, bool)}


def _choices(value: object, kind: Any) -> object:
    found = {key: as_list(items) for key, items in as_object(_keys(value, kind)).items()}
    return {key: tuple(item for item in items if isinstance(item, str)) for key, items in found.items()}


def _seconds(value: object, _: Any) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _LONGEST_SECONDS:
        raise not_a("a number of seconds", value)
    return float(value)


def _secret(value: object, _: Any) -> object:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TOKEN:
        raise not_a("a token", value)
    if not value.isascii() or not value.isprintable() or " " in value:
        raise not_a("a token", value)
    return Secret(value)


def _time(value: object, _: Any) -> object:
    try:
        at = datetime.fromisoformat(value if isinstance(value, str) else "")
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise not_a("a time", value) from None


_OTHERS: Mapping[object, Hook] = {
    Mapping[str, object]: _keys,
    Mapping[str, bool]: _flags,
    Mapping[str, tuple[str, ...]]: _choices,
    tuple[object, ...]: _items,
    tuple[str | int, ...]: _steps_of_a_path,
    float: _seconds,
    Secret: _secret,
    SideEffects: _side_effects,
    datetime | None: _time,
}
