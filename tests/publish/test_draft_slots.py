"""What becomes of a draft's slot, by how its publish ended, and what is told of it."""

import asyncio
import logging
import math
from email.utils import format_datetime

import pytest

from opentrain_async import RetryPolicy
from opentrain_async._base.clock import instant
from opentrain_async._publish.draft import Publisher
from opentrain_async._publish.single_flight import SharedPublish
from opentrain_async._retry.engine import Retrier
from opentrain_async.errors import (
    ConnectError,
    NotPublishReadyError,
    QuotaExceededError,
    ServerError,
)
from opentrain_async.events import Event, SlotSettled
from opentrain_async.quota import QuotaSlot
from opentrain_async.quota._allowance import WINDOW
from opentrain_async.quota._probes import PROBE_INTERVAL

from ..support.peers import AT_ONCE, ONCE, answer, client_of, envelope, live, peer, sends
from ..support.stores import reserve
from ..support.virtual import VirtualClock
from ..support.waiting import until


def refusal(*, headers: str = "", **details: object) -> bytes:
    """A 429 that names a window of the quota."""
    return answer({"error": "no more today", "details": details}, status="429 no", headers=headers)


def pending(*, already: bool = False) -> bytes:
    """A job that was accepted, now or before, and is not live."""
    return answer({**live("job_1", already=already), "status": "PENDING_APPROVAL"})


GAPS = answer(envelope(details={"validation": {"missingFields": ["rate"]}}), status="400 no")
BLOCKED = answer(envelope(code="FORBIDDEN", details={"reason": "moderation_blocked"}), status="403 no")
ENDED = answer({**live("job_1", already=True), "status": "COMPLETED"})


async def settled(origin: str, clock: VirtualClock) -> tuple[str, str | None, int]:
    """How the slot of a draft was settled, what its error says that has changed, and how many slots count then."""
    told: list[Event] = []
    async with client_of(origin, clock=clock, retry=AT_ONCE, daily_limit=20, on_event=told.append) as client:
        (outcome,) = (await client.publish_many(["job_1"], outage_patience=0)).outcomes
        (how,) = [event.how for event in told if isinstance(event, SlotSettled)]
        return how, None if outcome.error is None else outcome.error.effect, (await client.quota()).used


@pytest.mark.parametrize(
    ("last", "how", "effect", "used"),
    [
        (answer(live("job_1")), "published", None, 1),
        (pending(), "accepted", None, 1),
        (pending(already=True), "pending", None, 1),
        (answer(live("job_1", already=True)), "unchanged", None, 0),
        (ENDED, "unchanged", None, 0),
        (GAPS, "released", "none", 0),
        (BLOCKED, "released", "none", 0),
        (answer(envelope(), status="404 no"), "unchanged", "none", 0),
        (answer(envelope(), status="501 no"), "unknown", "unknown", 1),
    ],
)
async def test_an_answer_settles_the_slot(
    clock: VirtualClock, last: bytes, how: str, effect: str | None, used: int
) -> None:
    """What was published or accepted counts, and what may have been; what was live before, or is refused, does not."""
    async with peer(sends(last)) as server:
        assert await settled(server.url, clock) == (how, effect, used)


async def test_a_draft_that_is_not_sent_leaves_its_slot_as_it_was(clock: VirtualClock) -> None:
    """Nothing of it can have been applied."""
    assert await settled("http://127.0.0.1:1", clock) == ("unchanged", "none", 0)


@pytest.mark.parametrize(
    ("last", "how", "effect", "used"),
    [
        (answer(live("job_1")), "published", None, 1),
        (pending(), "accepted", None, 1),
        (pending(already=True), "accepted", None, 1),
        (answer(live("job_1", already=True)), "confirmed", None, 1),
        (ENDED, "unknown", "unknown", 1),
        (GAPS, "released", "none", 0),
        (BLOCKED, "released", "none", 0),
        (answer(envelope(), status="404 no"), "unknown", "unknown", 1),
        (answer(envelope(), status="501 no"), "unknown", "unknown", 1),
    ],
)
async def test_an_answer_after_a_lost_one_settles_the_slot(
    clock: VirtualClock, last: bytes, how: str, effect: str | None, used: int
) -> None:
    """What is found live or accepted may be the lost request's work; only a decisive refusal ends the doubt."""
    async with peer(sends(answer({}, status="503 no"), last)) as server:
        assert await settled(server.url, clock) == (how, effect, used)


