"""The rule of the daily quota: one account's publishes of a rolling window, as a log.

This is the only place where the rule is written. It does no I/O and knows no clock: every step is told what time
it is, in UTC epoch seconds, and a store runs it on one account's log, atomically.

A clock can be set back; the log's own time never goes back. Where the clock falls behind, the log's time continues
from where it was, at the clock's pace, until the clock has caught up. So a slot that was counted while the clock was
wrong does not look older than it is when the clock is right again, and a date in the future locks an account out for a
window at most. A clock that leaps ahead, or comes back only in part, looks like time that has passed: then the
server's refusal corrects the count. All dates in the log are of its own time; callers get instants of their clock's.

The service promises 20 publishes a day, 3 for an unclaimed account, and says `windowHours: 24` when it refuses
(https://www.opentrain.ai/docs/developers/api-reference/jobs/publish/). It does not say whether its window rolls or
follows the calendar. A client that stays within the limit in every rolling window also does in every calendar day, so
an exact log is right under either reading. A token bucket or a windowed counter is right under neither: it lets nearly
twice the limit through in some 24 hours.
"""

from collections.abc import Callable, Iterator
from typing import Literal, cast

from attrs import Factory, evolve, field

from .._base.clock import instant
from .._base.value import define
from ._slots import Before, Busy, Denied, Reservation, Settlement, Slot
from ._snapshot import QuotaSlot, QuotaSnapshot

WINDOW = 24 * 3600.0
SAFE_LIMIT = 3
"""What every account may publish in a window, claimed or not."""
CLAIMED_LIMIT = 20
PROBE_INTERVAL = 3600.0
"""Seconds after a refusal, or a probe that was not answered, in which nothing is sent to find out more."""
SOONEST_SLOT = 60.0
"""Seconds after a refusal in which no slot is expected, however short Retry-After is: drafts wait for it, and ask."""
REMEMBERED = 30 * WINDOW
"""Seconds for which a doubt or an acceptance that no longer counts is remembered: the draft may be live."""
MOST_REMEMBERED = 200
"""How many of these are remembered, the newest: each is written down with every step."""
_LATE = 60.0
"""Seconds by which a step may lag behind another that read the clock later and was faster: no clock is wrong then."""


