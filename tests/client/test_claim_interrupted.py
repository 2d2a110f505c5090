"""Whoever waits for the token of a claim may be cancelled, twice even, or closed under: it comes once, and is kept."""

import asyncio
import itertools

import pytest

from opentrain_async import AsyncOpenTrain
from opentrain_async._base.secret import Secret
from opentrain_async._client.account.claim import ClaimWatch
from opentrain_async._client.account.credentials import path_of_file, read
from opentrain_async.errors import ClaimError, ClientClosedError
from opentrain_async.models import Registration, TokenGrant
from opentrain_async.sandbox import Fault, Sandbox

from ..support.claims import CLAIM_TOKEN, EMAIL, passing, polls
from ..support.peers import Then, answer, client_of, peer, sends
from ..support.virtual import GatedClock, VirtualClock
from ..support.waiting import cancelled, until


async def test_who_is_cancelled_in_mid_sleep_leaves_nothing_behind(sandbox: Sandbox, client: AsyncOpenTrain) -> None:
    """And can wait again."""
    await client.start_claim(EMAIL)
    waiting = asyncio.create_task(client.wait_for_claim())
    await until(lambda: [request for request in sandbox.requests if request.status == 400])
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    assert len(asyncio.all_tasks()) == len(asyncio.all_tasks() - {waiting})
    sandbox.approve_claim()
    sandbox.advance(seconds=5)
    assert (await client.wait_for_claim()).saved_to is not None


async def test_a_question_that_is_cancelled_under_its_callers_is_asked_again(
    sandbox: Sandbox, client: AsyncOpenTrain
) -> None:
    """None of them was cancelled, so none of them is told that it was."""
    await client.start_claim(EMAIL)
    sandbox.fault(Fault.STALL, on="token")
    waiting = [asyncio.create_task(client.wait_for_claim()) for _ in range(2)]
    await until(lambda: polls(sandbox))
    question = client._claims._question
    assert question is not None
    await until(lambda: question._callers == 2)
    sandbox.approve_claim()
    await question.cancel()
    assert len({(await caller).access_token for caller in waiting}) == 1
    assert len(polls(sandbox)) == 2


