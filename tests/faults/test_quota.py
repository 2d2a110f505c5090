"""What a 429 means, over a real socket: the day's quota or only traffic, for one client and for all on its ledger."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from opentrain_async import AsyncOpenTrain, OutcomeStatus, SQLiteLedger
from opentrain_async._base.clock import instant
from opentrain_async.errors import QuotaExceededError
from opentrain_async.sandbox import Sandbox

from ..support.clients import Connect
from ..support.peers import ONCE, Call, answer
from ..support.proxy import FAULTS, proxied, saying
from ..support.stores import accept_one
from ..support.virtual import GatedClock, ShortClock, VirtualClock
from ..support.waiting import until

TOO_MANY = "429 Too Many Requests"


@asynccontextmanager
async def two_on_one_file(sandbox: Sandbox, path: Path, **options: object) -> AsyncIterator[list[AsyncOpenTrain]]:
    """Two clients that share nothing but the file of their ledger, as two processes would."""
    async with SQLiteLedger(path / "quota.sqlite3") as first, SQLiteLedger(path / "quota.sqlite3") as second:
        settings: dict[str, object] = {"base_url": sandbox.url, "clock": sandbox.clock} | options
        clients = [AsyncOpenTrain(sandbox.token, ledger=ledger, **settings) for ledger in (first, second)]  # type: ignore[arg-type]
        try:
            yield clients
        finally:
            for client in clients:
                await client.close()


async def test_F05_a_refusal_of_the_quota_is_known_to_all_who_share_the_ledger(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """Sent once and not again; other tasks and another client defer theirs without a request, until the next probe."""
    sandbox.publish_elsewhere(20)
    async with two_on_one_file(sandbox, tmp_path) as (first, second):
        report = await first.publish_many([sandbox.draft() for _ in range(4)], concurrency=1)
        assert [outcome.attempts for outcome in report.deferred] == [1, 0, 0, 0]
        report = await second.publish_many([sandbox.draft() for _ in range(4)])
        assert [outcome.attempts for outcome in report.deferred] == [0] * 4
        assert (len(sandbox.requests), sandbox.live) == (1, ())
        for outcome in report.deferred:
            assert isinstance(outcome.error, QuotaExceededError)
            assert (outcome.error.source, outcome.error.limit) == ("ledger", 20)
            assert outcome.retry_at is not None
            assert abs(outcome.retry_at - instant(sandbox.clock.now()) - timedelta(hours=1)) < timedelta(minutes=1)
        for quota in [await first.quota(), await second.quota()]:
            assert (quota.limit, quota.limit_source, quota.remaining) == (20, "server", 0)
            assert [slot.state for slot in quota.slots] == ["elsewhere"] * 20


async def test_F05_the_limit_and_the_window_are_the_servers(
    sandbox: Sandbox, connect: Connect, clock: VirtualClock
) -> None:
    """Whoever waits goes as soon as that window frees a slot, and sends nothing before."""
    said = {"error": "No.", "code": "RATE_LIMITED", "details": {"limit": 5, "windowHours": 1}}
    refusal = answer(said, status=TOO_MANY)
    async with proxied(sandbox.url) as proxy:
        proxy.spoil(saying(refusal), reaches=False)
        client = connect(sandbox, base_url=proxy.url, clock=clock)
        began, ids = clock.time, [sandbox.draft() for _ in range(3)]
        (outcome,) = (await client.publish_many(ids[:1])).outcomes
        quota = await client.quota()
        assert (quota.limit, quota.limit_source, quota.used, quota.window) == (5, "server", 5, 3600.0)
        assert (outcome.status, outcome.retry_at) == (OutcomeStatus.DEFERRED, instant(began + 3600))
        assert (len(proxy.calls), clock.slept) == (1, [])
        report = await client.publish_many(ids, concurrency=1, max_wait=7200)
        assert (len(report.published), len(proxy.calls)) == (3, 4)
        assert 3600 <= clock.time - began < 3700
        await client.close()


@pytest.mark.parametrize(
    "body",
    [
        {"error": "Slow down.", "code": "RATE_LIMITED", "details": {}},
        {"error": "Slow down.", "code": "RATE_LIMITED", "details": {"windowHours": 0, "limit": 3}},
        {"error": "Slow down.", "code": "RATE_LIMITED", "details": {"windowHours": "24h", "limit": 3}},
        {"error": "Slow down.", "details": ["windowHours"]},
        b"<html><h1>429 Too Many Requests</h1>cloudflare</html>",
        b"",
    ],
    ids=["no window", "no hours", "hours that cannot be read", "a list", "html of a CDN", "nothing"],
)
async def test_F06_a_throttle_holds_every_task_and_leaves_the_day_alone(
    sandbox: Sandbox, connect: Connect, body: object
) -> None:
    """Everybody waits for its Retry-After and some jitter, with the slot kept; the day's limit is not touched."""
    clock = GatedClock()
    async with proxied(sandbox.url) as proxy:
        proxy.spoil(saying(answer(body, status=TOO_MANY, headers="Retry-After: 7\r\n")), reaches=False)
        client = connect(sandbox, base_url=proxy.url, clock=clock, daily_limit=20)
        await accept_one(client)
        throttled = asyncio.create_task(client.publish(sandbox.draft("first")))
        await until(lambda: clock.slept)
        later = [asyncio.create_task(client.publish(sandbox.draft())) for _ in range(2)]
        await until(lambda: len(clock.slept) == 3)
        assert len(proxy.calls) == 1
        assert all(7 <= slept <= 7.5 for slept in clock.slept)
        assert len(set(clock.slept)) == 3
        quota = await client.quota()
        assert [slot.state for slot in quota.slots] == ["spent"] + ["held"] * 3
        clock.gate.set()
        for publish in [throttled, *later]:
            assert (await publish).newly_published
        quota = await client.quota()
        assert (quota.used, quota.limit, quota.doubtful) == (4, 20, 0)
        assert len(proxy.calls) == 4
        await client.close()


