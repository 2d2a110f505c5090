"""When a draft may be sent though the log is full, or after a refusal: one at a time, and less often while in vain."""

from .._base.clock import doubled
from .._base.value import define

PROBE_INTERVAL = 3600.0
"""Seconds after a refusal before the next draft is sent to find out more."""
LONGEST_PROBE_INTERVAL = 8 * PROBE_INTERVAL
"""Seconds to which the interval grows, doubled with each refusal in a row."""
SOONEST_SLOT = 60.0
"""Seconds after a refusal in which no slot is expected, however short Retry-After is: drafts wait for it, and ask."""
_UNANSWERED = 60.0
"""Seconds before the next probe where one has found out nothing."""


@define
class Probes:
    """What is remembered of the service's refusals, for all who publish for an account.

    Each refusal says that the day is used up, whatever was counted here. From then until a publish is accepted, drafts
    go one at a time.

    Attributes:
        refused_at: When the last refusal came; `None` if none has.
        in_a_row: How many refusals there were without an accepted publish between. Those of drafts that were in flight
            together count as two at the most.
        next_at: Before this nothing is sent past a full log; in the past where nothing speaks against it.
        returning: Places that were used elsewhere and have left the window. Perhaps they are used elsewhere again, so
            each is taken after the one before was accepted.
    """

    refused_at: float | None = None
    in_a_row: int = 0
    next_at: float = 0.0
    returning: int = 0

    @property
    def are_careful(self) -> bool:
        """True if the last word of the service was a refusal."""
        return self.in_a_row > 0

    def refused(self, made_at: float, now: float, retry_after: float | None) -> None:
        """Take in the refusal of a draft whose reservation was made then.

        Retry-After is believed until it was found false: after a second refusal in a row the next draft goes after the
        probe interval at the soonest, which doubles with each that follows.
        """
        is_another = self.refused_at is None or made_at > self.refused_at or not self.in_a_row
        self.in_a_row = self.in_a_row + 1 if is_another else max(self.in_a_row, 2)
        pause = doubled(PROBE_INTERVAL, max(0, self.in_a_row - 2), LONGEST_PROBE_INTERVAL)
        if retry_after is not None:
            pause = max(retry_after, SOONEST_SLOT, pause if self.in_a_row > 1 else 0.0)
        self.next_at = now + pause if is_another else max(self.next_at, now + pause)
        self.refused_at = now
        self.returning = 0

    def accepted(self, made_at: float) -> None:
        """A publish was accepted whose reservation was made then: if that was after the refusal, the row ends."""
        if self.refused_at is not None and made_at > self.refused_at:
            self.in_a_row, self.next_at = 0, 0.0

    def found_out_nothing(self, now: float) -> None:
        """A probe was not sent, or has no answer: the next one would hardly do better at once."""
        self.next_at = max(self.next_at, now + _UNANSWERED)

    def a_slot_left(self, at: float) -> None:
        """A slot has left the window: one draft may try that place, however long probing is put off."""
        self.next_at = min(self.next_at, self.may_try(at))

    def may_try(self, departure: float) -> float:
        """Return when the place of a slot may be tried that leaves the window then."""
        if self.refused_at is None or self.in_a_row < 2:
            return departure
        return max(departure, self.refused_at + PROBE_INTERVAL)
