"""The retry budget: an outage is not multiplied."""

import asyncio

import pytest

from opentrain_async import RetryPolicy
from opentrain_async._retry.budget import RetryBudget
from opentrain_async._retry.engine import Retrier
from opentrain_async.errors import (
    NotFoundError,
    ServerError,
)

from ..support.trials import Trial, failing
from ..support.virtual import VirtualClock


async def test_F11_an_outage_is_not_multiplied(clock: VirtualClock) -> None:
    """Of 200 calls that all fail, ten retries are made, and what the calls earn; not three each."""
    retrier = Retrier(RetryPolicy(), clock)
    made = 0
    for _ in range(200):
        trial = Trial(clock, [failing() for _ in range(4)])
        with pytest.raises(ServerError):
            await trial.run(retrier)
        made += len(trial.began) - 1
    assert 10 <= made <= 10 + 200 * 0.1


async def test_retries_that_succeed_cost_nothing(clock: VirtualClock) -> None:
    """A service that fails every other time is tried again as often as it takes."""
    retrier = Retrier(RetryPolicy(), clock)
    for _ in range(100):
        assert await Trial(clock, [failing(), None]).run(retrier) == "done"


async def test_retries_that_are_answered_cost_nothing(clock: VirtualClock) -> None:
    """Also if the answer is a refusal: the service is there."""
    retrier = Retrier(RetryPolicy(), clock)
    for _ in range(100):
        with pytest.raises(NotFoundError):
            await Trial(clock, [failing(), NotFoundError("no", status=404)]).run(retrier)


async def test_retries_that_the_server_timed_are_free(clock: VirtualClock) -> None:
    """A Retry-After is an invitation."""
    retrier = Retrier(RetryPolicy(max_attempts=100, base_delay=0.0, max_delay=0.0), clock)
    endings = [ServerError("no", status=503, retry_after=0.5) for _ in range(50)]
    assert await Trial(clock, [*endings, None]).run(retrier) == "done"


async def test_an_empty_budget_waits_for_what_may_come_back() -> None:
    """While retries are under way their tokens may return: who needs one waits, and gives up when none can."""
    budget = RetryBudget()
    assert all([await budget.draw() for _ in range(10)])
    waiting = [asyncio.create_task(budget.draw()) for _ in range(2)]
    await asyncio.sleep(0)
    budget.give_back(succeeded=True)
    for _ in range(5):
        await asyncio.sleep(0)
    assert sum(task.done() for task in waiting) == 1
    for _ in range(10):
        budget.give_back(succeeded=False)
    assert sorted([await task for task in waiting]) == [False, True]


async def test_a_cancelled_retry_gives_its_token_back(clock: VirtualClock) -> None:
    """Nobody waits for the token of a retry that was cancelled in its delay."""
    retrier = Retrier(RetryPolicy(), clock)
    clock.stands_still = True
    calls = [asyncio.create_task(Trial(clock, [failing()]).run(retrier)) for _ in range(10)]
    await asyncio.sleep(0.01)
    eleventh = asyncio.create_task(retrier.budget.draw())
    await asyncio.sleep(0)
    assert not eleventh.done()
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    assert await eleventh is False


async def test_a_retry_for_which_there_is_no_budget_is_in_the_log(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """By the name of what is not tried again; and the failure surfaces."""
    retrier = Retrier(RetryPolicy(), clock)
    for _ in range(10):
        assert await retrier.budget.draw()
        retrier.budget.give_back(succeeded=False)
    with pytest.raises(ServerError):
        await Trial(clock, [failing(), None]).run(retrier)
    assert [record.getMessage() for record in caplog.records] == ["job_1: not tried again, the retry budget is empty"]
    assert clock.slept == []
