"""JSON and the models: the only importer of cattrs. Strict about types, easy about what is added or left out."""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import attrs
from cattrs import BaseValidationError, Converter, transform_error
from cattrs.gen import make_dict_structure_fn, override

from .models import MissingField, PublishResult, SideEffects, Validation

Object = Mapping[str, object]
Hook = Callable[[object, Any], object]
T = TypeVar("T")
_NAMELESS = "?"
_scan = json.JSONDecoder().raw_decode
_AROUND = " \t\r\n\ufeff"
"""What may stand around JSON: its blanks, and a byte order mark."""


class WrongShapeError(ValueError):
    """JSON that is not what the model asks for. The text names the keys and the types, not the values."""


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


def as_object(value: object) -> dict[str, object]:
    """The object that a JSON value is; an empty one where it is none."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def publish_result(body: bytes) -> PublishResult:
    """The result of a publish, from the body of a 2xx.

    Raises:
        WrongShapeError: The body is not a publish result.
    """
    payload = decode(body)
    if not isinstance(payload, dict):
        raise _not_a("an object", payload)
    keys = cast("dict[str, object]", payload)
    if keys.get("ok") is False:
        raise WrongShapeError("ok is false")
    keys["body"] = body
    try:
        return _read_result(keys, PublishResult)
    except BaseValidationError as error:
        raise WrongShapeError("; ".join(transform_error(error))) from None


def validation(details: Object, body: Object) -> Validation:
    """What is missing, from `details` or the body of a 400, in whichever form it came. Never fails.

    The pages show missing fields as objects or as bare names, inside `validation` or beside it, or not at all
    with only their count; what is said twice about one field is taken once, the fuller item winning.
    """
    raw = as_object(details.get("validation"))
    items: dict[str, MissingField] = {}
    for source in (raw, details, body):
        for item in _list(source.get("missingFields")):
            missing = _missing_field(item)
            name = missing.field if missing.field != _NAMELESS else f"{_NAMELESS} {len(items)}"
            if not (known := items.get(name)) or not known.raw:
                items[name] = missing
    return Validation(
        publish_ready=_of_type(bool, raw.get("publishReady")),
        missing_field_count=_of_type(int, raw.get("missingFieldCount")),
        issue_count=_of_type(int, raw.get("issueCount")),
        missing_fields=tuple(items.values()),
        issues=tuple(_list(raw.get("issues"))),
        raw=raw,
    )


def _missing_field(item: object) -> MissingField:
    if isinstance(item, str):
        return MissingField(item)
    raw = as_object(item)
    try:
        return _read_missing_field({**raw, "raw": raw}, MissingField)
    except BaseValidationError:
        return MissingField(_of_type(str, raw.get("field")) or _NAMELESS, raw=raw)


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _of_type(kind: type[T], value: object) -> T | None:
    return value if type(value) is kind else None


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
    structure = _keys_of(model)

    def hook(value: object, kind: Any) -> object:
        if isinstance(value, dict):
            return structure(cast("Object", value), kind)
        return _null(value, null, "an object")

    return hook


def _keys_of(model: type) -> Hook:
    """Reads the keys of an object, in camelCase, into a model."""
    keys = {key.name: override(rename=_camel(key.name), struct_hook=_hook_for(key)) for key in attrs.fields(model)}
    if "newly_published" in keys:
        keys["newly_published"] = override(omit=True)  # our own verdict, whatever key the service may add
    made = make_dict_structure_fn(model, Converter(), **keys)  # type: ignore[arg-type, var-annotated]
    return cast("Hook", made)


def _null(value: object, default: object, expected: str) -> object:
    """What null stands for: the same as a key that was left out, where it may be."""
    if value is None and default is not attrs.NOTHING:
        return default
    raise _not_a(expected, value)


def _not_a(expected: str, value: object) -> WrongShapeError:
    return WrongShapeError(f"expected {expected}, got {'null' if value is None else type(value).__name__}")


def _hook_for(key: "attrs.Attribute[Any]") -> Hook:
    """Null stands for the attribute's default, which is also what its type allows None for."""
    for kind in (str, bool, int):
        if key.type in {kind, kind | None}:
            return _exactly(kind, key.default)
    if key.type in {tuple[str, ...], tuple[str, ...] | None}:
        return _strings(key.default)
    return _object(SideEffects, key.default) if key.type is SideEffects else lambda value, _: value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


_read_result = cast("Callable[[object, Any], PublishResult]", _keys_of(PublishResult))
_read_missing_field = cast("Callable[[object, Any], MissingField]", _keys_of(MissingField))
