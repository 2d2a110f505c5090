"""That what a listener is told is so: which slot, which attempt, how long, and of whom."""

import asyncio
from collections.abc import Sequence
from typing import TypeVar

import pytest

from opentrain_async import AsyncOpenTrain, MemoryLedger, RetryPolicy
from opentrain_async._base.clock import SystemClock
from opentrain_async.errors import NotFoundError, QuotaLedgerError
from opentrain_async.events import (
    AttemptFailed,
    AttemptRetried,
    AttemptStarted,
    AttemptSucceeded,
    Event,
    PublishEnded,
    PublishStarted,
    QuotaCounted,
    RunHeld,
    RunResumed,
    SlotReserved,
    SlotSettled,
)
from opentrain_async.events._listener import EventEmitter
from opentrain_async.quota import LedgerStore, QuotaLedger
from opentrain_async.sandbox import Fault, Sandbox

from ..support.clients import Connect
from ..support.outages import Service, ids
from ..support.peers import AT_ONCE, ONCE, Call, answer, client_of, job_of, live, peer, sends
from ..support.stores import TO_SETTLE, BrokenStore, SlowStore
from ..support.virtual import VirtualClock
from ..support.waiting import cancelled, until

E = TypeVar("E")


def those(kind: type[E], told: Sequence[object]) -> list[E]:
    """The events of one kind, in their order."""
    return [event for event in told if isinstance(event, kind)]


async def test_a_slot_is_told_of_once_when_it_is_reserved_and_once_when_it_is_settled(
    sandbox: Sandbox, connect: Connect, store: LedgerStore
) -> None:
    """Whether its store takes time or not, and whether it is settled at once or along with the next one."""
    told: list[Event] = []
    client = connect(sandbox, ledger=store, daily_limit=20, on_event=told.append)
    job_ids = [sandbox.draft() for _ in range(3)]
    await client.publish(job_ids[0])
    assert SlotSettled(job_ids[0], "published") in told
    await client.publish_many(job_ids[1:], concurrency=1)
    assert those(SlotReserved, told) == [SlotReserved(job_id, is_probe=False) for job_id in job_ids]
    assert those(SlotSettled, told) == [SlotSettled(job_id, "published") for job_id in job_ids]


async def test_a_slot_that_was_waited_for_is_told_of(sandbox: Sandbox, connect: Connect, store: LedgerStore) -> None:
    """The only place is another draft's, until that is refused."""
    told: list[Event] = []
    client = connect(sandbox, ledger=store, daily_limit=1, on_event=told.append)
    first, second = sandbox.draft(blocked=True), sandbox.draft()
    report = await client.publish_many([first, second], concurrency=2)
    assert (len(report.rejected), len(report.published)) == (1, 1)
    assert those(SlotReserved, told) == [SlotReserved(first, is_probe=False), SlotReserved(second, is_probe=False)]
    assert those(SlotSettled, told) == [SlotSettled(first, "released"), SlotSettled(second, "published")]


async def test_a_slot_past_a_window_full_of_doubt_is_told_to_be_a_probe(
    sandbox: Sandbox, connect: Connect, store: LedgerStore
) -> None:
    """The first draft may have used up the only slot, and nobody knows."""
    told: list[Event] = []
    client = connect(sandbox, ledger=store, daily_limit=1, retry=ONCE, on_event=told.append)
    lost, probe = sandbox.draft(), sandbox.draft()
    sandbox.fault(Fault.CLOSE)
    await client.publish_many([lost, probe], concurrency=1)
    assert those(SlotReserved, told) == [SlotReserved(lost, is_probe=False), SlotReserved(probe, is_probe=True)]


