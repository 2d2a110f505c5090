"""The slots of the window, and the reservations that hold them."""

from typing import Literal

from .._base.value import define, frozen

Before = Literal["new", "held", "unknown", "expired", "accepted", "spent"]
"""What the log knew of a job when a reservation was made for it.

- expired: a doubt that counted no longer;
- accepted: the service has accepted its publish; the slot may have left the window since.
"""

Answer = Literal["published", "accepted", "live", "pending", "ended", "not_live", "refused", "nothing"]
"""What the service has said of a draft, last:

- published: it is live, and was not before (`alreadyPublished: false`);
- accepted: its publish is accepted just now, and it is not live yet;
- live: it was live before (`alreadyPublished: true`);
- pending: its publish was accepted before, and it is not live yet;
- ended: it was live, and has ended;
- not_live: it is not live, whatever was sent before: it is incomplete, or moderation has blocked it;
- refused: this request has changed nothing, which says nothing of earlier ones;
- nothing: no answer came, or none that decides anything, or nothing was sent.
"""

Settlement = Literal["published", "accepted", "pending", "confirmed", "found", "released", "unchanged", "unknown"]
"""What an answer means for a slot:

- published: a publish was charged just now;
- accepted: a publish was accepted just now, and counts from now on;
- pending: a publish was accepted before, and counts since then;
- confirmed: the draft is live, and a request of this reservation may be the reason: charged just now at the latest;
- found: the draft is live, and an earlier request of ours is the reason: charged by then;
- released: nothing was published, now or before;
- unchanged: nothing was published now; what the slot says of before stands;
- unknown: a request of this reservation may have published the draft: it counts, as of then.
"""

HIGHEST_LIMIT = 10_000
"""The highest limit that makes sense."""
SHORTEST_WINDOW, LONGEST_WINDOW = 1.0, 366 * 24 * 3600.0
"""The windows that make sense, in seconds."""
LONGEST_LEASE = LONGEST_WINDOW
"""Seconds: a longer lease would outlast every window."""
_CERTAIN = {"spent", "accepted", "charged"}
_OURS = {"spent", "accepted", "charged", "unknown"}


@define
class Reservation:
    """A publish in flight: the right to send one draft.

    Attributes:
        id: Unique; made by the caller, so that a step whose own reply was lost can be run again. It begins with the
            name of the caller's process, up to the last dash.
        job: The draft.
        before: What its slot was.
        before_at: That slot's date, or `None` where there was none.
        made_at: When the reservation was made.
        lease: For how many seconds from then the publish counts as in flight if it is never settled.
        probe: Of a probe, which goes alone, to find out more: how many places were counted on. `None` for any other.
    """

    id: str
    job: str
    before: Before
    before_at: float | None
    made_at: float
    lease: float
    probe: int | None = None

    @property
    def process(self) -> str:
        """The name of the process whose reservation this is."""
        return self.id.rpartition("-")[0]

    @property
    def lease_ends(self) -> float:
        """When the publish no longer counts as in flight."""
        return self.made_at + self.lease


@frozen
class Saw:
    """What a caller has seen of a draft. What that means for its slot is for `AccountLog.settle` to say.

    Attributes:
        answer: What the service has said, last.
        unanswered_for: An earlier attempt of this reservation may have been applied, and has no answer for so many
            seconds, counted from its end; `None` where there is no such attempt.
    """

    answer: Answer
    unanswered_for: float | None = None

    def meaning_for(self, before: Before) -> Settlement:
        """What this means for a slot that was *before* when the draft's reservation was made.

        `alreadyPublished: true` may be said of a publish of ours: of an attempt whose reply was lost, or of another
        client's in the same slot. Where neither can be, the draft was live before, and this publish has used up
        nothing. A slot that was spent has explained it already.
        """
        is_in_doubt = self.unanswered_for is not None
        match self.answer:
            case "published" | "accepted":
                return self.answer
            case "pending":
                return "accepted" if is_in_doubt and before != "spent" else "pending"
            case "live":
                if before == "spent":
                    return "unchanged"
                return "confirmed" if is_in_doubt else "unchanged" if before == "new" else "found"
            case "ended":
                return "found" if before == "accepted" else "unchanged"
            case "not_live":
                return "released"
            case _:
                return "unknown" if is_in_doubt else "unchanged"


