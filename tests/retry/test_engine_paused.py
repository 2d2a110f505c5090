"""Trying again while the service is down or wants a pause: what one call keeps of its time, attempts and tokens."""

import asyncio
from functools import partial

import pytest

from opentrain_async import RetryPolicy
from opentrain_async._publish.single_flight import SharedPublish
from opentrain_async._retry.callers import Caller
from opentrain_async._retry.engine import Retrier
from opentrain_async.errors import NotFoundError, OpenTrainError, RateLimitedError, ServerError, TLSError
from opentrain_async.outcomes._answer_table import is_transient

from ..support.trials import Trial, failing
from ..support.virtual import GatedClock, VirtualClock
from ..support.waiting import until


def held_on(clock: VirtualClock, job_id: str = "job_1") -> SharedPublish:
    """A draft of a run that can be held."""
    return SharedPublish(job_id, Caller(0.0, outage_patience=900.0, since=clock.time))


def fail_others(retrier: Retrier) -> None:
    """Let an outage begin, by what became of other drafts."""
    for number in range(3):
        retrier.breaker.failed(f"other_{number}", ServerError("no", status=503))


async def test_a_retry_that_is_held_costs_no_token() -> None:
    """Its token is back before it is made: it may be the probe, which nobody counts."""
    clock = GatedClock()
    retrier = Retrier(RetryPolicy(base_delay=5.0), clock)
    trial = Trial(clock, [failing(), None])
    call = asyncio.create_task(retrier.run("job_1", trial.attempt, is_transient, held_on(clock)))
    await until(lambda: clock.slept)
    fail_others(retrier)
    clock.gate.set()
    assert await call == "done"
    draws = [asyncio.create_task(retrier.budget.draw()) for _ in range(10)]
    await asyncio.sleep(0.01)
    assert all(draw.done() for draw in draws)
    assert all(await asyncio.gather(*draws))


async def test_what_was_held_tells_of_the_next_outage(clock: VirtualClock) -> None:
    """Drafts that were let go and fail again are news, though others have been answered meanwhile."""
    retrier = Retrier(RetryPolicy(base_delay=1.0, max_delay=1.0), clock)
    fail_others(retrier)
    trials = [Trial(clock, [None]), *(Trial(clock, [failing(), None]) for _ in range(3))]
    calls = [
        asyncio.create_task(retrier.run(f"job_{number}", trial.attempt, is_transient, held_on(clock, f"job_{number}")))
        for number, trial in enumerate(trials)
    ]
    assert await asyncio.gather(*calls) == ["done"] * 4
    assert retrier.breaker.outages_ended == 2


async def test_what_fails_after_a_pause_tells_of_an_outage(clock: VirtualClock) -> None:
    """Three drafts that had to wait before they were sent are as good as any."""
    retrier = Retrier(RetryPolicy(base_delay=1.0, max_delay=1.0), clock)
    retrier.throttle.extend(5.0)
    trials = [Trial(clock, [failing(), None]) for _ in range(3)]
    calls = [
        asyncio.create_task(retrier.run(f"job_{number}", trial.attempt, is_transient, held_on(clock, f"job_{number}")))
        for number, trial in enumerate(trials)
    ]
    assert await asyncio.gather(*calls) == ["done"] * 3
    assert retrier.breaker.outages_ended == 1


async def test_a_probe_has_the_whole_time_of_a_first_attempt(clock: VirtualClock) -> None:
    """However much its draft had used before; and what it takes itself is not counted."""
    retrier = Retrier(RetryPolicy(), clock)
    trial = Trial(clock, [failing(), failing(), failing(), None], takes=50.0)

    async def attempt(seconds: float) -> str:
        if not trial.left:
            fail_others(retrier)
        return await trial.attempt(seconds)

    assert await retrier.run("job_1", attempt, is_transient, held_on(clock)) == "done"
    assert trial.left == [120.0] * 4


async def test_a_draft_that_was_held_has_its_time_left(clock: VirtualClock) -> None:
    """A hold is longer than any deadline: what goes on by the ramp and fails once more is tried again."""
    retrier = Retrier(RetryPolicy(base_delay=60.0, max_delay=60.0), clock)
    end, since, left = clock.time + 600.0, iter([None, failing(), None]), list[float]()

    async def attempt(seconds: float) -> None:
        left.append(seconds)
        if (ending := failing() if clock.time < end else next(since)) is not None:
            raise ending

    fail_others(retrier)
    calls = [retrier.run(job, attempt, is_transient, held_on(clock, job)) for job in ("job_1", "job_2")]
    await asyncio.gather(*calls)
    assert left[:-1] == [120.0] * (len(left) - 1)
    assert 60.0 <= left[-1] < 120.0


async def test_a_service_that_did_not_want_to_be_asked_is_asked_when_it_said(clock: VirtualClock) -> None:
    """Not a moment later, also in an outage."""
    retrier = Retrier(RetryPolicy(), clock)
    fail_others(retrier)
    retrier.throttle.close(RateLimitedError("slow", retry_after=100.0), 100.0)
    clock.time += 100.0
    assert await retrier.run("job_1", Trial(clock, [None]).attempt, is_transient, held_on(clock)) == "done"
    assert clock.slept == []


