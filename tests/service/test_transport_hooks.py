"""What a borrowed session's own code breaks: nothing was sent, or it is not known; proved by a raw socket."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from unittest import mock

import aiohttp
import pytest
from aiohttp import TraceConfig
from aiohttp.abc import AbstractResolver, ResolveResult
from attrs import define, field

from opentrain_async.errors import (
    ConfigurationError,
    ConnectError,
    ConnectionLostError,
    NotFoundError,
    OpenTrainError,
    SessionError,
    SessionHookError,
)

from ..support.peers import CERTIFICATE, Call, Then, answer, client_of, envelope, job_of, live, peer, sends, server_tls

Handler = Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]
Middleware = Callable[[aiohttp.ClientRequest, Handler], Awaitable[aiohttp.ClientResponse]]

BEFORE = [
    "on_request_start",
    "on_dns_cache_miss",
    "on_dns_resolvehost_start",
    "on_dns_resolvehost_end",
    "on_connection_create_start",
    "on_connection_create_end",
    "on_request_headers_sent",
    "on_request_chunk_sent",
]
"""The signals of a tracer that come before the first byte, over a new connection."""
POOLED = ["on_connection_queued_start", "on_connection_queued_end", "on_connection_reuseconn"]
"""Those that come before the first byte, over a connection of the pool."""
RAISED = [RuntimeError("boom"), OSError(5, "boom"), TimeoutError("boom"), aiohttp.ClientPayloadError("boom")]


class HookError(Exception):
    """Raised by a session's own code."""


@define
class Listener:
    """A server that reads what it is sent, and answers nothing."""

    url: str = ""
    received: bytearray = field(factory=bytearray)
    _writers: list[asyncio.StreamWriter] = field(factory=list)

    async def all_of_it(self) -> bytes:
        """Hang up, because aiohttp leaves a connection open that a tracer made it forget; return what was sent."""
        await asyncio.sleep(0.01)
        for writer in self._writers:
            writer.close()
        await asyncio.sleep(0.01)
        return bytes(self.received)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with suppress(ConnectionError):
            while some := await reader.read(65536):
                self.received.extend(some)
        writer.close()


@asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    listener = Listener()
    server = await asyncio.start_server(listener.serve, "127.0.0.1", 0)
    listener.url = f"http://localhost:{server.sockets[0].getsockname()[1]}"
    try:
        yield listener
    finally:
        server.close()
        await listener.all_of_it()


def tracer(signal: str, error: Exception) -> TraceConfig:
    """A tracer that raises at one signal."""

    async def raise_it(*_: object) -> None:
        raise error

    trace = TraceConfig()
    getattr(trace, signal).append(raise_it)
    return trace


