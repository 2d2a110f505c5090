"""The ways in which the service's pages show what a draft still needs; they contradict each other."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from .draft_fields import ENUMS, LABELS, Field, missing
from .refusals import Body

_EDITOR = "https://app.opentrain.ai/jobs/new"


class Dialect(StrEnum):
    """Whose examples the answers look like. `publishReady` and the counts are right in each."""

    REFERENCE = "reference"
    """The reference of draft creation: the items stand in `missingFields` beside a `validation` that lists none."""
    GUIDE = "guide"
    """The guide to posting a job: `validation` lists names too, each item has a code of its own, prompts do not begin
    with ``ask:``, the editor's address names the draft as ``job``, and there is no `reviewUrl`."""
    QUICKSTART = "quickstart"
    """The quickstart: the items stand in `validation` itself, and nowhere else."""
    BARE = "bare"
    """The reference of draft updates: an update is answered by counts alone. Other answers are as in `REFERENCE`."""


def validation(fields: Field, dialect: Dialect, *, updated: bool = False) -> dict[str, object]:
    """The `validation` of a draft, and the `missingFields` beside it, where there are any.

    Args:
        fields: What the draft holds.
        dialect: How to show it.
        updated: It is the answer to an update.
    """
    gaps = missing(fields)
    items = [_item(name, dialect) for name in gaps]
    listed: Mapping[Dialect, Sequence[object]] = {Dialect.GUIDE: gaps, Dialect.QUICKSTART: items}
    shown: dict[str, object] = {
        "validation": {
            "publishReady": not gaps,
            "issueCount": 0,
            "missingFieldCount": len(gaps),
            "missingFields": listed.get(dialect, []),
            "issues": [],
        }
    }
    bare = dialect is Dialect.QUICKSTART or (dialect is Dialect.BARE and updated)
    return shown if bare else shown | {"missingFields": items}


def addresses(job_id: str, dialect: Dialect) -> dict[str, object]:
    """Where people see a draft."""
    if dialect is Dialect.GUIDE:
        return {"draftUrl": f"{_EDITOR}?job={job_id}"}
    return {"draftUrl": f"{_EDITOR}?jobId={job_id}", "reviewUrl": f"https://app.opentrain.ai/jobs/{job_id}/review"}


def _item(name: str, dialect: Dialect) -> Body:
    values = ENUMS.get(name)
    label = LABELS[name]
    guide = dialect is Dialect.GUIDE
    question = f"What is the {label.lower()}?"
    return {
        "field": name,
        "label": label,
        "message": f"{label} is missing.",
        "code": "MISSING_" + label.upper().replace(" ", "_") if guide else "missing_required_field",
        "prompt": question if guide else f"ask: {question}",
        "type": "enum" if values else "number",
        "enumValues": list(values) if values else None,
        "updateKeys": [name],
        "example": values[0] if values else "0.05",
        "hint": None,
    }