@frozen
class Wait:
    """No place now.

    Attributes:
        until: When asking again makes sense, by the clock that the step was told: when the next slot leaves the window
            or the next probe may go, whichever is sooner.
        seconds: In how many seconds that is, which holds by any clock.
        limit: Publishes per window; `None` while it is unknown.
        used: How many slots lie in the window.
        may_pass: A place may come sooner: a publish in flight may leave one, or a caller ahead may not take one.
        holders: The ids of the reservations in flight that may.
        may_be_live: The draft may be live all the same, by an earlier publish.
    """

    until: float
    seconds: float
    limit: int | None
    used: int
    may_pass: bool = False
    holders: frozenset[str] = frozenset()
    may_be_live: bool = False


@define
class Slot:
    """One place in the window: what is certain about it, and who is at work on it.

    A slot of no *kind* lives by its holders alone; when all their leases have run out it reads as unknown.

    Attributes:
        kind: Decided to be spent, accepted, left unknown, charged (left unknown, and a refusal has shown since that the
            service counts it), or used elsewhere; `None` until something is known.
        at: The date of that.
        fresh: The server itself dated the charge: it published the job, or accepted it.
        charged_by: The reservation that did it.
        holders: The reservations at work on it.
    """

    kind: Literal["spent", "accepted", "unknown", "charged", "elsewhere"] | None = None
    at: float = 0.0
    fresh: bool = False
    charged_by: str | None = None
    holders: tuple[Reservation, ...] = ()

    @property
    def is_certain(self) -> bool:
        """True if the service is known to count a publish of ours: no publish in flight can make the slot free."""
        return self.kind in _CERTAIN

    @property
    def before(self) -> Before:
        """What a reservation that joins it finds; of a slot whose kind is known."""
        return "spent" if self.kind == "spent" else "accepted" if self.kind == "accepted" else "unknown"

    @property
    def state(self) -> Literal["spent", "accepted", "unknown", "elsewhere"]:
        """What it is called where people read it; of a slot that nothing in flight can change."""
        return "unknown" if self.kind is None or self.kind == "charged" else self.kind

    def holder(self, reservation_id: str) -> Reservation | None:
        """The reservation of that id, if it is at work on this slot."""
        return next((holder for holder in self.holders if holder.id == reservation_id), None)

    def join(self, reservation: Reservation) -> None:
        """Let this reservation work on it too."""
        self.holders = (*self.holders, reservation)

    def release(self, reservation_id: str) -> None:
        """End the reservation of that id."""
        self.holders = tuple([holder for holder in self.holders if holder.id != reservation_id])

    def is_held(self, now: float) -> bool:
        """True if a publish in flight may still decide about this slot."""
        return not self.is_certain and any(now < holder.lease_ends for holder in self.holders)

    def is_doubtful(self, now: float) -> bool:
        """True if the slot counts although no publish of ours is known to be charged."""
        return not self.is_certain and not self.is_held(now)

    def doubt(self, at: float) -> None:
        """Date an attempt that may have been charged: it counts from its end on, if nothing certain is known."""
        if self.kind in {"unknown", "charged"}:
            at = max(at, self.at)
        if self.kind not in {"spent", "accepted"}:
            self.kind, self.at = "unknown", at

    def take_for_charged(self) -> None:
        """Count it until its window ends, whatever it was or is in flight for, and have nothing ask again."""
        if not self.is_certain:
            self.kind, self.at = "charged", self.dated()
        self.holders = ()

    def is_ours(self, now: float) -> bool:
        """True if this is a publish of ours that has ended, whether or not it was charged."""
        return self.kind in _OURS or (self.kind is None and not self.is_held(now))

    def dated(self) -> float:
        """When the charge happened, at the latest."""
        if self.is_certain or not self.holders:
            return self.at
        leases_end = max(holder.lease_ends for holder in self.holders)
        return leases_end if self.kind is None else max(self.at, leases_end)