@pytest.mark.parametrize(("headers", "wait"), [("", 3600.0), ("Retry-After: 600\r\n", 600.0)])
async def test_a_refusal_says_when_the_servers_window_frees_a_slot(
    clock: VirtualClock, headers: str, wait: float
) -> None:
    """By the length of the window, or by the wait, that it names; what was waited for is kept by the ledger too."""
    refused = refusal(limit=5, windowHours=1, headers=headers)
    async with peer(sends(refused)) as server, client_of(server.url, clock=clock) as client:
        with pytest.raises(QuotaExceededError) as caught:
            await client.publish("job_1")
        error, quota = caught.value, await client.quota()
    assert (error.limit, error.used, error.retry_at, error.effect) == (5, 5, instant(clock.time + wait), "none")
    assert (error.job_id, error.operation, error.source) == ("job_1", "publish", "server")
    assert (quota.window, quota.next_slot_at) == (3600.0, error.retry_at)
    assert {slot.job_id for slot in quota.slots} == {None}


async def test_a_draft_in_doubt_keeps_its_slot_when_the_quota_refuses_it(clock: VirtualClock) -> None:
    """It may be what used up the last place; tried again and found live, it is charged, at the time of the doubt."""
    answers = sends(answer({}, status="503 no"), refusal(limit=3, windowHours=24), answer(live("job_1", already=True)))
    async with peer(answers) as server, client_of(server.url, clock=clock, retry=AT_ONCE) as client:
        with pytest.raises(QuotaExceededError) as caught:
            await client.publish("job_1", max_wait=PROBE_INTERVAL - 1)
        assert (caught.value.effect, caught.value.retry_at) == ("unknown", instant(clock.time + PROBE_INTERVAL))
        mine = QuotaSlot("job_1", "unknown", instant(clock.time + WINDOW))
        assert mine in (await client.quota()).slots
        clock.time += PROBE_INTERVAL
        assert (await client.publish("job_1")).newly_published
        assert QuotaSlot("job_1", "spent", mine.frees_at) in (await client.quota()).slots


async def test_a_draft_in_doubt_that_the_quota_refuses_is_tried_again_under_max_wait(clock: VirtualClock) -> None:
    """In its slot, after the probe interval, like any other draft that waits."""
    answers = sends(answer({}, status="503 no"), refusal(limit=3, windowHours=24), answer(live("job_1", already=True)))
    async with peer(answers) as server, client_of(server.url, clock=clock, retry=AT_ONCE) as client:
        began = clock.time
        assert (await client.publish("job_1", max_wait=PROBE_INTERVAL)).newly_published
        assert (len(server.calls), clock.time - began) == (3, PROBE_INTERVAL)
        assert QuotaSlot("job_1", "spent", instant(began + WINDOW)) in (await client.quota()).slots


async def test_a_draft_that_was_charged_is_not_newly_live_after_a_lost_reply(clock: VirtualClock) -> None:
    """Its slot is spent: what the earlier publish put live is what is found."""
    answers = sends(answer(live("job_1")), answer({}, status="503 no"), answer(live("job_1", already=True)))
    async with peer(answers) as server, client_of(server.url, clock=clock, retry=AT_ONCE) as client:
        assert (await client.publish("job_1")).newly_published
        assert not (await client.publish("job_1")).newly_published
        assert (await client.quota()).used == 1


async def test_a_draft_refused_for_good_ends_the_doubt_of_an_earlier_publish(clock: VirtualClock) -> None:
    """A draft with gaps was never live, and its slot is free again."""
    gaps = answer(envelope(details={"validation": {"missingFields": ["rate"]}}), status="400 no")
    answers = sends(answer({}, status="501 no"), gaps)
    async with peer(answers) as server, client_of(server.url, clock=clock) as client:
        with pytest.raises(ServerError):
            await client.publish("job_1")
        assert (await client.quota()).doubtful == 1
        with pytest.raises(NotPublishReadyError):
            await client.publish("job_1")
        assert (await client.quota()).used == 0


