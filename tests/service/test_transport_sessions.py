"""A borrowed session stays its owner's: used, and neither closed nor changed."""

from collections.abc import AsyncIterator
from unittest import mock

import aiohttp
import pytest

from opentrain_async.errors import (
    ConnectError,
    ConnectionLostError,
    NotFoundError,
    OpenTrainError,
    RequestTimeoutError,
    SessionError,
)

from ..support.peers import TOKEN, Then, answer, client_of, live, peer, sends, unused_port


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A session with habits of its own."""
    async with aiohttp.ClientSession(
        raise_for_status=True,
        headers={"Authorization": "Bearer of-its-own", "X-Own": "yes", "User-Agent": "own/1"},
        cookies={"own": "cookie"},
        cookie_jar=aiohttp.CookieJar(unsafe=True),
    ) as own:
        yield own


async def test_a_borrowed_session_is_not_closed(session: aiohttp.ClientSession) -> None:
    """It outlives the client that borrowed it."""
    async with peer(sends(answer(live("job_1")))) as server:
        async with client_of(server.url, session=session) as client:
            assert (await client.publish("job_1")).newly_published
        assert not session.closed
        async with client_of(server.url, session=session) as client:
            assert (await client.publish("job_1")).newly_published


async def test_a_borrowed_session_sends_the_client_s_token_and_name(session: aiohttp.ClientSession) -> None:
    """Its default headers and cookies go along, and do not take the place of what a publish needs."""
    async with peer(sends(answer(live("job_1")))) as server, client_of(server.url, session=session) as client:
        await client.publish("job_1")
    sent = server.calls[0].headers
    assert sent["authorization"] == f"Bearer {TOKEN}"
    assert sent["user-agent"].startswith("opentrain-async/")
    assert (sent["x-own"], sent["cookie"]) == ("yes", "own=cookie")
    assert server.calls[0].head.lower().count(b"authorization:") == 1
    assert "content-type" not in sent, "there is no body"


async def test_a_borrowed_session_is_left_as_it_was(session: aiohttp.ClientSession) -> None:
    """The token stays out of it, and so does everything else."""
    before = (dict(session.headers), session.raise_for_status, session.timeout, session.connector)
    async with peer(sends(answer(live("job_1")))) as server, client_of(server.url, session=session) as client:
        await client.publish("job_1")
    assert (dict(session.headers), session.raise_for_status, session.timeout, session.connector) == before
    assert TOKEN not in repr(vars(session))


async def test_a_session_that_raises_for_status_does_not_hide_the_answer(session: aiohttp.ClientSession) -> None:
    """A 404 is the service's own error, with its code, whatever the session does with others'."""
    missing = answer({"error": "No such job.", "code": "NOT_FOUND"}, status="404 Not Found")
    async with peer(sends(missing)) as server, client_of(server.url, session=session) as client:
        with pytest.raises(NotFoundError) as caught:
            await client.publish("job_1")
        assert (caught.value.code, caught.value.effect) == ("NOT_FOUND", "none")


async def test_a_session_with_its_own_login_does_not_make_a_draft_doubtful() -> None:
    """Two logins are refused by aiohttp before it sends anything: no error may say that the job could be live."""
    with pytest.warns(DeprecationWarning, match="deprecated"):
        own = aiohttp.ClientSession(auth=aiohttp.BasicAuth("user", "password"))
    async with own, peer(sends(answer(live("job_1")))) as server:
        effects: list[str] = []
        try:
            async with client_of(server.url, session=own) as client:
                await client.publish("job_1")
        except OpenTrainError as error:
            effects.append(error.effect)
        assert (effects, len(server.calls)) in ((["none"], 0), ([], 1))


async def test_F63_a_session_that_its_owner_has_closed_is_a_wrong_setting(session: aiohttp.ClientSession) -> None:
    """It sends nothing more, and the error names it; a GET says the same."""
    async with peer(sends(answer(live("job_1")))) as server, client_of(server.url, session=session) as client:
        await session.close()
        with pytest.raises(SessionError) as caught:
            await client.publish("job_1")
        assert (caught.value.effect, caught.value.job_id, server.calls) == ("none", "job_1", [])
        assert "session is closed" in str(caught.value)
        with pytest.raises(SessionError, match="session is closed"):
            await client.whoami()


async def test_timeouts_hold_over_a_borrowed_session(session: aiohttp.ClientSession) -> None:
    """A silent server is waited for no longer than the client's own timeouts say, not the session's five minutes."""
    async with peer(sends(then=Then.STALL)) as server:
        async with client_of(server.url, session=session, timeout=0.02, connect_timeout=0.03) as client:
            with pytest.raises(RequestTimeoutError) as caught:
                await client.publish("job_1")
        assert caught.value.effect == "unknown"


async def test_a_refused_connection_of_a_borrowed_session_changed_nothing(session: aiohttp.ClientSession) -> None:
    """Its connector's failures are told apart like our own."""
    async with client_of(f"http://127.0.0.1:{unused_port()}", session=session) as client:
        with pytest.raises(ConnectError) as caught:
            await client.publish("job_1")
        assert caught.value.effect == "none"


async def test_a_mocked_session_is_asked() -> None:
    """As bots' tests have it; its loop is a mock, too, and what it raises proves nothing."""
    mocked = mock.Mock(spec=aiohttp.ClientSession, auth=None, headers={}, closed=False)
    mocked.request = mock.AsyncMock(side_effect=aiohttp.ServerDisconnectedError())
    async with client_of("https://service.test", session=mocked) as client:
        with pytest.raises(ConnectionLostError) as caught:
            await client.publish("job_1")
    assert (caught.value.effect, mocked.request.await_count) == ("unknown", 1)
