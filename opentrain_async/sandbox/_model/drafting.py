"""Create and update drafts: `POST /job-drafts` and `PATCH /job-drafts/{jobId}`."""

from .accounts import Token
from .descriptions import read
from .dialect import addresses, validation
from .draft_fields import issues_of_all
from .refusals import Body, Call, RefusedError, bad_body, json_object
from .state import Job, Service


def create_draft(service: Service, caller: Token, call: Call) -> Body:
    """`POST /job-drafts`. The same key gives the same draft, as it now is; a body that differs then changes nothing."""
    imported = read(json_object(call.content))
    keyed = caller.account.keyed
    if imported.key is not None and imported.key in keyed:
        return _created(service, service.jobs[keyed[imported.key]])
    job = service.add_job(caller.account, imported.fields, call.now)
    job.unmapped = imported.unmapped
    if imported.key is not None:
        keyed[imported.key] = job.id
    return _created(service, job)


def update_draft(service: Service, caller: Token, call: Call) -> Body:
    """`PATCH /job-drafts/{jobId}`. In which order the real service checks is not documented."""
    changes = changes_of(call)
    job = service.job_of(caller, call.job_id)
    if job.status != "DRAFT":
        state = {"jobId": job.id, "status": job.status}
        raise RefusedError(409, "CONFLICT", f"The job is {job.status}.", state)
    job.edit(changes, call.now)
    head = {"ok": True, "jobId": job.id, "status": job.status}
    url = {"draftUrl": addresses(job.id, service.dialect)["draftUrl"]}
    return head | url | validation(job.fields, service.dialect, updated=True)


def changes_of(call: Call) -> Body:
    """The fields that a body changes.

    Raises:
        RefusedError: It is not as it should be.
    """
    changes = json_object(call.content)
    if wrong := issues_of_all(changes):
        raise bad_body(*wrong)
    return changes


def _created(service: Service, job: Job) -> Body:
    return {
        "ok": True,
        "jobId": job.id,
        "status": job.status,
        **addresses(job.id, service.dialect),
        **validation(job.fields, service.dialect),
        "normalizedFields": dict(job.fields),
        "warnings": [],
        "unmappedFields": list(job.unmapped),
        "lowConfidenceFields": [],
    }
