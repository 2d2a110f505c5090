"""Plan when each draft of a run can go, before the run begins."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush

from .._base.clock import LATEST
from .._base.value import frozen
from ..errors._refusing import RefusedId, read_job_id
from ._log import CLAIMED_LIMIT
from ._snapshot import QuotaSnapshot


@frozen
class PlannedPublish:
    """When a draft can go.

    Attributes:
        job_id: The draft.
        at: When the window has a slot for it; of those that need not wait, when the plan was made.
    """

    job_id: str
    at: datetime


@frozen
class PublishPlan:
    """When each draft of a run can go at the earliest, as far as the ledger knows. Not a booking.

    A draft that turns out to be live, or is refused, uses up no slot: then those after it go earlier.

    Attributes:
        made_at: When the plan was made, by the clock of the ledger.
        drafts: The drafts, each once, in the order in which they came.
        limit: Publishes per window.
        limit_is_assumed: Nobody has said what the limit is yet; it is taken for a claimed account's.
        invalid: What can be no id of a draft, and would be rejected without a request.
    """

    made_at: datetime
    drafts: tuple[PlannedPublish, ...]
    limit: int
    limit_is_assumed: bool = False
    invalid: tuple[str, ...] = ()

    @property
    def now(self) -> tuple[PlannedPublish, ...]:
        """The drafts that need not wait."""
        return tuple(draft for draft in self.drafts if draft.at <= self.made_at)

    @property
    def later(self) -> tuple[PlannedPublish, ...]:
        """The drafts that have to wait."""
        return tuple(draft for draft in self.drafts if draft.at > self.made_at)

    @property
    def ends_at(self) -> datetime | None:
        """When the last one can go; `None` where there is none."""
        return max((draft.at for draft in self.drafts), default=None)

    @property
    def times(self) -> dict[datetime, int]:
        """How many drafts can go when, in the order of time."""
        return dict(sorted(Counter(draft.at for draft in self.drafts).items()))

    def __str__(self) -> str:
        drafts = "1 draft" if len(self.drafts) == 1 else f"{len(self.drafts)} drafts"
        told = f"{drafts}: {len(self.now)} now, {len(self.later)} later"
        last = self.ends_at
        return f"{told}, the last one at {last:%Y-%m-%d %H:%M:%S} UTC" if last and self.later else told


def plan(items: Iterable[object], quota: QuotaSnapshot, made_at: datetime) -> PublishPlan:
    """Play through the run as the ledger will: each draft takes the first place that there is for it.

    A draft that has a slot in the window already goes in that one. An unknown outcome counts as charged.

    Args:
        items: The ids of the drafts, each once, and what is none.
        quota: The account's quota.
        made_at: The time of the plan.
    """
    limit = quota.limit or CLAIMED_LIMIT
    window = timedelta(seconds=quota.window)
    mine = {slot.job_id for slot in quota.slots}
    departures = [slot.frees_at for slot in quota.slots]
    heapify(departures)
    drafts: list[PlannedPublish] = []
    invalid: list[str] = []
    for item in items:
        job_id = read_job_id(item)
        if isinstance(job_id, RefusedId):
            invalid.append(job_id.name)
            continue
        at = made_at
        if job_id not in mine:
            while len(departures) >= limit:
                at = max(at, heappop(departures))
            heappush(departures, _after(at, window))
        drafts.append(PlannedPublish(job_id, at))
    return PublishPlan(made_at, tuple(drafts), limit, quota.limit is None, tuple(invalid))


def _after(at: datetime, window: timedelta) -> datetime:
    """Return that time and so much more; at most the calendar's end, to which a long plan may come."""
    return at + window if at < LATEST - window else LATEST
