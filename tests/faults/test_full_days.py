"""A full day, and drafts that have a slot of it already: they cost no request that is sent to be refused."""

from typing import Literal, get_args

import pytest

from opentrain_async import OutcomeStatus, QuotaSnapshot

from ..support.counting import DAY, HOUR, MINUTE
from ..support.weather import SEEDS, Weather, drafts, hammering, in_weather, kind, most_at_once

Known = Literal["live", "taken down", "accepted", "unknown"]
"""What became of the drafts that have a slot."""
AFTER_MIDNIGHT = 1_800_000_000.0 // DAY * DAY + HOUR / 2
"""So that each rule has the day full for as long as the runs go on."""


async def known(weather: Weather, ids: list[str], as_what: Known) -> None:
    """Have the day used up by these drafts, of which that is known."""
    if as_what == "unknown":
        await weather.leave_in_doubt(ids, charged=True, daily_limit=20)
        weather.service.take_down(*ids)
        return
    weather.service.moderated.update(ids if as_what == "accepted" else ())
    async with weather.client() as client:
        await weather.run(client, ids)
    if as_what == "taken down":
        weather.service.take_down(*ids)


def slots_of(quota: QuotaSnapshot) -> set[tuple[object, ...]]:
    """Each slot's draft, kind and end."""
    return {(slot.job_id, slot.state, slot.frees_at) for slot in quota.slots}


@pytest.mark.parametrize("as_what", get_args(Known))
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("concurrency", [1, 20])
def test_F51_drafts_with_a_slot_cost_a_request_an_hour_at_most(as_what: Known, concurrency: int, seed: int) -> None:
    """Twenty runs, one each hour: what has a slot stays in doubt, with its slot, and is told when to come back."""
    rule, retry_after = kind(seed)

    async def scene(weather: Weather) -> None:
        weather.count.rule, own, new = rule, drafts(20), drafts(5, "new")
        await known(weather, own, as_what)
        async with weather.client() as client:
            before = slots_of(await client.quota())
            for _ in range(20):
                report = await weather.run(client, [*own, *new], concurrency=concurrency)
                told = {outcome.job_id: outcome for outcome in report.outcomes}
                assert {told[job].status for job in own} == {OutcomeStatus.UNKNOWN}
                assert {told[job].status for job in new} == {OutcomeStatus.DEFERRED}
                soonest = min(outcome.retry_at.timestamp() for outcome in report.outcomes if outcome.retry_at)
                for job in own:
                    retry_at = told[job].retry_at
                    assert retry_at is not None
                    assert weather.now < retry_at.timestamp() <= max(soonest, weather.now + HOUR) + MINUTE
                assert slots_of(await client.quota()) == before
                await weather.passes(hours=1)
        assert most_at_once(weather.refused, within=HOUR - MINUTE) <= 1
        assert hammering(weather) == []

    in_weather(scene, seed=seed, began_at=AFTER_MIDNIGHT, quota_first=True, retry_after=retry_after)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("as_what", get_args(Known))
def test_F51_drafts_with_a_slot_wait_as_long_as_others_do(as_what: Known, seed: int) -> None:
    """With a caller that waits, each is settled when the day has room again, at a few refused requests an hour."""
    rule, _ = kind(seed)

    async def scene(weather: Weather) -> None:
        weather.count.rule, own, new = rule, drafts(20), drafts(10, "new")
        await known(weather, own, as_what)
        await weather.passes(hours=weather.chance.uniform(0, 12))
        async with weather.client() as client:
            report = await weather.run(client, [*own, *new], max_wait=float("inf"), concurrency=1 + 7 * seed)
        assert (len(report.unknown), len(report.deferred)) == (0, 0)
        assert set(weather.service.live) | weather.service.accepted == {*own, *new}
        assert most_at_once(weather.refused, within=HOUR - MINUTE) <= 5  # one, or one for each slot that leaves
        assert (hammering(weather), weather.overdue) == ([], 0)

    in_weather(scene, seed=seed, began_at=AFTER_MIDNIGHT, quota_first=True)
