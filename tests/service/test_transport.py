"""One attempt over a real socket: what is sent, over which connection, and to nobody else."""

import pytest
from aiohttp import __version__ as aiohttp_version

from opentrain_async import RetryPolicy, __version__
from opentrain_async.errors import ClientClosedError, ConnectionLostError, UnexpectedResponseError

from ..support.peers import AT_ONCE, TOKEN, Then, answer, client_of, live, peer, sends


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


async def test_cookies_of_the_server_are_not_sent_back() -> None:
    """The token is the only credential."""
    answers = sends(answer(live("job_1"), headers="Set-Cookie: session=1\r\n"), answer(live("job_2")))
    async with peer(answers) as server, client_of(server.url.replace("127.0.0.1", "localhost")) as client:
        await client.publish("job_1")
        await client.publish("job_2")
        assert "cookie" not in server.calls[1].headers


async def test_a_lost_connection_is_not_retried_where_the_policy_has_one_attempt() -> None:
    """Nothing below the policy repeats a request on its own account."""
    async with peer(sends(then=Then.CLOSE)) as server:
        async with client_of(server.url, retry=RetryPolicy(max_attempts=1)) as client:
            with pytest.raises(ConnectionLostError):
                await client.publish("job_1")
        assert len(server.calls) == 1


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
    effect = "unknown" if status[:3] in {"302", "303"} else "none"  # a portal's: a login page, as a rule
    assert (caught.value.effect, caught.value.status) == (effect, int(status[:3]))
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
