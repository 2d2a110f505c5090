"""The token shows nowhere: in no repr, error, traceback, log record or pickle."""

import asyncio
import pickle

import aiohttp
import pytest

from opentrain_async import AsyncOpenTrain, RetryPolicy
from opentrain_async._service.http.messages import Request
from opentrain_async.errors import ConfigurationError, OpenTrainError

from ..support.peers import ONCE, TOKEN, Behaviour, Then, answer, client_of, live, peer, sends, unused_port
from ..support.shown import records_of, texts_of
from ..support.virtual import VirtualClock

pytestmark = pytest.mark.usefixtures("everything_is_logged")

FAILURES: dict[str, Behaviour] = {
    "lost": sends(then=Then.CLOSE),
    "reset": sends(then=Then.RESET),
    "timeout": sends(then=Then.STALL),
    "stalled body": sends(answer(b"{", length=9), then=Then.STALL),
    "garbage": sends(b"220 ESMTP\r\n", then=Then.CLOSE),
    "html": sends(answer(b"<html>")),
    "redirect": sends(answer(b"", status="307 Away", headers="Location: http://127.0.0.1:9/?q=1\r\n")),
    "401": sends(answer({"error": "no", "code": "UNAUTHORIZED"}, status="401 Unauthorized")),
    "404": sends(answer(b"", status="404 Not Found")),
    "429": sends(answer({"details": {"windowHours": 24, "limit": 20}}, status="429 Too Many")),
    "503": sends(answer(b"<html>", status="503 Down")),
}


async def test_a_client_does_not_show_its_token() -> None:
    """Neither its repr nor what it is made of holds the token, before and after it was used."""
    async with peer(sends(answer(live("job_1")))) as server, client_of(server.url) as client:
        for _ in range(2):
            shown = [repr(client), repr(vars(client))]
            for part in vars(client).values():
                shown += [repr(part), repr(vars(part)) if hasattr(part, "__dict__") else ""]
                for inner in vars(part).values() if hasattr(part, "__dict__") else ():
                    shown += [repr(inner), repr(vars(inner)) if hasattr(inner, "__dict__") else ""]
            assert TOKEN not in "".join(shown)
            await client.publish("job_1")
        assert f"Bearer {TOKEN}".encode() in server.calls[0].head


@pytest.mark.parametrize("case", FAILURES)
async def test_no_error_shows_the_token(case: str, caplog: pytest.LogCaptureFixture) -> None:
    """Not in its text, its attributes, its causes, its frames' locals, its pickle, nor in what is logged meanwhile."""
    retry = RetryPolicy(max_attempts=2, base_delay=0.0)
    async with peer(FAILURES[case]) as server, client_of(server.url, retry=retry, timeout=0.03) as client:
        with pytest.raises(OpenTrainError) as caught:
            await client.publish("job_1")
        assert f"Bearer {TOKEN}".encode() in server.calls[0].head
    assert TOKEN not in "".join(texts_of(caught.value))
    assert TOKEN.encode() not in pickle.dumps(caught.value)
    assert TOKEN.encode() not in pickle.dumps(caught.value.__cause__)
    assert TOKEN not in records_of(caplog)
    assert "publish job_1" in records_of(caplog) or caught.value.__cause__ is not None


@pytest.mark.parametrize("case", ["lost", "timeout", "garbage"])
async def test_the_transport_s_own_frames_do_not_show_the_token(case: str) -> None:
    """An error raised straight out of an attempt has all of its frames, and they hold no token."""
    async with peer(FAILURES[case]) as server, client_of(server.url) as client:
        with pytest.raises(OpenTrainError) as caught:
            await client._transport.send(Request("POST", "/"), 0.03)
    shown = "".join(texts_of(caught.value))
    assert "transport.py:send" in shown
    assert TOKEN not in shown


async def test_a_refused_connection_does_not_show_the_token(caplog: pytest.LogCaptureFixture) -> None:
    """The cause of a failure to connect is a plain copy as well."""
    async with client_of(f"http://127.0.0.1:{unused_port()}", retry=ONCE) as client:
        with pytest.raises(OpenTrainError) as caught:
            await client.publish("job_1")
    assert TOKEN not in "".join(texts_of(caught.value)) + records_of(caplog)


@pytest.mark.parametrize("through", ["client", "transport"])
@pytest.mark.parametrize("answered", [b"", answer(b"{", length=9)], ids=["waiting", "reading"])
async def test_a_cancellation_does_not_show_the_token(through: str, answered: bytes) -> None:
    """The frames in which a cancelled attempt was waiting, aiohttp's own among them, hold no token."""
    async with peer(sends(answered, then=Then.STALL)) as server, client_of(server.url) as client:
        attempt = client.publish("job_1") if through == "client" else client._transport.send(Request("POST", "/"), 30.0)
        task: asyncio.Future[object] = asyncio.ensure_future(attempt)
        await server.arrived(1)
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    shown = "".join(texts_of(caught.value))
    assert "opentrain_async" in shown
    assert TOKEN not in shown


async def test_a_timeout_around_a_publish_does_not_show_the_token() -> None:
    """A caller's own timeout carries the frames that it interrupted, and they hold no token."""
    async with peer(sends(then=Then.STALL)) as server, client_of(server.url) as client:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.03):
                await client._transport.send(Request("POST", "/"), 30.0)
    assert TOKEN not in "".join(texts_of(caught.value))


async def test_a_borrowed_session_s_failure_does_not_show_the_token() -> None:
    """There the headers go with each request, and still show in no frame."""
    async with (
        aiohttp.ClientSession() as session,
        peer(sends(then=Then.CLOSE)) as server,
        client_of(server.url, session=session) as client,
    ):
        with pytest.raises(OpenTrainError) as caught:
            await client._transport.send(Request("POST", "/"), 30.0)
    assert TOKEN not in "".join(texts_of(caught.value))


@pytest.mark.parametrize("token", [f"{TOKEN} ", f"ot_clm_{TOKEN}", f"{TOKEN}\n", f"{TOKEN}é", f"whsec_{TOKEN}"])
def test_a_token_that_is_refused_is_not_shown(token: str) -> None:
    """Not even a token that cannot be right may end up in a log."""
    with pytest.raises(ConfigurationError) as caught:
        AsyncOpenTrain(token)
    assert TOKEN not in "".join(texts_of(caught.value))
    assert TOKEN.encode() not in pickle.dumps(caught.value)


def test_a_token_of_the_environment_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it comes from makes no difference."""
    monkeypatch.setenv("OT_API_TOKEN", f"{TOKEN} with blanks")
    with pytest.raises(ConfigurationError) as caught:
        AsyncOpenTrain()
    assert TOKEN not in "".join(texts_of(caught.value))


async def test_a_bulk_run_does_not_show_the_token(caplog: pytest.LogCaptureFixture) -> None:
    """Outcomes, the report and what is logged of a run hold no token."""
    failing = sends(answer(b"<html>", status="503 Down"), answer({"code": "UNAUTHORIZED"}, status="401 No"))
    async with peer(failing) as server, client_of(server.url, clock=VirtualClock()) as client:
        report = await client.publish_many([f"job_{number}" for number in range(5)], concurrency=2)
    assert report.stopped_by is not None
    assert TOKEN not in f"{report!r} {report}" + records_of(caplog)
    assert TOKEN.encode() not in pickle.dumps(report)
