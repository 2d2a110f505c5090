"""Read what a draft still needs, in whichever documented form the service says it."""

from collections.abc import Mapping

from attrs import evolve

from .._base.json import WrongShapeError, as_list, as_object, of_type
from ..errors._checks import is_job_id
from ..models import Draft, Issue, MissingField, Validation
from ..models._draft import NAMELESS
from . import codec

Object = Mapping[str, object]


def draft(keys: Object) -> Draft:
    """A draft, from the body of a reply that creates or updates one.

    Raises:
        WrongShapeError: It does not say which.
    """
    read = codec.read(Draft, {key: value for key, value in keys.items() if key != "validation"})
    if not is_job_id(read.job_id):
        raise WrongShapeError("an id that can be none")
    return evolve(read, validation=validation(keys, {}), raw=keys)


def validation(details: Object, body: Object) -> Validation:
    """What is missing, from `details` or the body of an answer, in whichever form it came. Never fails.

    The pages show missing fields as objects or as bare names, inside `validation` or beside it, or not at all
    with only their count; what is said twice about one field is taken once, the fuller item winning.
    """
    raw = as_object(details.get("validation"))
    items: dict[str, MissingField] = {}
    for source in (raw, details, body):
        for item in as_list(source.get("missingFields")):
            missing = _missing_field(item)
            name = missing.field if missing.field != NAMELESS else f"{NAMELESS} {len(items)}"
            if not (known := items.get(name)) or not known.raw:
                items[name] = missing
    return Validation(
        publish_ready=of_type(bool, raw.get("publishReady")),
        missing_field_count=of_type(int, raw.get("missingFieldCount")),
        issue_count=of_type(int, raw.get("issueCount")),
        missing_fields=tuple(items.values()),
        issues=tuple(as_list(raw.get("issues"))),
        raw=raw,
    )


def issues(details: Object) -> tuple[Issue, ...]:
    """What is wrong with a request, from `details` of a 400. Never fails; what is no issue is left to `details`."""
    return tuple(codec.read(Issue, as_object(item)) for item in as_list(details.get("issues")) if as_object(item))


def _missing_field(item: object) -> MissingField:
    if isinstance(item, str):
        return MissingField(item)
    raw = as_object(item)
    name = of_type(str, raw.get("field")) or NAMELESS
    return evolve(codec.read(MissingField, {**raw, "field": name}), raw=raw)
