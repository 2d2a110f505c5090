"""Publishes of which nothing is known, on days that are full: charged or not, they are found out about in time."""

import pytest

from opentrain_async import OutcomeStatus

from ..support.weather import SEEDS, Weather, drafts, hammering, in_weather, kind, most_at_once


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("told", [20, None])
def test_doubts_that_were_charged_are_not_probed_for_again_and_again(told: int | None, seed: int) -> None:
    """Until all the others are live, three requests are refused at most; those in doubt, unasked for, are not sent."""
    rule, retry_after = kind(seed)

    async def scene(weather: Weather) -> None:
        weather.count.rule, ids, doubts = rule, drafts(60), 1 + 2 * seed
        async with weather.client(daily_limit=told) as client:
            await weather.run(client, ids[doubts:20])
            await weather.leave_in_doubt(ids[:doubts], charged=True, daily_limit=told)
            report = await weather.run(client, ids[20:], max_wait=float("inf"))
        assert len(report.published) == 40
        assert len(weather.refused) <= 3
        assert (hammering(weather), weather.overdue) == ([], 0)
        asked = [one.job for one in weather.service.answered if one.job in ids[:doubts]]
        assert len(asked) == doubts

    in_weather(scene, seed=seed, retry_after=retry_after)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("told", [20, None])
def test_doubts_that_are_asked_for_find_out_about_themselves(told: int | None, seed: int) -> None:
    """They go first, and are told as what they are: published by the request whose answer was lost."""

    async def scene(weather: Weather) -> None:
        ids, doubts = drafts(40), 1 + 2 * seed
        async with weather.client(daily_limit=told) as client:
            await weather.run(client, ids[doubts:20])
            await weather.leave_in_doubt(ids[:doubts], charged=True, daily_limit=told)
            report = await weather.run(client, [*ids[20:], *ids[:doubts]], max_wait=float("inf"))
        assert {outcome.status for outcome in report.outcomes} == {OutcomeStatus.PUBLISHED}
        assert (len(weather.refused) <= 1, weather.overdue) == (True, 0)

    in_weather(scene, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("told", [20, None])
def test_doubts_that_were_not_charged_take_no_slot_from_others(told: int | None, seed: int) -> None:
    """Others go in their place within the hour, one after the other, and none is refused."""

    async def scene(weather: Weather) -> None:
        ids, doubts = drafts(40), 1 + 2 * seed
        async with weather.client(daily_limit=told) as client:
            await weather.run(client, ids[doubts:20])
            await weather.leave_in_doubt(ids[:doubts], charged=False, daily_limit=told)
            report = await weather.run(client, ids[20 : 20 + doubts], max_wait=3600.0)
        assert len(report.published) == doubts
        assert (weather.refused, weather.overdue) == ([], 0)

    in_weather(scene, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("told", [20, None])
def test_doubts_that_were_not_charged_wait_on_a_full_day_as_others_do(told: int | None, seed: int) -> None:
    """The website has used the day up before the request that was lost: with a caller that waits, all go live."""
    rule, retry_after = kind(seed)

    async def scene(weather: Weather) -> None:
        weather.count.rule, ids, doubts = rule, drafts(12), 1 + 2 * seed
        weather.service.use_on_the_website(20)
        await weather.passes(hours=1)
        await weather.leave_in_doubt(ids[:doubts], charged=False, daily_limit=told)
        async with weather.client(daily_limit=told) as client:
            report = await weather.run(client, ids, max_wait=float("inf"))
        assert {outcome.status for outcome in report.outcomes} == {OutcomeStatus.PUBLISHED}
        assert (hammering(weather), weather.overdue) == ([], 0)
        assert most_at_once(weather.refused) <= 2

    in_weather(scene, seed=seed, retry_after=retry_after)
