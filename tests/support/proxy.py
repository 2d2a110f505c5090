"""A proxy on loopback that spoils replies: the server behind it has done what was asked, or has never heard of it.

So what a fault leaves behind is not made up: the sandbox can be asked what is live, and what it has charged.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import cache, partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from attrs import define

from .peers import Call, Peer, Then, answer, drip, flood, leave, read_message, serving
from .virtual import in_no_time

T = TypeVar("T")
MIB = 1024 * 1024
Fault = Callable[[Call, bytes], Awaitable[None]]
"""Answers a call with something else than the reply that it is given."""

NOT_PASSED_ON = answer(b"<html>No way through.</html>", status="502 Bad Gateway")
"""What is to be spoiled where the server has not been asked: the proxy's own word for that."""
_ALERT = bytes([21, 3, 3, 0, 2, 2, 40])
"""What a TLS server says that wants no more of it."""


@define
class _Planned:
    """A fault, which calls it strikes, how many are left to it, and whether the server is asked before."""

    fault: Fault
    strikes: Callable[[Call], bool]
    left: float
    reaches: bool


class Proxy(Peer):
    """Passes requests on, and their replies back, except where it was told otherwise.

    Args:
        origin: Of the server behind it.
    """

    def __init__(self, origin: str) -> None:
        super().__init__(self._answer)
        self._origin = origin
        self._plan: list[_Planned] = []

    def spoil(
        self, fault: Fault, *, reaches: bool, which: Callable[[Call], bool] = lambda _: True, times: float = 1
    ) -> None:
        """Let requests go wrong.

        Args:
            fault: What becomes of their replies.
            reaches: Whether the server is asked before, and does what it is asked for.
            which: Which requests.
            times: How many of these.
        """
        self._plan.append(_Planned(fault, which, times, reaches))

    def relent(self) -> None:
        """Pass everything on from now on."""
        self._plan.clear()

    def is_over_a_kept_connection(self, call: Call) -> bool:
        """Whether an earlier request came over the same connection."""
        return any(earlier.connection == call.connection for earlier in self.calls[: call.number - 1])

    async def _answer(self, call: Call) -> None:
        planned = next((planned for planned in self._plan if planned.left and planned.strikes(call)), None)
        if planned is None:
            call.writer.write(await self._ask(call))
        else:
            planned.left -= 1
            await planned.fault(call, await self._ask(call) if planned.reaches else NOT_PASSED_ON)

    async def _ask(self, call: Call) -> bytes:
        """The server's reply; one connection each is enough."""
        place = urlsplit(self._origin)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        try:
            writer.write(call.head + call.body)
            return b"".join(await read_message(reader))
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def proxied(origin: str) -> AsyncIterator[Proxy]:
    """A running proxy before the server of that origin."""
    async with serving(Proxy(origin)) as proxy:
        yield proxy


def nth(*numbers: int) -> Callable[[Call], bool]:
    """The requests of these numbers, from 1."""
    return lambda call: call.number in numbers


def _parts(reply: bytes) -> tuple[bytes, bytes]:
    head, _, body = reply.partition(b"\r\n\r\n")
    return head, body


async def _cut(call: Call, reply: bytes, *, at: Callable[[bytes], int], then: Then) -> None:
    call.writer.write(reply[: at(reply)])
    await call.writer.drain()
    await leave(call.writer, then)


def _nowhere(reply: bytes) -> int:
    return 0


def _in_the_head(reply: bytes) -> int:
    return len(_parts(reply)[0]) // 2


def _after_the_head(reply: bytes) -> int:
    return len(_parts(reply)[0]) + 4


def _in_the_body(reply: bytes) -> int:
    return _after_the_head(reply) + len(_parts(reply)[1]) // 2


async def half_closed(call: Call, reply: bytes) -> None:
    """Says that nothing more will come, and goes on listening."""
    call.writer.write_eof()


async def alerted(call: Call, reply: bytes) -> None:
    """Breaks off in the words of TLS, to somebody who speaks HTTP."""
    call.writer.write(_ALERT)
    call.writer.close()


