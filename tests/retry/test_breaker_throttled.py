"""The breaker while each publish is answered 429: when it opens, and when the next probe goes."""

import asyncio

import pytest

from opentrain_async import RetryPolicy
from opentrain_async._publish.single_flight import SharedPublish
from opentrain_async._retry.breaker import CircuitBreaker, Permit
from opentrain_async._retry.callers import Caller
from opentrain_async._retry.engine import Retrier
from opentrain_async.errors import OpenTrainError, RateLimitedError, ServerError
from opentrain_async.outcomes._answer_table import is_transient

from ..support.trials import Trial
from ..support.virtual import VirtualClock

SLOW = RateLimitedError("slow", status=429)
DOWN = ServerError("no", status=503)
PROBE = Permit(is_probe=True)


def breaker_on(clock: VirtualClock) -> CircuitBreaker:
    """A breaker whose delays in an outage are half a second to eight."""
    return CircuitBreaker(clock, base_delay=0.5, max_delay=8.0, max_retry_after=60.0)


def is_open(breaker: CircuitBreaker) -> bool:
    """True if runs are paused."""
    return breaker.state == "open"


def throttled(breaker: CircuitBreaker, *drafts: str) -> None:
    """These drafts are answered 429, one after the other."""
    for draft in drafts:
        breaker.failed(draft, SLOW, is_throttled=True)


def delay_after(breaker: CircuitBreaker, clock: VirtualClock, failure: OpenTrainError) -> float:
    """The delay before the next probe, where a probe has met this failure when it was due."""
    clock.time = breaker.probe_at
    breaker.failed("job_1", failure, PROBE, is_throttled=failure is SLOW)
    return breaker.probe_at - clock.time


def held(clock: VirtualClock, job_id: str = "job_1", patience: float = 900.0) -> SharedPublish:
    """A draft of a run with that patience."""
    return SharedPublish(job_id, Caller(0.0, outage_patience=patience, since=clock.time))


def test_F49_three_429s_of_two_drafts_open_it(clock: VirtualClock) -> None:
    """One draft alone does not, nor do two answers; an answer between begins anew."""
    breaker = breaker_on(clock)
    throttled(breaker, "job_1", "job_1", "job_1", "job_1")
    assert not is_open(breaker)
    breaker.answered()
    throttled(breaker, "job_1", "job_2")
    assert not is_open(breaker)
    throttled(breaker, "job_1")
    assert (breaker.state, breaker.last_failure) == ("open", SLOW)


def test_F49_failures_and_429s_are_counted_apart(clock: VirtualClock) -> None:
    """Two of each are neither an outage nor a throttle that does not end."""
    breaker = breaker_on(clock)
    throttled(breaker, "job_1", "job_2")
    for draft in ("job_1", "job_2"):
        breaker.failed(draft, DOWN)
    assert not is_open(breaker)
    breaker.answered(of_publish=False)
    for draft in ("job_1", "job_2"):
        breaker.failed(draft, DOWN)
    assert not is_open(breaker)
    throttled(breaker, "job_3")
    assert is_open(breaker)


def test_F49_the_delays_double_from_a_second_on(clock: VirtualClock) -> None:
    """Drawn from the upper half below two seconds, four, eight …, and a quarter of an hour at most."""
    breaker = breaker_on(clock)
    throttled(breaker, "job_1", "job_2", "job_3")
    delays = [breaker.probe_at - clock.time, *(delay_after(breaker, clock, SLOW) for _ in range(12))]
    bounds = [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 900.0, 900.0, 900.0, 900.0]
    assert all(bound / 2 <= delay <= bound for delay, bound in zip(delays, bounds, strict=True))


@pytest.mark.parametrize(("times", "shortest"), [(2, 2.0), (3, 4.0), (4, 8.0), (5, 8.0), (50, 8.0)])
def test_F49_a_draft_that_went_alone_has_begun_the_delays(clock: VirtualClock, times: int, shortest: float) -> None:
    """Each of its retries has doubled the first delay; three at most do."""
    breaker = breaker_on(clock)
    throttled(breaker, *["job_1"] * times)
    assert not is_open(breaker)
    throttled(breaker, "job_2")
    assert is_open(breaker)
    assert shortest <= breaker.probe_at - clock.time <= 2 * shortest


def test_F49_a_retry_after_is_added_to_the_delay(clock: VirtualClock) -> None:
    """As long as the policy waits for it."""
    breaker = breaker_on(clock)
    for draft in ("job_1", "job_2", "job_3"):
        breaker.failed(draft, RateLimitedError("slow", retry_after=30.0), is_throttled=True)
    assert 31 <= breaker.probe_at - clock.time <= 32


