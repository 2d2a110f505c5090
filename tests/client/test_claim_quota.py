"""A claim lifts the day's limit and revokes the token: what was counted goes along, and what is under way goes live."""

import asyncio
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import aiohttp
import pytest

from opentrain_async import AsyncOpenTrain, MemoryLedger, OutcomeStatus, SQLiteLedger
from opentrain_async._base.secret import Secret
from opentrain_async.errors import AuthenticationError, QuotaExceededError, QuotaLedgerError
from opentrain_async.models import Registration
from opentrain_async.quota import LedgerStore
from opentrain_async.quota._log import AccountLog
from opentrain_async.quota._stores.protocol import Step
from opentrain_async.sandbox import Fault, Sandbox

from ..support.account import NOT_LIVE, PUBLISHED
from ..support.claims import CLAIM_TOKEN, EMAIL, GRANTED, PENDING
from ..support.peers import AT_ONCE, ONCE, Call, Then, answer, client_of, leave, live, peer
from ..support.stores import BrokenStore, SlowStore, accept_one, ledger_on, publish, reserve
from ..support.virtual import VirtualClock
from ..support.waiting import until

T = TypeVar("T")

REVOKED = answer({"error": "revoked", "code": "UNAUTHORIZED"}, status="401 No")


async def register(sandbox: Sandbox) -> Registration:
    return await AsyncOpenTrain.register(base_url=sandbox.url, clock=sandbox.clock)


async def claimed(sandbox: Sandbox, client: AsyncOpenTrain) -> None:
    """Have the client's account claimed."""
    claim = await client.start_claim(EMAIL)
    sandbox.approve_claim(claim.user_code)
    await client.wait_for_claim()


def drafts(sandbox: Sandbox, token: str, count: int) -> list[str]:
    return [sandbox.draft(token=token) for _ in range(count)]


@pytest.mark.parametrize("account", [None, "auto", "acme"])
@pytest.mark.parametrize("borrowed", [False, True])
async def test_F44_a_claim_lifts_the_limit_and_keeps_the_count(
    sandbox: Sandbox, store: LedgerStore, account: str | None, borrowed: bool
) -> None:
    """Three before it, seventeen after it, and not one refusal by the server but that which taught the first limit."""
    made = await register(sandbox)
    async with aiohttp.ClientSession() as session:
        options: dict[str, object] = {"session": session} if borrowed else {}
        client = AsyncOpenTrain(ledger=store, account=account, clock=sandbox.clock, **options)  # type: ignore[arg-type]
        async with client:
            report = await client.publish_many(drafts(sandbox, made.access_token.reveal(), 4))
            assert (len(report.published), len(report.deferred)) == (3, 1)
            before = await client.quota()
            assert (before.limit, before.used, before.limit_source, sandbox.refusals) == (3, 3, "server", 1)
            await claimed(sandbox, client)
            after = await client.quota()
            assert (after.limit, after.used, after.limit_source) == (None, 3, None)
            assert [(slot.job_id, slot.frees_at) for slot in after.slots] == [
                (slot.job_id, slot.frees_at) for slot in before.slots
            ]
            report = await client.publish_many(drafts(sandbox, made.access_token.reveal(), 17))
            assert len(report.published) == 17
            assert (await client.quota()).used == 20
            with pytest.raises(QuotaExceededError) as caught:
                await client.publish(sandbox.draft(token=made.access_token.reveal()))
            assert (caught.value.source, caught.value.limit, sandbox.refusals) == ("ledger", 20, 1)
        assert not session.closed
    async with AsyncOpenTrain(ledger=store, account=account, clock=sandbox.clock) as later:
        assert (await later.quota()).used == 20


async def test_F44_whoever_waits_for_the_window_goes_at_once(sandbox: Sandbox, store: LedgerStore) -> None:
    """A claim makes room: who waits for the next day need not any more."""
    made = await register(sandbox)
    async with AsyncOpenTrain(ledger=store, clock=sandbox.clock) as client:
        running = asyncio.create_task(
            client.publish_many(drafts(sandbox, made.access_token.reveal(), 8), max_wait=90_000.0)
        )
        await until(lambda: sandbox.refusals)
        await asyncio.sleep(0.02)
        began = sandbox.clock.now()
        await claimed(sandbox, client)
        report = await running
        assert len(report.published) == 8
        assert sandbox.clock.now() - began < 3600


