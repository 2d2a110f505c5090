"""One publish under way, and those who wait for it."""

import asyncio
import copy

from attrs import define, field, frozen

from .errors import OpenTrainError, QuotaExceededError
from .models import PublishResult


class Patience:
    """How long a caller, or all of a run together, waits for the window to free a slot.

    It begins to run out when it is first asked, so that of a single publish only the waiting for the window counts.

    Args:
        seconds: From 0 to infinity.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends_at: float | None = None

    def ends_at(self, now: float) -> float:
        """When it has run out, in epoch seconds."""
        if self._ends_at is None:
            self._ends_at = now + self._seconds
        return self._ends_at


@frozen
class Landing:
    """How a publish ended for one of its callers: a result, or an error; or neither, if it was given up unsent."""

    result: PublishResult | None = None
    error: OpenTrainError | None = None
    attempts: int = 0


@define(eq=False)
class Flight:
    """One draft being published.

    Attributes:
        job_id: The draft.
        attempts: How many have been begun.
        has_slot: There is a reservation, and so something may be sent.
        under_way: An attempt is being made just now.
        in_doubt: An attempt, of this publish or of one that it follows, may have been applied.
        has_reached_server: An attempt got further than connecting.
    """

    job_id: str
    attempts: int = 0
    has_slot: bool = False
    under_way: bool = False
    in_doubt: bool = False
    has_reached_server: bool = False
    _denied: tuple[QuotaExceededError, float] | None = None
    _passengers: dict["asyncio.Future[Landing]", Patience] = field(factory=dict["asyncio.Future[Landing]", Patience])

    @property
    def is_wanted(self) -> bool:
        """Whether anybody still waits to hear how it ends."""
        return any(not landing.done() for landing in self._passengers)

    def board(self, patience: Patience, now: float) -> "asyncio.Future[Landing]":
        """Wait for the end of this publish as well."""
        landing: asyncio.Future[Landing] = asyncio.get_running_loop().create_future()
        self._passengers[landing] = patience
        if self._denied is not None and not self.has_slot:
            self._turn_away(*self._denied, now)
        return landing

    def leave(self, landing: "asyncio.Future[Landing]") -> bool:
        """Wait for it no longer; returns whether anybody still does."""
        del self._passengers[landing]
        return bool(self._passengers)

    def deny(self, error: QuotaExceededError, retry_at: float, now: float) -> bool:
        """Tell everyone that there is no slot before *retry_at*; returns whether anybody wants to wait for it."""
        self._denied = (error, retry_at)
        self._turn_away(error, retry_at, now)
        return self.is_wanted

    def give_up(self, patience: Patience) -> None:
        """Let those with this patience go, unless something may have been sent for them already."""
        if not self.has_slot:
            for landing, theirs in self._passengers.items():
                if theirs is patience and not landing.done():
                    landing.set_result(Landing())

    def land(self, result: PublishResult) -> None:
        """Tell everyone that the job is live."""
        for landing in self._passengers:
            if not landing.done():
                landing.set_result(Landing(result, attempts=self.attempts))

    def fail(self, error: OpenTrainError) -> None:
        """Tell everyone why it is not; each gets an error of their own to raise."""
        for landing in self._passengers:
            if not landing.done():
                landing.set_result(Landing(error=own_copy(error), attempts=self.attempts))

    def crash(self, error: BaseException) -> None:
        """Tell everyone of an error that nobody foresaw."""
        for landing in self._passengers:
            if not landing.done():
                landing.set_exception(error)

    def _turn_away(self, error: QuotaExceededError, retry_at: float, now: float) -> None:
        for landing, patience in self._passengers.items():
            if not landing.done() and patience.ends_at(now) < retry_at:
                landing.set_result(Landing(error=own_copy(error), attempts=self.attempts))


def own_copy(error: OpenTrainError) -> OpenTrainError:
    """A copy to raise, without a traceback: two tasks that raise one error mix up its own."""
    copied = copy.copy(error)
    copied.__cause__ = error.__cause__
    return copied
