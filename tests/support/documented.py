"""The bodies that the service's pages show, each under the page that shows it.

All pages are under https://www.opentrain.ai/docs/developers/. Where a page cuts an example short, it ends there.
"""

from collections.abc import Mapping

Body = dict[str, object]

LEVELS = ["EXPERT", "ENTRY_LEVEL", "INTERMEDIATE", "ANY_EXPERIENCE_LEVEL"]
_NORMALIZED: Body = {
    "jobTitle": "Label cats",
    "paymentType": "PAY_PER_LABEL",
    "languages": ["English"],
    "headcount": 3,
    "dataVolume": 5000,
    "dataVolumeUnit": "NUMBER_OF_FILES",
}


def _items(*, ask: str, codes: tuple[str, str]) -> list[Body]:
    return [
        {
            "field": "experienceLevel",
            "label": "Experience level",
            "message": "Experience level is required before publishing.",
            "code": codes[0],
            "prompt": f"{ask}What experience level do you need?",
            "type": "enum",
            "enumValues": LEVELS,
            "updateKeys": ["experienceLevel"],
            "example": "INTERMEDIATE",
            "hint": None,
        },
        {
            "field": "pricePerLabel",
            "label": "Price per label",
            "message": "Price per label is required before publishing.",
            "code": codes[1],
            "prompt": f"{ask}How much do you pay per label, in USD?",
            "type": "number",
            "enumValues": None,
            "updateKeys": ["pricePerLabel"],
            "example": "0.05",
            "hint": "In USD.",
        },
    ]


_REFERENCE_ITEMS = _items(ask="ask: ", codes=("missing_required_field", "missing_required_field"))
_GUIDE_ITEMS = _items(ask="", codes=("MISSING_EXPERIENCE_LEVEL", "MISSING_PRICE_PER_LABEL"))


def _validation(*missing: object) -> Body:
    return {
        "publishReady": False,
        "issueCount": 0,
        "missingFieldCount": 2,
        "missingFields": list(missing),
        "issues": [],
    }


CREATED: Mapping[str, Body] = {
    "api-reference/job-drafts/create": {
        "ok": True,
        "jobId": "job_1",
        "status": "DRAFT",
        "draftUrl": "https://app.opentrain.ai/jobs/new?jobId=job_1",
        "reviewUrl": "https://app.opentrain.ai/jobs/job_1/review",
        "validation": _validation(),
        "missingFields": _REFERENCE_ITEMS,
        "normalizedFields": _NORMALIZED,
        "warnings": [],
        "unmappedFields": [{"path": "job.tools", "reason": "unsupported", "valuePreview": '["CVAT"]'}],
        "lowConfidenceFields": [],
    },
    "guides/post-a-job": {
        "ok": True,
        "jobId": "job_1",
        "status": "DRAFT",
        "draftUrl": "https://app.opentrain.ai/jobs/new?job=job_1",
        "validation": _validation("experienceLevel", "pricePerLabel"),
        "missingFields": _GUIDE_ITEMS,
        "normalizedFields": _NORMALIZED,
        "warnings": [],
    },
    "quickstart-http": {
        "ok": True,
        "jobId": "job_1",
        "status": "DRAFT",
        "draftUrl": "https://app.opentrain.ai/jobs/new?jobId=job_1",
        "validation": _validation(*_REFERENCE_ITEMS),
        "normalizedFields": _NORMALIZED,
    },
}
"""The three forms in which a new draft says what it lacks."""
UPDATED: Body = {
    "ok": True,
    "jobId": "job_1",
    "status": "DRAFT",
    "draftUrl": "https://app.opentrain.ai/jobs/new?jobId=job_1",
    "validation": {
        "publishReady": True,
        "issueCount": 0,
        "missingFieldCount": 0,
        "missingFields": [],
        "issues": [],
    },
}
"""api-reference/job-drafts/update."""
STILL_INCOMPLETE: Body = UPDATED | {"validation": _validation() | {"missingFieldCount": 1}}
"""api-reference/job-drafts/update, of a draft with a gap left: only its number is shown."""
LISTED: Body = {
    "jobs": [
        {
            "id": "job_1",
            "title": "Label cats",
            "status": "OPEN",
            "published": True,
            "acceptingApplicants": True,
            "createdAt": "2026-06-01T09:00:00.000Z",
            "updatedAt": "2026-06-02T10:30:00.000Z",
            "jobUrl": "https://app.opentrain.ai/jobs/job_1",
            "proposalCounts": {"total": 4, "unreviewed": 1},
        }
    ],
    "nextCursor": None,
}
"""api-reference/jobs/mine."""
EDITED: Body = {"ok": True, "jobId": "job_1", "status": "OPEN", "moderation": {"decision": "ALLOW", "reasons": []}}
"""api-reference/jobs/update."""
CLOSED: Body = {"ok": True, "jobId": "job_1", "status": "ARCHIVED", "alreadyClosed": False}
"""api-reference/jobs/close."""
LIVE: Body = {
    "ok": True,
    "jobId": "job_1",
    "status": "OPEN",
    "alreadyPublished": False,
    "jobUrl": "https://app.opentrain.ai/jobs/job_1",
    "publishAttemptId": "attempt_1",
    "warnings": [],
    "sideEffects": {"dispatched": True, "status": "queued"},
}
"""api-reference/jobs/publish."""


def refused(error: str, code: str, details: Body) -> Body:
    """api-reference/overview: the envelope of each error."""
    return {"error": error, "code": code, "requestId": "9d1f3a8e-0000-4000-8000-000000000000", "details": details}


NOT_OPEN = refused(
    "The job is not open.", "CONFLICT", {"jobId": "job_1", "status": "ARCHIVED", "requiredStatus": "OPEN"}
)
"""api-reference/jobs/update: 409 of a job that is not live."""
TAKEN_DOWN = refused(
    "Moderation blocked the edit.",
    "CONFLICT",
    {"jobId": "job_1", "reason": "moderation_blocked", "reasons": ["Asks for contact details."], "status": "DRAFT"},
)
"""api-reference/jobs/update: 409 of an edit that was applied, and has unpublished the job."""
INVALID = refused(
    "Invalid request body.",
    "BAD_REQUEST",
    {
        "issues": [
            {"code": "unrecognized_keys", "path": [], "message": "Unrecognized key(s) in object: 'title'"},
            {"code": "invalid_type", "path": ["languages", 1], "message": "Expected string, received number"},
        ]
    },
)
"""api-reference/messages/send: 400 of a body that the schema refuses; of drafts and jobs the same is inferred."""
