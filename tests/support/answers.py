"""Bodies of answers as the service's pages show them, and any other JSON."""

import json

from hypothesis import strategies as st

from opentrain_async._service import codec
from opentrain_async.models import PublishResult

LIVE: dict[str, object] = {
    "ok": True,
    "jobId": "job_1",
    "status": "OPEN",
    "alreadyPublished": False,
    "jobUrl": "https://app.opentrain.ai/jobs/job_1",
    "publishAttemptId": "attempt_7",
    "warnings": ["thin description"],
    "sideEffects": {"dispatched": True, "status": "queued"},
}
FULL = {
    "field": "experienceLevel",
    "label": "Experience level",
    "message": "It is missing.",
    "code": "missing_required_field",
    "prompt": "ask: which level?",
    "type": "enum",
    "enumValues": ["EXPERT", "ENTRY_LEVEL"],
    "updateKeys": ["experienceLevel"],
    "example": "EXPERT",
    "hint": None,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*LIVE, *FULL, "x"]), inner, max_size=6)
    ),
    max_leaves=12,
)


def result_of(payload: object) -> PublishResult:
    """What the JSON of a payload is read as."""
    return codec.publish_result(json.dumps(payload).encode())
