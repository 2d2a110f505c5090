"""Real Redis and Valkey servers on loopback, which keep nothing on disk."""

import asyncio
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .peers import unused_port

KINDS_OF_REDIS = [name for name in ("redis-server", "valkey-server") if shutil.which(name)] or [""]
"""Which programs this machine has; one without a name stands for none."""


class RedisServer:
    """A server of its own, for as long as the block lasts.

    Args:
        binary: ``redis-server`` or ``valkey-server``.
        directory: Where it may write its log.
        options: More of its options.
        password: What it asks for, if anything.
    """

    def __init__(self, binary: str, directory: Path, *options: str, password: str | None = None) -> None:
        self.binary = binary
        self._password = password
        self.port = unused_port()
        while self.port > 55_000:  # a cluster's bus listens ten thousand above it
            self.port = unused_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = [
            binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
            "--dir", str(directory), "--logfile", str(directory / "server.log"), *options,
            *([] if password is None else ["--requirepass", password]),
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while not self._answers():
            assert self._process.poll() is None, f"{self._command[0]} ended at once"
            assert time.monotonic() < deadline, f"{self._command[0]} does not answer"
            time.sleep(0.01)

    def stop(self) -> None:
        """Kill it; what it knew is gone."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def empty(self) -> None:
        """Forget everything."""
        self.do("FLUSHALL")

    def do(self, *command: str) -> object:
        """Send it a command, and wait for the answer."""
        with redis.Redis(port=self.port, password=self._password, retry=Retry(NoBackoff(), 0)) as client:
            return client.execute_command(*command)

    def _answers(self) -> bool:
        try:
            return bool(self.do("PING"))
        except redis.RedisError:
            return False

    def __enter__(self) -> "RedisServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def commands(server: RedisServer) -> int:
    """How often the server has run the script of the ledger since it began to count."""
    statistics = server.do("INFO", "commandstats")
    assert isinstance(statistics, dict)
    return sum(statistics[name]["calls"] for name in ("cmdstat_eval", "cmdstat_evalsha") if name in statistics)


class Lossy:
    """A relay to a server which, when told to, passes a command on and breaks the connection off before its answer.

    Args:
        port: The server's.

    Attributes:
        port: The port of the server to which the next connections go.
        losses: How many answers were lost.
        round_trips: How many commands were passed on.
    """

    def __init__(self, port: int) -> None:
        self.url = ""
        self.losses = 0
        self.round_trips = 0
        self.port = port
        self._lose: list[bytes] = []

    def lose_answer_to(self, command: str, times: int = 1) -> None:
        """Lose the answers to the next commands that hold this text."""
        self._lose += [command.encode()] * times

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Relay for the length of the block."""
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        try:
            yield
        finally:
            server.close()
            await server.wait_closed()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.port)
        with suppress(ConnectionError):
            while command := await reader.read(65536):
                self.round_trips += 1
                server_writer.write(command)
                answer = await server_reader.read(65536)
                if self._lose and self._lose[0] in command:
                    del self._lose[0]
                    self.losses += 1
                    break
                if not answer:
                    break
                writer.write(answer)
        server_writer.close()
        writer.close()


class Distant:
    """A relay to a server that is so far away: each byte is half of that time under way.

    Args:
        port: The server's.
        seconds: How long a round trip takes.
    """

    def __init__(self, port: int, seconds: float) -> None:
        self.url = ""
        self._port = port
        self._seconds = seconds

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Relay for the length of the block."""
        loop, ends = asyncio.get_running_loop(), list[_LateEnd]()

        def accept() -> _LateEnd:
            near, far = _LateEnd(self._seconds / 2), _LateEnd(self._seconds / 2)
            near.other, far.other = far, near
            ends.extend((near, far))
            connecting = loop.create_task(loop.create_connection(lambda: far, "127.0.0.1", self._port))
            connecting.add_done_callback(asyncio.Task.exception)
            return near

        server = await loop.create_server(accept, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        try:
            yield
        finally:
            server.close()
            for end in ends:
                end.close()
            await server.wait_closed()


class _LateEnd(asyncio.Protocol):
    """One side of a relayed connection, which hands on what comes after some time, in its order."""

    other: "_LateEnd"

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's are of no class of asyncio
        self._transport.write(self._waiting)

    def data_received(self, data: bytes) -> None:
        asyncio.get_running_loop().call_later(self._seconds, self.other.write, data)

    def connection_lost(self, _: Exception | None) -> None:
        self.other.close()

    def write(self, data: bytes) -> None:
        if self._transport is None:
            self._waiting += data
        elif not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
