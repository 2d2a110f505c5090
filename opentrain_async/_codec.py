"""JSON and the models: the only importer of cattrs. Strict about types, easy about what is added or left out."""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import attrs
from cattrs import BaseValidationError, Converter, transform_error
from cattrs.gen import make_dict_structure_fn, override

from .models import MissingField, PublishResult, SideEffects, Validation

Object = Mapping[str, object]
T = TypeVar("T")
_NAMELESS = "?"


class WrongShapeError(ValueError):
    """JSON that is not what the model asks for. The text names the keys and the types, not the values."""


def decode(body: bytes) -> object:
    """The JSON of a body.

    Raises:
        WrongShapeError: It is none, is cut, or nests without end.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WrongShapeError(f"no JSON ({type(error).__name__})") from None


def as_object(value: object) -> dict[str, object]:
    """The object that a JSON value is; an empty one where it is none."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def publish_result(body: bytes) -> PublishResult:
    """The result of a publish, from the body of a 2xx.

    Raises:
        WrongShapeError: The body is not a publish result.
    """
    payload = decode(body)
    if as_object(payload).get("ok") is False:
        raise WrongShapeError("ok is false")
    as_object(payload)["body"] = body
    try:
        return _structure_result(payload, PublishResult)
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
    try:
        return _converter.structure(item, MissingField)
    except (BaseValidationError, WrongShapeError):
        raw = as_object(item)
        return MissingField(_of_type(str, raw.get("field")) or _NAMELESS, raw=raw)


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _of_type(kind: type[T], value: object) -> T | None:
    return value if type(value) is kind else None


def _exactly(value: object, kind: type) -> object:
    """No coercion: cattrs by itself would take "false" for true, and 5 for "5"."""
    if type(value) is not kind:
        raise WrongShapeError(f"expected {kind.__name__}, got {type(value).__name__}")
    return value


def _or_none(kind: type) -> Callable[[object, Any], object]:
    return lambda value, _: None if value is None else _exactly(value, kind)


def _strings(value: object, _: Any) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise WrongShapeError(f"expected a list, got {type(value).__name__}")
    return tuple([_exactly(item, str) for item in cast("list[object]", value)]) if value else ()


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def _from_object(model: type, converter: Converter) -> Callable[[object, Any], object]:
    """A hook that takes camelCase keys, reads null as left out, and keeps the object where the model has `raw`."""
    fields = {field.name: override(rename=_camel(field.name)) for field in attrs.fields(model)}
    if "newly_published" in fields:
        fields["newly_published"] = override(omit=True)  # our own verdict, whatever key the service may add
    keeps_raw = "raw" in fields
    if keeps_raw:
        fields["raw"] = override(struct_hook=lambda value, _: value)
    made = make_dict_structure_fn(model, converter, **fields)  # type: ignore[arg-type, var-annotated]
    structure = cast("Callable[[Object, Any], object]", made)

    def hook(value: Any, kind: Any) -> object:
        if not isinstance(value, dict):
            raise WrongShapeError(f"expected an object, got {type(value).__name__}")
        items = cast("Object", value)
        given = {key: item for key, item in items.items() if item is not None}
        if keeps_raw:
            given["raw"] = items
        return structure(given, kind)

    return hook


def _make_converter() -> Converter:
    converter = Converter()
    for kind in (str, bool, int, bytes):
        converter.register_structure_hook(kind, _exactly)
        converter.register_structure_hook(kind | None, _or_none(kind))
    converter.register_structure_hook_func(lambda kind: kind == tuple[str, ...], _strings)
    for model in (SideEffects, PublishResult, MissingField):
        converter.register_structure_hook(model, _from_object(model, converter))
    return converter


_converter = _make_converter()
_structure_result = cast("Callable[[object, Any], PublishResult]", _converter.get_structure_hook(PublishResult))