@pytest.mark.parametrize("borrowed", [False, True])
@pytest.mark.parametrize("first", ["the refusal", "the token"])
async def test_a_publish_between_the_old_token_and_the_new_goes_live(first: str, borrowed: bool) -> None:
    """Its 401 is no answer: it waits for what comes of the question, and goes once more with the new token."""
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def behave(call: Call) -> None:
        if b"oauth/token" in call.head:
            arrived.set()
            await go_on.wait()
            call.writer.write(GRANTED)
        elif call.headers["authorization"] == "Bearer ot_pat_new":
            call.writer.write(answer(live("job_1")))
        else:
            await arrived.wait()
            if first == "the token":
                go_on.set()
                await until(lambda: client._transport.token == Secret("ot_pat_new"))
            call.writer.write(REVOKED)
        await leave(call.writer, Then.CLOSE if b"oauth" in call.head else Then.KEEP)

    async with peer(behave) as server, aiohttp.ClientSession() as session:
        options: dict[str, object] = {"session": session} if borrowed else {}
        async with client_of(server.url, claim_token=CLAIM_TOKEN, retry=AT_ONCE, **options) as client:
            publishing = asyncio.create_task(client.publish_many(["job_1"]))
            await server.arrived(1)
            waiting = asyncio.create_task(client.wait_for_claim())
            await arrived.wait()
            if first == "the refusal":
                await asyncio.sleep(0.02)
                assert not publishing.done()
                go_on.set()
            (outcome,) = (await publishing).outcomes
            assert (outcome.status, outcome.attempts) == (OutcomeStatus.PUBLISHED, 1)
            assert (await waiting).access_token.reveal() == "ot_pat_new"
            assert (await client.quota()).used == 1


@pytest.mark.parametrize("polled", [PENDING, answer({"error": "invalid_grant"}, status="400 Bad")])
async def test_a_401_that_no_new_token_follows_is_one(polled: bytes) -> None:
    """A question that brings no token leaves the refusal as it is, and keeps nobody waiting."""
    go_on = asyncio.Event()

    async def behave(call: Call) -> None:
        if b"oauth/token" in call.head:
            await go_on.wait()
        call.writer.write(polled if b"oauth/token" in call.head else REVOKED)
        await leave(call.writer, Then.CLOSE)

    clock = VirtualClock()
    async with peer(behave) as server, client_of(server.url, claim_token=CLAIM_TOKEN, clock=clock) as client:
        waiting = asyncio.create_task(client.wait_for_claim(timeout=1))
        await server.arrived(1)
        publishing = asyncio.create_task(client.publish("job_1"))
        await server.arrived(2)
        await asyncio.sleep(0.01)
        go_on.set()
        await asyncio.wait({waiting, publishing})
        assert isinstance(publishing.exception(), AuthenticationError)
        assert waiting.exception() is not None
        with pytest.raises(AuthenticationError):
            await client.publish("job_1")


async def test_who_waits_for_the_new_token_can_be_cancelled() -> None:
    """For the others the question goes on."""
    go_on = asyncio.Event()

    async def behave(call: Call) -> None:
        if b"oauth/token" in call.head:
            await go_on.wait()
            call.writer.write(GRANTED)
        else:
            is_new = call.headers["authorization"] == "Bearer ot_pat_new"
            call.writer.write(answer(live("job_2")) if is_new else REVOKED)
        await leave(call.writer, Then.CLOSE)

    async with peer(behave) as server, client_of(server.url, claim_token=CLAIM_TOKEN, daily_limit=20) as client:
        await accept_one(client)
        waiting = asyncio.create_task(client.wait_for_claim())
        await server.arrived(1)
        publishing = [asyncio.create_task(client.publish(job)) for job in ("job_1", "job_2")]
        await server.arrived(3)
        await asyncio.sleep(0.01)
        publishing[0].cancel()
        await asyncio.wait({publishing[0]})
        go_on.set()
        assert (await publishing[1]).job_id == "job_2"
        await waiting


async def test_what_was_under_way_is_settled_under_the_new_name(sandbox: Sandbox, store: LedgerStore) -> None:
    """A slot that was reserved before the claim is spent after it, once."""
    made = await register(sandbox)
    async with AsyncOpenTrain(ledger=store, clock=sandbox.clock, retry=AT_ONCE) as client:
        draft = sandbox.draft(token=made.access_token.reveal())
        sandbox.fault(Fault.DRIP, job_id=draft, published=True)
        publishing = asyncio.create_task(client.publish(draft))
        await until(lambda: [seen for seen in sandbox.requests if seen.operation == "publish"])
        await claimed(sandbox, client)
        assert (await publishing).newly_published
        (slot,) = (await client.quota()).slots
        assert (slot.job_id, slot.state) == (draft, "spent")


