"""Bodies of answers, as the service's documentation has them."""

from collections.abc import Iterable, Mapping

from ..models._fields import camel, rule_for, snake

Body = Mapping[str, object]


def live(job_id: str, *, already: bool) -> Body:
    """That a job is live (https://www.opentrain.ai/docs/developers/api-reference/jobs/publish/)."""
    return {
        "ok": True,
        "jobId": job_id,
        "status": "OPEN",
        "alreadyPublished": already,
        "jobUrl": address(job_id),
        "publishAttemptId": None if already else f"attempt_{job_id}",
        "warnings": [],
        "sideEffects": {"dispatched": not already, "status": "skipped" if already else "queued"},
    }


def validation(missing: Iterable[str]) -> Body:
    """How far a draft is from being publishable (…/docs/developers/quickstart-http/)."""
    gaps = [_gap(camel(name)) for name in missing]
    return {
        "validation": {
            "publishReady": not gaps,
            "issueCount": 0,
            "missingFieldCount": len(gaps),
            "missingFields": gaps,
            "issues": [],
        }
    }


def address(job_id: str) -> str:
    """The public page of a job."""
    return f"https://app.opentrain.ai/jobs/{job_id}"


def _gap(key: str) -> Body:
    rule, label = rule_for(key), snake(key).replace("_", " ").capitalize()
    return {
        "field": key,
        "label": label,
        "message": f"{label} needs a value.",
        "code": "missing_required_field",
        "prompt": f"ask: {label}?",
        "type": "enum" if rule.choices else "number" if rule.kind in {"amount", "count"} else None,
        "enumValues": list(rule.choices) or None,
        "updateKeys": [key],
        "example": rule.choices[0] if rule.choices else None,
        "hint": None,
    }