def raises(error: BaseException, *, after: bool = False) -> Middleware:
    """A middleware that raises before or after it has the request sent."""

    async def middleware(request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
        if after:
            await handler(request)
        raise error

    return middleware


async def failure_of(url: str, session: aiohttp.ClientSession, **options: object) -> OpenTrainError:
    """The error of a publish over that session."""
    async with client_of(url, session=session, **options) as client:
        with pytest.raises(OpenTrainError) as caught:
            await client.publish("job_1")
    return caught.value


async def assert_nothing_sent(**options: object) -> OpenTrainError:
    """Publish over a session with these options; return its error, which says truly that nothing was sent."""
    async with listening() as server:
        async with aiohttp.ClientSession(**options) as session:  # type: ignore[arg-type]
            error = await failure_of(server.url, session, timeout=5)
        assert await server.all_of_it() == b""
    assert error.effect == "none"
    return error


@pytest.mark.parametrize("signal", BEFORE)
async def test_F63_a_tracer_that_raises_before_the_first_byte_has_sent_nothing(signal: str) -> None:
    """Its error is the session's own code's, and names the class of what was raised."""
    error = await assert_nothing_sent(trace_configs=[tracer(signal, HookError("boom"))])
    assert isinstance(error, SessionHookError)
    assert error.raised == "HookError"
    assert "HookError: boom" in str(error)


@pytest.mark.parametrize("raised", RAISED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("signal", ["on_request_start", "on_connection_create_start", "on_request_headers_sent"])
async def test_nothing_is_sent_whatever_the_class_of_what_a_tracer_raises(signal: str, raised: Exception) -> None:
    """Also a class that aiohttp raises when a connection is lost."""
    assert isinstance(
        await assert_nothing_sent(trace_configs=[tracer(signal, raised)]), SessionHookError | ConnectError
    )


@pytest.mark.parametrize(
    "signal", ["on_connection_queued_start", "on_connection_queued_end", "on_connection_reuseconn"]
)
async def test_a_tracer_of_the_pool_that_raises_has_sent_nothing(signal: str) -> None:
    """Where the connection comes from the pool, after a wait for it or not."""
    trace = TraceConfig()
    is_armed = asyncio.Event()

    async def raise_it(*_: object) -> None:
        if is_armed.is_set():
            raise HookError("boom")

    getattr(trace, signal).append(raise_it)
    release = asyncio.Event()

    async def behave(call: Call) -> None:
        if call.number > 1:  # the first draft of an account goes alone
            await release.wait()
        call.writer.write(answer(live(job_of(call))))

    connector = aiohttp.TCPConnector(limit=1)
    async with peer(behave) as server, aiohttp.ClientSession(connector=connector, trace_configs=[trace]) as session:
        async with client_of(server.url, session=session) as client:
            await client.publish("job_0")
            first = asyncio.create_task(client.publish("job_1"))
            await server.arrived(2)
            is_armed.set()
            if signal == "on_connection_reuseconn":
                release.set()
                await first
            second = asyncio.create_task(client.publish("job_2"))
            while signal == "on_connection_queued_end" and not connector._waiters:
                await asyncio.sleep(0)
            release.set()
            await asyncio.wait({first, second})
            error = second.exception()
        assert isinstance(error, SessionHookError)
        assert (error.effect, len(server.calls)) == ("none", 2)


@pytest.mark.parametrize("raised", [HookError("boom"), *RAISED], ids=lambda error: type(error).__name__)
async def test_F63_a_middleware_that_raises_first_has_sent_nothing(raised: Exception) -> None:
    """Whatever it raises, an `OSError` or a class of aiohttp's included."""
    error = await assert_nothing_sent(middlewares=(raises(raised),))
    assert isinstance(error, SessionHookError)
    assert error.raised == type(raised).__name__
    assert "boom" in str(error)


class FailingResolver(AbstractResolver):
    """A resolver that raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        raise self.error

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("raised", "kind"), [(HookError("boom"), SessionHookError), (OSError(5, "boom"), ConnectError)]
)
async def test_F63_a_resolver_that_raises_has_sent_nothing(raised: Exception, kind: type[OpenTrainError]) -> None:
    """An `OSError` is how a resolver says that there is no such name; anything else is a fault of its own."""
    assert type(await assert_nothing_sent(connector=aiohttp.TCPConnector(resolver=FailingResolver(raised)))) is kind


@pytest.mark.parametrize(
    "signal", ["on_request_end", "on_response_chunk_received"], ids=["the head has come", "the body has come"]
)
@pytest.mark.parametrize("raised", [HookError("boom"), *RAISED], ids=lambda error: type(error).__name__)
async def test_F63_a_tracer_that_raises_after_the_request_was_sent_leaves_doubt(signal: str, raised: Exception) -> None:
    """The service has published it, and its answer is not to be had."""
    trace = tracer(signal, raised)
    async with peer(sends(answer(live("job_1")))) as server, aiohttp.ClientSession(trace_configs=[trace]) as session:
        assert (await failure_of(server.url, session)).effect == "unknown"
        assert len(server.calls) == 1


@pytest.mark.parametrize("raised", [HookError("boom"), *RAISED], ids=lambda error: type(error).__name__)
async def test_F63_a_middleware_that_raises_after_the_request_was_sent_leaves_doubt(raised: Exception) -> None:
    """As a tracer does."""
    hook = raises(raised, after=True)
    async with peer(sends(answer(live("job_1")))) as server, aiohttp.ClientSession(middlewares=(hook,)) as session:
        assert (await failure_of(server.url, session)).effect == "unknown"
        assert len(server.calls) == 1


async def replaces(request: aiohttp.ClientRequest) -> None:
    await request.update_body(b"{}")


async def sets(request: aiohttp.ClientRequest) -> None:
    request.body = b"{}"


async def replaces_after_a_failure(request: aiohttp.ClientRequest) -> None:
    try:
        raise HookError("a first try")
    except HookError:
        await request.update_body(b"{}")


@pytest.mark.parametrize("replace", [replaces, sets, replaces_after_a_failure])
async def test_a_middleware_that_replaces_the_body_leaves_doubt(
    replace: Callable[[aiohttp.ClientRequest], Awaitable[None]],
) -> None:
    """Whether its own body was sent cannot be known, so the draft is not called unsent."""

    async def middleware(request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
        await replace(request)
        await handler(request)
        raise HookError("boom")

    async with peer(sends(then=Then.CLOSE)) as server, aiohttp.ClientSession(middlewares=(middleware,)) as session:
        assert (await failure_of(server.url, session)).effect == "unknown"
        assert len(server.calls) == 1


async def test_a_middleware_that_replaces_the_body_and_sends_twice_leaves_doubt() -> None:
    """A connection that is refused at last says nothing of the first request."""

    async def middleware(request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
        await request.update_body(b"")
        try:
            return await handler(request)
        except aiohttp.ClientError:
            await server.stop()
        await request.update_body(b"")
        return await handler(request)

    async with peer(sends(then=Then.CLOSE)) as server, aiohttp.ClientSession(middlewares=(middleware,)) as session:
        error = await failure_of(server.url, session)
        assert (error.effect, len(server.calls)) == ("unknown", 1)
        await server.start()


@pytest.mark.parametrize("after", [False, True])
async def test_F63_a_hook_that_lets_a_cancellation_out_cancels_nothing(after: bool) -> None:
    """Nobody has cancelled the publish: it is an error like any other of the hook."""
    hook = raises(asyncio.CancelledError("of a task of its own"), after=after)
    async with peer(sends(answer(live("job_1")))) as server, aiohttp.ClientSession(middlewares=(hook,)) as session:
        error = await failure_of(server.url, session)
        assert isinstance(error, SessionHookError)
        assert (error.raised, error.was_sent, error.effect) == ("CancelledError", after, "unknown" if after else "none")
        assert len(server.calls) == after


async def test_a_middleware_that_sends_twice_leaves_doubt_though_the_second_is_refused() -> None:
    """The first request was lost after it was sent: a refused connection does not take that back."""
    answers = sends(then=Then.CLOSE)

    async def middleware(request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
        try:
            return await handler(request)
        except aiohttp.ClientError:
            await server.stop()
        return await handler(request)

    async with peer(answers) as server, aiohttp.ClientSession(middlewares=(middleware,)) as session:
        error = await failure_of(server.url, session)
        assert (type(error), error.effect, len(server.calls)) == (ConnectionLostError, "unknown", 1)
        await server.start()


async def test_headers_that_go_before_the_body_leave_doubt() -> None:
    """A session that expects 100 Continue sends its headers first: a publish, which has no body, is whole by then."""
    async with (
        peer(sends(then=Then.CLOSE)) as server,
        aiohttp.ClientSession(headers={"Expect": "100-continue"}) as session,
    ):
        assert (await failure_of(server.url, session)).effect == "unknown"


async def test_F63_netrc_is_a_wrong_setting_of_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With trust_env aiohttp finds a login in .netrc, and refuses to send it beside the token."""
    (tmp_path / "netrc").write_text("default login anyone password nothing\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    error = await assert_nothing_sent(trust_env=True)
    assert isinstance(error, SessionError)
    assert "trust_env=False" in str(error)


@pytest.mark.parametrize("headers", [{"X-Own": "a\nb"}, {"X-Own": 5}])
async def test_F63_a_header_that_cannot_be_sent_is_a_wrong_setting_of_the_session(headers: dict[str, str]) -> None:
    """Nothing that a draft could change."""
    error = await assert_nothing_sent(headers=headers)
    assert isinstance(error, ConfigurationError)
    assert "the borrowed session cannot send" in str(error)


async def test_a_proxy_that_refuses_the_login_is_a_wrong_setting_of_the_session() -> None:
    """Over a tunnel it has answered for itself: the service has seen nothing."""
    refuses = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    async with peer(sends(refuses)) as proxy, aiohttp.ClientSession(proxy=proxy.url) as session:
        error = await failure_of("https://service.test", session)
        assert (type(error), error.effect) == (SessionError, "none")
        assert proxy.calls[0].head.startswith(b"CONNECT ")


async def _kept_in_another_loop(url: str) -> aiohttp.ClientSession:
    session = aiohttp.ClientSession()
    async with session.get(url) as response:
        await response.read()
    return session


async def test_F63_a_session_of_another_loop_is_refused_before_it_sends() -> None:
    """Over a connection that it has kept it would have sent the request, and not have found the answer."""
    other = asyncio.new_event_loop()
    async with peer(sends(answer(live("job_1")))) as server:
        session = await asyncio.to_thread(other.run_until_complete, _kept_in_another_loop(server.url))
        error = await failure_of(server.url, session)
        assert (type(error), error.effect, len(server.calls)) == (SessionError, "none", 1)
        assert "another event loop" in str(error)
        await asyncio.to_thread(other.run_until_complete, session.close())
    other.close()


async def test_a_connector_of_another_loop_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """As asyncio says it of a connection that is begun in another loop than the session's."""
    other = asyncio.new_event_loop()

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", lambda *_: other.create_future())
    error = await assert_nothing_sent()
    assert isinstance(error, SessionError)
    other.close()


async def test_a_pool_that_closes_while_a_publish_waits_for_it_has_sent_nothing() -> None:
    """The owner closed the session: the error names it, though aiohttp speaks of a connection."""

    async def closes(*_: object) -> None:
        await session.close()

    trace = TraceConfig()
    trace.on_connection_create_start.append(closes)
    async with listening() as server, aiohttp.ClientSession(trace_configs=[trace]) as session:
        error = await failure_of(server.url, session)
        assert (type(error), error.effect, bytes(server.received)) == (SessionError, "none", b"")


async def test_an_error_of_aiohttp_s_own_before_the_first_byte_is_one_of_connecting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A pool that fails in a way of its own has carried nothing."""

    async def fails(*_: object, **__: object) -> None:
        await aiohttp.StreamReader.read(stream)

    stream = aiohttp.StreamReader(mock.Mock(), 1, loop=asyncio.get_running_loop())
    stream.set_exception(aiohttp.ServerDisconnectedError())
    monkeypatch.setattr(aiohttp.TCPConnector, "connect", fails)
    error = await assert_nothing_sent()
    assert type(error) is ConnectError


async def test_a_stand_in_for_aiohttp_s_requests_leaves_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has sent is not known, so an error of its own proves nothing."""

    async def stands_in(*_: object, **__: object) -> None:
        raise HookError("boom")

    monkeypatch.setattr(aiohttp.ClientSession, "_request", stands_in)
    async with aiohttp.ClientSession() as session:
        assert (await failure_of("https://service.test", session)).effect == "unknown"


async def test_a_middleware_that_raises_is_not_said_to_be_the_answer() -> None:
    """Its error names the hook, and leaves doubt."""
    hook = raises(ValueError("boom"), after=True)
    async with peer(sends(answer(live("job_1")))) as server, aiohttp.ClientSession(middlewares=(hook,)) as session:
        error = await failure_of(server.url, session)
        assert isinstance(error, SessionHookError)
        assert (error.raised, error.was_sent, error.effect) == ("ValueError", True, "unknown")


async def test_F63_a_session_that_sends_twice_does_not_hide_what_was_charged() -> None:
    """Its middleware repeats what a gateway has answered; the publish that is found live is this one's."""

    async def again(request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
        response = await handler(request)
        return response if response.status != 502 else await handler(request)

    answers = sends(answer(b"", status="502 Bad Gateway"), answer(live("job_1", already=True)))
    async with peer(answers) as server, aiohttp.ClientSession(middlewares=(again,)) as session:
        async with client_of(server.url, session=session) as client:
            assert (await client.publish("job_1")).newly_published
            assert (await client.quota()).used == 1
        assert len(server.calls) == 2


async def test_F63_a_session_that_sends_twice_leaves_doubt_after_a_refusal() -> None:
    """The first sending may have put the draft live, whatever is said of the second."""

    async def again(request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
        response = await handler(request)
        return response if response.status != 502 else await handler(request)

    answers = sends(answer(b"", status="502 Bad Gateway"), answer(envelope(), status="404 Not Found"))
    async with (
        peer(answers) as server,
        aiohttp.ClientSession(middlewares=(again,)) as session,
        client_of(server.url, session=session) as client,
    ):
        with pytest.raises(NotFoundError) as caught:
            await client.publish("job_1")
        assert (caught.value.effect, (await client.quota()).doubtful) == ("unknown", 1)


@pytest.mark.parametrize("signal", ["on_request_start", "on_request_headers_sent"])
async def test_F63_a_question_is_not_sent_either(signal: str) -> None:
    """A GET over a session that cannot send says the same."""
    hook = tracer(signal, HookError("boom"))
    async with (
        peer(sends(answer({}))) as server,
        aiohttp.ClientSession(trace_configs=[hook]) as session,
        client_of(server.url, session=session) as client,
    ):
        with pytest.raises(SessionHookError) as caught:
            await client.whoami()
        assert (caught.value.was_sent, caught.value.effect, server.calls) == (False, "none", [])


async def test_F63_tls_that_breaks_after_sending_is_a_lost_connection(tmp_path: Path) -> None:
    """It is not laid at the door of the session's own code."""

    async def garbage(call: Call) -> None:
        call.writer.transport.get_extra_info("socket").send(
            b"\x15\x03\x03\x00\x02\x02\x28" * 3
        )  # an alert, in plain text

    context = ssl.create_default_context()
    context.load_verify_locations(cadata=CERTIFICATE)
    context.check_hostname = False
    async with peer(garbage, tls=server_tls(tmp_path)) as server:
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(connector=connector) as session:
            error = await failure_of(server.url, session)
            assert (type(error), error.effect) == (ConnectionLostError, "unknown")
