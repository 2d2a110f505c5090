"""Every call but publish as a value: its request, how to read its answer, whether it is safe to repeat.

Sources: the pages of each under https://www.opentrain.ai/docs/developers/api-reference/.
"""

import json
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar
from urllib.parse import urlencode

from attrs import evolve, frozen

from .._base.json import ContradictionError, object_of
from .._base.secret import Secret
from ..errors._checks import is_same_id
from ..models import Capabilities, Claim, ClosedJob, Draft, Identity, JobPage, JobUpdate, Registration, TokenGrant
from . import codec, validation
from .http.messages import Request

T = TypeVar("T")

API = "/api/public/v1"
PAGE_SIZE = 100
"""Jobs on a page: the most that the service gives."""
_GRANT_TYPE = "urn:opentrain:agent-auth:grant-type:claim"


@frozen
class Operation(Generic[T]):
    """One call of the service.

    Attributes:
        name: The client's method, for errors and the log.
        request: What is sent.
        read: Reads the body of a success; raises `WrongShapeError` where it is none.
        what: What such a body is, for errors.
        job_id: The draft or job that it is about.
        can_repeat: Doing it twice does no more than doing it once.
        changes: It may change something.
        is_oauth: It is one of the agent endpoints: without the API token, and with errors of OAuth's shape.
        idempotency_key: What makes a creation safe to repeat.
        applied_despite: The reason of a refusal that the service gives although it has applied what was asked for.
        is_poll: It is asked again and again anyway, at intervals of the service's own: never sooner, as by a retry.
    """

    name: str
    request: Request
    read: Callable[[bytes], T]
    what: str
    job_id: str | None = None
    can_repeat: bool = True
    changes: bool = True
    is_oauth: bool = False
    idempotency_key: str | None = None
    applied_despite: str | None = None
    is_poll: bool = False


def publish_request(job_id: str) -> Request:
    """The request of `POST /jobs/{id}/publish`, which has its own order of steps and so is not an `Operation`."""
    return Request("POST", f"{API}/jobs/{job_id}/publish")


def whoami() -> Operation[Identity]:
    """`GET /auth/me`."""
    request = Request("GET", f"{API}/auth/me")
    return Operation("whoami", request, _reading(Identity), "an identity", changes=False)


def capabilities() -> Operation[Capabilities]:
    """`GET /job-drafts/capabilities`."""
    request = Request("GET", f"{API}/job-drafts/capabilities")
    return Operation("capabilities", request, _reading(Capabilities), "capabilities", changes=False)


def create_draft(body: Mapping[str, object], idempotency_key: str) -> Operation[Draft]:
    """`POST /job-drafts`. Repeated with its key it finds the draft that it has made."""

    def read(content: bytes) -> Draft:
        return evolve(validation.draft(object_of(content)), idempotency_key=idempotency_key)

    request = _sending("POST", f"{API}/job-drafts", {**body, "idempotencyKey": idempotency_key})
    return Operation("create_draft", request, read, "a draft", idempotency_key=idempotency_key)


def update_draft(job_id: str, body: Mapping[str, object]) -> Operation[Draft]:
    """`PATCH /job-drafts/{jobId}`. The same fields set twice are as good as once."""
    request = _sending("PATCH", f"{API}/job-drafts/{job_id}", body)
    return Operation("update_draft", request, _about(job_id, _read_draft), "a draft", job_id)


def jobs_mine(status: str | None, cursor: str | None) -> Operation[JobPage]:
    """`GET /jobs/mine`: one page."""
    query = {"limit": str(PAGE_SIZE)}
    query |= {} if status is None else {"status": status}
    query |= {} if cursor is None else {"cursor": cursor}
    request = Request("GET", f"{API}/jobs/mine", query)
    return Operation("iter_jobs", request, _reading(JobPage), "a page of jobs", changes=False)


def update_job(job_id: str, body: Mapping[str, object]) -> Operation[JobUpdate]:
    """`PATCH /jobs/{id}`. The same fields set twice are as good as once.

    An edit that moderation refuses has been applied, and has unpublished the job (…/jobs/update/).
    """
    request, read = _sending("PATCH", f"{API}/jobs/{job_id}", body), _about(job_id, _reading(JobUpdate))
    return Operation("update_job", request, read, "an edited job", job_id, applied_despite="moderation_blocked")


def close_job(job_id: str) -> Operation[ClosedJob]:
    """`POST /jobs/{id}/close`. Idempotent by the job's state."""
    request = Request("POST", f"{API}/jobs/{job_id}/close")
    return Operation("close_job", request, _about(job_id, _reading(ClosedJob)), "a closed job", job_id)


def register(body: Mapping[str, object]) -> Operation[Registration]:
    """`POST /api/agent/identity`. Done twice it makes two accounts."""
    request = _sending("POST", "/api/agent/identity", body)
    return Operation("register", request, _reading(Registration), "a registration", can_repeat=False, is_oauth=True)


def start_claim(claim_token: Secret, email: str) -> Operation[Claim]:
    """`POST /api/agent/identity/claim`. Done again it begins anew, with another code."""
    body = Secret(json.dumps({"claim_token": claim_token.reveal(), "email": email}))
    request = Request("POST", "/api/agent/identity/claim", content=body, secret=claim_token)
    return Operation("start_claim", request, _reading(Claim), "a claim", is_oauth=True)


def claimed_token(claim_token: Secret) -> Operation[TokenGrant]:
    """`POST /api/agent/oauth/token`. It delivers the token once, and is asked for it until it does."""
    form = Secret(urlencode({"grant_type": _GRANT_TYPE, "claim_token": claim_token.reveal()}))
    request = Request("POST", "/api/agent/oauth/token", None, form, "application/x-www-form-urlencoded", claim_token)
    return Operation("wait_for_claim", request, _reading(TokenGrant), "a token", is_oauth=True, is_poll=True)


def _sending(method: str, path: str, body: Mapping[str, object]) -> Request:
    return Request(method, path, content=json.dumps(body, allow_nan=False).encode())


def _reading(model: type[T]) -> Callable[[bytes], T]:
    return lambda content: codec.read(model, object_of(content))


def _read_draft(content: bytes) -> Draft:
    return validation.draft(object_of(content))


R = TypeVar("R", Draft, JobUpdate, ClosedJob)


def _about(job_id: str, read: Callable[[bytes], R]) -> Callable[[bytes], R]:
    """Reads an answer, and sees that it is about this job."""

    def read_of_this_job(content: bytes) -> R:
        result = read(content)
        if not is_same_id(result.job_id, job_id):
            raise ContradictionError("the body is about another job")
        return result if result.job_id == job_id else evolve(result, job_id=job_id)

    return read_of_this_job
