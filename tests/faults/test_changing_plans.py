"""An account whose limit changes, and a server that is wrong about its window once: a draft a day finds out."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from opentrain_async import AsyncOpenTrain

from ..support.counting import DAY, HOUR, Count, named, unnamed
from ..support.weather import SEEDS, Weather, drafts, in_weather, most_at_once

Details = Callable[[Count], Mapping[str, object]]
EACH = DAY + 60
"""Seconds between two daily runs."""


class Daily:
    """A campaign that runs once a day and does not wait.

    Attributes:
        published: How many drafts each run has put live.
        refused: How many requests were refused in it.
    """

    def __init__(self, weather: Weather, count: int) -> None:
        self.published: list[int] = []
        self.refused: list[int] = []
        self._weather = weather
        self._ids: Sequence[str] = drafts(count)

    async def days(self, client: AsyncOpenTrain, count: int) -> None:
        """Run on so many days."""
        weather = self._weather
        for _ in range(count):
            live, refused = len(weather.service.live), len(weather.refused)
            await weather.run(client, [job for job in self._ids if job not in weather.service.live][:80])
            self.published.append(len(weather.service.live) - live)
            self.refused.append(len(weather.refused) - refused)
            await weather.passes(seconds=EACH)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("told", "details", "found_within"), [(50, named, 2), (50, unnamed, 2), (None, named, 8)])
def test_F53_a_plan_that_is_raised_is_found_out(
    told: int | None, details: Details, found_within: int, seed: int
) -> None:
    """Soon where the caller says how high it is now, and in days where nobody does; meanwhile twenty a day go."""

    async def scene(weather: Weather) -> Daily:
        daily = Daily(weather, 1000)
        weather.service.use_on_the_website(1)  # so that the server says how many there are
        async with weather.client(daily_limit=told) as client:
            await daily.days(client, 1 + seed)
            weather.count.limit = 50
            await daily.days(client, found_within + 1)
        return daily

    seen = in_weather(scene, seed=seed, details=details)
    assert seen.published[: 1 + seed] == [19, *[20] * seed]
    assert min(seen.published[1:]) >= 20
    assert seen.published[-1] == 50
    assert max(seen.refused[1:]) <= 2


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("details", [named, unnamed])
def test_F53_a_plan_that_is_lowered_is_believed(details: Details, seed: int) -> None:
    """Refused are those that are in flight when it shows, and then a draft or two a day, to see if it is so still."""

    async def scene(weather: Weather) -> Daily:
        weather.count.limit, daily = 50, Daily(weather, 1000)
        async with weather.client(daily_limit=50) as client:
            await daily.days(client, 1 + seed)
            weather.count.limit = 20
            await daily.days(client, 8)
        return daily

    seen = in_weather(scene, seed=seed, details=details)
    assert seen.published == [50] * (1 + seed) + [20] * 8
    assert seen.refused[: 1 + seed] == [0] * (1 + seed)
    assert max(seen.refused) <= 10
    assert max(seen.refused[2 + seed :]) <= 2


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("told", [20, None])
def test_F53_a_window_of_a_week_that_is_said_once_costs_no_week(told: int | None, seed: int) -> None:
    """A day later one draft finds out, and the others follow."""

    def once(count: Count) -> Mapping[str, object]:
        said.append({"limit": count.limit, "windowHours": 24 if said else 168})
        return said[-1]

    said: list[Mapping[str, object]] = []

    async def scene(weather: Weather) -> float:
        weather.service.use_on_the_website(1 + seed)
        began_at = weather.now
        async with weather.client(daily_limit=told) as client:
            report = await weather.run(client, drafts(50), max_wait=float("inf"), concurrency=1)
        assert len(report.published) == 50
        assert (most_at_once(weather.refused), weather.overdue) == (1, 0)
        return (weather.now - began_at) / DAY

    days = in_weather(scene, seed=seed, details=once)
    assert said[0]["windowHours"] == 168
    assert days < 2.5


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("details", [named, unnamed])
@pytest.mark.parametrize("concurrency", [1, 10])
def test_F44_F53_a_limit_of_three_that_becomes_twenty_is_found_out_within_a_day(
    concurrency: int, details: Details, seed: int
) -> None:
    """The account was claimed elsewhere, and nobody has told: a day after the refusal the twenty are used."""

    async def scene(weather: Weather) -> None:
        weather.count.limit, ids, began_at = 3, drafts(60), weather.now
        async with weather.client() as client:
            assert len((await weather.run(client, ids, concurrency=concurrency)).published) == 3
            await weather.passes(hours=weather.chance.uniform(1, 20))
            weather.count.limit = 20
            await weather.run(client, ids[3:], concurrency=concurrency, max_wait=began_at + 26 * HOUR - weather.now)
        assert len(weather.service.live) >= 20
        assert most_at_once(weather.refused) <= 2
        assert len(weather.refused) <= (3 if details is named else 6)

    in_weather(scene, seed=seed, details=details)
