"""The service itself, without HTTP: accounts, drafts, moderation and the quota, as its documentation has them."""

import itertools
from collections.abc import Mapping
from typing import cast

from attrs import Factory, define, frozen

from ._fields import COMPLETE, missing, validation

WINDOW = 24 * 3600.0
LIMITS = {True: 20, False: 3}
"""Publishes in a window, by whether the account is claimed."""
_LONGEST_DESCRIPTION = 60_000

Body = Mapping[str, object]


@frozen
class Answer:
    """A status and a JSON body."""

    status: int
    body: Body


@define
class Account:
    """An account, and when it published."""

    claimed: bool
    scopes: tuple[str, ...]
    published_at: list[float] = Factory(list[float])


@define
class Job:
    """A draft or what became of it."""

    owner: Account
    fields: dict[str, object]
    blocked: bool = False
    status: str = "DRAFT"


@define
class Service:
    """All accounts and jobs."""

    accounts: dict[str, Account] = Factory(dict[str, Account])
    jobs: dict[str, Job] = Factory(dict[str, Job])
    _numbers: "itertools.count[int]" = Factory(lambda: itertools.count(1))
    _requests: "itertools.count[int]" = Factory(lambda: itertools.count(1))

    def new_job_id(self) -> str:
        """An id that no job has."""
        return next(job_id for number in self._numbers if (job_id := f"job_{number}") not in self.jobs)

    def caller(self, authorization: str | None, scope: str) -> Account | Answer:
        """The account that calls, if it may."""
        token = (authorization or "").removeprefix("Bearer ")
        account = self.accounts.get(token)
        if account is None:
            return self.error(401, "UNAUTHORIZED", "The token is missing, invalid, expired or revoked.")
        if scope not in account.scopes:
            return self.error(403, "FORBIDDEN", "The token lacks a scope.", {"requiredScopes": [scope]})
        return account

    def publish(self, account: Account, job_id: str, now: float) -> Answer:
        """`POST /jobs/{id}/publish`. In which order the real service checks is not documented."""
        job = self.jobs.get(job_id)
        if job is None or job.owner is not account:
            return self.error(404, "NOT_FOUND", "No such job.")
        if job.status == "OPEN":
            return self._live(job_id, already=True)
        if job.status != "DRAFT":
            state = {"jobId": job_id, "status": job.status}
            return self.error(409, "CONFLICT", f"The job is {job.status}.", state)
        if missing(job.fields):
            return self.error(400, "BAD_REQUEST", "The draft is not ready to publish.", validation(job.fields))
        if job.blocked:
            refusal: Body = {"reason": "moderation_blocked", "reasons": ["Asks for personal contact details."]}
            return self.error(403, "FORBIDDEN", "Moderation blocked the job.", refusal)
        if self.used(account, now) >= LIMITS[account.claimed]:
            quota = {"limit": LIMITS[account.claimed], "windowHours": 24}
            return self.error(429, "RATE_LIMITED", "The daily publish limit is reached.", quota)
        job.status = "OPEN"
        account.published_at.append(now)
        return self._live(job_id, already=False)

    def create_draft(self, account: Account, body: object) -> Answer:
        """`POST /job-drafts`, with a description text."""
        text = cast("Body", body).get("rawJobDescription") if isinstance(body, dict) else None
        if not isinstance(text, str) or not text or len(text) > _LONGEST_DESCRIPTION:
            return self.error(400, "BAD_REQUEST", f"rawJobDescription: 1 to {_LONGEST_DESCRIPTION} characters.")
        job_id = self.new_job_id()
        self.jobs[job_id] = Job(account, {**COMPLETE, "jobDescription": text})
        draft: dict[str, object] = {"ok": True, "jobId": job_id, "status": "DRAFT"}
        url = f"https://app.opentrain.ai/jobs/new?jobId={job_id}"
        return Answer(200, draft | {"draftUrl": url, **validation(self.jobs[job_id].fields), "warnings": []})

    def used(self, account: Account, now: float) -> int:
        """How many of the account's publishes lie in the window."""
        return sum(now < at + WINDOW for at in account.published_at)

    def error(self, status: int, code: str, text: str, details: Body | None = None) -> Answer:
        """An error in the service's envelope."""
        request_id = f"00000000-0000-4000-8000-{next(self._requests):012d}"
        return Answer(status, {"error": text, "code": code, "requestId": request_id, "details": details or {}})

    def _live(self, job_id: str, *, already: bool) -> Answer:
        return Answer(
            200,
            {
                "ok": True,
                "jobId": job_id,
                "status": "OPEN",
                "alreadyPublished": already,
                "jobUrl": f"https://app.opentrain.ai/jobs/{job_id}",
                "publishAttemptId": None if already else f"attempt_{job_id}",
                "warnings": [],
                "sideEffects": {"dispatched": not already, "status": "skipped" if already else "queued"},
            },
        )
