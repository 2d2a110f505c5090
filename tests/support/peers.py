"""Servers on loopback that misbehave as no well-meaning HTTP server does, and clients to send against them."""

import asyncio
import json
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto
from pathlib import Path
from typing import TypeVar

from attrs import frozen

from opentrain_async import AsyncOpenTrain, RetryPolicy

TOKEN = "ot_pat_SECRET_tok"
ONCE = RetryPolicy(max_attempts=1)
AT_ONCE = RetryPolicy(base_delay=0.0)

KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgJn4FV0bURhSYQ22a
TdD7OBLNARM/sCGyIrsn9tLvYdWhRANCAATRPX5cZVbfLkkGRVQiwn9heVXkVQwL
0Zv5BFDnPoLLQrAc8Xh8jIFyb9igbbXhTdA/GvCWHJdOCK9tlkgC3svP
-----END PRIVATE KEY-----
"""
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBeDCCAR2gAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNE9flxlVt8uSQZF
VCLCf2F5VeRVDAvRm/kEUOc+gstCsBzxeHyMgXJv2KBtteFN0D8a8JYcl04Ir22W
SALey8+jXjBcMBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAPBgNVHRMBAf8E
BTADAQH/MA4GA1UdDwEB/wQEAwIChDAdBgNVHQ4EFgQUEHdHERKETUrBd2RB8P5K
bPjL76gwCgYIKoZIzj0EAwIDSQAwRgIhAJUMdpqBFWiIq+2IRP0dVoI0P0whtAa2
92Q+HZc6qQkDAiEAxYb2gBJE7Yb5AcEdPgWsGZMbhzW4+praK3pGtn3AVVA=
-----END CERTIFICATE-----
"""
"""Self-signed for localhost and 127.0.0.1, valid from 2020 to 2120. No one trusts it who is not told to."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Then(Enum):
    """What a peer does with the connection once it has sent what it has to send."""

    KEEP = auto()
    CLOSE = auto()
    RESET = auto()
    STALL = auto()


@frozen
class Call:
    """A request as it arrived: the how-manieth, over which connection, its head and body, and where to answer."""

    number: int
    connection: int
    head: bytes
    writer: asyncio.StreamWriter
    body: bytes = b""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, by their names in lower case."""
        lines = self.head.decode().split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}


Behaviour = Callable[[Call], Awaitable[None]]
P = TypeVar("P", bound="Peer")