async def test_an_organisation_keeps_its_name(sandbox: Sandbox, store: LedgerStore) -> None:
    """A claim makes no other account of it: it is asked for once, what is counted stays, and the limit is forgotten."""
    made = await register(sandbox)
    sandbox.fault(Fault.STATUS, on="whoami", call=2)
    async with AsyncOpenTrain(ledger=store, account="auto", clock=sandbox.clock, retry=ONCE) as client:
        await client.publish_many(drafts(sandbox, made.access_token.reveal(), 4))
        assert (await client.quota()).limit == 3
        await claimed(sandbox, client)
        quota = await client.quota()
        assert (quota.limit, quota.used) == (None, 3)
    assert [seen.operation for seen in sandbox.requests].count("whoami") == 1


async def test_an_account_that_is_not_named_is_counted_by_its_token_and_by_the_next_one(store: LedgerStore) -> None:
    """Also with `account="auto"`: the new token's fingerprint takes the place of the earlier one's."""
    nameless = answer({"actor": {}, "token": {}, "account": {"organizationId": None}})

    async def behave(call: Call) -> None:
        path = call.head.split()[1]
        reply = nameless if path.endswith(b"/me") else GRANTED if path.endswith(b"/token") else answer(live("job_1"))
        call.writer.write(reply)
        await leave(call.writer, Then.CLOSE)

    async with peer(behave) as server:
        settings: dict[str, object] = {"ledger": store, "account": "auto"}
        async with client_of(server.url, claim_token=CLAIM_TOKEN, **settings) as client:
            await client.publish("job_1")
            await client.wait_for_claim()
            assert (await client.quota()).used == 1
        async with client_of(server.url, token="ot_pat_new", **settings) as later:
            assert (await later.quota()).used == 1


async def test_a_claim_before_the_first_publish_asks_once(sandbox: Sandbox, store: LedgerStore) -> None:
    """There is nothing to carry over, and one name to be known."""
    made = await register(sandbox)
    async with AsyncOpenTrain(ledger=store, account="auto", clock=sandbox.clock, retry=ONCE) as client:
        await claimed(sandbox, client)
        await client.publish_many(drafts(sandbox, made.access_token.reveal(), 5))
        assert (await client.quota()).used == 5
    assert [seen.operation for seen in sandbox.requests].count("whoami") == 1


