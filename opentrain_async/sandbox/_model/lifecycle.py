"""Publish, edit and close jobs."""

from .accounts import Token
from .dialect import validation
from .draft_fields import missing
from .drafting import changes_of
from .refusals import Body, Call, RefusedError
from .state import LIMITS, Job, Service, used


def publish(service: Service, caller: Token, call: Call) -> Body:
    """`POST /jobs/{id}/publish`. In which order the real service checks is not documented."""
    job = service.job_of(caller, call.job_id)
    if job.status == "OPEN":
        return _published(job, already=True)
    _refuse_what_cannot_go_live(service, job)
    limit = LIMITS[caller.account.claimed]
    if used(caller.account, call.now) >= limit:
        quota = {"limit": limit, "windowHours": 24}
        raise RefusedError(429, "RATE_LIMITED", "The daily publish limit is reached.", quota)
    job.become("PENDING_APPROVAL" if service.needs_approval else "OPEN", call.now)
    caller.account.published_at.append(call.now)
    return _published(job, already=False)


def update_job(service: Service, caller: Token, call: Call) -> Body:
    """`PATCH /jobs/{id}`. An edit that moderation blocks is made all the same, and takes the job down."""
    changes = changes_of(call)
    job = service.job_of(caller, call.job_id)
    if job.status != "OPEN":
        gate = {"jobId": job.id, "status": job.status, "requiredStatus": "OPEN"}
        raise RefusedError(409, "CONFLICT", f"The job is {job.status}.", gate)
    job.edit(changes, call.now)
    if job.reasons:
        job.become("DRAFT", call.now)
        state: Body = {"jobId": job.id, "reason": "moderation_blocked", "reasons": job.reasons, "status": "DRAFT"}
        raise RefusedError(409, "CONFLICT", "Moderation blocked the edit.", state)
    moderation: Body = {"decision": "ALLOW", "reasons": []}
    return {"ok": True, "jobId": job.id, "status": job.status, "moderation": moderation}


def close_job(service: Service, caller: Token, call: Call) -> Body:
    """`POST /jobs/{id}/close`. That a draft can be closed as well is not documented: here it can."""
    job = service.job_of(caller, call.job_id)
    already = job.status == "ARCHIVED"
    if not already:
        job.become("ARCHIVED", call.now)
    return {"ok": True, "jobId": job.id, "status": job.status, "alreadyClosed": already}


def _refuse_what_cannot_go_live(service: Service, job: Job) -> None:
    """Raise what a job is refused with that is no draft, not complete, or blocked."""
    if job.status != "DRAFT":
        state = {"jobId": job.id, "status": job.status}
        raise RefusedError(409, "CONFLICT", f"The job is {job.status}.", state)
    if missing(job.fields):
        gaps = validation(job.fields, service.dialect)
        raise RefusedError(400, "BAD_REQUEST", "The draft is not ready to publish.", gaps)
    if job.reasons:
        refusal: Body = {"reason": "moderation_blocked", "reasons": job.reasons}
        raise RefusedError(403, "FORBIDDEN", "Moderation blocked the job.", refusal)


def _published(job: Job, *, already: bool) -> Body:
    return {
        "ok": True,
        "jobId": job.id,
        "status": job.status,
        "alreadyPublished": already,
        "jobUrl": f"https://app.opentrain.ai/jobs/{job.id}",
        "publishAttemptId": None if already else f"attempt_{job.id}",
        "warnings": [],
        "sideEffects": {"dispatched": not already, "status": "skipped" if already else "queued"},
    }
