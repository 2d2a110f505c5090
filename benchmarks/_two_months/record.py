"""What the service has seen and charged, which places the ledger gave, and who was killed: the evidence."""

import math
from collections import defaultdict
from collections.abc import Iterator

from attrs import Factory, define, frozen

from opentrain_async import QuotaSnapshot
from opentrain_async.quota._slots import Reservation
from opentrain_async.sandbox import RequestSeen, Sandbox

from .day import DAY, HOUR, Refusal

MOMENT = 60.0
"""Seconds in which an answer has got from the service to the ledger, where nobody was killed meanwhile."""


@frozen
class Promise:
    """A place that the ledger gave to a draft.

    Attributes:
        reservation: The place.
        known: What the ledger knew then.
        since: How many requests the service had seen by then: the draft's from there on are sent under this promise.
        refused_at: When the ledger had last taken in a refusal.
        aged: How many slots that were used elsewhere have left the ledger since then, being a window old.
    """

    reservation: Reservation
    known: QuotaSnapshot
    since: int
    refused_at: float
    aged: int


@define(eq=False)
class Record:
    """The evidence, as far as it has been read.

    Attributes:
        sandbox: The service.
        charges: When it charged a publish, ours or another one: its own list.
        elsewhere: When somebody published by other means.
        claimed_at: When the account was claimed.
    """

    sandbox: Sandbox
    charges: list[float]
    elsewhere: list[float] = Factory(list[float])
    claimed_at: float = -math.inf
    _promises: defaultdict[str, list[Promise]] = Factory(lambda: defaultdict(list[Promise]))
    _requests: defaultdict[str, list[int]] = Factory(lambda: defaultdict(list[int]))
    _kills: defaultdict[str, list[float]] = Factory(lambda: defaultdict(list[float]))
    _refused: list[RequestSeen] = Factory(list[RequestSeen])
    _unjudged: list[int] = Factory(list[int])
    _read: int = 0
    _refused_at: float = -math.inf
    _elsewhere_until: list[float] = Factory(list[float])

    @property
    def now(self) -> float:
        """Epoch seconds."""
        return self.sandbox.clock.now()

    def promised(self, reservation: Reservation, known: QuotaSnapshot) -> None:
        """The ledger has given a draft a place; so much it knows."""
        aged = sum(frees_at <= reservation.made_at for frees_at in self._elsewhere_until)
        promise = Promise(reservation, known, len(self.sandbox.requests), self._refused_at, aged)
        self._promises[reservation.job].append(promise)

    def took_in_a_refusal(self, at: float, known: QuotaSnapshot) -> None:
        """The ledger has been told that the service refused a publish; so much it knows now."""
        self._refused_at = at
        self._elsewhere_until = [slot.frees_at.timestamp() for slot in known.slots if slot.state == "elsewhere"]

    def killed(self, job_ids: list[str]) -> None:
        """The process that had these drafts to publish has been killed."""
        for job_id in job_ids:
            self._kills[job_id].append(self.now)

    def refusals(self) -> Iterator[Refusal]:
        """Why each of those publishes was sent that the quota has refused since this was last asked."""
        self._read_on()
        unjudged, self._unjudged = self._unjudged, []
        for number in unjudged:
            request = self.sandbox.requests[number]
            if request.status is None and request.fault is None:
                self._unjudged.append(number)  # it is being answered just now
            elif request.status == 429 and request.fault is None:
                yield self._why(number, request)
                self._refused.append(request)

    def may_have_put_live(self, job_id: str, since: int) -> bool:
        """Whether the service saw a request of this draft, the since-th or a later one, that may have."""
        self._read_on()
        ours = [self.sandbox.requests[number] for number in self._requests[job_id] if number >= since]
        return any(not _is_refused(request) for request in ours)

    def free(self, limit: int) -> int:
        """How many publishes the service would accept just now."""
        return limit - sum(self.now < at + DAY for at in self.charges)

    def free_to_find(self, limit: int) -> int:
        """How many of them the ledger can know of, or find out: it cannot where it is full of what is certain.

        A charge of which an answer was heard only after hours it has to date then.
        """
        free = self.free(limit)
        return free if free <= 0 else max(0, min(free, limit - len(self._certain())))

    def slot_at(self, limit: int) -> float:
        """When the ledger has to see a slot leave the window, at the latest.

        That a draft is live it knows from an answer that its process has lived to hear, and no sooner: so the charge
        leaves the ledger a window after that, though the service's own may be older. Places that are in doubt, and
        publishes by other means, the ledger may have dated as late as it likes, and they may stand before the others
        in the line; but none is dated later than the lease of a place that is given now. And a refusal is good for an
        hour, whatever leaves meanwhile: where the service counts otherwise, what leaves says little.
        """
        certain, doubtful = self._certain(), sum(map(self._is_in_doubt, self._promises))
        beyond = max(0, len(certain) + doubtful + sum(at > self.now - 2 * DAY for at in self.elsewhere) - limit)
        leaves_at = certain[beyond] + DAY + MOMENT if beyond < len(certain) else self.now + DAY + HOUR
        return max(leaves_at, self._refused_at + HOUR + MOMENT)

    def _read_on(self) -> None:
        """Put those publishes in order that the service has been asked for since."""
        for number in range(self._read, len(self.sandbox.requests)):
            request = self.sandbox.requests[number]
            if request.operation == "publish":
                self._requests[str(request.job_id)].append(number)
                self._unjudged.append(number)
        self._read = len(self.sandbox.requests)

    def _why(self, number: int, refused: RequestSeen) -> Refusal:
        promises = self._promises.get(str(refused.job_id), [])
        promise = next((promise for promise in reversed(promises) if promise.since <= number), None)
        if promise is None:
            return "pointless"  # the ledger was not even asked
        made_at = promise.reservation.made_at
        earlier = [at for at in self._refused_before(promise) if at > self.claimed_at]
        last = max(earlier, default=-math.inf)
        is_soon = made_at - last < HOUR
        if promise.reservation.before in {"held", "unknown", "expired"}:
            return "pointless" if made_at - self._refused_itself_before(promise) < HOUR else "in doubt"
        if promise.reservation.probe is not None:
            return "pointless" if is_soon and not promise.aged else "probing"
        if promise.known.limit is None and promise.known.used > 3:
            return "pointless" if made_at - last < DAY else "learning"
        elsewhere = sum(made_at - DAY < at <= refused.at for at in self.elsewhere)
        told_of = sum(slot.state == "elsewhere" for slot in promise.known.slots)
        is_new = promise.aged or any(last < at <= refused.at for at in self.elsewhere)
        return "elsewhere" if elsewhere > told_of and (is_new or not is_soon) else "pointless"

    def _refused_before(self, promise: Promise) -> list[float]:
        """When it had been refused that the ledger had to know of: it was told, or the process lived to tell it."""
        before = promise.reservation.made_at - MOMENT
        return [promise.refused_at, *(request.at for request in self._refused if self._is_heard(request, before))]

    def _refused_itself_before(self, promise: Promise) -> float:
        job_id, before = promise.reservation.job, promise.reservation.made_at - MOMENT
        mine = [request for request in self._refused if request.job_id == job_id]
        return max((request.at for request in mine if self._is_heard(request, before)), default=-math.inf)

    def _is_heard(self, request: RequestSeen, before: float) -> bool:
        """Whether the answer came whole, by then, to a process that lived on for a moment."""
        kills = self._kills[str(request.job_id)]
        is_whole = request.status is not None and request.fault is None
        return is_whole and request.at <= before and not any(request.at <= at < request.at + MOMENT for at in kills)

    def _certain(self) -> list[float]:
        """When those charges of the window were heard of that the ledger has to be certain of, in order."""
        self._read_on()
        heard = [self._known_live_at(job_id) for job_id in self._promises]
        return sorted(at for at in heard if at is not None and self.now < at + DAY)

    def _known_live_at(self, job_id: str) -> float | None:
        """When a process heard last that the draft is live."""
        if not self._requests[job_id]:
            return None
        last = self.sandbox.requests[self._requests[job_id][-1]]
        return last.at if last.status == 200 and self._is_heard(last, self.now) else None

    def _is_in_doubt(self, job_id: str) -> bool:
        """Whether the ledger may count a place for a draft of which that is not known."""
        promise = self._promises[job_id][-1]
        if promise.reservation.made_at < self.now - DAY - HOUR or self._known_live_at(job_id) is not None:
            return False
        since = [self.sandbox.requests[number] for number in self._requests[job_id] if number >= promise.since]
        is_decided = since and all(_is_refused(request) and self._is_heard(request, self.now) for request in since)
        return not is_decided or promise.reservation.before != "new"


def _is_refused(request: RequestSeen) -> bool:
    """Whether it is certain that this request has put nothing live."""
    return request.status is not None and 400 <= request.status < 500
