"""The connection pool of a client's own session."""

import select
import socket
from collections.abc import Iterable

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client import ClientTimeout
from aiohttp.typedefs import LooseHeaders
from multidict import CIMultiDict

from .watch import current_watch

_DNS_SECONDS = 300
_AddressInfo = tuple[int, int, int, str, object]


class Resolver(AbstractResolver):
    """Resolves names as aiohttp does by default, and knows whether it is at it: a timeout can then say DNS.

    Attributes:
        lookups: How many lookups are in flight.
    """

    def __init__(self) -> None:
        self.lookups = 0
        self._resolver = aiohttp.DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Look a name up."""
        self.lookups += 1
        try:
            return await self._resolver.resolve(host, port, family)
        finally:
            self.lookups -= 1

    async def close(self) -> None:
        """Close aiohttp's resolver."""
        await self._resolver.close()


class _Connector(aiohttp.TCPConnector):
    """A pool that tells an attempt's watch when the attempt has its connection, and hands out no unfit one.

    A kept connection is unfit if the server has said something on it since its last answer, such as that answer once
    more: aiohttp would take it for the answer to the next request. To an attempt that wants a fresh connection each
    kept one is unfit: the call's last attempt lost its own, and the others are as old. An unfit connection is closed.
    """

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[aiohttp.tracing.Trace], timeout: ClientTimeout
    ) -> aiohttp.connector.Connection:
        """Get a connection that is fit for the attempt, from the pool or anew."""
        watch = current_watch.get()
        # No more than so many are kept, so the loop ends even if it never learns that a connection was made.
        for _ in range(self.limit):
            watch.has_made_one = False
            connection = await super().connect(req, traces, timeout)
            if watch.has_made_one or not (watch.wants_fresh or _has_said_more(connection)):
                break
            connection.close()
        else:
            connection = await super().connect(req, traces, timeout)
        watch.begin()
        return connection


def _make_socket(address: _AddressInfo) -> socket.socket:
    """Make the socket of a new connection, and tell the watch of the attempt that connects."""
    current_watch.get().has_made_one = True
    family, kind, protocol, _, _ = address
    return socket.socket(family, kind, protocol)


def _has_said_more(connection: aiohttp.connector.Connection) -> bool:
    """Return whether something has come over a kept connection since its last answer, if only its end."""
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None or protocol.should_close:
        return True
    # The event loop would read it only once the next request was sent.
    return _has_unread(transport.get_extra_info("socket").fileno())


def has_unread_by_poll(descriptor: int) -> bool:
    """Return whether the system has something unread for a socket, if only that the other end has left."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def has_unread_by_select(descriptor: int) -> bool:
    """Return the same on Windows, which has no poll; elsewhere it is for descriptors below 1024."""
    return bool(select.select([descriptor], [], [], 0)[0])


_has_unread = has_unread_by_poll if hasattr(select, "poll") else has_unread_by_select


class _SessionRequest(aiohttp.ClientRequest):
    """Has the session's headers as they are. aiohttp would put them together anew for each request.

    All requests go to one origin, so Host is among them. The bound on CPU time over https needs this. If a later
    aiohttp no longer calls these methods, it does itself what they leave out, to the same effect.
    """

    POST_METHODS: set[str] = set()  # noqa: RUF012 - as its base class has it
    """Those for which aiohttp names a Content-Type by itself, with a body or without."""

    def update_headers(self, headers: LooseHeaders | None) -> None:
        """Take the headers as they are."""
        self.headers = CIMultiDict(headers or ())

    def update_auto_headers(self, skip_auto_headers: Iterable[str] | None) -> None:
        """Add none."""


def open_session(headers: CIMultiDict[str], max_connections: int, resolver: Resolver) -> aiohttp.ClientSession:
    """Open a session whose requests all go to one origin and have these headers, Host among them."""
    return aiohttp.ClientSession(
        connector=_Connector(
            limit=max_connections, ttl_dns_cache=_DNS_SECONDS, resolver=resolver, socket_factory=_make_socket
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=headers,
        request_class=_SessionRequest,
    )
