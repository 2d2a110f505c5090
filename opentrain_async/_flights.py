"""The publishes under way in one client: one a draft, however many wait for it."""

import asyncio
from collections.abc import Awaitable, Callable

from ._clock import Clock
from ._flight import Flight, Landing, Patience
from .errors import ClientClosedError, Effect, OpenTrainError
from .models import PublishResult


class Flights:
    """Lets callers share the publish of a draft: one request, one slot, and for each the whole outcome.

    A publish is a task of its own, so that none of its callers can cancel it for the others. When its last
    caller leaves, it is cancelled, and that caller waits for it to settle its slot.

    The workers of a bulk run carry theirs in their own tasks, which saves one for each draft. Should such a run
    be cancelled while others wait for one of its drafts, that draft is published anew for them, in its old slot.

    Args:
        fly: Publishes the draft of a flight.
        clock: What time it is, for the patience of the callers.
    """

    def __init__(self, fly: Callable[[Flight], Awaitable[PublishResult]], clock: Clock) -> None:
        self._fly = fly
        self._clock = clock
        self._joinable: dict[str, Flight] = {}
        self._under_way: dict[Flight, asyncio.Task[object]] = {}
        self._is_closed = False
        self._is_idle = asyncio.Event()

    async def join(self, job_id: str, patience: Patience) -> Landing:
        """Publish the draft, or take part in the publish of it that is under way.

        Args:
            job_id: The draft, a checked id.
            patience: How long this caller waits for quota.

        Returns:
            How it ended for this caller.

        Raises:
            ClientClosedError: The client is closed.
        """
        self._check_open(job_id)
        flight = self._joinable.get(job_id)
        if flight is None:
            flight = Flight(job_id)
            self._start(flight)
        landing = flight.board(patience, self._clock.now())
        try:
            return await landing
        finally:
            task = self._under_way.get(flight)
            if flight.leave(landing) and task is not None:
                self._leave_off(flight)
                self._call_off(flight, task)
                await asyncio.wait({task})

    async def carry(self, job_id: str, patience: Patience) -> Landing:
        """The same, for a task that is the library's own: a publish that is not under way runs in that task.

        Raises:
            ClientClosedError: The client is closed.
        """
        task = asyncio.current_task()
        if job_id in self._joinable or task is None:
            return await self.join(job_id, patience)
        self._check_open(job_id)
        flight = self._joinable[job_id] = Flight(job_id, patience)
        self._under_way[flight] = task
        try:
            await self._take_off(flight)
        except asyncio.CancelledError:
            # Called off by the client? Then the owner is not cancelled, and goes on with what it was told.
            if not flight.is_called_off or task.uncancel():
                raise
        finally:
            self._end(flight)
            landing = flight.owners_landing
            if flight.has_passengers:
                flight.disown()
                self._start(flight)
        return landing or Landing()

    def give_up(self, patience: Patience) -> None:
        """Let all callers with this patience go for whom nothing has been sent."""
        for flight, task in list(self._under_way.items()):
            if flight.give_up(patience):
                self._call_off(flight, task)

    async def close(self) -> None:
        """Cancel what is under way and wait until it is settled; its callers are told so."""
        self._is_closed = True
        for flight, task in list(self._under_way.items()):
            if not flight.is_settling:
                flight.fail(_closed_under(flight))
            self._call_off(flight, task)
        if self._under_way:
            await self._is_idle.wait()

    def _check_open(self, job_id: str) -> None:
        if self._is_closed:
            raise ClientClosedError("the client is closed", job_id=job_id)

    def _start(self, flight: Flight) -> None:
        """Publish in a task of the flight's own, which ends when its slot is settled."""
        self._joinable[flight.job_id] = flight
        task = self._under_way[flight] = asyncio.create_task(self._take_off(flight))
        task.add_done_callback(lambda _: self._end(flight))

    async def _take_off(self, flight: Flight) -> None:
        try:
            flight.land(await self._fly(flight))
        except OpenTrainError as error:
            if flight.goes_on:
                flight.fail(error)
        except Exception as error:
            flight.crash(error)
            if flight.owner is not None:
                raise
        finally:
            self._leave_off(flight)

    def _call_off(self, flight: Flight, task: asyncio.Task[object]) -> None:
        """Cancel a publish, once; one that has ended but for its slot is left to settle it."""
        if not flight.is_called_off and not flight.is_settling:
            flight.is_called_off = True
            task.cancel()

    def _leave_off(self, flight: Flight) -> None:
        """Nobody takes part in it any more."""
        if self._joinable.get(flight.job_id) is flight:
            del self._joinable[flight.job_id]

    def _end(self, flight: Flight) -> None:
        """Its slot is settled and its task done, or its owner's again."""
        self._leave_off(flight)
        self._under_way.pop(flight, None)
        if self._is_closed and not self._under_way:
            self._is_idle.set()


def _closed_under(flight: Flight) -> ClientClosedError:
    effect: Effect = "unknown" if flight.under_way or flight.in_doubt else "none"
    return ClientClosedError("the client was closed meanwhile", job_id=flight.job_id, effect=effect)
