"""The pool: which connection an attempt gets."""

import asyncio
import socket

import aiohttp
import pytest
from aiohttp.connector import Connection

from opentrain_async._service.http import pool
from opentrain_async._service.http.messages import Request
from opentrain_async._service.http.pool import Resolver
from opentrain_async._service.http.watch import current_watch
from opentrain_async.errors import NotFoundError

from ..support.peers import AT_ONCE, Call, Then, answer, client_of, envelope, live, peer, sends


async def test_publishes_one_after_the_other_share_a_connection() -> None:
    """A connection that was left in order serves the next request."""
    answers = sends(answer(live("job_1")), answer(live("job_2")), answer(live("job_3")))
    async with peer(answers) as server, client_of(server.url) as client:
        for job_id in ("job_1", "job_2", "job_3"):
            assert (await client.publish(job_id)).job_id == job_id
        assert (server.connections, len(server.calls)) == (1, 3)


async def test_a_connection_that_the_server_closed_when_idle_is_replaced() -> None:
    """A server may close a kept connection after its answer; the next publish uses a fresh one, without a retry."""
    async with peer(sends(answer(live("job_1")), answer(live("job_2")), then=Then.CLOSE)) as server:
        async with client_of(server.url, retry=AT_ONCE) as client:
            await client.publish("job_1")
            assert (await client.publish("job_2")).newly_published
        assert server.connections == 2


async def test_a_question_whose_new_connection_is_lost_is_asked_again_over_another_new_one() -> None:
    """A GET is repeated by aiohttp itself: not over one that was kept meanwhile, which is likely lost as well."""
    first_is_answered, missing = asyncio.Event(), answer(envelope(), status="404 Not Found")

    async def behave(call: Call) -> None:
        if call.number == 2:
            server.calls[0].writer.write(missing)
            await first_is_answered.wait()
            call.writer.close()
        elif call.number == 3:
            call.writer.write(missing)

    async with peer(behave) as server, client_of(server.url) as client:
        first = asyncio.create_task(client.whoami())
        await server.arrived(1)
        second = asyncio.create_task(client.whoami())
        first.add_done_callback(lambda _: first_is_answered.set())
        await asyncio.wait({first, second})
        assert [type(asked.exception()) for asked in (first, second)] == [NotFoundError, NotFoundError]
        assert [call.connection for call in server.calls] == [1, 2, 3]


async def test_a_loss_closes_the_connections_that_were_kept_and_no_more() -> None:
    """A fresh connection is made once, however many are kept."""
    answers = sends(answer(live("job_1")))
    async with peer(answers) as server, client_of(server.url, max_connections=4) as client:
        await asyncio.gather(*(client._transport.send(Request("POST", "/"), 60) for _ in range(3)))
        assert server.connections == 3
        await client._transport.send(Request("POST", "/"), 60, fresh=True)
        assert (server.connections, server.calls[-1].connection) == (4, 4)


@pytest.mark.parametrize("limit", [1, 3])
async def test_the_search_for_a_fit_connection_ends_if_aiohttp_tells_nothing_of_a_new_one(
    monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """If it made its sockets by itself each connection would look kept: no more are closed than a pool keeps."""
    monkeypatch.setattr(pool, "_make_socket", None)
    closed: list[Connection] = []
    close = Connection.close

    def noted(connection: Connection) -> None:
        closed.append(connection)
        close(connection)

    monkeypatch.setattr(Connection, "close", noted)
    async with peer(sends(answer(live("job_1")))) as server, client_of(server.url, max_connections=limit) as client:
        await client._transport.send(Request("POST", "/"), 60, fresh=True)
        assert (len(closed), server.connections, len(server.calls)) == (limit, limit + 1, 1)


async def test_aiohttp_makes_its_sockets_by_the_function_that_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """One for each new connection, in the context of the attempt for which it is made."""
    made: list[bool] = []
    make_socket = pool._make_socket

    def noted(address: pool._AddressInfo) -> socket.socket:
        new = make_socket(address)
        made.append(current_watch.get().has_made_one)
        return new

    monkeypatch.setattr(pool, "_make_socket", noted)
    async with peer(sends(answer(live("job_1")))) as server, client_of(server.url) as client:
        for _ in range(2):
            await client._transport.send(Request("POST", "/"), 60)
    assert made == [True]


async def test_a_protocol_of_aiohttp_knows_of_what_it_has_read_and_nobody_asked_for() -> None:
    """Without this the answer that has come twice would be the next draft's."""
    async with peer(sends(answer(live("job_1")))) as server, aiohttp.ClientSession() as session:
        async with session.post(server.url) as response:
            await response.read()
        assert session.connector is not None
        ((kept, _),) = next(iter(session.connector._conns.values()))
        connection = Connection(session.connector, None, kept, asyncio.get_running_loop())  # type: ignore[arg-type]
        assert not pool._has_said_more(connection)
        server.calls[0].writer.write(answer(live("job_1")))
        await asyncio.sleep(0.01)
        assert kept.should_close
        assert pool._has_said_more(connection)
        connection._protocol = None
        assert pool._has_said_more(connection)


async def test_a_resolver_knows_of_its_lookups_and_of_their_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lookup that has failed is no longer in flight."""
    resolver, during = Resolver(), list[int]()

    async def getaddrinfo(*_: object, **__: object) -> list[object]:
        during.append(resolver.lookups)
        raise OSError(5, "no such name")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    with pytest.raises(OSError, match="no such name"):
        await resolver.resolve("service.test")
    await resolver.close()
    assert (during, resolver.lookups) == ([1], 0)
