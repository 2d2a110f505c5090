"""Plan when each draft of a run can go, before the run begins."""

import itertools
import math
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from .._base.clock import instant
from .._base.value import frozen
from ..errors._refusing import RefusedId, read_job_id
from ._allowance import CLAIMED_LIMIT
from ._log import AccountLog
from ._slots import Saw, Wait


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


def plan(items: Iterable[object], log: AccountLog, told: float, cap: int | None) -> PublishPlan:
    """Play the log forward: each draft takes the first place that there is for it, and is published.

    A draft that has a slot in the window goes in that one. What is in doubt, in flight or used elsewhere counts as
    charged, so no draft goes only to find out.

    Args:
        items: The ids of the drafts, each once, and what is none.
        log: The account's log, which is used up.
        told: The time of the plan.
        cap: A limit that the caller was told, or `None`.
    """
    forecast = _Forecast(log, told, cap)
    starts: dict[str, float] = {}
    invalid: list[str] = []
    waiting: list[str] = []
    for item in items:
        job_id = read_job_id(item)
        if isinstance(job_id, RefusedId):
            invalid.append(job_id.name)
            continue
        starts[job_id] = math.inf
        # Behind one that waits for a place, only a draft that has a slot can go now.
        if (waiting and job_id not in log.jobs) or not forecast.goes_now(job_id):
            waiting.append(job_id)
        else:
            starts[job_id] = forecast.at
    for job_id in waiting:
        while not forecast.goes_now(job_id):
            forecast.wait()
        starts[job_id] = forecast.at
    drafts = tuple(PlannedPublish(job_id, forecast.instant_of(at)) for job_id, at in starts.items())
    return PublishPlan(
        forecast.instant_of(forecast.made_at), drafts, forecast.limit, forecast.is_assumed, tuple(invalid)
    )


class _Forecast:
    """A log whose time is made to pass.

    Attributes:
        made_at: The log's time at the beginning.
        at: Its time now.
        limit: Publishes per window.
        is_assumed: Nobody has said what the limit is.
    """

    def __init__(self, log: AccountLog, told: float, cap: int | None) -> None:
        self.made_at = self.at = log.tidy(told)
        self._lead = log.clock.lead
        limit = log.allowance.limit_under(cap)
        self.is_assumed, self.limit = limit is None, limit or CLAIMED_LIMIT
        # Nothing is left to find out: neither what is in doubt, nor whether the limit still holds.
        log.allowance.limit, log.allowance.source, log.allowance.learned_at = self.limit, "documented", math.inf
        for slot in [*log.jobs.values(), *log.others]:
            slot.take_for_charged()
        self._log = log
        self._until = self.at
        self._numbers = itertools.count()

    def instant_of(self, at: float) -> datetime:
        """Return a time of the log as the clock will tell it."""
        return instant(at - self._lead)

    def goes_now(self, job_id: str) -> bool:
        """Publish this draft now, if there is a place."""
        answer = self._log.reserve(
            job_id, self.at, reservation_id=f"forecast-{next(self._numbers)}", lease=1.0, cap=self.limit
        )
        if isinstance(answer, Wait):
            self._until = answer.until
            return False
        counts_from = None if answer.before == "expired" else answer.before_at
        is_counted = counts_from is not None and self.at < counts_from + self._log.allowance.window
        self._log.settle(answer, Saw("live" if is_counted else "published"), self.at)
        return True

    def wait(self) -> None:
        """Let time pass until asking again makes sense."""
        self.at = max(self._until, math.nextafter(self.at, math.inf))
