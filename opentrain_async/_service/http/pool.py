"""The connection pool, and the watch that aborts an overdue attempt."""

import asyncio
import select
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from typing import Any

import aiohttp
from aiohttp.abc import ResolveResult
from aiohttp.client import ClientTimeout
from aiohttp.client_proto import ResponseHandler
from aiohttp.typedefs import LooseHeaders
from multidict import CIMultiDict

from ..._base.alarm import Alarm

_DNS_SECONDS = 300
_READ_BYTES = 16 * 1024
"""The most that is read at a time over plain http, as from a proxy on loopback. asyncio has 256 KiB allocated for each
read, which the C library may not have at hand: then memory is mapped, touched and unmapped for every answer, and a
request costs a tenth more. Over TLS asyncio decides by itself.
"""
current_watch: ContextVar["AttemptWatch"] = ContextVar("current_watch")
"""The watch over the attempt that is made in this context."""


class AttemptWatch:
    """Over one attempt: when its time is up its connection is aborted, whatever is being waited for.

    Attributes:
        is_overdue: Its time is up.
        is_resolving: The host's name is being looked up for it.
        has_made_one: The connection that it was given last was made for it.
        wants_fresh: It is not to go over a connection that was kept.
    """

    __slots__ = ("_alarm", "_connection", "_seconds", "has_made_one", "is_overdue", "is_resolving", "wants_fresh")

    def __init__(self, alarm: Alarm, seconds: float, *, wants_fresh: bool = False) -> None:
        self.is_overdue = False
        self.is_resolving = False
        self.has_made_one = False
        self.wants_fresh = wants_fresh
        self._alarm = alarm
        self._seconds = seconds
        self._connection: aiohttp.connector.Connection | None = None

    def begin(self, connection: aiohttp.connector.Connection) -> None:
        """The attempt has its connection: its time begins."""
        self._connection = connection
        self.wants_fresh = True  # if aiohttp asks once more: it repeats a GET by itself that has lost its connection
        self._alarm.set(self, self._seconds)

    def ring(self) -> None:
        """Its time is up."""
        self.is_overdue = True
        transport = None if self._connection is None else self._connection.transport
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()


class _Connector(aiohttp.TCPConnector):
    """A pool that tells an attempt's watch when it has its connection: from then on its timeout runs.

    It hands out no kept connection on which the server has said something since its last answer, such as that answer
    once more: aiohttp would take that for the answer to the next request, and so one draft's for another's. And none
    to an attempt that wants a fresh one, as the last one of the same call has lost its own: those that are kept are as
    old, so it would likely only lose the next one as well. What is not handed out is closed: so a loss costs
    the others that are idle just then, and a new connection for each of them that is needed later.
    """

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[aiohttp.tracing.Trace], timeout: ClientTimeout
    ) -> aiohttp.connector.Connection:
        watch = current_watch.get()
        watch.has_made_one = False
        connection = await super().connect(req, traces, timeout)
        while not watch.has_made_one and (watch.wants_fresh or _should_close(connection)):
            connection.close()  # which frees its place: nothing is waited for now but the making of another one
            connection = await super().connect(req, traces, timeout)
        watch.begin(connection)
        return connection

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: list[aiohttp.tracing.Trace], timeout: ClientTimeout
    ) -> ResponseHandler:
        made = await super()._create_connection(req, traces, timeout)
        transport: Any = made.transport
        if hasattr(transport, "max_size"):  # as asyncio's have on sockets without TLS
            transport.max_size = _READ_BYTES
        current_watch.get().has_made_one = True
        return made

    async def _resolve_host(
        self, host: str, port: int, traces: Sequence[aiohttp.tracing.Trace] | None = None
    ) -> list[ResolveResult]:
        """Have the watch know meanwhile: when time is up aiohttp does not say what it was that took so long."""
        watch = current_watch.get()
        watch.is_resolving = True
        found = await super()._resolve_host(host, port, traces)
        watch.is_resolving = False
        return found


def _should_close(connection: aiohttp.connector.Connection) -> bool:
    """Whether something has come over a kept connection since its last answer, if only its end."""
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None or protocol.should_close:
        return True
    # The loop would come to read it only when the next request is sent.
    return _has_unread(transport.get_extra_info("socket").fileno())


def has_unread_by_poll(descriptor: int) -> bool:
    """Whether the system has something for a socket that nobody has read yet, if only the other end's leaving."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def has_unread_by_select(descriptor: int) -> bool:
    """The same on Windows, which has no poll; elsewhere it is for descriptors below 1024."""
    return bool(select.select([descriptor], [], [], 0)[0])


_has_unread = has_unread_by_poll if hasattr(select, "poll") else has_unread_by_select


class _SessionRequest(aiohttp.ClientRequest):
    """Has the session's headers as they are, which aiohttp would put together once more, one by one, for each request.

    Host is among them, as all requests go to one origin, and so is what aiohttp adds where it is missing. Should a
    later aiohttp not call these methods any more, it does what they leave out, to the same effect.
    """

    POST_METHODS: set[str] = set()  # noqa: RUF012 - as its base class has it
    """Those for which aiohttp names a Content-Type by itself, with a body or without."""

    def update_headers(self, headers: LooseHeaders | None) -> None:
        self.headers = CIMultiDict(headers or ())

    def update_auto_headers(self, skip_auto_headers: Iterable[str] | None) -> None:
        pass


def open_session(headers: CIMultiDict[str], max_connections: int) -> aiohttp.ClientSession:
    """A session whose requests all go to one origin and have these headers, Host among them."""
    return aiohttp.ClientSession(
        connector=_Connector(limit=max_connections, ttl_dns_cache=_DNS_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=headers,
        request_class=_SessionRequest,
    )
