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

    Args:
        fly: Publishes the draft of a flight.
        clock: What time it is, for the patience of the callers.
    """

    def __init__(self, fly: Callable[[Flight], Awaitable[PublishResult]], clock: Clock) -> None:
        self._fly = fly
        self._clock = clock
        self._joinable: dict[str, Flight] = {}
        self._under_way: dict[Flight, asyncio.Task[None]] = {}
        self._is_closed = False

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
        if self._is_closed:
            raise ClientClosedError("the client is closed", job_id=job_id)
        flight = self._joinable.get(job_id)
        if flight is None:
            flight = self._joinable[job_id] = Flight(job_id)
            self._under_way[flight] = asyncio.create_task(self._take_off(flight))
        landing = flight.board(patience, self._clock.now())
        try:
            return await landing
        finally:
            if not flight.leave(landing) and flight in self._under_way:
                await self._cancel(flight)

    def give_up(self, patience: Patience) -> None:
        """Let all callers with this patience go for whom nothing has been sent."""
        for flight in self._under_way:
            flight.give_up(patience)

    async def close(self) -> None:
        """Cancel what is under way and wait until it is settled; its callers are told so."""
        self._is_closed = True
        under_way = dict(self._under_way)
        for task in under_way.values():
            task.cancel()
        if under_way:
            await asyncio.wait(under_way.values())
        for flight in under_way:
            flight.fail(_closed_under(flight))

    async def _take_off(self, flight: Flight) -> None:
        try:
            flight.land(await self._fly(flight))
        except OpenTrainError as error:
            flight.fail(error)
        except asyncio.CancelledError:
            flight.fail(_closed_under(flight))
            raise
        except Exception as error:
            flight.crash(error)
        finally:
            self._forget(flight)

    async def _cancel(self, flight: Flight) -> None:
        """End a publish that nobody waits for any more, and wait until it is settled."""
        task = self._under_way[flight]
        self._forget(flight)
        task.cancel()
        await asyncio.wait({task})

    def _forget(self, flight: Flight) -> None:
        self._under_way.pop(flight, None)
        if self._joinable.get(flight.job_id) is flight:
            del self._joinable[flight.job_id]


def _closed_under(flight: Flight) -> ClientClosedError:
    effect: Effect = "unknown" if flight.under_way or flight.in_doubt else "none"
    return ClientClosedError("the client was closed meanwhile", job_id=flight.job_id, effect=effect)