async def test_a_publish_that_goes_on_for_others_is_told_of_twice(sandbox: Sandbox, connect: Connect) -> None:
    """That of the cancelled run ends with it, and the one for those who joined has attempts of its own."""
    told: list[Event] = []
    client, job_id = connect(sandbox, retry=AT_ONCE, on_event=told.append), sandbox.draft()
    sandbox.fault(Fault.STATUS)
    sandbox.fault(Fault.STALL, call=2)
    run = asyncio.create_task(client.publish_many([job_id]))
    await until(lambda: len(sandbox.requests) == 2)
    other = asyncio.create_task(client.publish(job_id))
    await asyncio.sleep(0)
    run.cancel()
    result = await other
    first, second = those(PublishStarted, told)
    assert first.call != second.call
    of_the_run, of_the_other = those(PublishEnded, told)
    assert (of_the_run.call, of_the_run.attempts, type(of_the_run.error)) == (first.call, 2, asyncio.CancelledError)
    assert of_the_other == PublishEnded(second.call, job_id, 1, result, None)
    assert [(event.call, event.attempt) for event in those(AttemptStarted, told)] == [
        (first.call, 1), (first.call, 2), (second.call, 1),
    ]  # fmt: skip


async def test_an_attempt_takes_as_long_as_its_answer(clock: VirtualClock) -> None:
    """By the client's clock, and without what lies between two of them."""
    told: list[Event] = []

    async def behave(call: Call) -> None:
        clock.time += 2.5 if call.number == 1 else 4.0
        call.writer.write(answer({}, status="503 no") if call.number == 1 else answer(live(job_of(call))))

    async with (
        peer(behave) as server,
        client_of(server.url, clock=clock, retry=RetryPolicy(), on_event=told.append) as client,
    ):
        await client.publish("job_1")
    assert [event.seconds for event in those(AttemptFailed, told)] == [2.5]
    assert [event.seconds for event in those(AttemptSucceeded, told)] == [4.0]


async def test_the_delay_that_is_told_is_the_one_that_is_waited(
    sandbox: Sandbox, connect: Connect, clock: VirtualClock
) -> None:
    """Drawn anew before each retry."""
    told: list[tuple[float, Event]] = []
    retry = RetryPolicy(base_delay=1.0)
    client = connect(sandbox, clock=clock, retry=retry, on_event=lambda event: told.append((clock.time, event)))
    sandbox.fault(Fault.STATUS, times=2)
    await client.publish(sandbox.draft())
    delays = [event.delay for event in those(AttemptRetried, [event for _, event in told])]
    since = [at for at, event in told if isinstance(event, AttemptRetried)]
    until_then = [at for at, event in told if isinstance(event, AttemptStarted)][1:]
    assert delays == pytest.approx(
        [later - earlier for earlier, later in zip(since, until_then, strict=True)], abs=1e-5
    )
    assert len(set(delays) - {0.0}) == 2


async def test_an_outage_is_told_with_its_last_failure_and_its_length(clock: VirtualClock) -> None:
    """The failure is that which made an outage of those before; the length is by the client's clock."""
    told: list[tuple[float, Event]] = []

    async def fail(call: Call) -> None:
        call.writer.write(answer({"ok": False, "error": f"no. {call.number}"}, status="503 no"))

    service = Service(clock, after=0, seconds=60.0, fail=fail)
    options = {"clock": clock, "retry": RetryPolicy(), "on_event": lambda event: told.append((clock.time, event))}
    async with peer(service) as server, client_of(server.url, **options) as client:
        report = await client.publish_many(ids(3), concurrency=3)
    assert len(report.published) == 3
    events = [event for _, event in told]
    (held,), (resumed,) = those(RunHeld, events), those(RunResumed, events)
    assert str(held.error) == str(those(AttemptFailed, events)[2].error)
    began, over = (at for at, event in told if isinstance(event, RunHeld | RunResumed))
    assert resumed.seconds == over - began > 30


async def test_after_a_claim_the_same_count_is_told_under_the_new_name(unclaimed: Sandbox, connect: Connect) -> None:
    """The account's name is a fingerprint of its token, and that is another one now."""
    told: list[Event] = []
    made = await AsyncOpenTrain.register(base_url=unclaimed.url, save=False, clock=unclaimed.clock)
    client = connect(unclaimed, token=made.access_token, claim_token=made.claim_token, on_event=told.append)
    await client.publish(unclaimed.draft(token=made.access_token.reveal()))
    claim = await client.start_claim("ada@example.com")
    unclaimed.approve_claim(claim.user_code)
    await client.wait_for_claim()
    before, after = those(QuotaCounted, told)
    assert before.account != after.account
    assert (before.quota.used, after.quota.used) == (1, 1)