async def with_too_many_headers(call: Call, reply: bytes) -> None:
    """The reply, with ten thousand headers more."""
    head, body = _parts(reply)
    more = b"".join(b"\r\nX-Header-%d: %d" % (number, number) for number in range(10_000))
    call.writer.write(head + more + b"\r\n\r\n" + body)


async def with_a_long_header(call: Call, reply: bytes) -> None:
    """The reply, with one header of a hundred kilobytes more."""
    head, body = _parts(reply)
    call.writer.write(head + b"\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n" + body)


async def dripped(call: Call, reply: bytes, pace: float = 1.0) -> None:
    """The reply byte by byte, which takes longer than anybody here waits; with a pace of 0 as fast as it goes."""
    await drip(call.writer, reply, pace)


async def doubled(call: Call, reply: bytes) -> None:
    """The reply, and at once the same once more."""
    call.writer.write(reply * 2)


def _status_line(reply: bytes) -> bytes:
    return reply.partition(b"\r\n")[0]


async def bombed(call: Call, reply: bytes) -> None:
    """The reply's status, and a body that is small until it is inflated."""
    body = _bomb()
    head = b"\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    call.writer.write(_status_line(reply) + head + body)


@cache
def _bomb() -> bytes:
    packing = zlib.compressobj(1, wbits=31)
    return b"".join([packing.compress(bytes(MIB)) for _ in range(24)]) + packing.flush()


async def endless(call: Call, reply: bytes) -> None:
    """The reply's status, and a body without end."""
    call.writer.write(_status_line(reply) + b"\r\nTransfer-Encoding: chunked\r\n\r\n")
    await flood(call.writer, b"10000\r\n" + b"x" * 65536 + b"\r\n")


async def huge(call: Call, reply: bytes) -> None:
    """The reply's status, and four megabytes of what was promised to be as much."""
    call.writer.write(_status_line(reply) + b"\r\nContent-Length: %d\r\n\r\n" % (4 * MIB) + b" " * (4 * MIB))


async def portal(call: Call, reply: bytes) -> None:
    """200, and a page to log in to the network, whatever the reply was."""
    call.writer.write(answer(b"<html>Please log in.</html>"))


def saying(what: bytes) -> Fault:
    """Always this answer."""

    async def say(call: Call, reply: bytes) -> None:
        call.writer.write(what)

    return say


FAULTS: dict[str, Fault] = {
    "closed": partial(_cut, at=_nowhere, then=Then.CLOSE),
    "reset": partial(_cut, at=_nowhere, then=Then.RESET),
    "stalled": partial(_cut, at=_nowhere, then=Then.STALL),
    "closed in the head": partial(_cut, at=_in_the_head, then=Then.CLOSE),
    "reset in the head": partial(_cut, at=_in_the_head, then=Then.RESET),
    "closed after the head": partial(_cut, at=_after_the_head, then=Then.CLOSE),
    "reset after the head": partial(_cut, at=_after_the_head, then=Then.RESET),
    "stalled after the head": partial(_cut, at=_after_the_head, then=Then.STALL),
    "closed in the body": partial(_cut, at=_in_the_body, then=Then.CLOSE),
    "reset in the body": partial(_cut, at=_in_the_body, then=Then.RESET),
    "stalled in the body": partial(_cut, at=_in_the_body, then=Then.STALL),
    "half-closed": half_closed,
    "a TLS alert": alerted,
    "ten thousand headers": with_too_many_headers,
    "a long header": with_a_long_header,
    "dripped": dripped,
    "dripped fast": partial(dripped, pace=0.0),
    "doubled": doubled,
    "a gzip bomb": bombed,
    "endless": endless,
    "huge": huge,
    "a captive portal": portal,
}
"""Each way in which a reply goes wrong, by its name."""
SLOW = {name for name in FAULTS if name.startswith("stalled")} | {"dripped"}
"""Those that end only when the client's timeout does."""
TIMEOUT = 10.0
"""Seconds for a client that meets them: more than a sound attempt takes on a busy machine."""


async def through(fault: str, call: Coroutine[Any, Any, T]) -> T:
    """What comes of a call that meets this fault; where that ends only by a timeout, none is waited for."""
    return await (in_no_time(call) if fault in SLOW else call)
