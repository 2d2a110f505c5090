"""One publish under way, and those who wait for it."""

import asyncio
import copy
from collections.abc import Callable

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
    """One draft being published, by a task of its own or in that of the caller who owns it.

    Attributes:
        job_id: The draft.
        owner: The patience of the caller in whose task this runs; `None` if it has a task of its own.
        owners_landing: How it ended for the owner, once that is known.
        attempts: How many have been begun.
        has_slot: There is a reservation, and so something may be sent.
        under_way: An attempt is being made just now.
        in_doubt: An attempt, of this publish or of one that it follows, may have been applied.
        has_reached_server: An attempt got further than connecting.
        is_settling: It is known how it ended, and only its slot is left to be settled.
        is_called_off: Its task was cancelled by the client itself; that is done once.
    """

    job_id: str
    owner: Patience | None = None
    owners_landing: Landing | None = None
    attempts: int = 0
    has_slot: bool = False
    under_way: bool = False
    in_doubt: bool = False
    has_reached_server: bool = False
    is_settling: bool = False
    is_called_off: bool = False
    _denied: tuple[QuotaExceededError, float] | None = None
    _passengers: dict["asyncio.Future[Landing]", Patience] = field(factory=dict["asyncio.Future[Landing]", Patience])

    @property
    def has_passengers(self) -> bool:
        """Whether anybody but the owner still waits to hear how it ends."""
        return bool(self._waiting())

    @property
    def goes_on(self) -> bool:
        """Whether there is anybody left for whom to go on here; an owner who is done takes nobody further."""
        return self.has_passengers if self.owner is None else self.owners_landing is None

    def board(self, patience: Patience, now: float) -> "asyncio.Future[Landing]":
        """Wait for the end of this publish as well."""
        landing: asyncio.Future[Landing] = asyncio.get_running_loop().create_future()
        self._passengers[landing] = patience
        if self._denied is not None and not self.has_slot:
            self._turn_away(*self._denied, now)
        return landing

    def leave(self, landing: "asyncio.Future[Landing]") -> bool:
        """Wait for it no longer; returns whether nobody does any more."""
        del self._passengers[landing]
        return not self._passengers and self.owner is None

    def deny(self, error: QuotaExceededError, retry_at: float, now: float) -> bool:
        """Tell everyone that there is no slot before *retry_at*; returns whether to wait for it."""
        self._denied = (error, retry_at)
        self._turn_away(error, retry_at, now)
        return self.goes_on

    def give_up(self, patience: Patience) -> bool:
        """Let those with this patience go, unless something may have been sent; returns whether the owner goes."""
        if self.has_slot:
            return False
        went_on = self.owners_landing is None
        self._end(Landing, lambda theirs: theirs is patience)
        return went_on and self.owners_landing is not None

    def land(self, result: PublishResult) -> None:
        """Tell everyone that the job is live."""
        self._end(lambda: Landing(result, attempts=self.attempts))

    def fail(self, error: OpenTrainError) -> None:
        """Tell everyone why it is not; each gets an error of their own to raise."""
        self._end(lambda: Landing(error=own_copy(error), attempts=self.attempts))

    def crash(self, error: Exception) -> None:
        """Tell everyone of an error that nobody foresaw."""
        for landing, _ in self._waiting():
            landing.set_exception(error)

    def disown(self) -> None:
        """Go on without the owner, for those who still wait."""
        self.owner = self.owners_landing = None
        self.under_way = self.is_settling = self.is_called_off = False

    def _turn_away(self, error: QuotaExceededError, retry_at: float, now: float) -> None:
        self._end(
            lambda: Landing(error=own_copy(error), attempts=self.attempts),
            lambda patience: patience.ends_at(now) < retry_at,
        )

    def _end(self, landing: Callable[[], Landing], whose: Callable[[Patience], bool] = lambda _: True) -> None:
        """End it for all who still wait, and who have that patience."""
        if self.owner is not None and self.owners_landing is None and whose(self.owner):
            self.owners_landing = landing()
        for waiting, patience in self._waiting():
            if whose(patience):
                waiting.set_result(landing())

    def _waiting(self) -> list[tuple["asyncio.Future[Landing]", Patience]]:
        return [(landing, patience) for landing, patience in self._passengers.items() if not landing.done()]


def own_copy(error: OpenTrainError) -> OpenTrainError:
    """A copy to raise, without a traceback: two tasks that raise one error mix up its own."""
    copied = copy.copy(error)
    copied.__cause__ = error.__cause__
    return copied
