"""A server that costs next to nothing: it publishes whatever it is asked to, in a process of its own."""

import asyncio
import json
import multiprocessing
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection

_PATH = re.compile(rb"POST /api/public/v1/jobs/([^/]+)/publish HTTP/1\.1")


class _Publishing(asyncio.Protocol):
    """Answers each request of a keep-alive connection as soon as its head is complete; bodies are empty."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head, self.received = self.received[:end], self.received[end + 4 :]
            path = _PATH.match(head)
            assert path is not None, head
            body = json.dumps(_live(path[1].decode())).encode()
            assert isinstance(self.transport, asyncio.WriteTransport)
            self.transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            )


def _live(job_id: str) -> dict[str, object]:
    return {
        "ok": True,
        "jobId": job_id,
        "status": "OPEN",
        "alreadyPublished": False,
        "jobUrl": f"https://app.opentrain.ai/jobs/{job_id}",
        "publishAttemptId": None,
        "warnings": [],
        "sideEffects": {"dispatched": True, "status": "queued"},
    }


def _serve(started: Connection) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(_Publishing, "127.0.0.1", 0)
        started.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def server() -> Iterator[str]:
    """The server's origin, for as long as the block lasts."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(there,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}"
    finally:
        process.terminate()
        process.join()


@contextmanager
def redis_server(is_wanted: bool = True) -> Iterator[str]:
    """The URL of a Redis of our own, which keeps nothing on disk; an empty one if none is wanted."""
    if not is_wanted:
        yield ""
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
    try:
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.01)
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