async def test_who_has_waited_is_forgotten(clock: VirtualClock) -> None:
    """A client that runs for months keeps nothing of the delays that are over."""
    retrier = Retrier(RetryPolicy(), clock)
    trial = Trial(clock, [failing(), failing(), None])
    assert await retrier.run("job_1", trial.attempt, is_transient, held_on(clock)) == "done"
    assert len(clock.slept) == 2
    assert not retrier.sleeping


async def test_a_pause_as_long_as_is_waited_for_is_waited_for_by_all(clock: VirtualClock) -> None:
    """A draft that comes meanwhile is sent when it is over, and not refused."""
    retrier = Retrier(RetryPolicy(max_retry_after=60.0), clock)
    retrier.apply(RateLimitedError("slow", retry_after=60.0))
    began = clock.time
    assert (retrier.throttle.until, retrier.throttle.closed_until) == (began + 60.0, 0.0)
    trial = Trial(clock, [None])
    assert await retrier.run("job_1", trial.attempt, is_transient, held_on(clock)) == "done"
    assert trial.began[0] >= began + 60.0


async def test_what_was_begun_before_an_outage_ended_tells_of_no_other(clock: VirtualClock) -> None:
    """Three that fail late are tried again each for itself, and nobody is held."""
    retrier = Retrier(RetryPolicy(), clock)
    may_fail = asyncio.Event()

    async def fails_late(trial: Trial, seconds: float) -> str:
        await may_fail.wait()
        return await trial.attempt(seconds)

    calls = [
        asyncio.create_task(
            retrier.run(job, partial(fails_late, Trial(clock, [failing(), None])), is_transient, held_on(clock, job))
        )
        for job in ("job_1", "job_2", "job_3")
    ]
    await asyncio.sleep(0)
    fail_others(retrier)
    retrier.breaker.answered()
    may_fail.set()
    assert await asyncio.gather(*calls) == ["done"] * 3
    assert retrier.breaker.outages_ended == 1


async def test_refusals_widen_the_ramp_as_well(clock: VirtualClock) -> None:
    """The service answers, whatever it says: soon several of those held go at once."""
    retrier = Retrier(RetryPolicy(), clock)
    fail_others(retrier)
    under_way, most = 0, 0

    async def attempt(_: float) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.002)
        under_way -= 1
        raise NotFoundError("no", status=404)

    calls = [retrier.run(job, attempt, is_transient, held_on(clock, job)) for job in "abcdefgh"]
    errors = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(error) for error in errors} == {NotFoundError}
    assert most > 1


async def test_a_probe_that_tells_nothing_makes_room_for_the_next(clock: VirtualClock) -> None:
    """Whoever finds that a certificate is wrong has got no answer, and is gone."""
    retrier = Retrier(RetryPolicy(), clock)
    fail_others(retrier)
    endings: list[OpenTrainError | None] = [TLSError("no"), None]
    calls = [
        asyncio.create_task(retrier.run(job, Trial(clock, [ending]).attempt, is_transient, held_on(clock, job)))
        for job, ending in zip(("job_1", "job_2"), endings, strict=True)
    ]
    await asyncio.wait(calls, timeout=10)
    assert [call.done() for call in calls] == [True, True]
    assert isinstance(calls[0].exception(), TLSError)
    assert calls[1].result() == "done"


async def test_what_is_held_before_it_was_sent_is_kept(clock: VirtualClock) -> None:
    """As is what was held after that: each look at the outage is an occasion."""
    retrier = Retrier(RetryPolicy(), clock)
    kept: list[object] = []

    async def keep(party: object) -> None:
        kept.append(party)

    fail_others(retrier)
    party = held_on(clock)
    trial = Trial(clock, [failing(), None])
    assert await retrier.run("job_1", trial.attempt, is_transient, party, keep) == "done"
    assert len(kept) >= 2
    assert set(kept) == {party}


async def test_a_draft_without_time_left_is_not_paused(clock: VirtualClock) -> None:
    """Its attempt took all of its time, and an outage began meanwhile: its error surfaces, and the loop goes on."""
    retrier = Retrier(RetryPolicy(deadline=10.0), clock)
    trial = Trial(clock, [failing() for _ in range(9)], takes=10.0)

    async def attempt(seconds: float) -> str:
        fail_others(retrier)
        return await trial.attempt(seconds)

    with pytest.raises(ServerError):
        await retrier.run("job_1", attempt, is_transient, held_on(clock))
    assert trial.left == [10.0]


async def test_a_draft_that_the_service_wants_later_is_not_paused(clock: VirtualClock) -> None:
    """It waits for what is left of a long Retry-After, as far as the policy does, and the loop goes on."""
    retrier = Retrier(RetryPolicy(max_retry_after=60.0), clock)
    trial = Trial(clock, [failing(), None])

    async def attempt(seconds: float) -> str:
        if len(trial.began) == 0:
            fail_others(retrier)
            retrier.throttle.close(RateLimitedError("slow", retry_after=61.0), 61.0)
            clock.time += 30.0
        return await trial.attempt(seconds)

    began = clock.time
    assert await retrier.run("job_1", attempt, is_transient, held_on(clock)) == "done"
    assert clock.time - began >= 61.0
