"""What is known of an account's limit and window, and when that is old enough to be tried."""

import math
from typing import Literal

from .._base.value import define

DAY = 24 * 3600.0
WINDOW = DAY
SAFE_LIMIT = 3
"""What every account may publish in a window, claimed or not."""
CLAIMED_LIMIT = 20
_TRIED_AFTER = (DAY, 2 * DAY, 4 * DAY, 7 * DAY)
"""How old a limit or window has to be, after so many trials in vain; the last stands for all that follow."""


@define
class Allowance:
    """How many publishes the service allows, and within how long.

    Attributes:
        limit: How many; `None` while it is unknown.
        source: Who says so: the server in a refusal, or its documentation, from what it has accepted.
        learned_at: Since when that is known.
        window: The window in seconds: a day, unless a refusal has said otherwise.
        trials: How many trials in a row have found that limit and window still hold.
    """

    limit: int | None = None
    source: Literal["server", "documented"] | None = None
    learned_at: float = 0.0
    window: float = WINDOW
    trials: int = 0

    def limit_under(self, cap: int | None) -> int | None:
        """Return the limit that counts for a caller who was told *cap*: the lower of it and what the server says."""
        if self.limit is None or cap is None:
            return self.limit if cap is None else cap
        return min(cap, self.limit) if self.source == "server" else cap

    def learn(self, limit: int | None, window: float | None, now: float, *, charged: int, cap: int | None) -> None:
        """Take in what a refusal says: limit and window, each `None` where it says nothing.

        A limit that it does not name is at least what was *charged* by then.
        """
        was_tried = now >= self.tried_at(cap)
        known = max(self.limit, charged) if limit is None and self.limit is not None and was_tried else limit
        has_changed = (known or self.limit, window or self.window) != (self.limit, self.window)
        self.trials = 0 if has_changed else self.trials + was_tried
        if window is not None:
            self.window = window
        if known is not None:
            self.limit, self.source = known, "server"
        if known is not None or window is not None or was_tried:
            self.learned_at = now

    def infer(self, now: float) -> None:
        """More was accepted than an unclaimed account has: it is a claimed one."""
        self.limit, self.source, self.learned_at, self.trials = CLAIMED_LIMIT, "documented", now, 0

    def forget(self) -> None:
        """Learn the limit anew."""
        self.limit, self.source, self.learned_at, self.trials = None, None, 0.0, 0

    def tried_at(self, cap: int | None) -> float:
        """Return when one draft may be sent to find out whether limit and window still hold; infinity: never.

        A limit below a claimed account's, or below what the caller was told, is the likeliest to have changed. What the
        documentation says, or the caller, is not tried.
        """
        is_said = self.limit is not None and self.source == "server" and (cap is None or self.limit < cap)
        if self.window == WINDOW and not is_said:
            return math.inf
        is_low = is_said and (self.limit or 0) < (CLAIMED_LIMIT if cap is None else max(cap, CLAIMED_LIMIT))
        often = self.window == WINDOW and is_low
        return self.learned_at + (_TRIED_AFTER[0] if often else _TRIED_AFTER[min(self.trials, len(_TRIED_AFTER) - 1)])
