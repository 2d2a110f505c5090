"""The server that a ledger is held against: exact, and with nothing to learn."""

from collections.abc import Sequence

from hypothesis import strategies as st

from opentrain_async.quota._log import WINDOW

ARRIVALS = st.lists(st.booleans(), min_size=1, max_size=2)
"""One attempt or two: whether each arrives, if its reply is lost; that of all but the last is."""


class TrueServer:
    """Publishes up to so many jobs in any 24 hours.

    Attributes:
        live: The jobs that are live.
        charges: When each publish was charged.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.live: set[str] = set()
        self.charges: list[float] = []

    def publish(self, job: str, now: float) -> bool | None:
        """True: charged now; False: was live already; None: refused by the quota."""
        if job in self.live:
            return False
        if sum(now < at + WINDOW for at in self.charges) >= self.limit:
            return None
        self.live.add(job)
        self.charges.append(now)
        return True

    def asked(self, job: str, now: float, arrive: Sequence[bool], *, is_answered: bool) -> bool | None:
        """What is answered to the last of some attempts, if it is; what arrives is carried out in any case."""
        *lost, last = arrive
        for arrives in lost:
            if arrives:
                self.publish(job, now)
        return self.publish(job, now) if is_answered or last else None
