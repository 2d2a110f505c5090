"""The rule of the daily quota: one account's publishes of a rolling window, as a log.

This is the only place where the rule is written. It does no I/O: every step is told what time it is, in UTC epoch
seconds, and a store runs it on one account's log, atomically. All dates in the log are of its own time, which never
goes back (`LogClock`); callers get instants of their clock's.

The service promises 20 publishes a day, 3 for an unclaimed account, and says `windowHours: 24` when it refuses
(https://www.opentrain.ai/docs/developers/api-reference/jobs/publish/). It does not say whether its window rolls or
follows the calendar. A client that stays within the limit in every rolling window also does in every calendar day, so
an exact log is right under either reading. A token bucket or a windowed counter is right under neither: it lets nearly
twice the limit through in some 24 hours.
"""

import math
from collections.abc import Iterator
from typing import Literal

from attrs import Factory, evolve, field

from .._base.clock import instant
from .._base.value import define
from ._allowance import SAFE_LIMIT, WINDOW, Allowance
from ._in_flight import FIRST_SECONDS, first_of, published_again, those_that_may_tell
from ._log_clock import LogClock
from ._probes import Probes
from ._slots import HIGHEST_LIMIT, Before, Reservation, Saw, Settlement, Slot, Wait
from ._snapshot import QuotaSlot, QuotaSnapshot

