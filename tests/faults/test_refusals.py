"""A full day whose refusals come with all kinds of Retry-After: few requests are refused, and no slot is overlooked."""

import math
from typing import Any, get_args

import pytest

from ..support.counting import DAY, HOUR, RULES, RetryAfter, Rule, named, unnamed
from ..support.weather import SEEDS, Weather, drafts, hammering, in_weather, kind, most_at_once

HOURS = 12
HONEST_OR_SHORT: list[RetryAfter] = [said for said in get_args(RetryAfter) if said != "until midnight"]
"""What a rule may say that does not end at midnight."""


def kinds_of(seed: int, rule: Rule) -> dict[str, Any]:
    """What a service of this rule may say, by the seed."""
    said = [*HONEST_OR_SHORT, *(["until midnight"] if rule == "calendar" else [])]
    return {"retry_after": said[seed % len(said)], "details": [named, unnamed][seed // 2 % 2]}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("concurrency", [1, 10, 50])
def test_F50_a_gateway_that_says_a_minute_each_time_is_not_asked_each_minute(
    concurrency: int, rule: Rule, seed: int
) -> None:
    """A run of half a day on a full one has at most a dozen requests refused, and finds the slots that come back."""

    async def scene(weather: Weather) -> None:
        weather.count.rule = rule
        weather.service.use_on_the_website(20)
        async with weather.client() as client:
            report = await weather.run(client, drafts(40), max_wait=HOURS * HOUR, concurrency=concurrency)
        assert len(report.published) + len(report.deferred) == 40
        assert all(outcome.retry_at is not None for outcome in report.deferred)
        assert len(weather.refused) <= HOURS
        assert (hammering(weather), weather.overdue, most_at_once(weather.refused) <= 2) == ([], 0, True)

    began_at = 1_800_000_000.0 + seed * 5 * HOUR
    details = [named, unnamed][(seed + concurrency) % 2]
    in_weather(scene, seed=seed, began_at=began_at, retry_after="a minute", details=details)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("concurrency", [1, 10, 50])
def test_F50_F51_drafts_in_doubt_do_not_ask_again_and_again_on_a_full_day(
    concurrency: int, rule: Rule, seed: int
) -> None:
    """Nor where the log knows drafts of the run, whose requests no service has seen."""

    async def scene(weather: Weather) -> None:
        weather.count.rule, ids = rule, drafts(40)
        await weather.leave_in_doubt(ids[: 4 + seed], charged=False)
        weather.service.use_on_the_website(20)
        async with weather.client() as client:
            await weather.run(client, ids, max_wait=HOURS * HOUR, concurrency=concurrency)
        assert len(weather.refused) <= HOURS
        assert (hammering(weather), weather.overdue, most_at_once(weather.refused) <= 2) == ([], 0, True)

    in_weather(scene, seed=seed, **kinds_of(seed, rule))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("concurrency", [1, 10, 50])
@pytest.mark.parametrize("retry_after", HONEST_OR_SHORT)
def test_F50_slots_that_come_back_one_by_one_are_found_one_by_one(
    retry_after: RetryAfter, concurrency: int, seed: int
) -> None:
    """The website has used the day up over the last one: each hour or so a slot comes back, and a draft goes in it."""

    async def scene(weather: Weather) -> None:
        weather.count.website = sorted(weather.now - weather.chance.uniform(0.01, 0.99) * DAY for _ in range(20))
        back = sum(at + DAY < weather.now + (HOURS - 1) * HOUR for at in weather.count.website)
        async with weather.client() as client:
            report = await weather.run(client, drafts(40), max_wait=HOURS * HOUR, concurrency=concurrency)
        told_a_minute = retry_after == "a minute"
        assert len(weather.refused) <= (2 if told_a_minute else 1) * (len(report.published) + 1) + 4
        assert (hammering(weather), weather.overdue) == ([], 0)
        assert retry_after != "until a slot" or len(report.published) >= back

    in_weather(scene, seed=seed, retry_after=retry_after)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("concurrency", [1, 20])
def test_F50_where_it_says_midnight_twenty_go_at_midnight(concurrency: int, seed: int) -> None:
    """And at each one after, until all hundred are live; a request a day is refused at most, to see if more can."""

    async def scene(weather: Weather) -> None:
        weather.count.rule = "calendar"
        weather.service.use_on_the_website(20)
        midnight = (weather.now // DAY + 1) * DAY
        async with weather.client() as client:
            report = await weather.run(client, drafts(100), max_wait=float("inf"), concurrency=concurrency)
        assert len(report.published) == 100
        gone = sorted(weather.count.ours)
        assert all(0 <= at - midnight - number // 20 * DAY < 300 for number, at in enumerate(gone)), gone
        assert (len(weather.refused) <= 4, most_at_once(weather.refused, within=HOUR)) == (True, 1)

    began_at = 1_800_000_000.0 + seed * 3.7 * HOUR
    in_weather(scene, seed=seed, began_at=began_at, retry_after="until midnight")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("told", [20, None])
def test_without_trouble_a_hundred_drafts_take_four_days_as_planned(told: int | None, seed: int) -> None:
    """No request is refused, and each draft goes at the time that the plan said."""
    rule, _ = kind(seed)

    async def scene(weather: Weather) -> None:
        weather.count.rule, ids, began_at = rule, drafts(100), weather.now
        async with weather.client(daily_limit=told) as client:
            plan = await client.plan(ids)
            report = await weather.run(client, ids, max_wait=float("inf"), concurrency=1 + seed * 5)
        assert len(report.published) == 100
        assert (len(weather.refused), weather.overdue) == (0, 0)
        days = (max(weather.count.ours) - began_at) / DAY
        assert math.floor(days * 100) == 400
        late = [weather.service.live[draft.job_id] - draft.at.timestamp() for draft in plan.drafts]
        assert min(late) > -1
        assert max(late) < 60

    in_weather(scene, seed=seed)