class Peer:
    """A server that reads requests and leaves the rest to a behaviour.

    Attributes:
        port: The loopback port.
        url: Its origin.
        calls: The requests that arrived.
        connections: How many connections it accepted.
        hangs_up_on: How many it closes as soon as they are made, from now on.
    """

    def __init__(self, behave: Behaviour, *, tls: ssl.SSLContext | None = None) -> None:
        self.calls: list[Call] = []
        self.connections = 0
        self.port = 0
        self.url = ""
        self.hangs_up_on = 0
        self._behave = behave
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._arrival = asyncio.Event()
        self._serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def arrived(self, count: int) -> None:
        """Wait until that many requests have arrived."""
        async with asyncio.timeout(30):
            while len(self.calls) < count:
                await self._arrival.wait()

    async def start(self) -> None:
        """Listen: on a free port, and after a stop on the same one again."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def stop(self) -> None:
        """Break all connections off, and refuse new ones."""
        assert self._server is not None
        self._server.close()
        for task, writer in self._serving.items():
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        self._serving.clear()
        await asyncio.sleep(0)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving[task] = writer
        self.connections += 1
        connection = self.connections
        if self.hangs_up_on:
            self.hangs_up_on -= 1
            writer.close()
            return
        with suppress(asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError, ssl.SSLError):
            while not writer.is_closing():
                head, body = await read_message(reader)
                self.calls.append(Call(len(self.calls) + 1, connection, head, writer, body))
                self._arrival.set()
                self._arrival = asyncio.Event()
                await self._behave(self.calls[-1])
        writer.close()


async def read_message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """A request or an answer, its head and its body; one of a length that is not said has none."""
    head = await reader.readuntil(b"\r\n\r\n")
    said = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", head)
    return head, await reader.readexactly(int(said[1])) if said else b""


@asynccontextmanager
async def serving(server: P) -> AsyncIterator[P]:
    """That peer, running."""
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def peer(behave: Behaviour, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """A running peer."""
    async with serving(Peer(behave, tls=tls)) as running:
        yield running


@frozen
class Stranger:
    """A server that speaks no HTTP: its port, and all that it was sent."""

    port: int
    received: bytearray


@asynccontextmanager
async def stranger(greeting: bytes | None) -> AsyncIterator[Stranger]:
    """A server that answers the first bytes it gets with its greeting and hangs up; `None` is never to answer."""
    received = bytearray()
    connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections[task] = writer
        with suppress(asyncio.CancelledError, ConnectionError):
            received.extend(await reader.read(65536))
            if greeting is not None:
                writer.write(greeting)
                writer.close()
            while chunk := await reader.read(65536):
                received.extend(chunk)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield Stranger(server.sockets[0].getsockname()[1], received)
    finally:
        server.close()
        for task, writer in connections.items():
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()


def client_of(origin: str, **options: object) -> AsyncOpenTrain:
    """A client of that origin which, unless told otherwise, tries once."""
    settings: dict[str, object] = {"token": TOKEN, "base_url": origin, "retry": ONCE}
    return AsyncOpenTrain(**(settings | options))  # type: ignore[arg-type]


def unused_port() -> int:
    """A loopback port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def server_tls(directory: Path) -> ssl.SSLContext:
    """The server's side of TLS with the self-signed certificate; the directory is for the files that ssl wants."""
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    key.write_text(KEY)
    certificate.write_text(CERTIFICATE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def answer(body: object, *, status: str = "200 OK", headers: str = "", length: int | None = None) -> bytes:
    """An HTTP answer; a body that is no bytes becomes JSON. *length* is what it says of its length, if it lies."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    size = len(content) if length is None else length
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n{headers}\r\n"
    return head.encode() + content


def envelope(text: str = "No.", **keys: object) -> dict[str, object]:
    """What the service says of a refusal, with these keys beside its text and the request's id."""
    return {"error": text, "requestId": "request_1", **keys}


def live(job_id: str, *, already: bool = False) -> dict[str, object]:
    """What the service says of a job that is live."""
    return {"ok": True, "jobId": job_id, "status": "OPEN", "alreadyPublished": already}


def job_of(call: Call) -> str:
    """The job that a request is about."""
    return call.head.decode().split("/jobs/")[1].split("/")[0]


def sends(*answers: bytes, then: Then = Then.KEEP) -> Behaviour:
    """Answer each call with the next of the answers, the last one for good."""

    async def behave(call: Call) -> None:
        if answers:
            call.writer.write(answers[min(call.number, len(answers)) - 1])
            await call.writer.drain()
        await leave(call.writer, then)

    return behave


async def leave(writer: asyncio.StreamWriter, how: Then) -> None:
    """Leave a connection in one of the ways there are."""
    match how:
        case Then.KEEP:
            pass
        case Then.CLOSE:
            writer.close()
        case Then.RESET:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            writer.transport.abort()
        case Then.STALL:
            await asyncio.Event().wait()


async def drip(writer: asyncio.StreamWriter, data: bytes, pace: float = 0.01) -> None:
    """Write byte by byte, with so many seconds between two."""
    for byte in data:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(pace)


async def flood(writer: asyncio.StreamWriter, piece: bytes) -> None:
    """Write the same for ever."""
    while True:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)


def drips(data: bytes, *, head: bytes = b"") -> Behaviour:
    """Answer with a head at once, and then with one byte each ten milliseconds."""

    async def behave(call: Call) -> None:
        call.writer.write(head)
        await drip(call.writer, data)

    return behave


def floods(head: bytes, piece: bytes) -> Behaviour:
    """Answer with a head, and then with the same piece for ever."""

    async def behave(call: Call) -> None:
        call.writer.write(head)
        await flood(call.writer, piece)

    return behave