def test_F49_each_kind_of_trouble_has_its_own_delays(clock: VirtualClock) -> None:
    """An outage that ends in a throttle is not probed as seldom as a throttle that has lasted as long."""
    breaker = breaker_on(clock)
    for draft in ("job_1", "job_2", "job_3"):
        breaker.failed(draft, DOWN)
    assert all(delay_after(breaker, clock, DOWN) <= 8 for _ in range(20))
    assert 1 <= delay_after(breaker, clock, SLOW) <= 2
    assert 4 <= delay_after(breaker, clock, DOWN) <= 8
    assert 2 <= delay_after(breaker, clock, SLOW) <= 4


@pytest.mark.parametrize(("seconds", "shortest", "longest"), [(10.0, 0.125, 0.25), (61.0, 1.0, 2.0)])
def test_F49_a_limit_on_the_rate_is_probed_sooner(
    clock: VirtualClock, seconds: float, shortest: float, longest: float
) -> None:
    """One that lets a draft through and opens the breaker anew within the minute; any other begins with a second."""
    breaker = breaker_on(clock)
    throttled(breaker, "job_1", "job_2", "job_3")
    clock.time += seconds
    breaker.answered(PROBE)
    throttled(breaker, "job_1", "job_2", "job_3")
    assert shortest <= breaker.probe_at - clock.time <= longest
    assert shortest * 2 <= delay_after(breaker, clock, SLOW) <= longest * 2


async def test_F49_an_answer_to_another_operation_is_not_one_to_a_publish(clock: VirtualClock) -> None:
    """It ends an outage, but neither a throttle of publishes nor the counting of their 429s; nor is its 429 counted."""
    retrier = Retrier(RetryPolicy(), clock)
    breaker = retrier.breaker
    throttled(breaker, "job_1", "job_2")
    assert await Trial(clock, [SLOW, SLOW, None]).run(retrier) == "done"
    assert not is_open(breaker)
    throttled(breaker, "job_3")
    assert await Trial(clock, [None]).run(retrier) == "done"
    assert is_open(breaker)
    breaker.failed("job_1", DOWN, PROBE)
    assert await Trial(clock, [None]).run(retrier) == "done"
    assert not is_open(breaker)


async def test_F49_a_run_is_told_what_it_has_waited_for(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    """The log says that each publish was answered 429, and for how long."""
    retrier = Retrier(RetryPolicy(), clock)
    shared = held(clock, patience=5.0)
    throttled(retrier.breaker, "job_2", "job_3", "job_4")
    trial = Trial(clock, [SLOW] * 9)
    with pytest.raises(RateLimitedError):
        await retrier.run("job_1", trial.attempt, is_transient, shared)
    assert isinstance(shared.all_callers[0].stopped_by, RateLimitedError)
    texts = [record.getMessage() for record in caplog.records]
    assert texts[0].startswith("nothing but 429: runs are paused, and one draft at a time is tried: slow.")
    assert texts[-1].startswith("nothing but 429 for 5 s, run stopped: slow.")


async def test_F49_a_429_costs_no_attempt_while_others_are_answered(clock: VirtualClock) -> None:
    """At most twenty times; from then on each one counts, as does each where no other draft is answered."""
    for others_are_answered, attempts in ((True, 24), (False, 4)):
        retrier = Retrier(RetryPolicy(base_delay=0.0, max_delay=0.0), clock)
        trial = Trial(clock, [SLOW] * 99)

        async def attempt(
            seconds: float, retrier: Retrier = retrier, trial: Trial = trial, is_answered: bool = others_are_answered
        ) -> str:
            if is_answered:
                retrier.breaker.answered()
                for _ in range(10):
                    retrier.budget.earn()
            return await trial.attempt(seconds)

        with pytest.raises(RateLimitedError):
            await retrier.run("job_1", attempt, is_transient, held(clock, patience=0.0))
        assert len(trial.began) == attempts


async def test_F49_a_429_on_the_way_out_goes_back_into_the_queue(clock: VirtualClock) -> None:
    """While others wait there, so that they are tried first; alone the draft backs off."""
    breaker = breaker_on(clock)
    clock.stands_still = True
    throttled(breaker, "job_1", "job_2", "job_3")
    waiting = asyncio.create_task(breaker.permit(held(clock), None))
    await asyncio.sleep(0)
    assert breaker.pauses(SLOW)
    breaker.answered()
    assert breaker.state == "half_open"
    assert breaker.pauses(SLOW)
    assert not breaker.pauses(DOWN)
    assert await waiting is not None
    assert not breaker.pauses(SLOW)


def test_F49_a_throttle_just_after_the_machine_has_started_is_the_first_one() -> None:
    """The monotonic clock may begin with 0: nothing has opened the breaker then."""
    clock = VirtualClock(0.0)
    breaker = breaker_on(clock)
    throttled(breaker, *["job_1"] * 3, "job_2")
    assert breaker.probe_at >= 4
