"""The part of the client for jobs: list them, edit those that are live, close them."""

from collections.abc import AsyncIterator
from typing import Unpack

from .._base.text import exact_str, shown
from .._service import operations
from ..errors import ConfigurationError, UnexpectedResponseError
from ..errors._refusing import refusing
from ..models import JOB_STATUSES, ClosedJob, Job, JobUpdate
from ..models._fields import DraftFields
from .drafts import Drafting

_MOST_PAGES = 1000
"""Pages of a list, of up to 100 jobs each: more than any account fills."""
_LONGEST_CURSOR = 4096
"""Characters. A cursor goes into a URL, and servers refuse one that is much longer."""


class Jobs(Drafting):
    """Lists the account's jobs, edits those that are live, and closes them."""

    @refusing
    def iter_jobs(self, status: str | None = None) -> AsyncIterator[Job]:
        """The account's jobs, newest first, as ``async for job in client.iter_jobs("DRAFT"):``.

        They are read a page of 100 at a time, as they are wanted, and 1,000 pages at most. A list that changes while it
        is read may leave jobs out or show them twice: to publish all drafts, read the list to its end first.

        Args:
            status: Only those in this state, one of `models.JOB_STATUSES`. `None`: all.

        Returns:
            An async iterator.

        Raises:
            ConfigurationError: There is no such state.
            APIError: The service refused, as the iteration asked for a page.
            TransportError: No answer.
            UnexpectedResponseError: An answer that cannot be read, or a list without an end.
            ClientClosedError: The client is closed.
        """
        if status is None:
            return self._pages(None)
        if (wanted := exact_str(status)) not in JOB_STATUSES:
            raise ConfigurationError(f"status has to be one of {', '.join(JOB_STATUSES)}, not {shown(status)}")
        return self._pages(wanted)

    @refusing
    async def update_job(self, job_id: str, **fields: Unpack[DraftFields]) -> JobUpdate:
        """Edit a live job. Each edit is moderated anew. It can be repeated safely. Cancelled, it may be applied.

        Args:
            job_id: The job, which has to be ``OPEN``.
            **fields: As in `update_draft`.

        Returns:
            The job, still live.

        Raises:
            ConfigurationError: As in `update_draft`. Nothing was sent.
            ModerationBlockedError: Moderation refuses the edit. It **has been applied**, and the job is a draft again
                (effect ``"applied"``): fix it by `update_draft`, then publish it, which is charged again
                (https://www.opentrain.ai/docs/developers/api-reference/jobs/update/).
            ConflictError: The job is not open; `job_status` says what it is. Nothing was changed, unless `effect` says
                that an earlier attempt may have been applied.
            APIError: Any other refusal.
            TransportError: No answer; `effect` says whether it may have been applied.
            UnexpectedResponseError: An answer that cannot be read. It may have been applied.
            ClientClosedError: The client is closed.
        """
        checked = self._checked_job_id(job_id)
        return await self._call(operations.update_job(checked, self._body(checked, fields)))

    @refusing
    async def close_job(self, job_id: str) -> ClosedJob:
        """Close a job: it is ``ARCHIVED``, and its contracts continue. There is no way back. It can be repeated safely.

        Args:
            job_id: The job. What becomes of one that was never published is not documented.

        Returns:
            The closed job.

        Raises:
            ConfigurationError: The id cannot be one. Nothing was sent.
            APIError: The service refused; nothing was changed, unless `effect` says that it may have been.
            TransportError: No answer; `effect` says whether it may be closed.
            UnexpectedResponseError: An answer that cannot be read. It may be closed.
            ClientClosedError: The client is closed.
        """
        return await self._call(operations.close_job(self._checked_job_id(job_id)))

    async def _pages(self, status: str | None) -> AsyncIterator[Job]:
        cursor: str | None = None
        seen: set[str] = set()
        jobs = 0
        while True:
            page = await self._call(operations.jobs_mine(status, cursor))
            for job in page.jobs:
                yield job
            if not (cursor := page.next_cursor):
                return
            jobs += len(page.jobs)
            # The service decides whether there is another page. Each may be empty, and each may be new.
            if problem := _problem_of(cursor, seen):
                raise _endless(problem, len(seen) + 1, jobs)
            seen.add(cursor)
            del page  # so that there is one at a time


def _problem_of(cursor: str, seen: set[str]) -> str | None:
    """Return why a cursor leads to no further page; `None` if it leads to one."""
    if cursor in seen:
        return "a page leads back to an earlier one"
    # Also not half of a surrogate pair: a URL drops it, and asks for another page.
    if len(cursor) > _LONGEST_CURSOR or not cursor.isprintable():
        return "the cursor of the next page is not valid"
    return None if len(seen) + 1 < _MOST_PAGES else "there is always another page"


def _endless(problem: str, pages: int, jobs: int) -> UnexpectedResponseError:
    error = UnexpectedResponseError(
        f"the list of jobs does not end: {problem}; pages read: {pages}, jobs: {jobs}, and the rest was not read"
    )
    error.operation = "iter_jobs"
    return error
