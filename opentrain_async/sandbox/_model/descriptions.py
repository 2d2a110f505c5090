"""Read the description of a new draft: a text, or a job in one of the other formats."""

import re
from collections.abc import Callable, Mapping
from typing import cast
from xml.etree import ElementTree as ET

from attrs import frozen

from .draft_fields import KINDS, LONGEST_DESCRIPTION, RATES, Kind, issues_of, text_issues
from .refusals import Body, bad_body, issue

PAYLOADS = {
    "text": "text",
    "opentrain_canonical": "job",
    "schema_org_job_posting": "jsonLd",
    "indeed_xml": "xml",
    "hr_xml": "xml",
}
"""The formats, and the key under which each has its payload."""
_LABELS = ("externalId", "idempotencyKey")
_CARRIERS = ("rawJobDescription", "source", "job", "jsonLd", "xml")
_KEYS = {*_CARRIERS, *_LABELS, "format"}
_SOURCE_KEYS = {"type", *_LABELS, *PAYLOADS.values()}
_CANONICAL = {
    "title": "jobTitle",
    "description": "jobDescription",
    "paymentType": "paymentType",
    "languages": "languages",
    "countries": "countries",
    "labelTypes": "labelTypes",
    "experienceLevel": "experienceLevel",
}
_SCHEMA_ORG = {"title": "jobTitle", "description": "jobDescription"}
_LONGEST_TITLE = 80
_LONGEST_PREVIEW = 80
_LINE = re.compile(r"\s*(\w+)\s*:\s*(.*?)\s*", re.ASCII)
_NUMBER = re.compile(r"\d{1,15}(\.\d{1,15})?", re.ASCII)


@frozen
class Imported:
    """What was read.

    Attributes:
        fields: The fields of the draft that could be filled in.
        unmapped: What there was besides, and why it was left.
        key: The idempotency key, or `None`.
    """

    fields: Mapping[str, object]
    unmapped: tuple[Body, ...] = ()
    key: str | None = None


def read(body: Body) -> Imported:
    """Read the body of a draft's creation.

    Raises:
        RefusedError: It is not as it should be.
    """
    carrier = _carrier(body)
    source: Body = _source(body) if carrier == "source" else {}
    kind, path, payload = _payload(body, carrier, source)
    labels = {name: body.get(name, source.get(name)) for name in _LABELS}
    if wrong := [one for name, value in labels.items() if value is not None for one in text_issues(value, name)]:
        raise bad_body(*wrong)
    fields, unmapped = _READERS[kind](payload, path)
    # `externalId` is a label: the service documents nothing that it does.
    return Imported(fields, tuple(unmapped), cast("str | None", labels["idempotencyKey"]))


def _carrier(body: Body) -> str:
    """The one key that holds the job, or the source that holds it."""
    _known(body, _KEYS)
    found = [name for name in _CARRIERS if name in body]
    if len(found) != 1:
        raise bad_body(issue("invalid_union", [], f"Give exactly one of {', '.join(_CARRIERS)}."))
    return found[0]


def _source(body: Body) -> Body:
    source = body["source"]
    if not isinstance(source, dict):
        raise bad_body(issue("invalid_type", ["source"], "Expected object."))
    known = cast("Body", source)
    _known(known, _SOURCE_KEYS, "source")
    return known


def _known(body: Body, keys: set[str], *path: str) -> None:
    if unknown := [name for name in body if name not in keys]:
        raise bad_body(issue("unrecognized_keys", path, f"Unrecognized key(s) in object: {unknown}"))


def _payload(body: Body, carrier: str, source: Body) -> tuple[str, tuple[str, ...], object]:
    """The format, and where and what the payload is."""
    is_raw = carrier == "rawJobDescription"
    kind = source.get("type", body.get("format", "text" if is_raw else None))
    key = PAYLOADS.get(kind) if isinstance(kind, str) else None
    if key is None:
        path = ["source", "type"] if source else ["format"]
        raise bad_body(issue("invalid_enum_value", path, f"Expected one of {', '.join(PAYLOADS)}."))
    if source:
        if given := [name for name in PAYLOADS.values() if name in source and name != key]:
            raise bad_body(issue("custom", ["source", given[0]], f"Format {kind} has none."))
        return str(kind), ("source", key), source.get(key)
    if (key == "text") != is_raw or (not is_raw and key != carrier):
        raise bad_body(issue("custom", [carrier], f"Format {kind} has none."))
    return str(kind), (carrier,), body[carrier]


