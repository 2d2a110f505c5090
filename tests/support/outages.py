"""A service that is down for a while, and a client that faces it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from opentrain_async import AsyncOpenTrain, RetryPolicy
from opentrain_async._base.clock import Clock

from .peers import Behaviour, Call, Peer, Then, answer, client_of, envelope, job_of, leave, live, peer
from .stores import accept_one
from .virtual import VirtualClock

PATIENT = RetryPolicy()
Fail = Callable[[Call], Awaitable[None]]


def status(line: str, *, headers: str = "") -> Fail:
    """Fails with this status."""

    async def fail(call: Call) -> None:
        call.writer.write(answer(envelope(), status=line, headers=headers))

    return fail


async def reset(call: Call) -> None:
    """Fails with a connection that is reset."""
    await leave(call.writer, Then.RESET)


class Service:
    """A service that is down for a while: from when so many drafts are live, for so many seconds.

    Attributes:
        live: The drafts that it put live.
        down: Since when it is down; before, `None`.
        met: The times of the requests that met the outage, since its beginning.
        met_at_once: How many requests were under way at once as each of those came.
    """

    def __init__(self, clock: Clock, *, after: int, seconds: float, fail: Fail) -> None:
        self.live: list[str] = []
        self.down: float | None = None
        self.met: list[float] = []
        self.met_at_once: list[int] = []
        self._clock = clock
        self._after = after
        self._seconds = seconds
        self._fail = fail
        self._under_way = 0

    async def __call__(self, call: Call) -> None:
        self._under_way += 1
        at_once = self._under_way
        await asyncio.sleep(0.001)
        self._under_way -= 1
        if self.down is None and len(self.live) >= self._after:
            self.down = self._clock.now()
        if self.down is not None and self._clock.now() < self.down + self._seconds:
            self.met.append(self._clock.now() - self.down)
            self.met_at_once.append(at_once)
            await self._fail(call)
            return
        self.live.append(job_of(call))
        call.writer.write(answer(live(job_of(call))))


@asynccontextmanager
async def facing(
    behave: Behaviour, clock: VirtualClock, retry: RetryPolicy = PATIENT
) -> AsyncIterator[tuple[Peer, AsyncOpenTrain]]:
    """That service, and a client of it, for whose account it has accepted a publish before."""
    async with peer(behave) as server, client_of(server.url, clock=clock, retry=retry, daily_limit=1000) as client:
        await accept_one(client)
        yield server, client


def ids(count: int) -> list[str]:
    return [f"job_{number}" for number in range(count)]
