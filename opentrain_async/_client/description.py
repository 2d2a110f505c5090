"""Build the body of a new draft from a description in one of the service's formats.

Source: https://www.opentrain.ai/docs/developers/api-reference/job-drafts/create/ and …/capabilities/. The names of the
keys that hold JSON-LD and XML are inferred.
"""

import json
from collections.abc import Mapping
from typing import cast

from .._base.text import exact_str, shown
from ..errors import ConfigurationError

_LONGEST = 60_000
"""Characters of a description."""
_FORMATS: Mapping[str, tuple[str, str]] = {
    "job": ("opentrain_canonical", "job"),
    "json_ld": ("schema_org_job_posting", "jsonLd"),
    "indeed_xml": ("indeed_xml", "xml"),
    "hr_xml": ("hr_xml", "xml"),
}
"""The format of each argument, and the key that holds it."""


def body_of_description(*, description: object, **structured: object) -> dict[str, object]:
    """The body that creates a draft from the one description that is given.

    Raises:
        ConfigurationError: None is given, or several, or one that cannot be right.
    """
    given = {name: value for name, value in structured.items() if value is not None}
    if (description is not None) + len(given) != 1:
        names = ", ".join(("description", *_FORMATS))
        raise ConfigurationError(f"a draft is made from exactly one of {names}")
    if description is not None:
        return {"rawJobDescription": _text("description", description)}
    ((name, value),) = given.items()
    format_name, key = _FORMATS[name]
    return {"format": format_name, key: _text(name, value) if key == "xml" else _object(name, value)}


def _text(name: str, value: object) -> str:
    text = exact_str(value)
    if text is None or not text.strip():
        raise ConfigurationError(f"{name} has to be a text that is not empty, not {shown(value)[:80]}")
    if len(text) > _LONGEST:
        raise ConfigurationError(f"{name} has {len(text):,} characters; the service takes {_LONGEST:,} at the most")
    return text


def _object(name: str, value: object) -> Mapping[str, object]:
    if not (keys := _keys_of(value)):
        raise ConfigurationError(f"{name} has to be a mapping that is not empty, not {shown(value)[:80]}")
    try:
        return cast("dict[str, object]", json.loads(json.dumps(keys, allow_nan=False)))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{name} holds what JSON cannot say: {error}") from None


def _keys_of(value: object) -> dict[str, object]:
    return dict(cast("Mapping[str, object]", value)) if isinstance(value, Mapping) else {}
