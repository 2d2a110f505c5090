"""List an account's jobs: `GET /jobs/mine`."""

import base64
import re

from .._time import instant
from .accounts import Token
from .refusals import Body, Call, RefusedError
from .state import STATUSES, Job, Service

_DEFAULT_LIMIT = 25
_LARGEST_LIMIT = 100
_DIGITS = re.compile(r"0*(\d*)", re.ASCII)
_OFFSET = re.compile(rb"offset:(\d{1,9})")


def list_jobs(service: Service, caller: Token, call: Call) -> Body:
    """`GET /jobs/mine`, the newest first."""
    status = call.query.get("status")
    if status is not None and status not in STATUSES:
        raise RefusedError(400, "BAD_REQUEST", "No such status.", {"supportedStatuses": list(STATUSES)})
    limit = _limit(call.query.get("limit"))
    start = _offset(call.query.get("cursor"))
    jobs = [job for job in service.jobs.values() if job.owner is caller.account and status in {None, job.status}]
    jobs.reverse()
    end = start + limit
    return {"jobs": [_item(job) for job in jobs[start:end]], "nextCursor": _cursor(end) if end < len(jobs) else None}


def _limit(text: str | None) -> int:
    if text is None:
        return _DEFAULT_LIMIT
    digits = _DIGITS.fullmatch(text)
    if not digits or not digits[1]:
        raise RefusedError(400, "BAD_REQUEST", "limit: a whole number from 1.", {"field": "limit"})
    # Four digits are above the largest in any case, and Python reads no number of thousands of them.
    return min(int(digits[1][:4]), _LARGEST_LIMIT)


def _cursor(offset: int) -> str:
    """A cursor that tells nothing to who reads it.

    It counts places of the list, so a list that shrinks between two pages makes the second one skip jobs. The service
    does not say that its own cursors are better than that, and a client has to survive it.
    """
    return base64.urlsafe_b64encode(f"offset:{offset}".encode()).decode()


def _offset(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        found = _OFFSET.fullmatch(base64.urlsafe_b64decode(cursor))
    except ValueError:
        found = None
    if found is None:
        raise RefusedError(400, "BAD_REQUEST", "The cursor cannot be read.", {"field": "cursor"})
    return int(found[1])


def _item(job: Job) -> Body:
    is_open = job.status == "OPEN"
    return {
        "id": job.id,
        "title": job.fields.get("jobTitle"),
        "status": job.status,
        "published": is_open,
        "acceptingApplicants": is_open,
        "createdAt": instant(job.created_at),
        "updatedAt": instant(job.updated_at),
        "jobUrl": None if job.status == "DRAFT" else f"https://app.opentrain.ai/jobs/{job.id}",
        "proposalCounts": {"total": 0, "unreviewed": 0},
    }
