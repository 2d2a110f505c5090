"""A gateway before the service that says Retry-After beside each refusal of the quota, whatever comes to its mind."""

import asyncio
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from _virtual import LoopClock

from .day import DAY

_REFUSAL = re.compile(rb"HTTP/1\.1 429 .*windowHours", re.DOTALL)
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)")
_PIECE = 65_536


class Gateway:
    """Passes requests and answers on, byte by byte but for that header.

    Args:
        port: The service's.
        clock: Everybody's.
        chance: What it says.
    """

    def __init__(self, port: int, clock: LoopClock, chance: random.Random) -> None:
        self._port = port
        self._clock = clock
        self._chance = chance
        self._serving: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Its origin, while it runs."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            for task in self._serving:
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        service_reader, service_writer = await asyncio.open_connection("127.0.0.1", self._port)
        there = asyncio.ensure_future(self._pass_on(reader, service_writer))
        try:
            await self._pass_back(service_reader, writer)
        finally:
            there.cancel()
            for end in (writer, service_writer):
                end.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(_PIECE):
                writer.write(piece)
        writer.close()

    async def _pass_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(_PIECE):
                if piece.startswith(b"HTTP/1.1 429 "):
                    piece = self._told(await _whole(piece, reader))
                writer.write(piece)
        except ConnectionError:
            writer.transport.abort()

    def _told(self, answer: bytes) -> bytes:
        if not _REFUSAL.match(answer):
            return answer
        now = self._clock.now()
        said = self._chance.choice(["60", str(int(DAY - now % DAY) + 1), "3600", "soon", ""])
        return answer.replace(b"\r\n", f"\r\nRetry-After: {said}\r\n".encode(), 1) if said else answer


async def _whole(piece: bytes, reader: asyncio.StreamReader) -> bytes:
    """An answer of which this is the beginning, as far as it comes."""
    while True:
        head, _, body = piece.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if length is not None and len(body) >= int(length[1]):
            return piece
        if not (more := await reader.read(_PIECE)):
            return piece
        piece += more