async def test_a_count_is_told_under_the_name_that_it_was_counted_by(clock: VirtualClock) -> None:
    """Also where the account has got another one before the store has answered."""
    told: list[object] = []
    observer = EventEmitter(told.append, "", clock).quota_observer(str)
    store = SlowStore(goes_on=False)
    ledger = QuotaLedger(store, "earlier", clock, daily_limit=20, lease=180.0, observer=observer)
    looking = asyncio.create_task(ledger.snapshot())
    await until(lambda: store.begun)
    ledger.use("now")
    store.go_on.set()
    await looking
    assert [event.account for event in those(QuotaCounted, told)] == ["earlier"]


async def test_the_query_is_in_no_event(sandbox: Sandbox, connect: Connect) -> None:
    """A list of jobs is asked for with one."""
    told: list[Event] = []
    sandbox.draft()
    assert [job async for job in connect(sandbox, on_event=told.append).iter_jobs("DRAFT")]
    assert {event.url for event in those(AttemptStarted, told)} == {f"{sandbox.url}/api/public/v1/jobs/mine"}


async def test_the_agent_endpoints_tell_of_their_attempts(unclaimed: Sandbox, connect: Connect) -> None:
    """They are asked without the token, and by the same client."""
    told: list[Event] = []
    made = await AsyncOpenTrain.register(base_url=unclaimed.url, save=False, clock=unclaimed.clock)
    client = connect(unclaimed, token=made.access_token, claim_token=made.claim_token, on_event=told.append)
    await client.start_claim("ada@example.com")
    assert [(event.operation, event.attempt) for event in those(AttemptStarted, told)] == [("start_claim", 1)]
    assert len(those(AttemptSucceeded, told)) == 1
    assert made.claim_token.reveal() not in "".join(map(str, told))


@pytest.mark.parametrize("at", [PublishStarted, SlotReserved, QuotaCounted])
@pytest.mark.parametrize("is_slow", [False, True])
async def test_a_listener_may_stop_the_run(at: type[Event], is_slow: bool, sandbox: Sandbox, connect: Connect) -> None:
    """What was not sent by then is not live and holds no slot, and nothing is in doubt."""
    job_ids = [sandbox.draft() for _ in range(5)]
    ledger: LedgerStore = SlowStore() if is_slow else MemoryLedger()

    def stop(event: Event) -> None:
        if isinstance(event, at):
            outcomes.stop()

    client = connect(sandbox, ledger=ledger, daily_limit=20, on_event=stop)
    async with client.publish_stream(job_ids, concurrency=2) as outcomes:
        ended = {outcome.job_id: outcome.status.value async for outcome in outcomes}
    sent = {request.path.split("/")[-2] for request in sandbox.requests}
    assert set(ended.values()) <= {"published", "not_sent"}
    assert {job_id for job_id, what in ended.items() if what == "published"} == set(sandbox.live) == sent
    assert {slot.job_id for slot in (await client.quota()).slots} == sent


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_is_not_kept_from_it(end: type[BaseException]) -> None:
    """A Ctrl-C that comes while a listener is at work is one."""

    def interrupted(_event: object) -> None:
        raise end

    with pytest.raises(end):
        EventEmitter(interrupted, "", SystemClock()).emit(RunResumed(0.0))


