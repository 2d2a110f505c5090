"""Clocks, instants and growing delays."""

import asyncio
import math
from datetime import UTC, datetime, timedelta

import pytest

from opentrain_async._base.clock import SystemClock, instant

LATEST = datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("epoch", "moment"),
    [
        (0.0, datetime(1970, 1, 1, tzinfo=UTC)),
        (-1.5, datetime(1969, 12, 31, 23, 59, 58, 500000, tzinfo=UTC)),
        (1_800_000_000.0, datetime(2027, 1, 15, 8, tzinfo=UTC)),
        (1e12, LATEST),
        (1e20, LATEST),
        (1e300, LATEST),
        (math.inf, LATEST),
    ],
)
def test_an_instant_is_an_aware_datetime_in_utc(epoch: float, moment: datetime) -> None:
    """One beyond the calendar's end is that end, so that no answer of the server breaks a `retry_at`."""
    assert instant(epoch) == moment
    assert instant(epoch).utcoffset() == timedelta(0)


async def test_the_system_s_clock_does_what_it_says() -> None:
    """It sleeps on the loop, its monotonic time does not go back, and its wall clock is the machine's."""
    clock = SystemClock()
    before, others = clock.monotonic(), asyncio.ensure_future(asyncio.sleep(0, "ran"))
    await clock.sleep(0.01)
    assert others.result() == "ran"
    assert clock.monotonic() > before
    assert abs(instant(clock.now()) - datetime.now(UTC)) < timedelta(minutes=1)
