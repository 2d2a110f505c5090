"""A website at the same account: it uses up part of the day or all of it, before us, between and after."""

import asyncio

import pytest

from opentrain_async import OutcomeStatus

from ..support.counting import DAY, HOUR, MINUTE, RULES, Rule
from ..support.weather import SEEDS, Weather, drafts, hammering, in_weather, kind, most_at_once

DAYS = 5


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("concurrency", [1, 20])
def test_F52_a_day_that_is_used_up_before_each_run_costs_a_request_or_two(
    rule: Rule, concurrency: int, seed: int
) -> None:
    """Whoever does not wait is told when to come back, at one refused request for the whole run."""

    async def scene(weather: Weather) -> None:
        weather.count.rule = rule
        async with weather.client() as client:
            for _ in range(DAYS):
                weather.service.use_on_the_website(20)
                await weather.passes(hours=weather.chance.uniform(0.1, 8))
                before = len(weather.refused)
                report = await weather.run(client, drafts(40), concurrency=concurrency)
                assert [outcome.status for outcome in report.outcomes] == [OutcomeStatus.DEFERRED] * 40
                assert all(outcome.retry_at is not None for outcome in report.outcomes)
                assert len(weather.refused) - before <= 2
                await asyncio.sleep(weather.count.frees_at(weather.now) - weather.now)

    in_weather(scene, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_F52_a_day_that_is_used_up_each_day_costs_a_waiting_run_two_requests_at_once(seed: int) -> None:
    """It waits for days with twenty workers; when the website leaves off, all its drafts go."""
    rule, retry_after = kind(seed)

    async def scene(weather: Weather) -> None:
        weather.count.rule, days = rule, DAYS

        async def website() -> None:
            for _ in range(days):
                weather.service.use_on_the_website(20)
                await asyncio.sleep(weather.count.frees_at(weather.now) - weather.now + 0.001)

        using = asyncio.create_task(website())
        async with weather.client() as client:
            report = await weather.run(client, drafts(40), max_wait=float("inf"), concurrency=20)
        using.cancel()
        assert len(report.published) == 40
        assert most_at_once(weather.refused) <= 2
        assert (hammering(weather), weather.overdue) == ([], 0)

    in_weather(scene, seed=seed, retry_after=retry_after)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("told", [20, None])
def test_F52_a_website_that_uses_a_part_of_each_day_leaves_the_rest_to_us(told: int | None, seed: int) -> None:
    """What is left is used; once a refusal has told of the website, two workers at most are refused at once."""
    rule, retry_after = kind(seed)

    async def scene(weather: Weather) -> None:
        weather.count.rule = rule

        async def website() -> None:
            while True:
                weather.service.use_on_the_website(weather.chance.randint(5, 19))
                await weather.passes(days=weather.chance.uniform(0.5, 1.5))

        using = asyncio.create_task(website())
        async with weather.client(daily_limit=told) as client:
            report = await weather.run(client, drafts(40), max_wait=float("inf"), concurrency=20)
        using.cancel()
        assert len(report.published) == 40
        known = [one for one in weather.refused if one.at > weather.refused[0].until + MINUTE]
        assert most_at_once(known) <= 2
        assert (hammering(weather), weather.overdue) == ([], 0)

    in_weather(scene, seed=seed, retry_after=retry_after)


@pytest.mark.parametrize("seed", SEEDS)
def test_F52_a_run_each_hour_is_not_refused_more_than_once_an_hour(seed: int) -> None:
    """As a job of cron that does not wait, on days of which the website has used up a part."""

    async def scene(weather: Weather) -> None:
        left = drafts(60)
        async with weather.client() as client:
            for hour in range(3 * 24):
                if hour % 24 == seed % 24:
                    weather.service.use_on_the_website(weather.chance.randint(5, 20))
                report = await weather.run(client, left, concurrency=20)
                left = [outcome.job_id for outcome in report.outcomes if not outcome.is_final]
                assert most_at_once(weather.refused, within=HOUR - MINUTE) <= 2
                await weather.passes(hours=1)
        assert len(left) < 60
        assert hammering(weather) == []

    in_weather(scene, seed=seed)


def test_the_rules_by_which_the_service_counts_differ() -> None:
    """Twenty at ten in the evening are gone at midnight, or a day later, or with the day that a first one began."""

    async def scene(weather: Weather) -> list[float]:
        found = []
        for rule in RULES:
            weather.count.rule = rule
            found.append((weather.count.frees_at(weather.now) - weather.now) / HOUR)
        return found

    async def evening(weather: Weather) -> list[float]:
        weather.service.use_on_the_website(1)
        await weather.passes(hours=6)
        weather.service.use_on_the_website(20)
        assert weather.count.room(weather.now) == 0
        return await scene(weather)

    assert in_weather(evening, began_at=1_800_000_000.0 // DAY * DAY + 16 * HOUR) == [18, 2, 18]
