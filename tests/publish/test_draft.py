"""One publish: every draft has one outcome, and it is true."""

import asyncio

import pytest

from opentrain_async import MemoryLedger, OutcomeStatus, RetryPolicy
from opentrain_async.errors import (
    AuthenticationError,
    ClientClosedError,
    ConfigurationError,
    ConflictError,
    ConnectError,
    ModerationBlockedError,
    NotFoundError,
    NotPublishReadyError,
    OpenTrainError,
    QuotaExceededError,
    QuotaLedgerError,
    ServerError,
)
from opentrain_async.sandbox import Fault, Sandbox

from ..support.clients import Connect
from ..support.stores import TO_SETTLE, BrokenStore, SlowStore
from ..support.waiting import in_mid_request, until

AT_ONCE = RetryPolicy(base_delay=0.0, max_delay=0.0)
LOST_REPLIES = [Fault.RESET, Fault.CLOSE, Fault.TRUNCATED]


async def test_a_draft_goes_live(sandbox: Sandbox, connect: Connect) -> None:
    """The result has the service's words in snake_case, and says that this call put it live."""
    job_id = sandbox.draft()
    result = await connect(sandbox).publish(job_id)
    assert (result.job_id, result.status, result.already_published, result.newly_published) == (
        job_id, "OPEN", False, True,
    )  # fmt: skip
    assert result.side_effects.dispatched is True
    assert result.raw["jobUrl"] == result.job_url
    assert sandbox.live == (job_id,)


async def test_a_job_that_was_live_before_uses_up_nothing(sandbox: Sandbox, connect: Connect) -> None:
    """Publishing what is live is a no-op, for the quota too."""
    client = connect(sandbox)
    result = await client.publish(sandbox.draft(status="OPEN"))
    assert (result.already_published, result.newly_published) == (True, False)
    assert (await client.quota()).used == 0


@pytest.mark.parametrize("limit", [None, 20])
async def test_F02_lost_replies_are_found_out_by_asking_again(
    sandbox: Sandbox, connect: Connect, limit: int | None
) -> None:
    """12 replies lost in three ways after the job went live: 12 published, 12 charged, none twice."""
    ids = [sandbox.draft() for _ in range(12)]
    for number, job_id in enumerate(ids):
        sandbox.fault(LOST_REPLIES[number % 3], job_id=job_id, published=True)
    client = connect(sandbox, daily_limit=limit, retry=AT_ONCE)
    report = await client.publish_many(ids, concurrency=12)
    assert [outcome.attempts for outcome in report.published] == [2] * 12
    assert (await client.quota()).used == 12
    assert len(sandbox.live) == 12


async def test_F14_doubt_is_not_taken_away_by_a_later_401(sandbox: Sandbox, connect: Connect) -> None:
    """After a lost reply a 401 proves nothing: the draft may be live, and its slot counts."""
    job_id = sandbox.draft()
    sandbox.fault(Fault.CLOSE, job_id=job_id, published=True)
    sandbox.fault(Fault.STATUS, job_id=job_id, call=2, status=401)
    client = connect(sandbox, retry=AT_ONCE)
    with pytest.raises(AuthenticationError) as raised:
        await client.publish(job_id)
    assert raised.value.effect == "unknown"
    assert (await client.quota()).doubtful == 1


async def test_doubt_is_not_taken_away_by_a_refused_connection(connect: Connect) -> None:
    """After a lost reply a server that is gone leaves the draft in doubt, at its old date."""
    async with Sandbox() as sandbox:
        job_id = sandbox.draft()
        sandbox.fault(Fault.STATUS, job_id=job_id, published=True, times=4)
        client = connect(sandbox, retry=AT_ONCE)
        with pytest.raises(ServerError):
            await client.publish(job_id)
        before = (await client.quota()).next_slot_at
    with pytest.raises(ConnectError) as raised:
        await client.publish(job_id)
    assert raised.value.effect == "unknown"
    quota = await client.quota()
    assert (quota.used, quota.doubtful, quota.next_slot_at) == (1, 1, before)


