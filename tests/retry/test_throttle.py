"""The throttle: one pause for all of a client."""

from opentrain_async import RetryPolicy
from opentrain_async._retry.engine import Retrier
from opentrain_async._retry.throttle import Throttle
from opentrain_async.errors import (
    RateLimitedError,
)

from ..support.trials import Trial
from ..support.virtual import VirtualClock


async def test_F06_a_throttle_holds_everyone_and_the_deadline(clock: VirtualClock) -> None:
    """A pause is no part of any deadline, and whoever comes meanwhile waits for its end."""
    retrier = Retrier(RetryPolicy(base_delay=0.0, max_delay=0.0, deadline=10.0), clock)
    throttled = Trial(clock, [RateLimitedError("slow", retry_after=50.0), None])
    assert await throttled.run(retrier) == "done"
    assert throttled.began[1] - throttled.began[0] == 50.0
    assert throttled.left == [10.0, 10.0]
    retrier.throttle.extend(30.0)
    began = clock.time
    late = Trial(clock, [None])
    await late.run(retrier)
    assert late.began == [began + 30.0]
    assert late.left == [10.0]


async def test_F06_a_longer_pause_stands(clock: VirtualClock) -> None:
    """A pause ends when the longest of those asked for is over, also if it is asked for meanwhile."""
    pause = Throttle(clock, 0.0)
    await pause.wait(clock.sleep)
    assert clock.slept == []
    pause.extend(20.0)
    pause.extend(5.0)
    assert pause.until > clock.monotonic()
    await pause.wait(clock.sleep)
    assert clock.slept == [20.0]
    assert pause.until <= clock.monotonic()
