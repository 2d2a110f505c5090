"""Callers: who waits for a publish, for how long, and whether it has given up."""

from collections.abc import Iterable
from typing import Protocol

from ..errors import OpenTrainError


class GivenUpError(Exception):
    """The caller has given up, and nothing was sent for it. It does not leave the package."""


class Caller:
    """One caller, or a whole run, and its patience for the quota's window and for an outage.

    Args:
        max_wait: Seconds to wait for the window to free a slot, from 0 to infinity. They begin when the first wait
            does, so that of a single publish only the waiting counts.
        outage_patience: Seconds without any answer of the service after which a run stops, up to infinity. 0: an
            outage does not pause the caller.
        since: When the run began, by the monotonic clock: no earlier outage was waited for.

    Attributes:
        is_given_up: True if nothing more may be sent for this caller.
        stopped_by: The error for which it has given up; `None` where there is none.
    """

    def __init__(self, max_wait: float, *, outage_patience: float = 0.0, since: float = 0.0) -> None:
        self.outage_patience = outage_patience
        self.since = since
        self.is_given_up: bool = False
        self.stopped_by: OpenTrainError | None = None
        self._max_wait = max_wait
        self._waits_until: float | None = None

    def waits_until(self, now: float) -> float:
        """Return until when this caller waits for the window, in epoch seconds."""
        if self._waits_until is None:
            self._waits_until = now + self._max_wait
        return self._waits_until

    def give_up(self, because: OpenTrainError | None) -> None:
        """Want nothing more; the first reason stands."""
        if not self.is_given_up:
            self.is_given_up = True
            self.stopped_by = because


class Callers(Protocol):
    """The callers for whom one draft is published together, as `SharedPublish` has them."""

    @property
    def all_callers(self) -> Iterable[Caller]:
        """All callers who wait."""
        ...

    @property
    def is_given_up(self) -> bool:
        """True if nothing more may be sent: the owner of the task has given up, or, without one, all callers have."""
        ...

    @property
    def can_be_paused(self) -> bool:
        """True if an outage may pause at least one caller."""
        ...

    @property
    def has_urgent(self) -> bool:
        """True if an outage may not pause at least one caller."""
        ...

    def release_given_up(self) -> None:
        """Answer the callers who have given up."""
        ...

    def fail_urgent(self, failure: OpenTrainError) -> None:
        """Answer the callers whom an outage may not pause with this failure."""
        ...
