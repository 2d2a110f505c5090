"""A process that dies with a slot of the day, and others that wait for what becomes of it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from opentrain_async import OutcomeStatus
from opentrain_async.errors import QuotaExceededError
from opentrain_async.quota import AccountLog, LedgerStore

from ..support.weather import Weather, drafts, in_weather


class UntilItsEnd:
    """A ledger's store, as a process has it that ends: from then on none of its steps takes place."""

    def __init__(self, store: LedgerStore) -> None:
        self._store = store
        self.has_ended = False

    async def run(self, account: str, step: Callable[[AccountLog, float], Any], now: float) -> Any:
        """Run a step, while the process lives."""
        if self.has_ended:
            await asyncio.Event().wait()
        return await self._store.run(account, step, now)


async def with_the_last_slot_held_by_a_dead_process(weather: Weather) -> float:
    """Use the day up, but for a slot of which a process was about to find out; returns when its lease ends."""
    async with weather.client(daily_limit=20) as client:
        await weather.run(client, drafts(19, "earlier"))
        store = UntilItsEnd(weather.ledger)
        weather.service.slow["dead"] = float("inf")
        dying = weather.client(daily_limit=20, ledger=store)
        publishing = asyncio.create_task(dying.publish("dead"))
        await weather.passes(seconds=1)
        store.has_ended = True
        publishing.cancel()
        with suppress(asyncio.CancelledError):
            await publishing
        await dying.close()
        (held,) = [slot for slot in (await client.quota()).slots if slot.state == "held"]
        assert held.job_id == "dead"
        return held.frees_at.timestamp() - (await client.quota()).window


@pytest.mark.parametrize("max_wait", [0.0, 3.0, 60.0])
@pytest.mark.parametrize("concurrency", [1, 10])
def test_F59_a_run_does_not_wait_for_the_dead(max_wait: float, concurrency: int) -> None:
    """Its drafts are deferred in seconds, or once it wants to wait no longer, until the lease of the dead one ends."""

    async def scene(weather: Weather) -> None:
        lease_ends = await with_the_last_slot_held_by_a_dead_process(weather)
        began_at = weather.now
        async with weather.client(daily_limit=20) as client:
            report = await weather.run(client, drafts(6), max_wait=max_wait, concurrency=concurrency)
        patience = max(5.0, max_wait)
        assert patience - 1 <= weather.now - began_at <= patience * (6 if concurrency == 1 else 1) + 2
        assert [outcome.status for outcome in report.outcomes] == [OutcomeStatus.DEFERRED] * 6
        times = [outcome.retry_at.timestamp() for outcome in report.outcomes if outcome.retry_at]
        assert len(times) == 6
        assert abs(min(times) - lease_ends) < 1
        assert weather.refused == []

    in_weather(scene)


def test_F59_one_publish_is_told_when_the_lease_of_the_dead_ends() -> None:
    """And coming back then, it finds out whether the slot was used."""

    async def scene(weather: Weather) -> None:
        lease_ends = await with_the_last_slot_held_by_a_dead_process(weather)
        began_at = weather.now
        async with weather.client(daily_limit=20) as client:
            with pytest.raises(QuotaExceededError) as raised:
                await client.publish("next")
            assert weather.now - began_at <= 6
            assert raised.value.retry_at is not None
            assert abs(raised.value.retry_at.timestamp() - lease_ends) < 1
            await weather.passes(seconds=lease_ends - weather.now + 1)
            assert (await client.publish("next")).newly_published

    in_weather(scene)


def test_F59_a_slot_that_another_process_leaves_in_time_is_taken() -> None:
    """Those few seconds are for the living: whose draft is refused leaves its slot to the next."""

    async def scene(weather: Weather) -> None:
        async with weather.client(daily_limit=20) as client, weather.client(daily_limit=20) as other:
            await weather.run(client, drafts(19))
            weather.service.slow["absent"] = 3.0
            weather.service.absent.add("absent")
            refused = asyncio.create_task(other.publish_many(["absent"]))
            await weather.passes(seconds=0.5)
            assert (await client.publish("next")).newly_published
            (outcome,) = (await refused).outcomes
            assert outcome.status is OutcomeStatus.REJECTED

    in_weather(scene)
