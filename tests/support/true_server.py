"""The server that a ledger is held against: exact, and with nothing to learn."""

from collections.abc import Sequence
from typing import Literal

from hypothesis import strategies as st

from opentrain_async.quota._allowance import WINDOW
from opentrain_async.quota._slots import Saw

ARRIVALS = st.lists(st.booleans(), min_size=1, max_size=2)
"""One attempt or two: whether each arrives, if its reply is lost; that of all but the last is."""

Answer = bool | Literal["accepted", "pending"] | None
"""True: charged now; False: was live already; accepted: charged now, not live yet; pending: accepted before; None:
refused by the quota."""


class TrueServer:
    """Publishes up to so many jobs in any 24 hours.

    Attributes:
        moderated: The jobs that a person must approve before they are live. They are charged when they are accepted.
        live: The jobs that are live.
        pending: The jobs that are accepted and not approved.
        charges: When each publish was charged.
    """

    def __init__(self, limit: int, moderated: Sequence[str] = ()) -> None:
        self.limit = limit
        self.moderated = set(moderated)
        self.live: set[str] = set()
        self.pending: set[str] = set()
        self.charges: list[float] = []

    def publish(self, job: str, now: float) -> Answer:
        """Publish a job, or accept it, within the limit."""
        if job in self.live:
            return False
        if job in self.pending:
            return "pending"
        if sum(now < at + WINDOW for at in self.charges) >= self.limit:
            return None
        self.charges.append(now)
        if job in self.moderated:
            self.pending.add(job)
            return "accepted"
        self.live.add(job)
        return True

    def approve(self, job: str) -> None:
        """Put an accepted job live."""
        self.pending.remove(job)
        self.live.add(job)

    def disapprove(self, job: str) -> None:
        """Make an accepted job a draft again. Its charge stays, and a person has no more to say about it."""
        self.pending.remove(job)
        self.moderated.remove(job)

    def asked(self, job: str, now: float, arrive: Sequence[bool], *, is_answered: bool) -> Answer:
        """What is answered to the last of some attempts, if it is; what arrives is carried out in any case."""
        *lost, last = arrive
        for arrives in lost:
            if arrives:
                self.publish(job, now)
        return self.publish(job, now) if is_answered or last else None


def saw_of(answer: Answer, unanswered_for: float | None) -> Saw:
    """Return what a client has seen that had this answer, and perhaps none to an attempt so many seconds ago."""
    if answer is None:
        return Saw("refused", unanswered_for)
    if isinstance(answer, bool):
        return Saw("published" if answer else "live", unanswered_for)
    return Saw(answer, unanswered_for)