def _text_of(payload: object, path: tuple[str, ...]) -> str:
    if wrong := text_issues(payload, *path, longest=LONGEST_DESCRIPTION):
        raise bad_body(*wrong)
    if not (text := str(payload)).strip():
        raise bad_body(issue("too_small", path, "String must contain at least 1 character(s)."))
    return text


def _object_of(payload: object, path: tuple[str, ...]) -> Body:
    if not isinstance(payload, dict):
        raise bad_body(issue("invalid_type", path, "Expected object."))
    if not payload:
        raise bad_body(issue("custom", path, "The object is empty."))
    return cast("Body", payload)


_Read = tuple[dict[str, object], list[Body]]


def _from_text(payload: object, path: tuple[str, ...]) -> _Read:
    """Take the lines that read ``key: value``, the first line as title, and all as description."""
    text = _text_of(payload, path)
    title = next(line.strip() for line in text.splitlines() if line.strip())[:_LONGEST_TITLE]
    fields: dict[str, object] = {"jobTitle": title}
    unmapped: list[Body] = []
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match and match[1] in KINDS:
            _take(fields, unmapped, match[1], _parsed(match[1], match[2]), match[1])
    return fields | {"jobDescription": text}, unmapped


def _parsed(name: str, text: str) -> object:
    """The value that a text of a line stands for."""
    match KINDS[name]:
        case Kind.TEXTS:
            return [item.strip() for item in text.split(",") if item.strip()]
        case Kind.PRICE | Kind.COUNT if _NUMBER.fullmatch(text):
            return float(text) if "." in text else int(text)
        case _:
            return text


def _from_canonical(payload: object, path: tuple[str, ...]) -> _Read:
    job = _object_of(payload, path)
    payment = job.get("paymentType")
    rate = RATES.get(payment) if isinstance(payment, str) else None
    return _mapped(job, _CANONICAL | ({"rateAmount": rate} if rate else {}), path)


def _from_schema_org(payload: object, path: tuple[str, ...]) -> _Read:
    posting = {name: value for name, value in _object_of(payload, path).items() if not name.startswith("@")}
    return _mapped(posting, _SCHEMA_ORG, path)


def _from_xml(payload: object, path: tuple[str, ...]) -> _Read:
    text = _text_of(payload, path)
    try:
        root = ET.fromstring(text)  # noqa: S314 - whoever calls a sandbox is whoever runs it
    except (ET.ParseError, ValueError) as error:
        raise bad_body(issue("custom", path, f"The XML cannot be read: {error}")) from None
    found: dict[str, object] = {}
    for element in root.iter():
        name = element.tag.rpartition("}")[2]
        if name in _SCHEMA_ORG and (content := "".join(element.itertext()).strip()):
            found.setdefault(name, content)
    return _mapped(found, _SCHEMA_ORG, path)


def _mapped(job: Body, names: Mapping[str, str], path: tuple[str, ...]) -> _Read:
    """The fields that a job's keys stand for, and the keys that stand for none."""
    fields: dict[str, object] = {}
    unmapped: list[Body] = []
    for name, value in job.items():
        where = ".".join((*path, name))
        if name in names:
            _take(fields, unmapped, names[name], value, where)
        else:
            unmapped.append(_unmapped(where, "No field of a draft stands for it.", value))
    return fields, unmapped


def _take(fields: dict[str, object], unmapped: list[Body], name: str, value: object, where: str) -> None:
    """Fill a field in if it can hold the value."""
    if wrong := issues_of(name, value):
        unmapped.append(_unmapped(where, str(wrong[0]["message"]), value))
    else:
        fields[name] = value


def _unmapped(where: str, reason: str, value: object) -> Body:
    return {"path": where, "reason": reason, "valuePreview": str(value)[:_LONGEST_PREVIEW]}


_READERS: Mapping[str, Callable[[object, tuple[str, ...]], _Read]] = {
    "text": _from_text,
    "opentrain_canonical": _from_canonical,
    "schema_org_job_posting": _from_schema_org,
    "indeed_xml": _from_xml,
    "hr_xml": _from_xml,
}
