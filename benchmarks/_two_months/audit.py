"""Who watches: what the service has done, what the processes say of it, and whether that is true."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Literal

from attrs import Factory, define, frozen

from opentrain_async import OutcomeStatus, QuotaSnapshot
from opentrain_async.quota._slots import Reservation
from opentrain_async.sandbox import RequestSeen, Sandbox

DAY = 24 * 3600.0
LOOK_EACH = 300.0
"""Seconds between two looks at the service."""
UNUSED_AFTER = 3900.0
"""Seconds for which a slot has to stand free, and a draft to wait, for it to be left unused: an hour is what the ledger
takes between two tries to find out whether a slot that it has to count was used at all."""

LIVE = {OutcomeStatus.PUBLISHED, OutcomeStatus.ALREADY_PUBLISHED}
Refusal = Literal["learning", "probing", "in doubt", "elsewhere", "pointless"]
"""Why a publish was sent that the quota refused:

- learning: nobody had told how high the limit is;
- probing: the ledger counted slots in doubt, and one draft was sent to find out about them;
- in doubt: the draft itself might have been live: a request of it had been lost, or its process killed;
- elsewhere: somebody had published by other means, of which the ledger had not been told;
- pointless: what the ledger knew had ruled it out.
"""


@define
class Day:
    """What happened on one day.

    Attributes:
        limit: The account's, at its end.
        published: Drafts that went live.
        elsewhere: Publishes by other means.
        refusals: How many publishes the quota refused, and why they were sent.
        unused: Slots that were left unused though a draft was waiting.
        lost: Drafts that came on it of which nothing final was ever said.
        told_wrongly: Times that something was said of a draft that was not so.
        waiting: Drafts that waited at its end.
        kills: Processes that were killed.
        ill: Hours in which the service was down, or throttled.
    """

    limit: int = 0
    published: int = 0
    elsewhere: int = 0
    refusals: Counter[Refusal] = Factory(Counter)
    unused: int = 0
    lost: int = 0
    told_wrongly: int = 0
    waiting: int = 0
    kills: int = 0
    ill: float = 0.0

    @property
    def is_at_fault(self) -> bool:
        """Whether a draft was lost, or something untrue was said of one."""
        return bool(self.lost or self.told_wrongly)

    @property
    def is_wasteful(self) -> bool:
        """Whether something was sent in vain, or a slot was wasted, that nobody else has to answer for."""
        return bool(self.refusals["pointless"] or self.unused)


@frozen
class Given:
    """A draft: the day on which it came, and whether it is one that the service accepts."""

    day: int
    is_good: bool


@frozen
class Promise:
    """A place that the ledger gave to a draft, when, and what it knew then."""

    reservation: Reservation
    known: QuotaSnapshot


@define(eq=False)
class Audit:
    """Everything that is seen, by days.

    Attributes:
        sandbox: The service.
        began_at: When the first day began, in epoch seconds.
        days: From the first one.
        told: What was last said of each draft.
        lies: What was said of drafts that was not so.
        elsewhere: When somebody published by other means.
    """

    sandbox: Sandbox
    began_at: float
    days: defaultdict[int, Day] = Factory(lambda: defaultdict(Day))
    told: dict[str, OutcomeStatus] = Factory(dict[str, OutcomeStatus])
    lies: list[str] = Factory(list[str])
    elsewhere: list[float] = Factory(list[float])
    _given: dict[str, Given] = Factory(dict[str, Given])
    _live: dict[str, float] = Factory(dict[str, float])
    _promises: dict[str, Promise] = Factory(dict[str, Promise])
    _requests_seen: int = 0
    _idle: list[tuple[float, int]] = Factory(list[tuple[float, int]])

    @property
    def in_all(self) -> Day:
        """All days together; the limit and who waited are the last day's."""
        days = [self.days[number] for number in sorted(self.days)]
        return Day(
            limit=days[-1].limit,
            published=sum(day.published for day in days),
            elsewhere=sum(day.elsewhere for day in days),
            refusals=sum((day.refusals for day in days), Counter()),
            unused=sum(day.unused for day in days),
            lost=sum(day.lost for day in days),
            told_wrongly=sum(day.told_wrongly for day in days),
            waiting=days[-1].waiting,
            kills=sum(day.kills for day in days),
            ill=sum(day.ill for day in days),
        )

    @property
    def today(self) -> Day:
        """The day that it is."""
        return self.days[self._number_of_today]

    @property
    def _number_of_today(self) -> int:
        return int((self.sandbox.clock.now() - self.began_at) // DAY)

    def given(self, job_id: str, *, is_good: bool) -> None:
        """A process is given a draft; *is_good* is one that the service accepts."""
        self._given[job_id] = Given(self._number_of_today, is_good)

    def free(self, limit: int) -> int:
        """How many publishes the service would accept just now."""
        now = self.sandbox.clock.now()
        charged = [*self._live.values(), *self.elsewhere]
        return limit - sum(now < at + DAY for at in charged)

    def published_elsewhere(self) -> None:
        """Somebody has published by other means."""
        self.elsewhere.append(self.sandbox.clock.now())
        self.today.elsewhere += 1

    def promised(self, reservation: Reservation, known: QuotaSnapshot) -> None:
        """The ledger has given a draft a place; so much it knows."""
        self._promises[reservation.job] = Promise(reservation, known)

    def tell(self, job_id: str, status: OutcomeStatus) -> None:
        """A process says what became of a draft."""
        is_live = job_id in set(self.sandbox.live)
        match status:
            case OutcomeStatus.PUBLISHED | OutcomeStatus.ALREADY_PUBLISHED:
                is_true = is_live
            case OutcomeStatus.UNKNOWN:
                is_true = True
            case OutcomeStatus.REJECTED:
                is_true = not is_live and not self._given[job_id].is_good
            case _:
                is_true = not is_live
        if not is_true:
            self.lies.append(f"{job_id} was said to be {status}")
            self.today.told_wrongly += 1
        self.told[job_id] = status

    def look(self, limit: int, waiting: int, *, is_well: bool) -> None:
        """Look at the service: what is new, and whether it stands idle though drafts wait."""
        now, today = self.sandbox.clock.now(), self.today
        for job_id in self.sandbox.live:
            if job_id not in self._live:
                self._live[job_id] = now
                today.published += 1
        for refused in self._refused():
            today.refusals[self._why(refused)] += 1
        today.limit, today.waiting = limit, waiting
        today.ill += 0.0 if is_well else LOOK_EACH / 3600
        self._idle.append((now, min(self.free(limit), waiting) if is_well else 0))
        self._idle = [(at, idle) for at, idle in self._idle if at > now - UNUSED_AFTER]
        if len(self._idle) >= UNUSED_AFTER / LOOK_EACH:
            today.unused = max(today.unused, min(idle for _, idle in self._idle))

    def close(self) -> None:
        """Find the drafts that were lost: of which it was never said that they are live, or rejected."""
        for job_id, given in self._given.items():
            status = self.told.get(job_id)
            is_done = status in LIVE if given.is_good else status is OutcomeStatus.REJECTED
            self.days[given.day].lost += not is_done

    def _refused(self) -> Iterator[RequestSeen]:
        """The publishes that the quota has refused since the last look."""
        seen, self._requests_seen = self._requests_seen, len(self.sandbox.requests)
        for request in self.sandbox.requests[seen:]:
            if request.operation == "publish" and request.status == 429 and request.fault is None:
                yield request

    def _why(self, refused: RequestSeen) -> Refusal:
        promise = self._promises[str(refused.job_id)]
        if promise.reservation.before in {"held", "unknown"}:
            return "in doubt"
        if promise.reservation.probe:
            return "probing"
        if promise.known.limit is None:
            return "learning"
        elsewhere = sum(refused.at - DAY < at for at in self.elsewhere)
        told_of = sum(slot.state == "elsewhere" for slot in promise.known.slots)
        return "elsewhere" if elsewhere > told_of else "pointless"
