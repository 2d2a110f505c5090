"""The servers of the benchmarks, each in a process of its own: one that costs next to nothing, a sandbox, a Redis."""

import asyncio
import json
import multiprocessing
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import frozen

from opentrain_async.sandbox import Sandbox

_PATH = re.compile(rb"POST /api/public/v1/jobs/([^/]+)/publish HTTP/1\.1")


class _Publishing(asyncio.Protocol):
    """Answers each request of a keep-alive connection as soon as its head is complete; bodies are empty."""

    already = False
    latency = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head, self.received = self.received[:end], self.received[end + 4 :]
            path = _PATH.match(head)
            assert path is not None, head
            body = json.dumps(_live(path[1].decode(), already=self.already)).encode()
            answer = (
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )
            assert isinstance(self.transport, asyncio.WriteTransport)
            if self.latency:
                asyncio.get_running_loop().call_later(self.latency, self.transport.write, answer)
            else:
                self.transport.write(answer)


def _live(job_id: str, *, already: bool) -> dict[str, object]:
    return {
        "ok": True,
        "jobId": job_id,
        "status": "OPEN",
        "alreadyPublished": already,
        "jobUrl": f"https://app.opentrain.ai/jobs/{job_id}",
        "publishAttemptId": None,
        "warnings": [],
        "sideEffects": {"dispatched": True, "status": "queued"},
    }


class _FindingLive(_Publishing):
    """Finds every job live already, so that none is charged."""

    already = True


def _serve(
    started: Connection, protocol: type[_Publishing], latency: float = 0.0, files: tuple[str, str] | None = None
) -> None:
    protocol.latency = latency
    tls = None
    if files is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*files)

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, ssl=tls)
        started.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def server(*, finds_live: bool = False) -> Iterator[str]:
    """The server's origin, for as long as the block lasts."""
    with _process(_serve, _FindingLive if finds_live else _Publishing) as here:
        yield f"http://127.0.0.1:{here.recv()}"


@contextmanager
def tls_server(latency: float) -> Iterator[tuple[str, str]]:
    """The origin of a server with TLS that answers so many seconds later, and the path of its certificate."""
    with TemporaryDirectory() as directory:
        key, certificate = Path(directory) / "key.pem", Path(directory) / "certificate.pem"
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=loopback"
        more = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
        subprocess.run([*command.split(), *more], check=True, stderr=subprocess.DEVNULL)
        with _process(_serve, _Publishing, latency, (str(certificate), str(key))) as here:
            yield f"https://127.0.0.1:{here.recv()}", str(certificate)


@frozen
class Service:
    """A sandbox in a process of its own.

    Attributes:
        url: Its origin.
        accounts: The token of each account, and the ids of its drafts.
        connection: To its process.
    """

    url: str
    accounts: dict[str, list[str]]
    connection: Connection

    def counted(self) -> tuple[int, int]:
        """How many jobs are live, and how many requests were answered by 429."""
        self.connection.send(None)
        live, refusals = self.connection.recv()
        return live, refusals


def _serve_sandbox(started: Connection, accounts: int, drafts: int) -> None:
    async def run() -> None:
        async with Sandbox() as sandbox:
            tokens = [sandbox.add_account() for _ in range(accounts)]
            ids = {token: [sandbox.draft(token=token) for _ in range(drafts)] for token in tokens}
            started.send((sandbox.url, ids))
            await asyncio.to_thread(started.recv)
            started.send((len(sandbox.live), sandbox.refusals))
            await asyncio.Event().wait()

    asyncio.run(run())


@contextmanager
def sandbox(accounts: int, drafts: int) -> Iterator[Service]:
    """A sandbox with so many claimed accounts, each with so many drafts, for as long as the block lasts."""
    with _process(_serve_sandbox, accounts, drafts) as here:
        url, tokens = here.recv()
        yield Service(url, tokens, here)


@contextmanager
def _process(target: Callable[..., None], *arguments: object) -> Iterator[Connection]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=target, args=(there, *arguments), daemon=True)
    process.start()
    there.close()  # so that who waits for what it says hears of its end
    try:
        yield here
    finally:
        process.terminate()
        process.join()


def has_redis() -> bool:
    """Whether there is a Redis, and what speaks to it."""
    return shutil.which("redis-server") is not None and find_spec("redis") is not None


@contextmanager
def fresh_place(store: str) -> Iterator[str]:
    """An empty place for a ledger: in a Redis of its own, or in a file; in memory it needs none."""
    if store == "Redis":
        with redis_server() as url:
            yield url
    elif store == "SQLite":
        with TemporaryDirectory() as directory:
            yield str(Path(directory) / "quota.sqlite3")
    else:
        yield "memory"


@contextmanager
def redis_server() -> Iterator[str]:
    """The URL of a Redis of our own, which keeps nothing on disk."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.01)
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
