"""Trying again: what, how often, after how long, and until when."""

import asyncio

import pytest

from opentrain_async import RetryPolicy
from opentrain_async._publish.single_flight import SharedPublish
from opentrain_async._retry.callers import Caller
from opentrain_async._retry.engine import Retrier
from opentrain_async.errors import (
    ConnectionLostError,
    NotFoundError,
    RateLimitedError,
    ServerError,
)
from opentrain_async.outcomes._answer_table import is_transient

from ..support.trials import Trial, failing
from ..support.virtual import VirtualClock
from ..support.waiting import until


async def test_what_succeeds_at_once_is_tried_once(clock: VirtualClock) -> None:
    """The first attempt has the whole deadline, and nothing is slept."""
    trial = Trial(clock, [None])
    assert await trial.run(Retrier(RetryPolicy(), clock)) == "done"
    assert (trial.left, clock.slept) == ([120.0], [])


async def test_F43_transient_failures_are_tried_again_with_growing_jitter(clock: VirtualClock) -> None:
    """Each delay is drawn from nothing to twice the bound of the one before, up to the largest."""
    retrier = Retrier(RetryPolicy(max_attempts=9, base_delay=1.0, max_delay=5.0), clock)
    assert await Trial(clock, [failing() for _ in range(8)] + [None]).run(retrier) == "done"
    bounds = [1.0, 2.0, 4.0, 5.0, 5.0, 5.0, 5.0, 5.0]
    assert all(0 <= slept <= bound for slept, bound in zip(clock.slept, bounds, strict=True))
    assert len(set(clock.slept)) == 8


async def test_attempts_end_with_the_policys_number(clock: VirtualClock) -> None:
    """The last failure surfaces as it came, four attempts later."""
    trial = Trial(clock, [failing() for _ in range(9)])
    with pytest.raises(ServerError):
        await trial.run(Retrier(RetryPolicy(), clock))
    assert len(trial.began) == 4


@pytest.mark.parametrize("first", [True, False])
async def test_what_will_not_change_is_not_tried_again(clock: VirtualClock, first: bool) -> None:
    """A refusal surfaces at once, also after a failure that was worth a retry."""
    endings = [NotFoundError("no", status=404)] if first else [failing(), NotFoundError("no", status=404)]
    trial = Trial(clock, endings)
    with pytest.raises(NotFoundError):
        await trial.run(Retrier(RetryPolicy(), clock))
    assert len(trial.began) == len(endings)


async def test_F01_a_lost_connection_is_tried_again_at_once_and_once(clock: VirtualClock) -> None:
    """The first retry after a loss does not wait and does not widen the backoff; the second one waits."""
    lost = [ConnectionLostError("lost", effect="unknown") for _ in range(2)]
    retrier = Retrier(RetryPolicy(base_delay=1.0), clock)
    assert await Trial(clock, [*lost, None]).run(retrier) == "done"
    assert clock.slept[0] == 0.0
    assert 0 < clock.slept[1] <= 1.0


async def test_no_delay_outlasts_the_deadline(clock: VirtualClock) -> None:
    """What would begin after the deadline is not begun, and each attempt is told what is left."""
    trial = Trial(clock, [failing() for _ in range(9)], takes=4.0)
    with pytest.raises(ServerError):
        await trial.run(Retrier(RetryPolicy(max_attempts=9, base_delay=0.0, max_delay=0.0, deadline=10.0), clock))
    assert trial.left == [10.0, 6.0, 2.0]


async def test_an_attempt_is_begun_with_however_little_time_is_left(clock: VirtualClock) -> None:
    """And is told how little; at the deadline itself nothing is, nor is that waited for."""
    policy = RetryPolicy(max_attempts=9, base_delay=0.0, max_delay=0.0, deadline=10.0)
    for takes, left in ((4.75, [10.0, 5.25, 0.5]), (5.0, [10.0, 5.0])):
        clock.slept.clear()
        trial = Trial(clock, [failing() for _ in range(9)], takes)
        with pytest.raises(ServerError):
            await trial.run(Retrier(policy, clock))
        assert trial.left == left
        assert len(clock.slept) == len(left) - 1