async def test_an_incomplete_draft_settles_an_earlier_doubt(sandbox: Sandbox, connect: Connect) -> None:
    """A 400 that lists gaps proves that the draft is not live, whatever was in doubt before."""
    job_id = sandbox.draft(missing=["experienceLevel"])
    sandbox.fault(Fault.STATUS, job_id=job_id)
    client = connect(sandbox, retry=AT_ONCE)
    with pytest.raises(NotPublishReadyError) as raised:
        await client.publish(job_id)
    assert raised.value.effect == "none"
    assert [item.field for item in raised.value.validation.missing_fields] == ["experienceLevel"]
    assert (await client.quota()).used == 0


@pytest.mark.parametrize(
    ("draft", "error"),
    [
        ({"missing": ["paymentType"]}, NotPublishReadyError),
        ({"blocked": True}, ModerationBlockedError),
        ({"status": "ARCHIVED"}, ConflictError),
        ({"token": "other"}, NotFoundError),
    ],
)
async def test_F13_F15_F16_a_refused_draft_uses_up_nothing(
    sandbox: Sandbox, connect: Connect, draft: dict[str, object], error: type[OpenTrainError]
) -> None:
    """What the server refuses is said by its class, asked once, and gives its slot back."""
    if draft.get("token"):
        draft = {"token": sandbox.add_account()}
    client = connect(sandbox)
    with pytest.raises(error) as raised:
        await client.publish(sandbox.draft(**draft))  # type: ignore[arg-type]
    assert raised.value.effect == "none"
    assert (await client.quota()).used == 0
    assert len(sandbox.requests) == 1


async def test_a_job_taken_down_and_published_again_is_charged_twice(sandbox: Sandbox, connect: Connect) -> None:
    """A live edit that was blocked makes the next publish a new one."""
    client, job_id = connect(sandbox), sandbox.draft()
    await client.publish(job_id)
    assert (await client.publish(job_id)).newly_published is False
    sandbox.take_down(job_id)
    assert (await client.publish(job_id)).newly_published is True
    assert (await client.quota()).used == 2


async def test_F17_two_clients_on_one_ledger_are_charged_once_for_one_job(sandbox: Sandbox, connect: Connect) -> None:
    """The same job published by two clients at once takes one slot."""
    ledger, job_id = MemoryLedger(), sandbox.draft()
    clients = [connect(sandbox, ledger=ledger) for _ in range(2)]
    results = await asyncio.gather(*(client.publish(job_id) for client in clients))
    assert sorted(result.already_published for result in results) == [False, True]
    assert (await clients[0].quota()).used == 1


async def test_F17_one_id_at_once_is_one_request(sandbox: Sandbox, connect: Connect) -> None:
    """However many await the publish of a draft, it is sent once."""
    client, job_id = connect(sandbox), sandbox.draft()
    results = await asyncio.gather(*(client.publish(job_id) for _ in range(5)))
    assert all(result.newly_published for result in results)
    assert len(sandbox.requests) == 1


async def test_errors_of_a_shared_publish_are_each_their_own(sandbox: Sandbox, connect: Connect) -> None:
    """Two who raise one failure raise two errors."""
    client = connect(sandbox)
    errors = await asyncio.gather(*(client.publish("absent") for _ in range(2)), return_exceptions=True)
    assert [type(error) for error in errors] == [NotFoundError] * 2
    assert errors[0] is not errors[1]
    assert len(sandbox.requests) == 1


async def test_a_publish_outlives_one_of_its_callers(sandbox: Sandbox, connect: Connect) -> None:
    """A caller that is cancelled does not take the publish from the other."""
    client, job_id = connect(sandbox), sandbox.draft()
    sandbox.fault(Fault.DRIP, job_id=job_id, published=True)
    leaves, stays = (asyncio.create_task(client.publish(job_id)) for _ in range(2))
    await until(lambda: sandbox.live)
    leaves.cancel()
    assert (await stays).newly_published
    assert leaves.cancelled()
    assert len(sandbox.requests) == 1


async def test_F19_a_publish_ends_with_its_last_caller(sandbox: Sandbox, connect: Connect) -> None:
    """Cancelled in mid-request: the slot goes on counting, the client is good, no task is left."""
    client, job_id = connect(sandbox), sandbox.draft()
    caller = await in_mid_request(client, sandbox, job_id)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert (await client.quota()).doubtful == 1
    assert (await client.publish(job_id)).newly_published
    assert (await client.quota()).used == 1