@define
class AccountLog:
    """One account's slots, what the server has said about its limit, and the steps on both.

    A job has at most one slot that can be joined. `others` are charges that no job can join. `expired_doubts` are
    doubts that no longer count, because their window is over or a probe was accepted, and accepted publishes whose
    window is over. With room in the window a step costs the same however long the log is.
    """

    jobs: dict[str, Slot] = Factory(dict[str, Slot])
    others: list[Slot] = Factory(list[Slot])
    expired_doubts: dict[str, Slot] = Factory(dict[str, Slot])
    window: float = WINDOW
    limit: int | None = None
    limit_source: Literal["server", "documented"] | None = None
    limit_learned_at: float = 0.0
    refused_at: float | None = None
    seen: float = 0.0
    ahead: float = 0.0
    """Seconds by which the log's own time is ahead of a clock that was set back."""
    tidy_until: float = field(default=0.0, eq=False)
    """Until when nothing leaves the window. It is found out anew by whoever has the log from elsewhere."""

    @property
    def used(self) -> int:
        """How many slots lie in the window, as of the last step."""
        return len(self.jobs) + len(self.others)

    def reserve(
        self, job: str, now: float, *, reservation_id: str, lease: float, cap: int | None = None, ahead: int = 0
    ) -> Reservation | Busy | Denied:
        """Join the job's slot, or open one if there is a place.

        Args:
            job: The draft.
            now: The time.
            reservation_id: The reservation's id; asking again with the same one changes nothing.
            lease: For how many seconds the publish counts as in flight.
            cap: A limit that the caller was told, or `None` to learn it.
            ahead: How many callers wait for a place before this one.

        Returns:
            The reservation; or `Busy`, which passes; or `Denied`, until the window frees a slot.
        """
        if self.ahead or not self.seen <= now < self.tidy_until:
            now = self._tidy(now)
        self.seen = now
        if job in self.jobs:
            return self._join(job, now, reservation_id, lease)
        limit = self._limit_now(now, cap)
        places = min(SAFE_LIMIT, cap or SAFE_LIMIT) if limit is None else limit
        free = places - len(self.jobs) - len(self.others)
        is_beyond = free <= ahead
        if is_beyond:
            holders = frozenset(who.id for slot in self.jobs.values() if slot.is_held(now) for who in slot.holders)
            may_go_beyond = not holders and self._may_go_beyond(limit, cap, now)
            if ahead or not may_go_beyond:
                is_busy = free > 0 or holders or may_go_beyond
                return Busy(holders) if is_busy else self._denied(limit, now, in_doubt=job in self.expired_doubts)
        return self._open(job, now, reservation_id, lease, probe=is_beyond and limit is not None)

    def renew(self, reservation: Reservation, now: float) -> None:
        """Begin the lease of a reservation anew, if it has not been taken for abandoned meanwhile."""
        now = self._tidy(now)
        slot = self.jobs.get(reservation.job)
        mine = None if slot is None else slot.holder(reservation.id)
        if slot is not None and mine is not None and now < mine.lease_ends:
            slot.release(mine.id)
            slot.join(evolve(mine, made_at=now))

    def forget_limit(self) -> None:
        """Learn the limit anew: the account is another one now, as after a claim."""
        self.limit, self.limit_source, self.limit_learned_at, self.refused_at = None, None, 0.0, None

    def release_ended(self, has_ended: Callable[[str], bool]) -> None:
        """Release the reservations that have ended, by their ids; certain charges stay."""
        for slot in self.jobs.values():
            for holder in slot.holders:
                if has_ended(holder.id):
                    slot.release(holder.id)
        self.jobs = {job: slot for job, slot in self.jobs.items() if slot.kind is not None or slot.holders}

    def take_over(self, other: "AccountLog", now: float) -> None:
        """Take over what was counted for this account under another name; the limit must be learned anew."""
        self.seen = max(self.seen, other.seen)
        self.window = other.window
        # A charge of a job that is in flight under the new name, too, would be hidden by that.
        hidden = [
            evolve(slot, holders=())
            for job, slot in other.jobs.items()
            if slot.is_certain and job in self.jobs and not self.jobs[job].is_certain
        ]
        self.others += [slot for slot in [*other.others, *hidden] if slot not in self.others]
        self.jobs = {**other.jobs, **self.jobs}
        self.expired_doubts = {
            job: slot
            for job, slot in {**other.expired_doubts, **self.expired_doubts}.items()
            if job not in self.jobs or slot.kind == "accepted"
        }
        self.forget_limit()
        self._tidy(now)

    def settle(self, reservation: Reservation, how: Settlement, now: float) -> None:
        """End a reservation. Doing so twice, or after its lease, is harmless.

        Certainty wins: *published*, *accepted*, *pending*, *confirmed* and *found* stand against whatever the slot
        said, and *unknown* never overwrites them. A draft that was *found* was charged when its slot became unknown,
        unless another reservation of the slot may have done it since. *released* takes away this reservation and the
        doubt that it inherited, never another reservation's; *unsent* takes away this reservation alone.

        An accepted slot keeps the date of its first acceptance. No refusal takes it away. Found live, it is spent as of
        that date; a fresh charge counts beside it.
        """
        if self.ahead or not self.seen <= now < self.tidy_until:
            now = self._tidy(now)
        self.seen = now
        slot = self.jobs.get(reservation.job)
        if slot is None:
            slot = self.jobs[reservation.job] = Slot()
        remembered = None if how in {"released", "unsent"} else self.expired_doubts.pop(reservation.job, None)
        accepted_at = remembered.at if remembered is not None and remembered.kind == "accepted" else None
        slot.release(reservation.id)
        self._decide(slot, reservation, how, now, accepted_at)
        if slot.kind is None and not slot.holders:
            del self.jobs[reservation.job]
        elif how == "unsent" and reservation.before == "expired" and slot.is_doubtful(now):
            self._expire(reservation.job)
        elif slot.kind is not None:
            self.tidy_until = min(self.tidy_until, slot.at + self.window)  # its lease may have held it for longer

    def refused(
        self,
        reservation: Reservation,
        how: Settlement,
        now: float,
        *,
        limit: int | None = None,
        window: float | None = None,
        retry_after: float | None = None,
        cap: int | None = None,
    ) -> Denied:
        """Take in a 429 that named a quota window: the server's count stands, whatever was counted here.

        Args:
            reservation: The refused draft's.
            how: How to settle it: *released*, or *unknown* or *unsent* where the draft's outcome is unknown.
            now: The time of the answer.
            limit: The server's limit, or `None` where it gave none that makes sense: then the known one stays.
            window: The server's window in seconds, or `None` likewise.
            retry_after: In how many seconds, above 0, the server says a slot comes back; less than a minute counts as
                one. `None` if it does not say.
            cap: A limit that the caller was told, or `None`.

        Returns:
            When the next slot leaves the window now.
        """
        self.settle(reservation, how, now)
        if window is not None:
            self.window = window
        now = self.refused_at = self._tidy(now)
        if limit is not None:
            self.limit, self.limit_source, self.limit_learned_at = limit, "server", now
        known = limit or self._limit_now(now, cap)
        dated = now if retry_after is None else min(now, now + max(retry_after, SOONEST_SLOT) - self.window)
        for _ in range((known or SAFE_LIMIT) - self.used):
            self.others.append(Slot("elsewhere", dated))
        self._forget_the_departed(now)
        return self._denied(known, now)

    def snapshot(self, now: float, cap: int | None) -> QuotaSnapshot:
        """What a reader may know of the log at this time."""
        now = self._tidy(now)
        limit = self._limit_now(now, cap)
        source = None if limit is None else "configured" if limit != self.limit else self.limit_source
        return QuotaSnapshot.of(
            limit=limit,
            used=self.used,
            doubtful=sum(slot.is_doubtful(now) for slot in self._slots()),
            limit_source=source,
            limit_learned_at=self.limit_learned_at - self.ahead if source in {"server", "documented"} else None,
            slots=sorted(self._shown(now), key=lambda slot: slot.frees_at),
            window=self.window,
            at=now - self.ahead,
        )

    def _shown(self, now: float) -> Iterator[QuotaSlot]:
        named = [*self.jobs.items(), *((None, slot) for slot in self.others)]
        for job, slot in named:
            state = "held" if slot.is_held(now) else slot.kind or "unknown"
            yield QuotaSlot(job, state, instant(slot.dated() + self.window - self.ahead))

    def _slots(self) -> Iterator[Slot]:
        yield from self.jobs.values()
        yield from self.others

    def _limit_now(self, now: float, cap: int | None) -> int | None:
        """The effective limit: the lower of *cap* and what the server has said; `None` while it is to be learned.

        A limit below a claimed account's is tried again when it is a day old: the account may have been claimed
        since. Four fresh publishes in one window are more than an unclaimed account has.
        """
        if self.limit is None and cap is not None:
            return cap
        outdated = now - self.limit_learned_at >= WINDOW
        if self.limit is None or (outdated and self.limit < CLAIMED_LIMIT):
            if sum(slot.fresh for slot in self._slots()) <= SAFE_LIMIT:
                return None
            self.limit, self.limit_source, self.limit_learned_at = CLAIMED_LIMIT, "documented", now
        if cap is None:
            return self.limit
        return min(cap, self.limit) if self.limit_source == "server" else cap

    def _open(self, job: str, now: float, reservation_id: str, lease: float, *, probe: bool) -> Reservation:
        """Open a slot for a job that has none; a doubt about it that had expired counts again.

        An earlier acceptance stays remembered meanwhile: it has left the window, whatever comes of this publish.
        """
        slot = self.expired_doubts.get(job)
        if slot is None:
            reservation = Reservation(reservation_id, job, "new", None, now, lease, probe)
            self.jobs[job] = Slot(holders=(reservation,))
        elif slot.kind == "accepted":
            reservation = Reservation(reservation_id, job, "accepted", slot.at, now, lease, probe)
            self.jobs[job] = Slot(holders=(reservation,))
        else:
            del self.expired_doubts[job]
            reservation = Reservation(reservation_id, job, "expired", slot.at, now, lease, probe)
            slot.join(reservation)
            self.jobs[job] = slot
        return reservation

    def _join(self, job: str, now: float, reservation_id: str, lease: float) -> Reservation:
        """Take part in a job's slot: a retry, a resumed run or another process, charged once together."""
        slot = self.jobs[job]
        if (mine := slot.holder(reservation_id)) is not None:
            return mine
        if slot.is_doubtful(now):
            slot.kind, slot.at, slot.holders = "unknown", slot.dated(), ()
        known = slot if slot.kind else self.expired_doubts.get(job)
        before: Before = "held" if known is None else cast("Before", known.kind)
        reservation = Reservation(reservation_id, job, before, None if known is None else known.at, now, lease)
        slot.join(reservation)
        return reservation

    def _may_go_beyond(self, limit: int | None, cap: int | None, now: float) -> bool:
        """Whether one draft may be sent past the places that are safe, to find out more.

        While the limit is unknown that is how it is learned. With a known one it is how unknown slots are
        cleared up, so that they never lock an account out; charges that are certain leave nothing to find out.
        """
        if self.refused_at is not None and now - self.refused_at < PROBE_INTERVAL:
            return False
        if limit is None:
            return cap is None or self.used < cap
        return sum(slot.is_certain for slot in self._slots()) < min(limit, self.used)

    def _denied(self, limit: int | None, now: float, *, in_doubt: bool = False) -> Denied:
        """No place until so many slots have left the window that one is free."""
        departures = sorted(slot.dated() + self.window for slot in self._slots())
        frees_at = departures[0 if limit is None else self.used - limit]
        return Denied(frees_at - self.ahead, frees_at - now, limit, self.used, in_doubt)

    def _decide(
        self, slot: Slot, reservation: Reservation, how: Settlement, now: float, accepted_at: float | None
    ) -> None:
        """Record in a slot what has become known of its job; *accepted_at* is an acceptance that has left the window.

        A slot that another reservation holds keeps no earlier date: that publish may have been charged since.
        """
        is_pending_still = slot.kind == "accepted" or (
            slot.kind is None and not slot.holders and accepted_at is not None
        )
        if how == "accepted" and is_pending_still:
            how = "pending"  # the server says so each time that it is asked, until a person has decided
        if how == "published":
            self._charge(slot, reservation, now)
        elif how == "accepted":
            self._accept(slot, reservation, now)
        elif how in {"confirmed", "found", "pending"} and slot.kind != "spent":
            if slot.kind != "accepted":
                earlier = slot.at if slot.kind == "unknown" else accepted_at
                slot.at = now if how == "confirmed" or slot.holders or earlier is None else earlier
            slot.kind = "accepted" if how == "pending" else "spent"
        elif how == "unknown" and not slot.is_certain:
            slot.kind, slot.at = "unknown", now
            if reservation.probe:
                self.refused_at = now  # it has found out nothing, and the next one would hardly do better
        elif how == "released" and slot.kind == "unknown" and slot.at == reservation.before_at:
            slot.kind = None

    def _charge(self, slot: Slot, reservation: Reservation, now: float) -> None:
        """Date a publish that the server has just charged.

        A slot that was spent before this reservation, or that the server has dated meanwhile, is a job that a
        live edit took down: the server counts it a second time, and so does the log.
        """
        if slot.charged_by == reservation.id:
            return
        if slot.is_certain and (reservation.before == "spent" or slot.fresh):
            self.others.append(evolve(slot, holders=()))
        slot.kind, slot.at, slot.fresh, slot.charged_by = "spent", now, True, reservation.id
        if reservation.probe:
            self._drop_a_doubt(now)

    def _accept(self, slot: Slot, reservation: Reservation, now: float) -> None:
        """Date a publish that the server has just accepted.

        A slot that was spent before this reservation is a job that was taken down since: its acceptance counts beside
        the charge.
        """
        if slot.kind == "spent" and reservation.before != "spent":
            return
        if slot.kind == "spent":
            self.others.append(evolve(slot, holders=()))
        slot.kind, slot.at, slot.fresh, slot.charged_by = "accepted", now, True, reservation.id
        if reservation.probe:
            self._drop_a_doubt(now)

    def _drop_a_doubt(self, now: float) -> None:
        """An accepted probe proves that one slot too many was counted: the least founded, then the oldest, goes."""
        elsewhere = [slot for slot in self.others if slot.kind == "elsewhere"]
        doubtful = [job for job, slot in self.jobs.items() if slot.is_doubtful(now)]
        if elsewhere:
            oldest = min(elsewhere, key=Slot.dated)
            self.others = [slot for slot in self.others if slot is not oldest]
        elif doubtful:
            self._expire(min(doubtful, key=lambda job: self.jobs[job].dated()))

    def _expire(self, job: str) -> None:
        """Count a job's slot no longer. Remember it unless it is spent: the job may be live, or become so."""
        slot = self.jobs.pop(job)
        if slot.kind != "spent":
            self.expired_doubts[job] = Slot("accepted" if slot.kind == "accepted" else "unknown", slot.dated())
            if len(self.expired_doubts) > MOST_REMEMBERED:
                # An acceptance goes first: without it a draft is only told to have been live before.
                acceptances = (job for job, slot in self.expired_doubts.items() if slot.kind == "accepted")
                del self.expired_doubts[next(acceptances, next(iter(self.expired_doubts)))]

    def _tidy(self, clock: float) -> float:
        """Find the log's own time by the clock's, and drop what has left the window; return that time."""
        if clock >= self.seen:
            self.ahead = 0.0
        elif self.seen - clock <= _LATE or clock + self.ahead < self.seen - _LATE:
            self.ahead = self.seen - clock
        self.seen = max(self.seen, clock + self.ahead)
        self._forget_the_departed(self.seen)
        return self.seen

    def _forget_the_departed(self, now: float) -> None:
        for job in [job for job, slot in self.jobs.items() if now >= slot.dated() + self.window]:
            self._expire(job)
        self.expired_doubts = {job: slot for job, slot in self.expired_doubts.items() if now < slot.at + REMEMBERED}
        self.others = [slot for slot in self.others if now < slot.dated() + self.window]
        # What has no date yet, or is dated from now on, leaves no sooner than a window from now.
        self.tidy_until = min([now, *(slot.dated() for slot in self._slots() if slot.kind)]) + self.window
