"""Who watches: what the processes say of what the service has done, and whether that is true."""

import math
from collections import defaultdict

from attrs import Factory, define, frozen

from opentrain_async import OutcomeStatus
from opentrain_async.sandbox import Sandbox

from .day import DAY, HOUR, Day, in_all
from .record import Record

LOOK_EACH = 300.0
"""Seconds between two looks at the service."""
UNUSED_AFTER = 3900.0
"""Seconds for which a slot has to stand free, and a draft to wait, for it to be left unused: an hour is what the ledger
takes between two tries to find out whether a slot that it has to count was used at all."""

FOUND_OUT_WITHIN = 2 * DAY
"""Seconds in which a ledger finds out that a plan was raised, a day being the age at which a limit is tried upwards."""

LIVE = {OutcomeStatus.PUBLISHED, OutcomeStatus.ALREADY_PUBLISHED}


@frozen
class Given:
    """A draft: the day on which it came, and whether it is one that the service accepts."""

    day: int
    is_good: bool


@define(eq=False)
class Audit:
    """Everything that is seen, by days.

    Attributes:
        record: The evidence.
        began_at: When the first day began, in epoch seconds.
        limit: The account's limit.
        days: From the first one.
        told: What was last said of each draft.
        lies: What was said of drafts that was not so.
    """

    record: Record
    began_at: float
    limit: int
    days: defaultdict[int, Day] = Factory(lambda: defaultdict(Day))
    told: dict[str, OutcomeStatus] = Factory(dict[str, OutcomeStatus])
    lies: list[str] = Factory(list[str])
    _given: dict[str, Given] = Factory(dict[str, Given])
    _live: set[str] = Factory(set[str])
    _put_off_until: dict[str, float] = Factory(dict[str, float])
    _idle_since: list[float] = Factory(list[float])
    _lower_until: tuple[float, int] = (-math.inf, 0)

    @classmethod
    def of(cls, sandbox: Sandbox, token: str, limit: int) -> "Audit":
        """An audit of the account of this token, from now on."""
        account = sandbox._service.accounts[token]  # noqa: SLF001 - what is charged the service shows to nobody
        return cls(Record(sandbox, account.published_at), sandbox.clock.now(), limit)

    @property
    def in_order(self) -> list[Day]:
        """The days, from the first one."""
        return [self.days[number] for number in sorted(self.days)]

    @property
    def in_all(self) -> Day:
        """All days together."""
        return in_all(self.in_order)

    @property
    def today(self) -> Day:
        """The day that it is."""
        return self.days[self._number_of_today]

    @property
    def _number_of_today(self) -> int:
        return int((self.record.now - self.began_at) // DAY)

    def given(self, job_id: str, *, is_good: bool) -> None:
        """A process is given a draft; *is_good* is one that the service accepts."""
        self._given[job_id] = Given(self._number_of_today, is_good)

    def claimed(self, limit: int) -> None:
        """The account has been claimed: it has another limit."""
        self.limit, self.record.claimed_at = limit, self.record.now

    def raised(self, limit: int) -> None:
        """The account's plan has been raised, of which nobody is told: the ledger may find out a day later."""
        self._lower_until = (self.record.now + FOUND_OUT_WITHIN, self.limit)
        self.limit = limit

    @property
    def known_limit(self) -> int:
        """The limit that the ledger has to know of."""
        until, lower = self._lower_until
        return lower if self.record.now < until else self.limit

    def published_elsewhere(self) -> None:
        """Somebody has published by other means."""
        self.record.elsewhere.append(self.record.now)
        self.today.elsewhere += 1

    def killed(self, job_ids: list[str]) -> None:
        """A process has been killed that had these drafts to publish."""
        self.record.killed(job_ids)
        self.today.kills += 1

    def waits(self, job_id: str) -> bool:
        """Whether a draft that is to be published waits: it does from when it came, unless it was put off.

        It was if it was told when there would be a slot, and until then; not for longer than that could be true.
        """
        return self.record.now >= self._put_off_until.get(job_id, -math.inf)

    def tell(self, job_id: str, status: OutcomeStatus, *, since: int = 0, slot_at: float | None = None) -> None:
        """A process says what became of a draft.

        Args:
            job_id: The draft.
            status: What became of it.
            since: How many requests the service had seen when the call began that this came of.
            slot_at: When the draft can go, if it was told that the quota is used up until then.
        """
        if not self._is_true(job_id, status, since):
            self._note(f"{job_id} was said to be {status}")
            self.today.told_wrongly += 1
        self.told[job_id] = status
        self._put_off_until.pop(job_id, None)
        if slot_at is not None:
            latest = self.record.slot_at(self.known_limit)
            self._put_off_until[job_id] = min(slot_at, latest)
            if slot_at > latest:
                self._note(f"{job_id} was told to come back {(slot_at - latest) / HOUR:.1f} hours too late")
                self.today.told_too_late += 1

    def look(self, waiting: int, *, is_well: bool) -> None:
        """Look at the service: what is new, and whether it stands idle though drafts wait."""
        today = self.today
        live = set(self.record.sandbox.live)
        today.published += len(live - self._live)
        self._live |= live
        today.refusals.update(self.record.refusals())
        today.limit, today.waiting = self.limit, waiting
        today.ill += 0.0 if is_well else LOOK_EACH / 3600
        idle = min(self.record.free_to_find(self.known_limit), waiting) if is_well and waiting else 0
        self._look_for_idle_slots(max(0, idle))

    def close(self) -> None:
        """Look once more, and find the drafts that were lost: never said to be live, or rejected."""
        self.look(0, is_well=True)
        for job_id, given in self._given.items():
            status = self.told.get(job_id)
            is_done = status in LIVE if given.is_good else status is OutcomeStatus.REJECTED
            self.days[given.day].lost += not is_done

    def _is_true(self, job_id: str, status: OutcomeStatus, since: int) -> bool:
        is_live = job_id in self.record.sandbox.live
        match status:
            case OutcomeStatus.PUBLISHED:
                return is_live and self.told.get(job_id) not in LIVE
            case OutcomeStatus.ALREADY_PUBLISHED:
                return is_live
            case OutcomeStatus.UNKNOWN:
                return True
            case OutcomeStatus.REJECTED:
                return not is_live and not self._given[job_id].is_good
            case OutcomeStatus.NOT_SENT:
                return not is_live and not self.record.may_have_put_live(job_id, since)
            case _:
                return not is_live

    def _look_for_idle_slots(self, idle: int) -> None:
        """Count each slot once that stands idle for too long; the last one that did is the first to be used."""
        now = self.record.now
        del self._idle_since[idle:]
        self._idle_since += [now] * (idle - len(self._idle_since))
        for number, since in enumerate(self._idle_since):
            if now - since >= UNUSED_AFTER:
                self.today.unused += 1
                self._idle_since[number] = math.inf

    def _note(self, lie: str) -> None:
        self.lies.append(f"day {self._number_of_today + 1}: {lie}")
