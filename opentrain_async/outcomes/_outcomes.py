"""Outcomes, reports and progress as frozen values."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from attrs import field

from .._base.value import frozen
from ..errors import ModerationBlockedError, NotPublishReadyError, OpenTrainError
from ..models import PublishResult


class OutcomeStatus(StrEnum):
    """The outcomes of a draft."""

    PUBLISHED = "published"
    """This run put it live."""
    ALREADY_PUBLISHED = "already_published"
    """It was live before, and used up nothing as far as the service says. `result.is_live` is false if it is ongoing or
    completed. (A proxy that repeats a POST can make the service say so of this run's own publish.)"""
    PENDING = "pending"
    """Accepted, counted, and not live yet, as it awaits approval; `retry_at` says when to look again."""
    REJECTED = "rejected"
    """Refused, by the service or locally, and not live through this run; `error` says why."""
    DEFERRED = "deferred"
    """Not put live by us: there was no quota or too much traffic; `retry_at` says when to come back, where known."""
    NOT_SENT = "not_sent"
    """Nothing was sent that could have put it live: the run had stopped, or no connection was made."""
    UNKNOWN = "unknown"
    """It may be live. Publishing it again settles it, and is charged once."""


@frozen
class PublishOutcome:
    """What became of one draft.

    Attributes:
        job_id: The id as it was given; of something that is no string, its `repr`.
        status: What became of it.
        result: The job, if it is live, was live, or is pending.
        error: The reason, if there is no result; without a traceback. `None` also where the run was stopped by its own
            caller, before anything was sent.
        attempts: How many times its request was begun.
        retry_at: The earliest time at which trying again makes sense, where that is known. Not a booking.
    """

    job_id: str
    status: OutcomeStatus
    result: PublishResult | None = None
    error: OpenTrainError | None = None
    attempts: int = 0
    retry_at: datetime | None = None

    @property
    def is_final(self) -> bool:
        """True if publishing the draft again as it is would not help: it is live, not ready, or blocked by moderation.

        A run with the same journal leaves such a draft out. With ``again=True`` it tries those that are not live.
        """
        if self.status is OutcomeStatus.REJECTED:
            return isinstance(self.error, NotPublishReadyError | ModerationBlockedError)
        return self.status in {OutcomeStatus.PUBLISHED, OutcomeStatus.ALREADY_PUBLISHED}


@frozen
class PublishProgress:
    """How far a run is.

    Attributes:
        counts: How many drafts have each status; every status is there, if with 0. Those that a journal had count too.
        in_flight: How many drafts are in flight, including those that an outage pauses or that wait for quota.
        total: How many there are; `None` where the source does not say.
        rate: Drafts a second that came to their end lately; 0 where none did.
        held_until: When the next draft is tried while an outage pauses the run; otherwise `None`.
        held_by: The last failure in that outage; otherwise `None`.
        waiting_until: When the window frees a slot, as far as is known, while drafts wait for one; otherwise `None`.
        eta: When the last draft will finish, at this rate or with that many slots a day; `None` where that is not
            known.
    """

    counts: Mapping[OutcomeStatus, int]
    in_flight: int
    total: int | None = None
    rate: float = 0.0
    held_until: datetime | None = None
    held_by: OpenTrainError | None = None
    waiting_until: datetime | None = None
    eta: datetime | None = None

    @property
    def done(self) -> int:
        """How many drafts have finished."""
        return sum(self.counts.values())


@frozen
class PublishReport:
    """What became of all drafts of a run: one outcome per distinct id, in the order in which they came.

    Attributes:
        outcomes: The outcomes.
        stopped_by: The error that ended the run early, or `None`: what was left then is `NOT_SENT`.
    """

    outcomes: tuple[PublishOutcome, ...] = ()
    stopped_by: OpenTrainError | None = field(default=None)

    @property
    def counts(self) -> Mapping[OutcomeStatus, int]:
        """How many drafts have each status; every status is there, if with 0."""
        counted = Counter(outcome.status for outcome in self.outcomes)
        return {status: counted[status] for status in OutcomeStatus}

    @property
    def published(self) -> tuple[PublishOutcome, ...]:
        """The drafts that this run put live."""
        return self._having(OutcomeStatus.PUBLISHED)

    @property
    def already_published(self) -> tuple[PublishOutcome, ...]:
        """The drafts that were live before."""
        return self._having(OutcomeStatus.ALREADY_PUBLISHED)

    @property
    def pending(self) -> tuple[PublishOutcome, ...]:
        """The drafts that were accepted and are not live yet."""
        return self._having(OutcomeStatus.PENDING)

    @property
    def rejected(self) -> tuple[PublishOutcome, ...]:
        """The drafts that were refused."""
        return self._having(OutcomeStatus.REJECTED)

    @property
    def deferred(self) -> tuple[PublishOutcome, ...]:
        """The drafts that have to wait for quota."""
        return self._having(OutcomeStatus.DEFERRED)

    @property
    def not_sent(self) -> tuple[PublishOutcome, ...]:
        """The drafts for which nothing was sent."""
        return self._having(OutcomeStatus.NOT_SENT)

    @property
    def unknown(self) -> tuple[PublishOutcome, ...]:
        """The drafts that may be live."""
        return self._having(OutcomeStatus.UNKNOWN)

    def raise_for_failures(self) -> None:
        """Do nothing if every draft is live or pending; otherwise raise the errors of the others.

        Raises:
            ExceptionGroup: The errors of all drafts that have one, in the order of the outcomes.
        """
        errors = [outcome.error for outcome in self.outcomes if outcome.error is not None]
        if errors:
            raise ExceptionGroup(str(self), errors)

    def __str__(self) -> str:
        counted = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in self.counts.items() if count)
        stopped = f"; stopped by {self.stopped_by!r}" if self.stopped_by else ""
        drafts = "1 draft" if len(self.outcomes) == 1 else f"{len(self.outcomes)} drafts"
        return f"{drafts}: {counted or 'nothing to do'}{stopped}"

    def _having(self, status: OutcomeStatus) -> tuple[PublishOutcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.status is status)
