"""The time of a log, which never goes back."""

from .._base.value import define

_LATE = 60.0
"""Seconds by which a step may lag behind another that read the clock later and was faster: no clock is wrong then."""


@define
class LogClock:
    """A clock that is told the time, and makes of it one that never goes back.

    Where the clock falls behind, this time continues from where it was, at the clock's pace, until the clock has caught
    up. So a slot that was counted while the clock was wrong does not look older than it is when the clock is right
    again, and a date in the future locks an account out for a window at most. A clock that leaps ahead, or comes back
    only in part, looks like time that has passed: then the server's refusal corrects the count.

    Attributes:
        seen: The time as of the last step.
        lead: Seconds by which it is ahead of a clock that was set back.
    """

    seen: float = 0.0
    lead: float = 0.0

    def advance(self, told: float) -> float:
        """Return the time at which the clock says that it is *told*; both in epoch seconds."""
        if told >= self.seen:
            self.lead = 0.0
        elif self.seen - told <= _LATE or told + self.lead < self.seen - _LATE:
            self.lead = self.seen - told
        self.seen = max(self.seen, told + self.lead)
        return self.seen

    def as_told(self, at: float) -> float:
        """Return what the clock will say at that time."""
        return at - self.lead
