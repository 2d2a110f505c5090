"""The client's surface."""

import asyncio
import inspect
import math

import pytest

import opentrain_async
from opentrain_async import AsyncOpenTrain, MemoryLedger
from opentrain_async.errors import ConfigurationError
from opentrain_async.sandbox import Sandbox

from ..support.clients import Connect
from ..support.peers import Call, answer, client_of, live, peer, sends


@pytest.mark.parametrize(
    "options",
    [
        {"daily_limit": 0}, {"daily_limit": True}, {"daily_limit": 2.0}, {"account": ""}, {"account": 7},
        {"retry": None},
        {"timeout": 0}, {"timeout": math.inf}, {"timeout": None}, {"connect_timeout": -1}, {"max_connections": 0},
        {"session": 5}, {"clock": 5}, {"ledger": "redis://"}, {"base_url": "http://example.org"}, {"token": ""},
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_refused_when_the_client_is_made(options: dict[str, object]) -> None:
    """A bad argument is named before anything is opened."""
    settings: dict[str, object] = {"token": "ot_pat_x", "base_url": "http://127.0.0.1:1"}
    with pytest.raises(ConfigurationError):
        AsyncOpenTrain(**(settings | options))  # type: ignore[arg-type]


def test_a_client_needs_a_token() -> None:
    """Without a token anywhere the client says where it looked."""
    with pytest.raises(ConfigurationError, match="OT_API_TOKEN"):
        AsyncOpenTrain()


async def test_a_client_can_be_used_as_a_block_or_closed(sandbox: Sandbox) -> None:
    """The block closes the client; its repr shows the origin and the state."""
    async with AsyncOpenTrain(sandbox.token, base_url=sandbox.url) as client:
        assert repr(client) == f"<AsyncOpenTrain {sandbox.url}>"
        await client.publish(sandbox.draft())
    assert repr(client).endswith(" closed>")


async def test_a_client_that_never_sent_anything_has_nothing_to_close() -> None:
    """Making and closing a client opens nothing."""
    async with AsyncOpenTrain("ot_pat_x") as client:
        assert (await client.quota()).used == 0


def test_F37_a_client_belongs_to_one_event_loop() -> None:
    """In a second loop the client says so, instead of failing somewhere in the first."""
    client = AsyncOpenTrain("ot_pat_x")
    asyncio.run(client.quota())
    with pytest.raises(ConfigurationError, match="another event loop"):
        asyncio.run(client.quota())


async def test_F37_a_client_in_use_can_not_be_used_from_another_thread() -> None:
    """The thread's loop is told whose client it is; what was under way in the first loop is not disturbed."""
    may_answer = asyncio.Event()

    async def behave(call: Call) -> None:
        await may_answer.wait()
        call.writer.write(answer(live("job_1")))

    async with peer(behave) as server, client_of(server.url) as client:
        publishing = asyncio.create_task(client.publish("job_1"))
        await server.arrived(1)
        with pytest.raises(ConfigurationError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, client.publish("job_1"))
        may_answer.set()
        assert (await publishing).newly_published
    assert len(server.calls) == 1


async def test_F37_a_client_whose_loop_is_gone_says_so_and_can_be_closed() -> None:
    """Never that the loop is closed: that would be about aiohttp's sockets, and not about what to do."""
    async with peer(sends(answer(live("job_1"), headers="Connection: close\r\n"))) as server:
        client = client_of(server.url)
        await asyncio.to_thread(asyncio.run, client.publish("job_1"))
        for call in (lambda: client.publish("job_1"), lambda: client.publish_many(["job_1"]), client.whoami):
            with pytest.raises(ConfigurationError, match="another event loop"):
                await call()
        with pytest.raises(ConfigurationError, match="another event loop"):
            client.publish_stream(["job_1"])
        await client.close()
        await client.close()
    assert len(server.calls) == 1


async def test_clients_of_one_account_share_its_quota_in_one_ledger(sandbox: Sandbox, connect: Connect) -> None:
    """An account's name, or the token's fingerprint, is its key; the token itself is not kept."""
    ledger = MemoryLedger()
    await connect(sandbox, ledger=ledger).publish(sandbox.draft())
    assert (await connect(sandbox, ledger=ledger).quota()).used == 1
    other = connect(sandbox, ledger=ledger, account="acme")
    assert (await other.quota()).used == 0
    assert sandbox.token not in repr(vars(ledger))


def test_what_is_exported_exists() -> None:
    """`__all__` is true, sorted and complete: each public class has a docstring, and each of its methods."""
    for name in opentrain_async.__all__:
        thing = getattr(opentrain_async, name)
        if inspect.isclass(thing):
            assert inspect.getdoc(thing)
            members = [member for key, member in vars(thing).items() if not key.startswith("_")]
            assert all(inspect.getdoc(member) for member in members if callable(member)), name