@pytest.mark.parametrize("comes_late", [False, True])
async def test_who_does_not_wait_is_told_at_once_of_a_refusal(clock: VirtualClock, comes_late: bool) -> None:
    """Whether it was there when that came or joins afterwards; the other one goes on waiting, with nothing sent."""
    clock.stands_still = True
    answers = sends(refusal(limit=3, windowHours=24), answer(live("job_1")))
    async with peer(answers) as server, client_of(server.url, clock=clock) as client:
        callers = [asyncio.create_task(client.publish("job_1", max_wait=math.inf))]
        if comes_late:
            await until(lambda: clock.slept)
        callers.append(asyncio.create_task(client.publish("job_1")))
        await until(lambda: clock.slept)
        await asyncio.sleep(0.01)
        assert [caller.done() for caller in callers] == [False, True]
        with pytest.raises(QuotaExceededError) as caught:
            await callers[1]
        error = caught.value
        assert (error.source, error.limit, error.used, error.job_id) == ("server", 3, 3, "job_1")
        assert error.retry_at == instant(clock.time + PROBE_INTERVAL)
        assert len(server.calls) == 1
        callers[0].cancel()
        await asyncio.wait(callers)


@pytest.mark.parametrize(("limit", "told", "wait"), [(3, " (3 of 3)", WINDOW), (None, "", PROBE_INTERVAL)])
async def test_a_ledger_that_has_no_place_says_how_many_there_are(
    clock: VirtualClock, limit: int | None, told: str, wait: float
) -> None:
    """If that is known; and which draft is not sent, and when it can be, or can go to learn the limit."""
    live_ones = [answer(live(f"job_{number}")) for number in range(3)]
    answers = sends(*live_ones, refusal(windowHours=24))
    async with peer(answers) as server, client_of(server.url, clock=clock, daily_limit=limit) as client:
        for number in range(3):
            await client.publish(f"job_{number}")
        if limit is None:
            with pytest.raises(QuotaExceededError):
                await client.publish("job_3")
        with pytest.raises(QuotaExceededError) as caught:
            await client.publish("job_4")
    error = caught.value
    assert error.message == f"the daily publish quota is used up{told}"
    assert (error.job_id, error.source) == ("job_4", "ledger")
    assert (error.limit, error.used, error.retry_at) == (limit, 3, instant(clock.time + wait))


async def test_a_lease_is_renewed_at_most_each_quarter_of_it(clock: VirtualClock) -> None:
    """A held draft is looked at more often than its ledger has to be asked."""
    async with client_of("http://127.0.0.1:1", clock=clock, daily_limit=1) as client:
        flight = SharedPublish("job_1", reservation=await reserve(client._ledger, "job_1", lambda _: None))
        publisher = Publisher(client._ledger, client._transport, Retrier(ONCE, clock), clock)
        quarter = client._ledger.lease / 4
        renewed = []
        for seconds in (0.0, quarter - 1, 1.0, quarter - 1, 1.0):
            clock.time += seconds
            await publisher._renew_lease(flight)
            renewed.append((await client.quota()).slots[0].frees_at == instant(clock.time + 4 * quarter + WINDOW))
        assert renewed == [True, False, True, False, True]


async def test_each_attempt_that_fails_is_in_the_log(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    """For whoever wants to read all: of which draft, the how-manieth, and how it ended."""
    caplog.set_level(logging.DEBUG, "opentrain_async")
    policy = RetryPolicy(max_attempts=2, base_delay=0.0)
    async with (
        peer(sends(answer({}, status="503 no"))) as server,
        client_of(server.url, clock=clock, retry=policy) as client,
    ):
        with pytest.raises(ServerError) as caught:
            await client.publish("job_1")
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.DEBUG]
    assert told == [f"publish job_1: attempt {number}: {caught.value}" for number in (1, 2)]


async def test_a_date_to_wait_for_is_measured_by_the_clients_clock(clock: VirtualClock) -> None:
    """Where the server does not say what time it is there."""
    at = format_datetime(instant(clock.time + 60), usegmt=True)
    busy = answer({}, status="503 no", headers=f"Retry-After: {at}\r\n")
    async with peer(sends(busy)) as server, client_of(server.url, clock=clock) as client:
        with pytest.raises(ServerError) as caught:
            await client.publish("job_1")
    assert caught.value.retry_after == 60.0


async def test_a_service_that_is_gone_after_a_lost_reply_leaves_the_draft_in_doubt(clock: VirtualClock) -> None:
    """What could not be sent again does not unsay what was sent: the slot counts, from the time of the loss."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        server.close()
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with client_of(origin, clock=clock, retry=AT_ONCE) as client:
        for lost_at in [clock.time] * 2:
            with pytest.raises(ConnectError) as caught:
                await client.publish("job_1")
            assert caught.value.effect == "unknown"
            assert (await client.quota()).slots == (QuotaSlot("job_1", "unknown", instant(lost_at + WINDOW)),)
            clock.time += 3600
    await server.wait_closed()
