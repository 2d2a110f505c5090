"""The slots of the window, and the reservations that hold them."""

from typing import Literal

from attrs import field

from .._base.value import define, frozen

Before = Literal["new", "held", "unknown", "expired", "accepted", "spent"]
"""What the log knew of a job when a reservation was made for it.

- expired: a doubt that counted no longer;
- accepted: the service has accepted its publish; the slot may have left the window since.
"""

Settlement = Literal["published", "accepted", "pending", "confirmed", "found", "released", "unsent", "unknown"]
"""What became of a reservation:

- published: the server said `alreadyPublished: false`: a publish was charged just now;
- accepted: the server has accepted the publish just now, and the job is not live yet;
- pending: it had accepted one before, and the job is not live yet;
- confirmed: it said `alreadyPublished: true`, and a request of this reservation may be the reason: charged since it was
  made, at the latest just now;
- found: it said so, none of this reservation can be the reason, and an earlier one may be: charged by then;
- released: it answered that nothing was published;
- unsent: nothing reached it;
- unknown: something was sent and not decided.
"""

HIGHEST_LIMIT = 10_000
"""The highest limit that makes sense."""
SHORTEST_WINDOW, LONGEST_WINDOW = 1.0, 366 * 24 * 3600.0
"""The windows that make sense, in seconds."""
LONGEST_LEASE = LONGEST_WINDOW
"""Seconds: a longer lease would outlast every window."""
_CERTAIN = {"spent", "accepted"}


@define
class Reservation:
    """A publish in flight: the right to send one draft.

    Attributes:
        id: Unique; made by the caller, so that a step whose own reply was lost can be run again.
        job: The draft.
        before: What its slot was.
        before_at: That slot's date, or `None` where there was none.
        made_at: When the reservation was made.
        lease: For how many seconds from then the publish counts as in flight if it is never settled.
        probe: Sent past a full log, to find out whether its unknown slots were charged.
    """

    id: str
    job: str
    before: Before
    before_at: float | None
    made_at: float
    lease: float
    probe: bool = False

    @property
    def lease_ends(self) -> float:
        """When the publish no longer counts as in flight."""
        return self.made_at + self.lease


@frozen
class Busy:
    """No place now, but a publish in flight (*holders*: reservation ids) or a caller ahead may leave one."""

    holders: frozenset[str]


@frozen
class Denied:
    """No place in the window until a slot leaves it.

    Attributes:
        retry_at: When that is, by the clock that the step was told: the store's own, where it has one.
        wait: In how many seconds that is, which holds by any clock.
        limit: Publishes per window; `None` while it is unknown.
        used: How many slots lie in the window.
        in_doubt: The draft may be live all the same: an earlier publish of it was never decided.
    """

    retry_at: float
    wait: float
    limit: int | None
    used: int
    in_doubt: bool = False


@define
class Slot:
    """One place in the window: what is certain about it, and who is at work on it.

    A slot of no *kind* lives by its holders alone; when all their leases have run out it reads as unknown.

    Attributes:
        kind: Decided to be spent, accepted, left unknown, or used elsewhere; `None` until something is known.
        at: The date of that.
        fresh: The server itself dated the charge: it published the job, or accepted it.
        charged_by: The reservation that did it.
        holders: The reservations at work on it.
        written: What the slot is as text, once somebody has written it down; nothing about it changes but when a
            reservation joins or is released.
    """

    kind: Literal["spent", "accepted", "unknown", "elsewhere"] | None = None
    at: float = 0.0
    fresh: bool = False
    charged_by: str | None = None
    holders: tuple[Reservation, ...] = ()
    written: str | None = field(default=None, init=False, eq=False, repr=False)

    @property
    def is_certain(self) -> bool:
        """True if a publish of ours is known to be charged: no publish in flight can make the slot free."""
        return self.kind in _CERTAIN

    def holder(self, reservation_id: str) -> Reservation | None:
        """The reservation of that id, if it is at work on this slot."""
        return next((holder for holder in self.holders if holder.id == reservation_id), None)

    def join(self, reservation: Reservation) -> None:
        """Let this reservation work on it too."""
        self.written = None
        self.holders = (*self.holders, reservation)

    def release(self, reservation_id: str) -> None:
        """End the reservation of that id."""
        self.written = None
        holders = self.holders
        only_one = len(holders) == 1 and holders[0].id == reservation_id
        self.holders = () if only_one else tuple([holder for holder in holders if holder.id != reservation_id])

    def is_held(self, now: float) -> bool:
        """True if a publish in flight may still decide about this slot."""
        return not self.is_certain and any(now < holder.lease_ends for holder in self.holders)

    def is_doubtful(self, now: float) -> bool:
        """True if the slot counts although no publish of ours is known to be charged."""
        return not self.is_certain and not self.is_held(now)

    def dated(self) -> float:
        """When the charge happened, at the latest."""
        if self.is_certain or not self.holders:
            return self.at
        leases_end = max(holder.lease_ends for holder in self.holders)
        return leases_end if self.kind is None else max(self.at, leases_end)