async def test_a_delay_that_took_until_the_deadline_was_the_last(clock: VirtualClock) -> None:
    """On a machine that was suspended meanwhile: the failure from before it surfaces."""
    retrier = Retrier(RetryPolicy(deadline=10.0), clock)
    clock.stands_still = True
    trial = Trial(clock, [failing(), None])
    call = asyncio.create_task(retrier.run("job_1", trial.attempt, is_transient, SharedPublish("job_1", Caller(0.0))))
    await until(lambda: clock.slept)
    clock.time += 10.0
    retrier.wake_all()
    with pytest.raises(ServerError):
        await call
    assert len(trial.began) == 1


@pytest.mark.parametrize(("asked", "attempts"), [(60.0, 2), (60.5, 1)])
async def test_F10_a_server_that_asks_for_too_much_is_not_waited_for(
    clock: VirtualClock, asked: float, attempts: int
) -> None:
    """Up to the policy's bound a Retry-After is waited out; beyond it the error surfaces."""
    trial = Trial(clock, [ServerError("no", status=503, retry_after=asked), None])
    retrier = Retrier(RetryPolicy(), clock)
    if attempts == 2:
        assert await trial.run(retrier) == "done"
        assert clock.slept[0] >= 60.0
    else:
        with pytest.raises(ServerError):
            await trial.run(retrier)
    assert len(trial.began) == attempts


async def test_F06_a_throttle_without_a_time_is_backed_off_from(clock: VirtualClock) -> None:
    """Without a usable Retry-After only the request itself waits, by its jitter."""
    retrier = Retrier(RetryPolicy(base_delay=1.0), clock)
    assert await Trial(clock, [RateLimitedError("slow"), None]).run(retrier) == "done"
    assert clock.slept[0] <= 1.0
    assert retrier.throttle.until <= clock.monotonic()


async def test_a_throttle_without_a_time_does_not_move_the_deadline(clock: VirtualClock) -> None:
    """Nor is it longer than anybody waits, however little that is."""
    policy = RetryPolicy(base_delay=0.0, max_delay=0.0, max_retry_after=0.0, deadline=10.0)
    trial = Trial(clock, [RateLimitedError("slow"), failing(), None], takes=1.0)
    assert await trial.run(Retrier(policy, clock)) == "done"
    assert trial.left == [10.0, 9.0, 8.0]


async def test_the_delays_do_grow(clock: VirtualClock) -> None:
    """Of a hundred third retries one at least comes later than any second one may."""
    for _ in range(100):
        retrier = Retrier(RetryPolicy(base_delay=1.0), clock)
        assert await Trial(clock, [failing(), failing(), failing(), None]).run(retrier) == "done"
    delays = [max(clock.slept[number::3]) for number in range(3)]
    assert 0.5 < delays[0] <= 1.0 < delays[1] <= 2.0 < delays[2] <= 4.0


async def test_each_retry_is_in_the_log_before_it_is_waited_for(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """After how long, after the how-manieth attempt of how many, and why."""
    retrier = Retrier(RetryPolicy(max_attempts=3, base_delay=0.0, max_delay=0.0), clock)
    errors = [failing(), ServerError("busy", status=503, retry_after=2.5)]
    await Trial(clock, [*errors, None]).run(retrier)
    assert [record.getMessage() for record in caplog.records] == [
        f"trying again in 0.00 s, after attempt 1 of 3: {errors[0]}",
        f"trying again in 2.50 s, after attempt 2 of 3: {errors[1]}",
    ]
    assert {(record.name, record.levelname) for record in caplog.records} == {("opentrain_async", "WARNING")}
