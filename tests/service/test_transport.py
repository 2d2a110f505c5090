"""One attempt over a real socket: what is sent, over which connection, and to nobody else."""

import asyncio

import pytest
from aiohttp import __version__ as aiohttp_version
from aiohttp.client_proto import ResponseHandler

from opentrain_async import RetryPolicy, __version__
from opentrain_async._base.alarm import Alarm
from opentrain_async._service.http.pool import Watch
from opentrain_async.errors import ClientClosedError, ConnectionLostError, NotFoundError, UnexpectedResponseError

from ..support.peers import AT_ONCE, TOKEN, Call, Then, answer, client_of, live, peer, sends


async def test_a_publish_is_one_post_with_the_token_and_no_body() -> None:
    """The request is the documented one, and says who sends it."""
    async with peer(sends(answer(live("job_1")))) as server, client_of(server.url) as client:
        await client.publish("job_1")
        (call,) = server.calls
    assert call.head.startswith(b"POST /api/public/v1/jobs/job_1/publish HTTP/1.1\r\n")
    assert call.headers["authorization"] == f"Bearer {TOKEN}"
    assert call.headers["accept"] == "application/json"
    assert call.headers["content-length"] == "0"
    assert "cookie" not in call.headers
    assert "content-type" not in call.headers
    lines = call.head.decode().splitlines()[1:-1]
    assert lines[0] == f"Host: 127.0.0.1:{server.port}"
    assert len(lines) == len(call.headers), "one of them was sent twice"


async def test_the_user_agent_begins_with_the_library_and_its_version() -> None:
    """The service can tell which version of the library called."""
    async with peer(sends(answer(live("job_1")))) as server, client_of(server.url) as client:
        await client.publish("job_1")
    agent = server.calls[0].headers["user-agent"]
    assert agent.startswith(f"opentrain-async/{__version__} ")
    assert f"aiohttp/{aiohttp_version}" in agent


async def test_publishes_one_after_the_other_share_a_connection() -> None:
    """A connection that was left in order serves the next request."""
    answers = sends(answer(live("job_1")), answer(live("job_2")), answer(live("job_3")))
    async with peer(answers) as server, client_of(server.url) as client:
        for job_id in ("job_1", "job_2", "job_3"):
            assert (await client.publish(job_id)).job_id == job_id
        assert (server.connections, len(server.calls)) == (1, 3)


async def test_cookies_of_the_server_are_not_sent_back() -> None:
    """The token is the only credential."""
    answers = sends(answer(live("job_1"), headers="Set-Cookie: session=1\r\n"), answer(live("job_2")))
    async with peer(answers) as server, client_of(server.url.replace("127.0.0.1", "localhost")) as client:
        await client.publish("job_1")
        await client.publish("job_2")
        assert "cookie" not in server.calls[1].headers


async def test_a_connection_that_the_server_closed_when_idle_is_replaced() -> None:
    """A server may close a kept connection after its answer; the next publish uses a fresh one, without a retry."""
    async with peer(sends(answer(live("job_1")), answer(live("job_2")), then=Then.CLOSE)) as server:
        async with client_of(server.url, retry=AT_ONCE) as client:
            await client.publish("job_1")
            assert (await client.publish("job_2")).newly_published
        assert server.connections == 2


async def test_a_lost_connection_is_not_retried_where_the_policy_has_one_attempt() -> None:
    """Nothing below the policy repeats a request on its own account."""
    async with peer(sends(then=Then.CLOSE)) as server:
        async with client_of(server.url, retry=RetryPolicy(max_attempts=1)) as client:
            with pytest.raises(ConnectionLostError):
                await client.publish("job_1")
        assert len(server.calls) == 1


async def test_a_question_whose_new_connection_is_lost_is_asked_again_over_another_new_one() -> None:
    """A GET is repeated by aiohttp itself: not over one that was kept meanwhile, which is likely lost as well."""
    first_is_answered, missing = asyncio.Event(), answer({"error": "No."}, status="404 Not Found")

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


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_F34_a_redirect_is_not_followed(status: str) -> None:
    """Another server never gets the token, and the error names it without what the query may hold."""
    async with peer(sends(answer(live("job_1")))) as other:
        moved = answer(b"", status=status, headers=f"Location: {other.url}/secret/path?token=hush\r\n")
        async with peer(sends(moved)) as server, client_of(server.url, retry=AT_ONCE) as client:
            with pytest.raises(UnexpectedResponseError, match=r"to http://127\.0\.0\.1") as caught:
                await client.publish("job_1")
            assert len(server.calls) == 1
        assert other.connections == 0
    assert (caught.value.effect, caught.value.status) == ("none", int(status[:3]))
    assert "hush" not in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_nothing_is_opened_before_the_first_publish() -> None:
    """A client that is made and closed never connects."""
    async with peer(sends(answer(live("job_1")))) as server:
        async with client_of(server.url):
            pass
        assert server.connections == 0


async def test_a_closed_client_sends_nothing() -> None:
    """Closing is for good, and a second time harmless."""
    async with peer(sends(answer(live("job_1")))) as server:
        client = client_of(server.url)
        await client.publish("job_1")
        await client.close()
        await client.close()
        with pytest.raises(ClientClosedError) as caught:
            await client.publish("job_1")
        assert (caught.value.effect, len(server.calls)) == ("none", 1)


async def test_time_that_is_up_without_a_connection_breaks_nothing_off() -> None:
    """A watch whose attempt has no connection notes that it is overdue, and that is all."""
    watch = Watch(Alarm(), 1.0)
    watch.ring()
    assert watch.is_overdue


async def test_answers_are_read_in_pieces_that_memory_is_kept_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much has arrived, a read takes no more than 16 KiB."""
    read: list[int] = []
    as_ever = ResponseHandler.data_received

    def noted(handler: ResponseHandler, data: bytes) -> None:
        read.append(len(data))
        as_ever(handler, data)

    monkeypatch.setattr(ResponseHandler, "data_received", noted)
    async with peer(sends(answer(live("job_1") | {"more": "x" * 200_000}))) as server, client_of(server.url) as client:
        await client.publish("job_1")
    assert sum(read) > 200_000
    assert max(read) == 16 * 1024