async def test_F21_a_callers_own_timeout_stays_one(sandbox: Sandbox, connect: Connect) -> None:
    """`asyncio.timeout` around a publish raises the plain TimeoutError."""
    client, job_id = connect(sandbox), sandbox.draft()
    sandbox.fault(Fault.STALL, job_id=job_id)
    with pytest.raises(TimeoutError) as raised:
        async with asyncio.timeout(0.03):
            await client.publish(job_id)
    assert type(raised.value) is TimeoutError


async def test_F36_closing_ends_what_is_under_way(sandbox: Sandbox, connect: Connect) -> None:
    """Whoever waits is told that the client was closed, and that the draft may be live; closing twice is fine."""
    client, job_id = connect(sandbox), sandbox.draft()
    caller = await in_mid_request(client, sandbox, job_id)
    await client.close()
    await client.aclose()
    with pytest.raises(ClientClosedError) as raised:
        await caller
    assert raised.value.effect == "unknown"
    with pytest.raises(ClientClosedError):
        await client.publish(job_id)
    with pytest.raises(ClientClosedError):
        await client.quota()


async def test_F36_closing_waits_until_what_was_under_way_is_settled(sandbox: Sandbox, connect: Connect) -> None:
    """However long the ledger takes, who has closed a client finds no slot of it held."""
    store = SlowStore(stops_at=TO_SETTLE)
    client = connect(sandbox, ledger=store)
    call = await in_mid_request(client, sandbox, sandbox.draft())
    closing = asyncio.create_task(client.close())
    await until(lambda: store.begun == TO_SETTLE)
    await asyncio.sleep(0.005)
    assert not closing.done()
    store.go_on.set()
    await closing
    assert [(slot.kind, slot.holders) for slot in store.log.jobs.values()] == [("unknown", ())]
    with pytest.raises(ClientClosedError):
        await call


async def test_closing_before_a_publish_has_begun_sends_nothing(sandbox: Sandbox, connect: Connect) -> None:
    """A publish that has not taken its first step is told that nothing was changed."""
    client = connect(sandbox)
    caller = asyncio.create_task(client.publish(sandbox.draft()))
    await asyncio.sleep(0)
    await client.close()
    with pytest.raises(ClientClosedError) as raised:
        await caller
    assert raised.value.effect == "none"
    assert sandbox.requests == []


@pytest.mark.parametrize("job_id", ["", ".", "..", "a/b", "ä", "x" * 129, "a\n", None, 7, b"job"])
async def test_what_cannot_be_an_id_is_not_sent(sandbox: Sandbox, connect: Connect, job_id: object) -> None:
    """An id that would leave its place in the path touches neither a slot nor a socket."""
    client = connect(sandbox)
    with pytest.raises(ConfigurationError):
        await client.publish(job_id)  # type: ignore[arg-type]
    assert sandbox.requests == []
    assert (await client.quota()).used == 0


async def test_a_ledger_that_is_down_stops_the_publish_before_it_is_sent(sandbox: Sandbox, connect: Connect) -> None:
    """Without a ledger nothing is sent."""
    client = connect(sandbox, ledger=BrokenStore())
    with pytest.raises(QuotaLedgerError):
        await client.publish(sandbox.draft())
    assert sandbox.requests == []


async def test_a_ledger_that_fails_afterwards_changes_no_outcome(sandbox: Sandbox, connect: Connect) -> None:
    """A slot that cannot be settled does not turn a live job into a failure, nor a refusal into something else."""
    assert (await connect(sandbox, ledger=BrokenStore(1)).publish(sandbox.draft())).newly_published
    sandbox.publish_elsewhere(19)
    with pytest.raises(QuotaExceededError) as raised:
        await connect(sandbox, ledger=BrokenStore(1)).publish(sandbox.draft(), max_wait=1e9)
    assert raised.value.source == "server"
    assert raised.value.retry_at is None
    (outcome,) = (await connect(sandbox, ledger=BrokenStore(1)).publish_many([sandbox.draft()])).outcomes
    assert (outcome.status, outcome.retry_at) == (OutcomeStatus.DEFERRED, None)
