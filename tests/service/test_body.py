"""Bodies of answers over a borrowed session, which its tracers and middlewares read as well."""

import asyncio
import gzip
import json
import tracemalloc
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp.base_protocol import BaseProtocol
from multidict import CIMultiDict

from opentrain_async.errors import AuthenticationError, UnexpectedResponseError

from ..support.peers import Then, answer, client_of, floods, live, peer, sends

MIB = 1024 * 1024
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
Reading = Callable[[aiohttp.ClientResponse], Awaitable[object]]
Handler = Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]


async def reads_and_releases(response: aiohttp.ClientResponse) -> None:
    async with response:
        await response.json()


async def reads_the_stream(response: aiohttp.ClientResponse) -> None:
    await response.content.read()


READ = [aiohttp.ClientResponse.read, aiohttp.ClientResponse.text, aiohttp.ClientResponse.json, reads_and_releases]


def session_with_tracer(read: Reading) -> aiohttp.ClientSession:
    """A session with a tracer that reads the body at the end of the request."""

    async def trace(_: object, __: object, params: aiohttp.TraceRequestEndParams) -> None:
        await read(params.response)

    config = aiohttp.TraceConfig()
    config.on_request_end.append(trace)
    return aiohttp.ClientSession(trace_configs=[config])


def session_with_middleware(read: Reading) -> aiohttp.ClientSession:
    """A session with a middleware that reads the body."""

    async def middleware(request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
        response = await handler(request)
        await read(response)
        return response

    return aiohttp.ClientSession(middlewares=(middleware,))


@pytest.mark.parametrize("made", [session_with_tracer, session_with_middleware])
@pytest.mark.parametrize("read", READ)
async def test_F63_a_body_that_a_hook_has_read_is_read_again(
    made: Callable[[Reading], aiohttp.ClientSession], read: Reading
) -> None:
    """The response keeps it, even if the hook has released it."""
    async with (
        peer(sends(answer(live("job_1")))) as server,
        made(read) as session,
        client_of(server.url, session=session) as client,
    ):
        assert (await client.publish("job_1")).newly_published


async def test_a_body_whose_stream_a_hook_has_emptied_is_no_result() -> None:
    """It is nowhere any more, and the draft is in doubt."""
    async with (
        peer(sends(answer(live("job_1")))) as server,
        session_with_middleware(reads_the_stream) as session,
        client_of(server.url, session=session) as client,
    ):
        with pytest.raises(UnexpectedResponseError) as caught:
            await client.publish("job_1")
    assert caught.value.effect == "unknown"


async def test_a_tracer_sees_the_body_as_of_any_request() -> None:
    """It is read by `response.read`."""
    seen: list[bytes] = []

    async def trace(_: object, __: object, params: aiohttp.TraceResponseChunkReceivedParams) -> None:
        seen.append(params.chunk)

    config = aiohttp.TraceConfig()
    config.on_response_chunk_received.append(trace)
    async with (
        peer(sends(answer(live("job_1")))) as server,
        aiohttp.ClientSession(trace_configs=[config]) as session,
        client_of(server.url, session=session) as client,
    ):
        await client.publish("job_1")
    assert len(seen) == 1
    assert b"job_1" in seen[0]


@pytest.mark.parametrize(
    "behave",
    [
        floods(answer(b"", length=10**15), b"x" * 65536),
        floods(CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n"),
        floods(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536),
        sends(answer(gzip.compress(bytes(256 * MIB), 1), headers="Content-Encoding: gzip\r\n")),
    ],
    ids=["of a length it lies about", "without end", "without end or length", "a gzip bomb"],
)
async def test_a_body_over_the_cap_is_given_up_over_a_borrowed_session_as_well(
    behave: Callable[[object], Awaitable[None]],
) -> None:
    """In bounded memory, long before time is up; the connection is dropped."""
    async with (
        peer(behave) as server,
        aiohttp.ClientSession() as session,
        client_of(server.url, session=session) as client,
    ):
        tracemalloc.start()
        with pytest.raises(UnexpectedResponseError, match="over 1024 KiB") as caught:
            await client.publish("job_1")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert caught.value.effect == "unknown"
    assert peak < 16 * MIB


async def test_a_body_over_the_cap_that_a_hook_has_read_is_not_a_result() -> None:
    """Whoever read it has spent the memory; what it says is refused all the same."""
    large = live("job_1") | {"padding": "x" * MIB}
    async with (
        peer(sends(answer(large))) as server,
        session_with_middleware(aiohttp.ClientResponse.read) as session,
        client_of(server.url, session=session) as client,
    ):
        with pytest.raises(UnexpectedResponseError, match="over 1024 KiB"):
            await client.publish("job_1")


async def test_a_body_that_stalls_is_cut_off_over_a_borrowed_session() -> None:
    """A status that says all that there is to know counts."""
    stalls = sends(answer(b'{"error": "No su', status="401 No", length=400), then=Then.STALL)
    async with (
        peer(stalls) as server,
        aiohttp.ClientSession() as session,
        client_of(server.url, session=session, timeout=0.03, connect_timeout=0.02) as client,
    ):
        with pytest.raises(AuthenticationError) as caught:
            await client.publish("job_1")
    assert caught.value.effect == "none"


async def test_a_cancelled_read_leaves_no_connection() -> None:
    """The response is closed, and its connection with it."""
    stalls = sends(answer(b'{"ok": true', length=400), then=Then.STALL)
    async with peer(stalls) as server, aiohttp.ClientSession() as session:
        async with client_of(server.url, session=session) as client:
            publish = asyncio.create_task(client.publish("job_1"))
            await server.arrived(1)
            await asyncio.sleep(0.01)
            publish.cancel()
            await asyncio.wait({publish})
        assert publish.cancelled()
        assert session.connector is not None
        assert not session.connector._acquired


class Answer:
    """What such a session answers: what the library looks at, and no more."""

    def __init__(self, body: dict[str, object]) -> None:
        self.status = 200
        self.headers = CIMultiDict[str]()
        self.content = aiohttp.StreamReader(BaseProtocol(asyncio.get_running_loop()), 2**16)
        self.content.feed_data(json.dumps(body).encode())
        self.content.feed_eof()

    def close(self) -> None:
        """Close nothing."""


async def test_a_session_may_answer_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a test that replaces it; its response has a content to read."""

    async def request(*_: object, **__: object) -> Answer:
        return Answer(live("job_1"))

    monkeypatch.setattr(aiohttp.ClientSession, "request", request)
    async with aiohttp.ClientSession() as session, client_of("https://a.test", session=session) as client:
        assert (await client.publish("job_1")).newly_published