async def test_who_asks_while_an_abandoned_question_is_ending_asks_anew(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last caller has left it, and its cleaning up takes a while: that is no closed client."""
    monkeypatch.setattr("opentrain_async._client.account.claim.SETTLE_SECONDS", 0.001)
    cleaned, asked = asyncio.Event(), 0

    async def exchange() -> TokenGrant:
        nonlocal asked
        asked += 1
        if asked == 1:
            try:
                await asyncio.Event().wait()
            finally:
                await cleaned.wait()
        return TokenGrant(Secret("ot_pat_new"))

    watch = ClaimWatch(exchange, clock)
    leaving = asyncio.create_task(watch.wait(60))
    await until(lambda: asked)
    leaving.cancel()
    await until(lambda: watch._question is not None and not watch._question.is_joinable)
    coming = asyncio.create_task(watch.wait(60))
    await asyncio.sleep(0)
    cleaned.set()
    assert (await coming).access_token.reveal() == "ot_pat_new"
    assert asked == 2
    await asyncio.wait({leaving})
    assert leaving.cancelled()


@pytest.mark.parametrize("times", range(6))
async def test_however_often_it_was_waited_for_before_the_token_is_had(
    times: int, sandbox: Sandbox, client: AsyncOpenTrain, made: Registration
) -> None:
    """A service that slows down for who asks too soon is caught up with, by a client that knows nothing of that."""
    await client.start_claim(EMAIL)
    for _ in range(times):
        async with AsyncOpenTrain(clock=sandbox.clock) as another:
            with pytest.raises(ClaimError):
                await another.wait_for_claim(timeout=1)
    sandbox.approve_claim()
    waiting = asyncio.create_task(client.wait_for_claim())
    began = sandbox.clock.now()
    await passing(sandbox, waiting.done)
    assert (await waiting).access_token.reveal()
    assert sandbox.clock.now() - began < 200


@pytest.mark.parametrize("saved", [True, False])
async def test_a_token_that_comes_to_who_was_cancelled_is_not_lost(
    sandbox: Sandbox, client: AsyncOpenTrain, made: Registration, saved: bool
) -> None:
    """It is in use and saved, and whoever waits again is given it."""
    if not saved:
        path_of_file().unlink()
    await client.start_claim(EMAIL)
    sandbox.approve_claim()
    sandbox.fault(Fault.DRIP, on="token", published=True)
    waiting = asyncio.create_task(client.wait_for_claim())
    await until(lambda: polls(sandbox))
    await cancelled(waiting)
    assert (await client.whoami()).actor.email == EMAIL
    grant = await client.wait_for_claim()
    assert (grant.saved_to == path_of_file(), grant.saved_to is None) == (saved, not saved)
    assert (grant.access_token == read().get("apiToken")) == saved
    assert grant == await client.wait_for_claim()
    assert len(polls(sandbox)) == 1


@pytest.mark.parametrize("times", [1, 2])
async def test_who_is_cancelled_waits_no_longer_than_a_moment(times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that does not come is given up; who is cancelled once more does not wait for it at all."""
    monkeypatch.setattr("opentrain_async._client.account.claim.SETTLE_SECONDS", 0.03 if times == 1 else 30)
    async with peer(sends(then=Then.STALL)) as server, client_of(server.url, claim_token=CLAIM_TOKEN) as client:
        before = asyncio.all_tasks()
        waiting = asyncio.create_task(client.wait_for_claim())
        await server.arrived(1)
        for _ in range(times):
            waiting.cancel()
            await asyncio.sleep(0.01)
        async with asyncio.timeout(10):
            await asyncio.wait({waiting})
        assert waiting.cancelled()
        assert [task for task in asyncio.all_tasks() - before if "wait_for_claim" in repr(task)] == []
        assert [task for task in asyncio.all_tasks() - before if "_exchange" in repr(task)] == []


async def test_those_who_wait_ask_together_no_sooner_than_one(sandbox: Sandbox, client: AsyncOpenTrain) -> None:
    """Nobody is told to slow down, and all learn of it at the same time."""
    await client.start_claim(EMAIL)
    waiting = [asyncio.create_task(client.wait_for_claim()) for _ in range(3)]
    await passing(sandbox, lambda: len(polls(sandbox)) == 4)
    sandbox.approve_claim()
    await passing(sandbox, lambda: all(task.done() for task in waiting))
    asked = polls(sandbox)
    assert all(later - earlier >= 5 for earlier, later in itertools.pairwise(asked))
    assert len(asked) == 5


async def test_a_client_that_is_closed_lets_who_waits_go_at_once() -> None:
    """However long the service wants not to be asked."""
    limited = answer({"error": "rate_limit_exceeded"}, status="429 Slow", headers="Retry-After: 900\r\n")
    clock = GatedClock()
    async with peer(sends(limited)) as server:
        client = client_of(server.url, claim_token=CLAIM_TOKEN, clock=clock)
        waiting = asyncio.create_task(client.wait_for_claim())
        await until(lambda: clock.slept)
        await client.close()
        with pytest.raises(ClientClosedError):
            await waiting


async def test_two_who_wait_are_given_the_same_token(sandbox: Sandbox, client: AsyncOpenTrain) -> None:
    """It is delivered once, and asked for by one at a time."""
    await client.start_claim(EMAIL)
    sandbox.fault(Fault.DRIP, on="token", published=True, times=9)
    waiting = [asyncio.create_task(client.wait_for_claim()) for _ in range(3)]
    await until(lambda: polls(sandbox))
    sandbox.approve_claim()
    await passing(sandbox, lambda: all(task.done() for task in waiting))
    first, *others = [await task for task in waiting]
    assert others == [first, first]


async def test_a_client_that_is_closed_waits_for_no_claim(sandbox: Sandbox, client: AsyncOpenTrain) -> None:
    """Nor does one that is closed meanwhile."""
    await client.start_claim(EMAIL)
    waiting = asyncio.create_task(client.wait_for_claim())
    await until(lambda: polls(sandbox))
    await client.close()
    await passing(sandbox, waiting.done)
    with pytest.raises(ClientClosedError):
        await waiting
    for call in (client.wait_for_claim(), client.start_claim(EMAIL)):
        with pytest.raises(ClientClosedError):
            await call


async def test_a_token_that_comes_as_the_client_is_closed_is_not_lost(sandbox: Sandbox, client: AsyncOpenTrain) -> None:
    """Closing waits for it, and it is saved."""
    await client.start_claim(EMAIL)
    sandbox.approve_claim()
    sandbox.fault(Fault.DRIP, on="token", published=True)
    waiting = [asyncio.create_task(client.wait_for_claim()) for _ in range(2)]
    await until(lambda: polls(sandbox))
    await client.close()
    grant = await waiting[0]
    assert (await waiting[1], read().get("apiToken")) == (grant, grant.access_token)


async def test_closing_waits_no_longer_than_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then whoever waits is told that the client is closed, and that the token may have been delivered."""
    monkeypatch.setattr("opentrain_async._client.account.claim.SETTLE_SECONDS", 0.03)
    async with peer(sends(then=Then.STALL)) as server, client_of(server.url, claim_token=CLAIM_TOKEN) as client:
        waiting = asyncio.create_task(client.wait_for_claim())
        await server.arrived(1)
        await client.close()
        with pytest.raises(ClientClosedError) as caught:
            await waiting
    assert (caught.value.effect, caught.value.operation) == ("unknown", "wait_for_claim")
