"""Who lets a publish through, at a limit of so many a day: ours, and the ways that libraries count, on virtual time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

from _virtual import VirtualClock

from opentrain_async import AsyncOpenTrain
from opentrain_async.errors import QuotaExceededError

from .arrivals import DAY
from .contenders import TOKEN
from .turns import OURS

Admit = Callable[[], Awaitable[bool]]
"""Whether a publish may go now."""


class Moment(VirtualClock):
    """A clock that stands still until it is set."""

    async def sleep(self, seconds: float) -> None:
        """Wait in real time, as for a connection that was lost."""
        await asyncio.sleep(seconds)

    @contextmanager
    def is_everybodys(self) -> Iterator[None]:
        """For as long as the block lasts it is what the libraries take for the machine's clocks."""
        with patch.object(time, "time", self.now), patch.object(time, "monotonic", self.monotonic):
            yield


async def let_through_by_us(arrivals: list[int], limit: int, origin: str) -> list[int]:
    """What the library publishes by the server of this origin, which would publish anything."""
    moment, published = Moment(0.0), []
    async with AsyncOpenTrain(TOKEN, base_url=origin, daily_limit=limit, clock=moment) as client:
        for number, at in enumerate(arrivals):
            moment.time = at
            try:
                await client.publish(f"job_{number}")
            except QuotaExceededError:
                continue
            published.append(at)
    return published


async def let_through_by(limiter: "Callable[[int, Moment], Admit]", arrivals: list[int], limit: int) -> list[int]:
    """What a limiter lets through; to be awaited while the moment's clock is everybody's."""
    moment = Moment(arrivals[0])
    with moment.is_everybodys():
        admit, let_through = limiter(limit, moment), []
        for at in arrivals:
            moment.time = at
            if await admit():
                let_through.append(at)
    return let_through


def _of_limits(strategy: str) -> "Callable[[int, Moment], Admit]":
    def made(limit: int, _: Moment) -> Admit:
        from limits import RateLimitItemPerDay
        from limits.aio import storage, strategies

        limiter, item = getattr(strategies, strategy)(storage.MemoryStorage()), RateLimitItemPerDay(limit)

        async def admit() -> bool:
            return bool(await limiter.hit(item, "account"))

        return admit

    return made


def _leaky_bucket(limit: int, _: Moment) -> Admit:
    from aiolimiter import AsyncLimiter

    limiter = AsyncLimiter(limit, DAY)

    async def admit() -> bool:
        if not limiter.has_capacity():
            return False
        await limiter.acquire()
        return True

    return admit


def _of_pyrate(algorithm: str) -> "Callable[[int, Moment], Admit]":
    def made(limit: int, moment: Moment) -> Admit:
        from pyrate_limiter import GCRA, Duration, InMemoryBucket, Rate, RateItem, StateBucket

        rates = [Rate(limit, Duration.DAY)]
        bucket = StateBucket(rates, GCRA()) if algorithm == "GCRA" else InMemoryBucket(rates)

        async def admit() -> bool:
            return bool(bucket.put(RateItem("account", int(moment.time * 1000))))

        return admit

    return made


LIMITERS: "dict[str, tuple[str, Callable[[int, Moment], Admit]]]" = {
    "moving window (limits)": ("limits", _of_limits("MovingWindowRateLimiter")),
    "log of hits (pyrate-limiter)": ("pyrate-limiter", _of_pyrate("log")),
    "sliding-window counter (limits)": ("limits", _of_limits("SlidingWindowCounterRateLimiter")),
    "GCRA (pyrate-limiter)": ("pyrate-limiter", _of_pyrate("GCRA")),
    "leaky bucket (aiolimiter)": ("aiolimiter", _leaky_bucket),
    "fixed window (limits)": ("limits", _of_limits("FixedWindowRateLimiter")),
}
"""By its name: the distribution that it needs, and how it is made."""
CONTENDERS = (OURS, *LIMITERS)
