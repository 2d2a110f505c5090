"""How long callers wait for what is not theirs to hurry: the quota's window, and a service that is down."""

from collections.abc import Iterable
from typing import Protocol

from ..errors import OpenTrainError


class GivenUpError(Exception):
    """The run that wanted the draft has stopped, and nothing was sent for it. It does not leave the package."""


class Patience:
    """How long a caller, or all of a run together, waits; and whether it has given up.

    For the window it begins to run out when it is first asked, so that of a single publish only that waiting counts.

    Args:
        quota: Seconds to wait for the window to free a slot, from 0 to infinity.
        outage: Seconds without any answer of the service after which a run stops, from 0, which is not to hold the run
            during an outage, to infinity.
        since: When the run began, by the monotonic clock: no outage was waited for before.

    Attributes:
        is_given_up: It has given up: nothing more is to be sent for it.
        stopped_by: The error for which it has; `None` where there is none.
    """

    def __init__(self, quota: float, *, outage: float = 0.0, since: float = 0.0) -> None:
        self.outage = outage
        self.since = since
        self.is_given_up: bool = False
        self.stopped_by: OpenTrainError | None = None
        self._quota = quota
        self._ends_at: float | None = None

    def ends_at(self, now: float) -> float:
        """When the window has been waited for long enough, in epoch seconds."""
        if self._ends_at is None:
            self._ends_at = now + self._quota
        return self._ends_at

    def give_up(self, because: OpenTrainError | None) -> None:
        """Want nothing more; the first reason stands."""
        if not self.is_given_up:
            self.is_given_up = True
            self.stopped_by = because


class Party(Protocol):
    """Those for whom one draft is published together, each with a patience of their own."""

    @property
    def patiences(self) -> Iterable[Patience]:
        """Of all who wait."""
        ...

    @property
    def is_given_up(self) -> bool:
        """Nothing more is to be sent for them, or for the one in whose task this runs."""
        ...

    @property
    def is_holdable(self) -> bool:
        """Somebody of them can be held in an outage."""
        ...

    @property
    def is_urgent(self) -> bool:
        """Somebody of them cannot."""
        ...

    def let_go(self) -> None:
        """Tell those that they are given up who have given up."""
        ...

    def turn_away_hasty(self, failure: OpenTrainError) -> None:
        """Tell those who cannot be held how it has ended for them."""
        ...