async def test_F07_a_lower_limit_is_adopted_and_logged_once(
    unclaimed: Sandbox, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """20 were configured and the server says 3: three go live, and no later refusal is news."""
    client = connect(unclaimed, daily_limit=20)
    report = await client.publish_many([unclaimed.draft() for _ in range(8)], concurrency=1)
    assert (len(report.published), len(report.deferred), unclaimed.refusals) == (3, 5, 1)
    quota = await client.quota()
    assert (quota.limit, quota.limit_source, quota.used, quota.remaining) == (3, "server", 3, 0)
    assert caplog.text.count("limit is 3 and not 20") == 1
    job_id = report.published[0].job_id
    unclaimed.take_down(job_id)
    for hours, refusals in ((0, 1), (1, 2)):  # also one that has a slot waits for the next probe
        unclaimed.advance(hours=hours)
        report = await client.publish_many([job_id])
        assert (len(report.unknown), unclaimed.refusals) == (1, refusals)
    assert caplog.text.count("publish limit is") == 1


async def test_F08_a_day_used_up_by_others_is_met_ever_less_often(sandbox: Sandbox, tmp_path: Path) -> None:
    """A 429 in spite of room is no matter to argue about, by any task of any client on the ledger."""
    clock = ShortClock()
    async with two_on_one_file(sandbox, tmp_path, daily_limit=20, clock=clock) as clients:

        async def both() -> list[OutcomeStatus]:
            runs = [client.publish_many([sandbox.draft() for _ in range(4)], concurrency=4) for client in clients]
            return [outcome.status for report in await asyncio.gather(*runs) for outcome in report.outcomes]

        await clients[0].publish_many([sandbox.draft() for _ in range(5)])
        sandbox.publish_elsewhere(15)
        await clients[0].publish_many([sandbox.draft() for _ in range(4)], concurrency=1)
        assert sandbox.refusals == 1
        states = [slot.state for slot in (await clients[1].quota()).slots]
        assert (states.count("spent"), states.count("elsewhere")) == (5, 15)
        for refusals, hours in ((1, 1), (2, 1), (3, 2)):
            assert await both() == [OutcomeStatus.DEFERRED] * 8
            assert sandbox.refusals == refusals
            clock.time += 3600 * hours - 60
            assert await both() == [OutcomeStatus.DEFERRED] * 8
            assert sandbox.refusals == refusals
            clock.time += 120
        assert len(sandbox.live) == 5


class Gauge:
    """Passes replies on, and sees how many requests are under way at once."""

    def __init__(self) -> None:
        self.most = 0
        self._now = 0

    async def __call__(self, call: Call, reply: bytes) -> None:
        self._now += 1
        self.most = max(self.most, self._now)
        await asyncio.sleep(0.005)
        self._now -= 1
        call.writer.write(reply)


async def test_F09_doubts_are_cleared_up_one_at_a_time_and_certainty_is_not_tested(
    sandbox: Sandbox, connect: Connect
) -> None:
    """Three in doubt take all three places; each draft accepted frees one of them, until all are spent."""
    gauge, clock = Gauge(), ShortClock()
    async with proxied(sandbox.url) as proxy:
        client = connect(sandbox, base_url=proxy.url, clock=clock, daily_limit=3, retry=ONCE)
        proxy.spoil(FAULTS["closed"], reaches=False, times=3)
        await client.publish_many([sandbox.draft() for _ in range(3)], outage_patience=0)
        assert (await client.quota()).doubtful == 3
        proxy.relent()
        proxy.spoil(gauge, reaches=True, times=math.inf)
        report = await client.publish_many([sandbox.draft() for _ in range(5)], concurrency=5)
        assert (len(report.published), len(report.deferred), gauge.most) == (3, 2, 1)
        assert [slot.state for slot in (await client.quota()).slots] == ["spent"] * 3
        clock.time += 7200
        assert len((await client.publish_many([sandbox.draft() for _ in range(5)])).deferred) == 5
        assert len(proxy.calls) == 6
        await client.close()