@pytest.mark.parametrize("at", [AttemptSucceeded, SlotReserved])
async def test_a_listener_that_fails_its_test_changes_nothing(
    at: type[Event], sandbox: Sandbox, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """What a test framework fails by is no `Exception`."""
    told: list[Event] = []

    def fail(event: Event) -> None:
        told.append(event)
        if isinstance(event, at):
            pytest.fail("it is not as it should be")

    client, job_id = connect(sandbox, on_event=fail), sandbox.draft()
    result = await client.publish(job_id)
    assert result.newly_published
    assert [slot.state for slot in (await client.quota()).slots] == ["spent"]
    (ended,) = those(PublishEnded, told)
    assert (ended.result, ended.error) == (result, None)
    assert caplog.text.count("on_event raised") == 1


async def test_a_publish_that_is_cancelled_after_its_answer_is_told_to_be_live(
    sandbox: Sandbox, connect: Connect
) -> None:
    """Its slot was being settled, which is waited for."""
    told: list[Event] = []
    store, job_id = SlowStore(stops_at=TO_SETTLE), sandbox.draft()
    call = asyncio.create_task(connect(sandbox, ledger=store, on_event=told.append).publish(job_id))
    await until(lambda: store.begun == TO_SETTLE)
    asyncio.get_running_loop().call_later(0.01, store.go_on.set)
    await cancelled(call)
    (ended,) = those(PublishEnded, told)
    assert ended.error is None
    assert ended.result is not None
    assert (ended.result.job_id, ended.result.newly_published) == (job_id, True)
    assert those(SlotSettled, told) == [SlotSettled(job_id, "published")]


async def test_a_run_that_is_cancelled_after_an_answer_is_told_to_be_live(sandbox: Sandbox, connect: Connect) -> None:
    """The same where the publish runs in a task of the run's own."""
    told: list[Event] = []
    store, job_id = SlowStore(stops_at=TO_SETTLE), sandbox.draft()
    client = connect(sandbox, ledger=store, on_event=told.append)
    call = asyncio.create_task(client.publish_many([job_id], on_outcome=lambda _: None))
    await until(lambda: store.begun == TO_SETTLE)
    asyncio.get_running_loop().call_later(0.01, store.go_on.set)
    await cancelled(call)
    (ended,) = those(PublishEnded, told)
    assert ended.error is None
    assert ended.result is not None


async def test_an_attempt_s_error_goes_on_to_speak_of_that_attempt(sandbox: Sandbox, connect: Connect) -> None:
    """A 404 has changed nothing; the call that ends with it may have, by the attempt before."""
    told: list[Event] = []
    job_id = sandbox.draft()
    sandbox.fault(Fault.STATUS, status=503)
    sandbox.fault(Fault.STATUS, status=404, call=2)
    with pytest.raises(NotFoundError) as caught:
        await connect(sandbox, retry=AT_ONCE, on_event=told.append).publish(job_id)
    assert caught.value.effect == "unknown"
    errors = [event.error for event in those(AttemptFailed, told)]
    assert [getattr(error, "effect", None) for error in errors] == ["unknown", "none"]
    (ended,) = those(PublishEnded, told)
    assert getattr(ended.error, "effect", None) == "unknown"


async def test_what_one_client_has_told_another_one_may_tell_anew(
    sandbox: Sandbox, connect: Connect, store: LedgerStore
) -> None:
    """Two of one account have one listener: the last that it was told is the count as it is."""
    told: list[Event] = []
    looks, publishes = (
        connect(sandbox, ledger=store, daily_limit=5, account="acme", on_event=told.append) for _ in range(2)
    )
    await looks.quota()
    await publishes.publish(sandbox.draft())
    sandbox.advance(hours=25)
    assert (await looks.quota()).used == 0
    assert [event.quota.used for event in those(QuotaCounted, told)] == [0, 1, 0]


async def test_a_store_that_fails_tells_nothing(sandbox: Sandbox, connect: Connect) -> None:
    """Neither a slot nor a count: there is none."""
    told: list[Event] = []
    with pytest.raises(QuotaLedgerError):
        await connect(sandbox, ledger=BrokenStore(), on_event=told.append).publish(sandbox.draft())
    assert [type(event) for event in told] == [PublishStarted, PublishEnded]


async def test_a_retry_of_a_call_that_began_in_a_pause_is_told(clock: VirtualClock) -> None:
    """As one of any other call."""
    told: list[Event] = []
    down = answer({"error": "down"}, status="503 Down")
    async with (
        peer(sends(down, answer(live("job_1")))) as server,
        client_of(server.url, clock=clock, retry=AT_ONCE, on_event=told.append) as client,
    ):
        client._api._retrier.throttle.extend(2.0)
        await client.publish("job_1")
    (retried,) = those(AttemptRetried, told)
    assert (retried.attempt, retried.job_id) == (1, "job_1")
