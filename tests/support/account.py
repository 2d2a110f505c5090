"""An account's quota log, for tests."""

from opentrain_async.quota._log import AccountLog
from opentrain_async.quota._slots import Busy, Denied, Reservation, Settlement

T0 = 1_800_000_000.0
LEASE = 180.0


class Account:
    """An account's log, with the arguments that do not matter left out."""

    def __init__(self, cap: int | None = None) -> None:
        self.log = AccountLog()
        self.cap = cap
        self._made = 0

    def ask(self, job: str, now: float = T0, *, ahead: int = 0) -> Reservation | Busy | Denied:
        self._made += 1
        return self.log.reserve(job, now, reservation_id=f"r{self._made}", lease=LEASE, cap=self.cap, ahead=ahead)

    def reserve(self, job: str, now: float = T0) -> Reservation:
        answer = self.ask(job, now)
        assert isinstance(answer, Reservation), answer
        return answer

    def settled(self, job: str, how: Settlement, now: float = T0) -> Reservation:
        reservation = self.reserve(job, now)
        self.log.settle(reservation, how, now)
        return reservation

    def publish(self, count: int, now: float = T0, *, name: str = "job") -> None:
        for number in range(count):
            self.settled(f"{name}_{number}", "published", now)

    def used(self, now: float = T0) -> int:
        return self.log.snapshot(now, self.cap).used
