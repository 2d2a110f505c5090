"""Once a client is closed nothing is sent any more, whatever was being waited for."""

import asyncio

import aiohttp
import pytest

from opentrain_async import AsyncOpenTrain
from opentrain_async.errors import ClientClosedError
from opentrain_async.sandbox import Fault, Sandbox

from ..support.peers import ONCE, answer, client_of, live, peer, sends
from ..support.virtual import GatedClock
from ..support.waiting import tasks_but_of_servers, until

THROTTLED = answer({"code": "RATE_LIMITED"}, status="429 Slow", headers="Retry-After: 30\r\n")


async def test_a_call_that_waits_for_its_turn_is_not_made() -> None:
    """It waits since the server asked everyone to; the session of a closed client is not opened again for it."""
    gated = GatedClock()
    async with peer(sends(THROTTLED, answer(live("job_1")))) as server:
        client = client_of(server.url, clock=gated, retry=ONCE)
        with pytest.raises(Exception, match="429"):
            await client.whoami()
        waiting = asyncio.create_task(client.whoami())
        await until(lambda: gated.slept)
        await client.close()
        gated.gate.set()
        with pytest.raises(ClientClosedError):
            await waiting
        assert len(server.calls) == 1


async def test_a_publish_that_waits_to_know_whose_it_is_is_not_made(sandbox: Sandbox) -> None:
    """Over a borrowed session too, which stays open."""
    sandbox.fault(Fault.DRIP, on="whoami", published=True)
    async with aiohttp.ClientSession() as session:
        client = AsyncOpenTrain(sandbox.token, base_url=sandbox.url, account="auto", session=session, retry=ONCE)
        publishing = asyncio.create_task(client.publish(sandbox.draft()))
        await until(lambda: sandbox.requests)
        await client.close()
        with pytest.raises(ClientClosedError):
            await publishing
    assert sandbox.live == ()
    assert tasks_but_of_servers() == {asyncio.current_task()}