async def test_a_ledger_that_fails_does_not_lose_the_token(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """The slots may stay behind, which is logged; the client goes on with the new token."""
    await register(sandbox)
    async with AsyncOpenTrain(ledger=BrokenStore(), clock=sandbox.clock) as client:
        await claimed(sandbox, client)
        assert (await client.whoami()).is_claimed
    assert "the account is claimed; its publishes could not be carried over" in caplog.text


@pytest.mark.parametrize("looks_first", [True, False])
async def test_F44_an_organisation_s_limit_is_forgotten_also_before_its_name_is_known(
    looks_first: bool, sandbox: Sandbox, store: LedgerStore
) -> None:
    """A process that only claims does not know by what name the earlier ones have counted; it finds out."""
    made = await register(sandbox)
    options: dict[str, object] = {"base_url": sandbox.url, "clock": sandbox.clock, "ledger": store, "account": "auto"}
    async with AsyncOpenTrain(made.access_token, **options) as first:  # type: ignore[arg-type]
        report = await first.publish_many(drafts(sandbox, made.access_token.reveal(), 4))
        assert (len(report.published), len(report.deferred)) == (3, 1)
        assert (await first.quota()).limit == 3
    async with AsyncOpenTrain(made.access_token, claim_token=made.claim_token, **options) as client:  # type: ignore[arg-type]
        if looks_first:
            assert (await client.quota()).limit == 3
        await claimed(sandbox, client)
        assert ((await client.quota()).limit, (await client.quota()).used) == (None, 3)
        report = await client.publish_many(drafts(sandbox, made.access_token.reveal(), 4))
        assert len(report.published) == 4


async def test_what_could_not_be_carried_over_is_so_later(sandbox: Sandbox) -> None:
    """The ledger was not to be had as the token came; with the next look at the quota the day is whole."""
    made, store = await register(sandbox), Unwilling()
    async with AsyncOpenTrain(
        made.access_token, claim_token=made.claim_token, base_url=sandbox.url, clock=sandbox.clock, ledger=store
    ) as client:
        await client.publish_many(drafts(sandbox, made.access_token.reveal(), 2))
        store.fails = True
        await claimed(sandbox, client)
        with pytest.raises(QuotaLedgerError):
            await client.quota()
        store.fails = False
        assert (await client.quota()).used == 2


class Unwilling:
    """A store that fails when it is told to."""

    def __init__(self) -> None:
        self.fails = False
        self._store = MemoryLedger()

    async def run(self, account: str, step: Step[T], now: float) -> T:
        """Run a step, or fail."""
        if self.fails:
            raise OSError("not now")
        return await self._store.run(account, step, now)


async def test_slots_are_carried_over_once_however_often(clock: VirtualClock) -> None:
    """Also to an account that has slots of its own, whose word on a job that both have stands."""
    store = MemoryLedger()
    ledger = ledger_on(store, clock, limit=None)
    await publish(ledger, "a", "b")
    await publish(ledger_on(store, clock, limit=None, account="new"), "c")
    for _ in range(2):
        await ledger.continue_as("account", "new")
        assert {slot.job_id for slot in (await ledger.snapshot()).slots} == {"a", "b", "c"}
    ledger.use("account")
    assert (await ledger.snapshot()).used == 2


class Turns:
    """A store that is reached in a few turns of the event loop, and takes steps in their order."""

    def __init__(self) -> None:
        self.logs: defaultdict[str, AccountLog] = defaultdict(AccountLog)

    async def run(self, account: str, step: Callable[[AccountLog, float], T], now: float) -> T:
        for _ in range(3):
            await asyncio.sleep(0)
        return step(self.logs[account], now)


@pytest.mark.parametrize("turns", range(12))
@pytest.mark.parametrize("name", ["new", "account"])
async def test_what_is_settled_while_slots_are_carried_over_is_settled(
    name: str, turns: int, clock: VirtualClock
) -> None:
    """Whenever that is: what was published is spent, what was not is gone, and what is under way is held."""
    ledger = ledger_on(Turns(), clock, limit=None)
    held = {job: await reserve(ledger, job, lambda denied: pytest.fail(str(denied))) for job in ("a", "b", "c")}
    going_on = asyncio.create_task(ledger.continue_as("account", name))
    for _ in range(turns):
        await asyncio.sleep(0)
    settling = [ledger.settle(held["a"], PUBLISHED), ledger.settle(held["b"], NOT_LIVE)]
    await asyncio.gather(going_on, *settling)
    slots = (await ledger.snapshot()).slots
    assert {(slot.job_id, slot.state) for slot in slots} == {("a", "spent"), ("c", "held")}
    await ledger.settle(held["c"], NOT_LIVE)
    assert (await ledger.snapshot()).used == 1


async def test_a_process_that_comes_later_counts_on(sandbox: Sandbox, tmp_path: Path) -> None:
    """By the new token that was saved, and the ledger's file."""
    made = await register(sandbox)
    async with SQLiteLedger(tmp_path / "q") as store, AsyncOpenTrain(ledger=store, clock=sandbox.clock) as client:
        await client.publish_many(drafts(sandbox, made.access_token.reveal(), 2))
        await claimed(sandbox, client)
    code = (
        "import asyncio, sys\n"
        "from opentrain_async import AsyncOpenTrain, SQLiteLedger\n"
        "async def main():\n"
        "    async with SQLiteLedger(sys.argv[1]) as store, AsyncOpenTrain(ledger=store) as client:\n"
        "        print((await client.quota()).used, (await client.whoami()).is_claimed)\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "q")]
    later = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert (await later.communicate())[0] == b"2 True\n"


@pytest.mark.parametrize("works_for", [0, 1])
async def test_a_ledger_that_fails_in_the_middle_counts_under_the_new_name(works_for: int, clock: VirtualClock) -> None:
    """So two clients with the new token do not count apart; the failure is told."""
    ledger = ledger_on(BrokenStore(works_for), clock)
    with pytest.raises(QuotaLedgerError, match="disk on fire"):
        await ledger.continue_as("account", "new")
    assert ledger.account == "new"


async def test_who_is_cancelled_while_slots_are_carried_over_goes_on_under_the_new_name(clock: VirtualClock) -> None:
    """The step that was begun is carried through."""
    store = SlowStore(goes_on=False)
    ledger = ledger_on(store, clock)
    going_on = asyncio.create_task(ledger.continue_as("account", "new"))
    await until(lambda: store.begun)
    going_on.cancel()
    await asyncio.wait({going_on})
    assert going_on.cancelled()
    assert ledger.account == "new"
    store.go_on.set()
    assert (await ledger.snapshot()).used == 0
