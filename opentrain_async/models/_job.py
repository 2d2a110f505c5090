"""The account's jobs: listed, edited and closed.

Sources: https://www.opentrain.ai/docs/developers/api-reference/jobs/mine/, …/update/ and …/close/.
"""

from collections.abc import Mapping
from datetime import datetime

import attrs

from .._base.value import frozen

_no_raw: Mapping[str, object] = {}

JOB_STATUSES = ("DRAFT", "OPEN", "ONGOING", "COMPLETED", "ARCHIVED", "PENDING_APPROVAL")
"""The documented states of a job."""


@frozen
class ProposalCounts:
    """How many proposals a job has.

    Attributes:
        total: All of them, or `None`.
        unreviewed: Those nobody has looked at, or `None`.
    """

    total: int | None = None
    unreviewed: int | None = None


@frozen
class Job:
    """A job of the account's, as the list of them shows it. It does not show a draft's fields.

    Attributes:
        id: The job's id.
        status: One of `JOB_STATUSES`, or a later one.
        title: Its title; a draft may have none.
        published: Whether it is listed, or `None`.
        accepting_applicants: Whether it takes proposals, or `None`.
        created_at: When it was made; `None` where the service gave no time that can be read.
        updated_at: When it was changed last; `None` likewise.
        job_url: The public page, or `None`.
        proposal_counts: Its proposals.
        raw: The item as it came.
    """

    id: str
    status: str
    title: str | None = None
    published: bool | None = None
    accepting_applicants: bool | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    job_url: str | None = None
    proposal_counts: ProposalCounts = ProposalCounts()
    raw: Mapping[str, object] = attrs.field(default=_no_raw, repr=False, eq=False)


@frozen
class JobPage:
    """One page of the list.

    Attributes:
        jobs: The jobs.
        next_cursor: Where the next page begins; `None` at the end.
    """

    jobs: tuple[Job, ...]
    next_cursor: str | None = None


@frozen
class Moderation:
    """What moderation has said of an edit.

    Attributes:
        decision: ``"ALLOW"`` where it was let through, or `None`.
        reasons: Its reasons; usually empty.
    """

    decision: str | None = None
    reasons: tuple[str, ...] = ()


@frozen
class JobUpdate:
    """A live job that was edited.

    Attributes:
        job_id: The job.
        status: ``"OPEN"``.
        moderation: What moderation has said of the edit.
        raw: The whole body as it came.
    """

    job_id: str
    status: str = "OPEN"
    moderation: Moderation = Moderation()
    raw: Mapping[str, object] = attrs.field(default=_no_raw, repr=False, eq=False)


@frozen
class ClosedJob:
    """A job that is closed. Its contracts continue.

    Attributes:
        job_id: The job.
        already_closed: The server's word: this very request found it closed. After a lost reply that is also what the
            repetition of one's own says.
        status: ``"ARCHIVED"``.
        raw: The whole body as it came.
    """

    job_id: str
    already_closed: bool
    status: str = "ARCHIVED"
    raw: Mapping[str, object] = attrs.field(default=_no_raw, repr=False, eq=False)
