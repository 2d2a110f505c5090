"""An account's quota log, for tests."""

from opentrain_async.quota._log import AccountLog
from opentrain_async.quota._slots import Reservation, Saw, Wait

T0 = 1_800_000_000.0
LEASE = 180.0
PUBLISHED, ACCEPTED, PENDING = Saw("published"), Saw("accepted"), Saw("pending")
LIVE, LIVE_AFTER_A_LOSS, ENDED = Saw("live"), Saw("live", 0.0), Saw("ended")
NOT_LIVE, REFUSED, NOT_SENT, LOST = Saw("not_live"), Saw("refused"), Saw("nothing"), Saw("nothing", 0.0)
"""What a caller can have seen of a draft; with a loss: the reply to an attempt was lost just now."""


def waiting_for(*holders: Reservation, now: float, limit: int | None, used: int, may_be_live: bool = False) -> Wait:
    """The answer to one that must wait for these publishes in flight."""
    until = min(holder.lease_ends for holder in holders)
    ids = frozenset(holder.id for holder in holders)
    return Wait(until, until - now, limit, used, may_pass=True, holders=ids, may_be_live=may_be_live)


class Account:
    """An account's log, with the arguments that do not matter left out."""

    def __init__(self, cap: int | None = None) -> None:
        self.log = AccountLog()
        self.cap = cap
        self._made = 0

    def ask(self, job: str, now: float = T0, *, ahead: int = 0, process: str | None = None) -> Reservation | Wait:
        """Ask for a place; each time as a process of its own, unless it is named: the first drafts of one wait."""
        self._made += 1
        name = f"{process or self._made}-{self._made}"
        return self.log.reserve(job, now, reservation_id=name, lease=LEASE, cap=self.cap, ahead=ahead)

    def reserve(self, job: str, now: float = T0) -> Reservation:
        answer = self.ask(job, now)
        assert isinstance(answer, Reservation), answer
        return answer

    def settled(self, job: str, saw: Saw, now: float = T0) -> Reservation:
        reservation = self.reserve(job, now)
        self.log.settle(reservation, saw, now)
        return reservation

    def publish(self, count: int, now: float = T0, *, name: str = "job") -> None:
        for number in range(count):
            self.settled(f"{name}_{number}", PUBLISHED, now)

    def refuse(self, job: str, now: float = T0, *, limit: int | None = None, retry_after: float | None = None) -> Wait:
        """Have a draft that is not known to be live refused by the quota."""
        reservation = self.reserve(job, now)
        return self.log.refused(reservation, REFUSED, now, limit=limit, retry_after=retry_after, cap=self.cap)

    def used(self, now: float = T0) -> int:
        return self.log.snapshot(now, self.cap).used
