"""The service's state: accounts, jobs, moderation and the quota, as its documentation has them."""

import itertools
from collections.abc import Mapping

from attrs import Factory, define

from .accounts import Account, Registry, Token
from .dialect import Dialect
from .draft_fields import KINDS, Kind
from .refusals import Body, RefusedError

WINDOW = 24 * 3600.0
LIMITS = {True: 20, False: 3}
"""Publishes in a window, by whether the account is claimed."""
STATUSES = ("DRAFT", "OPEN", "ONGOING", "COMPLETED", "ARCHIVED", "PENDING_APPROVAL")
BLOCKED_PHRASE = "contact me at"
"""Moderation blocks a job for as long as one of its texts has this phrase, in capitals or not."""


@define(eq=False)
class Job:
    """A draft or what became of it.

    Attributes:
        id: Its id.
        owner: Whose it is.
        fields: What it holds, by update key.
        created_at: When it was made, in epoch seconds.
        updated_at: When it or its status was last changed.
        blocked: Moderation blocks it whatever it says.
        status: One of `STATUSES`.
        unmapped: What of its source no field stands for.
    """

    id: str
    owner: Account
    fields: dict[str, object]
    created_at: float
    updated_at: float
    blocked: bool = False
    status: str = "DRAFT"
    unmapped: tuple[Body, ...] = ()

    @property
    def reasons(self) -> list[str]:
        """Why moderation blocks it; empty if it does not.

        Each time the texts are looked at anew, so that an edit blocks a job or frees it.
        """
        texts = [str(value).lower() for name, value in self.fields.items() if KINDS[name] in {Kind.TEXT, Kind.TEXTS}]
        if self.blocked or any(BLOCKED_PHRASE in text for text in texts):
            return ["Asks for personal contact details."]
        return []

    def become(self, status: str, now: float) -> None:
        """Change its status."""
        self.status = status
        self.updated_at = now

    def edit(self, changes: Body, now: float) -> None:
        """Change some of its fields: a list replaces the one that was there."""
        self.fields.update(changes)
        self.updated_at = now


@define
class Service:
    """All accounts and jobs.

    Attributes:
        registry: The accounts and their tokens.
        jobs: The jobs by their ids, the newest last.
        dialect: How answers show what a draft needs.
        needs_approval: A publish is accepted, and the job awaits approval.
    """

    registry: Registry = Factory(Registry)
    jobs: dict[str, Job] = Factory(dict[str, Job])
    dialect: Dialect = Dialect.REFERENCE
    needs_approval: bool = False
    _numbers: "itertools.count[int]" = Factory(lambda: itertools.count(1))

    @property
    def accounts(self) -> Mapping[str, Account]:
        """The account of each token."""
        return {secret: token.account for secret, token in self.registry.tokens.items()}

    def add_job(self, account: Account, fields: Body, now: float, job_id: str | None = None) -> Job:
        """Make a draft."""
        chosen = job_id or next(free for number in self._numbers if (free := f"job_{number}") not in self.jobs)
        self.jobs.pop(chosen, None)  # the newest is the last
        self.jobs[chosen] = Job(chosen, account, dict(fields), now, now)
        return self.jobs[chosen]

    def job_of(self, caller: Token, job_id: str) -> Job:
        """A job of the caller's.

        Raises:
            RefusedError: There is none of that id, or it is somebody else's.
        """
        job = self.jobs.get(job_id)
        if job is None or job.owner is not caller.account:
            raise RefusedError(404, "NOT_FOUND", "No such job.")
        return job


def used(account: Account, now: float) -> int:
    """How many of the account's publishes lie in the window."""
    return sum(now < at + WINDOW for at in account.published_at)
