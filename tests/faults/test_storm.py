"""Storms of failures, and that no fleet of clients makes one of its own when the service comes back."""

import asyncio
from itertools import pairwise

import pytest

from opentrain_async import RetryPolicy
from opentrain_async.errors import ServerError

from ..support.outages import Fail, Service, facing, ids, reset, status
from ..support.peers import Call, answer, client_of, job_of, live, peer
from ..support.virtual import GatedClock, VirtualClock
from ..support.waiting import until


@pytest.mark.parametrize("fail", [status("503 no"), reset], ids=["503", "reset"])
@pytest.mark.parametrize(("seconds", "most"), [(5.0, 30), (30.0, 45)])
async def test_F11_a_run_outlasts_an_outage_behind_one_probe(
    clock: VirtualClock, fail: Fail, seconds: float, most: int
) -> None:
    """Every draft is published, and hardly more requests meet the outage than were under way when it began."""
    service = Service(clock, after=50, seconds=seconds, fail=fail)
    async with facing(service, clock) as (_server, client):
        report = await client.publish_many(ids(200), concurrency=20)
    assert len(report.published) == 200, report
    assert sorted(service.live) == sorted(ids(200))
    assert 20 <= len(service.met) <= most
    assert {at_once for since, at_once in zip(service.met, service.met_at_once, strict=True) if since > 2} <= {1}


async def test_F43_probes_come_after_growing_delays_with_jitter(clock: VirtualClock) -> None:
    """From half of the bound to all of it, which doubles up to the policy's largest."""
    arrived, all_three = 0, asyncio.Event()

    async def fail(call: Call) -> None:
        """The first three at once: or one might be tried again before the others tell of an outage."""
        nonlocal arrived
        arrived += 1
        if arrived == 3:
            all_three.set()
        await all_three.wait()
        await status("503 no")(call)

    service = Service(clock, after=0, seconds=60.0, fail=fail)
    async with facing(service, clock) as (_server, client):
        await client.publish_many(ids(3), concurrency=3)
    times = service.met[3:]
    delays = [later - earlier for earlier, later in pairwise(times)]
    for delay, bound in zip(delays, [1, 2, 4, *[8] * 20], strict=False):
        assert bound / 2 <= delay <= bound


async def test_F11_F43_no_more_are_under_way_than_were_answered_since_and_one(clock: VirtualClock) -> None:
    """Counted by the service, which knows of each answer before the client does: so the ramp is never steeper."""
    until_then, under_way, answered = clock.time + 30.0, 0, 0
    seen: list[tuple[int, int]] = []

    async def behave(call: Call) -> None:
        nonlocal under_way, answered
        if clock.time < until_then:
            await status("503 no")(call)
            return
        under_way += 1
        seen.append((under_way, answered))
        await asyncio.sleep(0.003)
        under_way, answered = under_way - 1, answered + 1
        call.writer.write(answer(live(job_of(call))))

    async with facing(behave, clock) as (_server, client):
        assert len((await client.publish_many(ids(100), concurrency=20)).published) == 100
    assert [(at_once, before) for at_once, before in seen if at_once > before + 1] == []
    assert max(at_once for at_once, _ in seen) > 4


async def test_F43_no_two_fleets_probe_at_the_same_moments(clock: VirtualClock) -> None:
    """The delays lie all over the upper half of their bound, and not at its end."""
    service = Service(clock, after=0, seconds=600.0, fail=status("503 no"))
    async with facing(service, clock) as (_server, client):
        await client.publish_many(ids(3), concurrency=3)
    delays = [later - earlier for earlier, later in pairwise(service.met[-50:])]
    assert 4 <= min(delays) < 5
    assert 7 < max(delays) <= 8
    assert len(set(delays)) == len(delays)


async def test_F11_200_tasks_share_a_budget_of_retries(clock: VirtualClock) -> None:
    """Each that awaits one draft learns soon that the service is down; all together hardly try again."""

    async def behave(call: Call) -> None:
        await status("503 no")(call)

    async with facing(behave, clock) as (server, client):
        ended = await asyncio.gather(*(client.publish(job_id) for job_id in ids(200)), return_exceptions=True)
    assert {type(error) for error in ended} == {ServerError}
    assert 200 < len(server.calls) <= 200 + 10 + 200 * 0.1


async def test_F43_a_fleet_comes_back_spread_over_the_whole_delay() -> None:
    """Clients that failed at the same moment try again each at another one, from at once to the end of the bound."""
    seen: set[str] = set()

    async def behave(call: Call) -> None:
        if job_of(call) in seen:
            call.writer.write(answer(live(job_of(call))))
        else:
            seen.add(job_of(call))
            await status("503 no")(call)

    clocks = [VirtualClock() for _ in range(40)]
    async with peer(behave) as server:

        async def publish(job_id: str, clock: VirtualClock) -> None:
            async with client_of(server.url, clock=clock, retry=RetryPolicy(base_delay=8.0)) as client:
                await client.publish(job_id)

        await asyncio.gather(*(publish(f"job_{number}", clock) for number, clock in enumerate(clocks)))
    delays = [sum(clock.slept) for clock in clocks]
    assert all(0 <= delay <= 8 for delay in delays)
    assert min(delays) < 2
    assert max(delays) > 6
    assert len(set(delays)) == 40


async def test_F43_a_throttle_is_a_pause_for_all_tasks_of_a_client() -> None:
    """Those under way are answered; nobody sends anything else before the time that the service asked for is over."""
    gated = GatedClock()

    async def behave(call: Call) -> None:
        if call.number == 1:
            await status("429 no", headers="Retry-After: 30\r\n")(call)
            return
        await asyncio.sleep(0.01)
        call.writer.write(answer(live(job_of(call))))

    patient = RetryPolicy(deadline=1000.0)  # on this clock five who sleep at once take five times as long
    async with facing(behave, gated, patient) as (server, client):
        run = asyncio.create_task(client.publish_many(ids(50), concurrency=5))
        await until(lambda: len(gated.slept) == 5)
        assert len(server.calls) == 5
        assert min(gated.slept) >= 30
        gated.gate.set()
        assert len((await run).published) == 50
