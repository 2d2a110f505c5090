"""The publishes under way in one client: one a draft, however many wait for it."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from .._base.clock import Clock
from .._base.ending import ended
from .._retry.callers import GivenUpError, Patience
from ..errors import ClientClosedError, Effect, QuotaExceededError
from ..models import PublishResult
from .flight import Flight


class Flights:
    """Lets callers share the publish of a draft: one request, one slot, and for each the whole outcome.

    A publish is a task of its own, so that none of its callers can cancel it for the others. When its last
    caller leaves, it is cancelled, and that caller waits for it to settle its slot.

    The workers of a bulk run carry theirs in their own tasks, which saves one for each draft. Should such a run
    be cancelled while others wait for one of its drafts, that draft is published anew for them, in its old slot.

    Args:
        fly: Publishes the draft of a flight.
        clock: What time it is, for the patience of the callers.
        look_again: Called when somebody has given up or come aboard: those who wait to send are to look.
    """

    def __init__(
        self, fly: Callable[[Flight], Awaitable[PublishResult]], clock: Clock, look_again: Callable[[], None]
    ) -> None:
        self._fly = fly
        self._clock = clock
        self._look_again = look_again
        self._joinable: dict[str, Flight] = {}
        self._left_by_all: set[Flight] = set()
        self._is_closed = False
        self._is_idle = asyncio.Event()

    def join(self, job_id: str, patience: Patience) -> Awaitable[PublishResult]:
        """Publish the draft, or take part in the publish of it that is under way.

        Args:
            job_id: The draft, a checked id.
            patience: How long this caller waits for quota.

        Returns:
            The live job; awaiting it raises the `OpenTrainError` with which it ended for this caller.
        """
        flight = self._joinable.get(job_id)
        if flight is None:
            flight = Flight(job_id)
            self._start(flight)
        return self._take_part(flight, patience)

    def carry(
        self, job_id: str, patience: Patience, task: "asyncio.Task[object] | None", *, told_at_end: bool
    ) -> tuple[Flight, Awaitable[PublishResult]]:
        """The same, for a task that is the library's own: a publish that is not under way runs in that task.

        Args:
            job_id: As in `join`.
            patience: As in `join`.
            task: The current task.
            told_at_end: As in `Flight`.

        Returns:
            The flight, and how it ends: as in `join`, or `GivenUpError` if this patience was given up.

        Raises:
            ClientClosedError: The client is closed.
        """
        if self._is_closed:
            raise ClientClosedError("the client is closed", job_id=job_id)
        flight = self._joinable.get(job_id)
        if flight is not None:
            return flight, self._take_part(flight, patience)
        flight = self._joinable[job_id] = Flight(job_id, patience, task, told_at_end)
        return flight, self._take_off(flight)

    def give_up(self, patience: Patience) -> None:
        """Let all callers with this patience go, but for what is being sent just now."""
        for flight in list(self._joinable.values()):
            if flight.give_up(patience):
                self._call_off(flight, GivenUpError())
        self._look_again()

    def denial(self, patience: Patience) -> QuotaExceededError | None:
        """Why drafts of this patience wait for the window, if any do."""
        for flight in self._joinable.values():
            if flight.owner is patience and flight.phase == "waiting" and flight.denial is not None:
                return flight.denial
        return None

    async def close(self) -> None:
        """Cancel what is under way and wait until it is settled; its callers are told so."""
        self._is_closed = True
        for flight in list(self._joinable.values()):
            if flight.ended is None:
                error = _closed_under(flight)
                flight.tell(error)
                self._call_off(flight, error)
        if self._joinable or self._left_by_all:
            await self._is_idle.wait()

    def _start(self, flight: Flight) -> None:
        """Publish in a task of the flight's own, which ends when its slot is settled."""
        self._joinable[flight.job_id] = flight
        flight.task = asyncio.create_task(self._take_off(flight), context=flight.context)
        flight.task.add_done_callback(partial(self._end_of_task, flight))

    async def _take_off(self, flight: Flight) -> PublishResult:
        """Publish in the current task; then whoever else waits for it is told how it ended, or taken further."""
        try:
            return await self._fly(flight)
        except asyncio.CancelledError:
            # Called off by the client? Then the owner is not cancelled, and goes on with what it is told.
            told = flight.called_off
            if told is None or flight.task is None or flight.task.uncancel():
                raise
        except Exception as error:
            # Those who are left outwait a denial, and have not given up.
            if error is not flight.denial and not isinstance(error, GivenUpError):
                flight.ended = error
            raise
        finally:
            self._end(flight)
        raise told

    async def _take_part(self, flight: Flight, patience: Patience) -> PublishResult:
        """Wait for the end of a publish in another task; the last one to leave it calls it off."""
        ending = flight.board(patience, self._clock.now())
        if flight.phase == "ready":
            self._look_again()
        try:
            told = await ending
        finally:
            if flight.leave(ending) and flight.task is not None and not flight.task.done():
                self._call_off(flight, GivenUpError())
                await ended(flight.task)
        if isinstance(told, PublishResult):
            return told
        raise told

    def _call_off(self, flight: Flight, told: Exception) -> None:
        """Cancel a publish, once; one that has ended but for its slot is left to settle it.

        One with a task of its own has nobody left: whoever comes now begins anew.
        """
        if flight.owner is None and self._joinable.get(flight.job_id) is flight:
            del self._joinable[flight.job_id]
            self._left_by_all.add(flight)
        if flight.task is not None and flight.called_off is None and flight.ended is None:
            flight.called_off = told
            flight.task.cancel()

    def _end(self, flight: Flight) -> None:
        """Its slot is settled, and its task done or its owner's again. Without the owner it goes on for the others."""
        if self._joinable.get(flight.job_id) is flight:
            del self._joinable[flight.job_id]
        else:
            self._left_by_all.discard(flight)
        if flight.passengers and flight.waiting():
            if flight.ended is not None:
                flight.tell(flight.ended)
            elif flight.owner is None or self._is_closed:
                flight.tell(_closed_under(flight))
            else:
                flight.disown()
                if flight.waiting():
                    self._start(flight)
        if self._is_closed and not self._joinable and not self._left_by_all:
            self._is_idle.set()

    def _end_of_task(self, flight: Flight, task: "asyncio.Task[PublishResult]") -> None:
        self._end(flight)  # again, for a task that was cancelled before it began
        if not task.cancelled():
            task.exception()  # its passengers have been told


def _closed_under(flight: Flight) -> ClientClosedError:
    effect: Effect = "unknown" if flight.may_be_live else "none"
    error = ClientClosedError("the client was closed meanwhile", job_id=flight.job_id, effect=effect)
    error.operation = "publish"
    return error