REMEMBERED = 30 * WINDOW
"""Seconds for which a doubt or an acceptance that no longer counts is remembered: the draft may be live."""
MOST_REMEMBERED = 200
"""How many of these are remembered, the newest: each is written down with every step."""
_NEARLY_FULL = 100
"""With more places free, it does not matter how many drafts are being published once more."""


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
    allowance: Allowance = Factory(Allowance)
    probes: Probes = Factory(Probes)
    clock: LogClock = Factory(LogClock)
    tidy_until: float = field(default=0.0, eq=False)
    """Until when nothing leaves the window. It is found out anew by whoever has the log from elsewhere."""

    @property
    def used(self) -> int:
        """How many slots lie in the window, as of the last step."""
        return len(self.jobs) + len(self.others)

    def reserve(
        self, job: str, told: float, *, reservation_id: str, lease: float, cap: int | None = None, ahead: int = 0
    ) -> Reservation | Wait:
        """Join the job's slot, or open one if there is a place.

        While the log is full, and after a refusal, drafts go alone, one after another, those that have a slot too.

        Args:
            job: The draft.
            told: The time.
            reservation_id: The reservation's id; asking again with the same one changes nothing.
            lease: For how many seconds the publish counts as in flight.
            cap: A limit that the caller was told, or `None` to learn it.
            ahead: How many callers wait for a place before this one.

        Returns:
            The reservation, or when to ask again.
        """
        now = self._now(told)
        slot = self.jobs.get(job)
        if slot is not None and (mine := slot.holder(reservation_id)) is not None:
            return mine
        limit = self._limit_now(now, cap)
        places = SAFE_LIMIT if limit is None else limit
        ahead = 0 if slot is not None else ahead
        free = places - self.used - self.probes.returning
        if free < _NEARLY_FULL:
            free -= published_again(self.jobs, now)
        if free > ahead and not self.probes.are_careful:
            first = first_of(self.jobs, reservation_id.rpartition("-")[0], now)
            if not first:
                return self._take(job, now, reservation_id, lease, None)
            waited = now - min(one.made_at for one in first)
            return self._wait(job, now, limit, now + FIRST_SECONDS - waited % FIRST_SECONDS, first)
        alone_at = self._alone_at(job, limit, places, cap)
        # Where there is nothing to find out, no probe ends the waiting: what it asks for is charged already.
        may_leave = slot is None and self.used >= places
        holders = those_that_may_tell(self.jobs, now, probes=alone_at < math.inf, others=may_leave)
        if not ahead and not holders and alone_at <= now:
            return self._take(job, now, reservation_id, lease, self._counted_on(job, limit, places))
        goes_at = min((holder.lease_ends for holder in holders), default=alone_at)
        until = max(now, self._soonest(goes_at, places))
        return self._wait(job, now, limit, until, holders)

    def tidy(self, told: float) -> float:
        """Find the log's own time by the clock's, and drop what has left the window; return that time."""
        now = self.clock.advance(told)
        self._forget_the_departed(now)
        return now

    def renew(self, reservation: Reservation, told: float) -> None:
        """Begin the lease of a reservation anew, if it has not been taken for abandoned meanwhile."""
        now = self.tidy(told)
        slot = self.jobs.get(reservation.job)
        mine = None if slot is None else slot.holder(reservation.id)
        if slot is not None and mine is not None and now < mine.lease_ends:
            slot.release(mine.id)
            slot.join(evolve(mine, made_at=now))

    def forget_limit(self) -> None:
        """Learn the limit anew: the account is another one now, as after a claim."""
        self.allowance.forget()
        self.probes = Probes()

    def settle(self, reservation: Reservation, saw: Saw, told: float) -> None:
        """End a reservation with what was seen of the draft. Doing so twice, or after its lease, is harmless.

        Certainty wins: what is known of a charge stands against whatever the slot said, and a doubt never overwrites
        it. A doubt is dated at the end of the last attempt that was sent. A draft that was found live was charged when
        its slot became unknown, unless another reservation of the slot may have done it since. An answer that it is
        not live takes away the doubt that this reservation inherited, never another reservation's.

        An accepted slot keeps the date of its first acceptance. No refusal takes it away. Found live, it is spent as of
        that date; a fresh charge counts beside it.
        """
        now = self._now(told)
        how = saw.meaning_for(reservation.before)
        slot = self.jobs.get(reservation.job)
        if slot is None:
            slot = self.jobs[reservation.job] = Slot()
        remembered = None if how in {"released", "unchanged"} else self.expired_doubts.pop(reservation.job, None)
        slot.release(reservation.id)
        if how == "unknown":
            slot.doubt(max(now - (saw.unanswered_for or 0.0), reservation.made_at))
        else:
            self._decide(slot, reservation, how, now, remembered)
        if reservation.probe is not None and saw.answer == "nothing":
            self.probes.found_out_nothing(now)
        if slot.kind is None and not slot.holders:
            del self.jobs[reservation.job]
        elif how == "unchanged" and reservation.before == "expired" and slot.is_doubtful(now):
            self._expire(reservation.job)
        elif slot.kind is not None:
            # Its lease may have held it for longer.
            self.tidy_until = min(self.tidy_until, slot.at + self.allowance.window)

    def refused(
        self,
        reservation: Reservation,
        saw: Saw,
        told: float,
        *,
        limit: int | None = None,
        window: float | None = None,
        retry_after: float | None = None,
        cap: int | None = None,
    ) -> Wait:
        """Take in a 429 of the quota: the server's count stands, whatever was counted here.

        Where our own slots make up the limit, the doubts among them were charged.

        Args:
            reservation: The refused draft's.
            saw: What else was seen of the draft.
            told: The time of the answer.
            limit: The server's limit, or `None` where it gave none that makes sense: then the known one stays.
            window: The server's window in seconds, or `None` likewise.
            retry_after: In how many seconds, above 0, the server says a slot comes back; at least a minute, at most a
                window is believed. `None` if it does not say.
            cap: A limit that the caller was told, or `None`.

        Returns:
            When to ask again.
        """
        self.settle(reservation, saw, told)
        now = self.clock.seen
        self.allowance.learn(limit, window, now, charged=self._certain(), cap=cap)
        window = self.allowance.window
        self._forget_the_departed(now)
        self.probes.refused(reservation.made_at, now, retry_after if retry_after is None else min(retry_after, window))
        known = limit or self._limit_now(now, cap)
        if known is not None and sum(slot.is_ours(now) for slot in self._slots()) >= known:
            for slot in self.jobs.values():
                if slot.is_doubtful(now):
                    slot.take_for_charged()
        dated = now if retry_after is None else min(now, self.probes.next_at - window)
        places = known or SAFE_LIMIT
        self.others += [Slot("elsewhere", dated) for _ in range(places - self.used)]
        self._forget_the_departed(now)
        until = self._soonest(self._alone_at(reservation.job, known, places, cap), places)
        return self._wait(reservation.job, now, known, max(now, until))

    def snapshot(self, told: float, cap: int | None) -> QuotaSnapshot:
        """What a reader may know of the log at this time."""
        now = self.tidy(told)
        limit = self._limit_now(now, cap)
        source = None if limit is None else "configured" if limit != self.allowance.limit else self.allowance.source
        learned_at = self.clock.as_told(self.allowance.learned_at)
        return QuotaSnapshot.of(
            limit=limit,
            used=self.used,
            doubtful=sum(slot.is_doubtful(now) for slot in self._slots()),
            limit_source=source,
            limit_learned_at=learned_at if source in {"server", "documented"} else None,
            slots=sorted(self._shown(now), key=lambda slot: slot.frees_at),
            window=self.allowance.window,
            at=self.clock.as_told(now),
        )

    def _shown(self, now: float) -> Iterator[QuotaSlot]:
        named = [*self.jobs.items(), *((None, slot) for slot in self.others)]
        for job, slot in named:
            state = "held" if slot.is_held(now) else slot.state
            yield QuotaSlot(job, state, instant(self.clock.as_told(slot.dated() + self.allowance.window)))

    def _slots(self) -> Iterator[Slot]:
        yield from self.jobs.values()
        yield from self.others

    def _certain(self) -> int:
        return sum(slot.is_certain for slot in self._slots())

    def _limit_now(self, now: float, cap: int | None) -> int | None:
        """The limit that counts; `None` while it is to be learned.

        Four fresh publishes in one window are more than an unclaimed account has.
        """
        allowance = self.allowance
        if allowance.limit is None and cap is None and self._is_claimed():
            allowance.infer(now)
        return allowance.limit_under(cap)

    def _is_claimed(self) -> bool:
        return sum(slot.fresh for slot in self._slots()) > SAFE_LIMIT

    def _alone_at(self, job: str, limit: int | None, places: int, cap: int | None) -> float:
        """Return when one draft may be sent to find out more; infinity where there is nothing to find out.

        While the limit is unknown that is how it is learned. With a known one it is how unknown slots are
        cleared up, so that they never lock an account out. Charges that are certain leave nothing to find out, but
        for a limit or a window that is old.
        """
        next_at = self.probes.next_at
        if job in self.jobs or self.used < places:
            return next_at
        if limit is None or self._certain() < min(limit, self.used):
            return next_at
        return max(next_at, self.allowance.tried_at(cap))

    def _soonest(self, alone_at: float, places: int) -> float:
        """Return when asking again makes sense: then, or when so many slots have left that there is a place."""
        departures = sorted(slot.dated() + self.allowance.window for slot in self._slots())
        if not departures:
            return alone_at
        return min(alone_at, self.probes.may_try(departures[max(0, self.used - places)]))

    def _counted_on(self, job: str, limit: int | None, places: int) -> int | None:
        """Return what a draft that goes alone is marked with; `None` where it only learns an unknown limit."""
        if limit is not None or self.probes.are_careful or self.probes.returning:
            return places
        return HIGHEST_LIMIT if job in self.jobs else None

    def _wait(
        self, job: str, now: float, limit: int | None, until: float, holders: tuple[Reservation, ...] = ()
    ) -> Wait:
        told, ids = self.clock.as_told(until), frozenset([holder.id for holder in holders])
        may_be_live = job in self.jobs or job in self.expired_doubts
        return Wait(told, until - now, limit, self.used, bool(ids) or until <= now, ids, may_be_live)

    def _take(self, job: str, now: float, reservation_id: str, lease: float, probe: int | None) -> Reservation:
        """Take part in a job's slot: a retry, a resumed run or another process, charged once together. Or open one.

        A doubt about the job that had expired counts again. An earlier acceptance stays remembered meanwhile: it has
        left the window, whatever comes of this publish.
        """
        slot, earlier = self.jobs.get(job), self.expired_doubts.get(job)
        if slot is None:
            slot = self.jobs[job] = Slot()
            if earlier is not None and earlier.kind != "accepted":
                slot = self.jobs[job] = self.expired_doubts.pop(job)
            before: Before = "new" if earlier is None else "accepted" if earlier.kind == "accepted" else "expired"
            known = earlier
        else:
            if slot.is_doubtful(now):
                slot.kind, slot.at, slot.holders = slot.kind or "unknown", slot.dated(), ()
            known = slot if slot.kind else earlier
            before = "held" if known is None else known.before
        reservation = Reservation(reservation_id, job, before, None if known is None else known.at, now, lease, probe)
        slot.join(reservation)
        return reservation

    def _decide(self, slot: Slot, reservation: Reservation, how: Settlement, now: float, departed: Slot | None) -> None:
        """Record in a slot what has become known of its job; *departed* is a doubt or acceptance that left the window.

        A slot that another reservation holds keeps no earlier date: that publish may have been charged since.
        """
        is_pending_still = slot.kind == "accepted" or (
            slot.kind is None and not slot.holders and departed is not None and departed.kind == "accepted"
        )
        if how == "accepted" and is_pending_still:
            how = "pending"  # the server says so each time that it is asked, until a person has decided
        if how in {"published", "accepted"}:
            self._charge(slot, reservation, "spent" if how == "published" else "accepted", now)
        elif how in {"confirmed", "found", "pending"} and slot.kind != "spent":
            if how == "found" and slot.kind is None and departed is None and not slot.holders:
                return  # the other one that was in flight has answered: nothing was published by it either
            if slot.kind != "accepted":
                known = slot if slot.kind in {"unknown", "charged"} else departed
                slot.at = now if how == "confirmed" or slot.holders or known is None else known.at
            slot.kind = "accepted" if how == "pending" else "spent"
        elif how == "released" and slot.kind in {"unknown", "charged"} and slot.at == reservation.before_at:
            slot.kind = None

    def _charge(self, slot: Slot, reservation: Reservation, kind: Literal["spent", "accepted"], now: float) -> None:
        """Date a publish that the server has just charged, or accepted.

        A slot that was spent before this reservation, or that the server has dated meanwhile, is a job that was taken
        down: the server counts it a second time, and so does the log.
        """
        if slot.charged_by == reservation.id:
            return
        if kind == "accepted" and slot.kind == "spent" and reservation.before != "spent":
            return
        if slot.is_certain and (reservation.before == "spent" or slot.fresh):
            self.others.append(evolve(slot, holders=()))
        slot.kind, slot.at, slot.fresh, slot.charged_by = kind, now, True, reservation.id
        self.probes.accepted(reservation.made_at)
        if reservation.probe is not None and self.used + self.probes.returning > reservation.probe:
            self._count_one_less(now)

    def _count_one_less(self, now: float) -> None:
        """An accepted probe proves that one slot too many was counted: the least founded, then the oldest, goes.

        Where each is certain, limit or window are not what they were.
        """
        elsewhere = [slot for slot in self.others if slot.kind == "elsewhere"]
        doubtful = [job for job, slot in self.jobs.items() if slot.is_doubtful(now)]
        if self.probes.returning:
            self.probes.returning -= 1
        elif elsewhere:
            oldest = min(elsewhere, key=Slot.dated)
            self.others = [slot for slot in self.others if slot is not oldest]
        elif doubtful:
            self._expire(min(doubtful, key=lambda job: self.jobs[job].dated()))
        elif self.allowance.window > WINDOW:
            self.allowance.window = WINDOW
            self._forget_the_departed(now)
        elif (self.allowance.limit or HIGHEST_LIMIT) <= SAFE_LIMIT and self._is_claimed():
            self.allowance.infer(now)

    def _expire(self, job: str) -> None:
        """Count a job's slot no longer. Remember it unless it is spent: the job may be live, or become so."""
        slot = self.jobs.pop(job)
        if slot.kind != "spent":
            self.expired_doubts[job] = Slot("accepted" if slot.kind == "accepted" else "unknown", slot.dated())
            if len(self.expired_doubts) > MOST_REMEMBERED:
                # An acceptance goes first: without it a draft is only told to have been live before.
                acceptances = (job for job, slot in self.expired_doubts.items() if slot.kind == "accepted")
                del self.expired_doubts[next(acceptances, next(iter(self.expired_doubts)))]

    def _now(self, told: float) -> float:
        """The log's own time. Nothing is tidied while there is nothing to tidy: with room a step costs next to none."""
        if self.clock.lead or not self.clock.seen <= told < self.tidy_until:
            return self.tidy(told)
        self.clock.seen = told
        return told

    def _forget_the_departed(self, now: float) -> None:
        window, before = self.allowance.window, self.used
        for job, slot in [(job, slot) for job, slot in self.jobs.items() if now >= slot.dated() + window]:
            self._expire(job)
            # A charge has left, and a publish in flight may be charged anew.
            if holders := tuple([holder for holder in slot.holders if now < holder.lease_ends]):
                self.jobs[job] = Slot(holders=holders)
        self.expired_doubts = {job: slot for job, slot in self.expired_doubts.items() if now < slot.at + REMEMBERED}
        departed = [slot for slot in self.others if now >= slot.dated() + window]
        if departed:
            self.others = [slot for slot in self.others if now < slot.dated() + window]
            self.probes.returning += sum(slot.kind == "elsewhere" for slot in departed)
        if self.used < before:
            self.probes.a_slot_left(now)
        # What is dated from now on, as by a lease that still runs, leaves no sooner than a window from now.
        self.tidy_until = min([now, *(slot.dated() for slot in self._slots())]) + window
