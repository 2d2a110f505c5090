"""Send one request over a session and read all of the answer: one attempt."""

import asyncio
import math
import platform
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial

import aiohttp
from aiohttp import hdrs
from aiohttp.client import ClientTimeout
from multidict import CIMultiDict
from yarl import URL

from ..._base.alarm import Alarm
from ..._base.secret import Secret
from ..._version import USER_AGENT
from ...errors import (
    ClientClosedError,
    ConfigurationError,
    ConnectionLostError,
    OpenTrainError,
    TransportError,
    _checks,
)
from .messages import BODY_CAP, Reply, Request
from .pool import AttemptWatch, current_watch, open_session
from .translation import translated

_SHORTEST_REAL_TOKEN = 12
_HEADERS_READ = (hdrs.CONTENT_TYPE, hdrs.RETRY_AFTER, hdrs.DATE, hdrs.LOCATION)


class Transport:
    """Sends requests to one origin as one account, or as nobody.

    Args:
        origin: Where requests go, such as ``"https://app.opentrain.ai"``.
        token: The token, or `None` for calls without one.
        user_agent: What the client calls itself.
        timeout: Seconds for an attempt, once it has a connection.
        connect_timeout: Seconds to get one, from the pool or anew.
        max_connections: The size of the pool.
        session: A session to borrow, or `None` to open one with the first attempt. A borrowed one keeps its own
            pool and settings, and is never closed; with it *timeout* and *connect_timeout* bound an attempt
            together, as its pool does not tell when it hands out a connection, nor whether anything was said on
            that meanwhile.
    """

    def __init__(
        self,
        origin: str,
        token: Secret | None,
        *,
        user_agent: str,
        timeout: float,
        connect_timeout: float,
        max_connections: int,
        session: aiohttp.ClientSession | None,
    ) -> None:
        if session is not None and session.auth is not None:
            raise ConfigurationError("the borrowed session logs in by itself (auth=); the token is the only credential")
        self.token = token
        self._renewal: asyncio.Future[None] | None = None
        self._is_closed = False
        self._origin = URL(origin)
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._max_connections = max_connections
        self._session = session
        self._borrowed = session is not None
        self._left_out = (hdrs.CONTENT_TYPE,) if self._borrowed else None
        self._headers: CIMultiDict[str] = CIMultiDict({
            hdrs.USER_AGENT: f"{user_agent} aiohttp/{aiohttp.__version__} Python/{platform.python_version()}",
            hdrs.ACCEPT: "application/json",
            hdrs.ACCEPT_ENCODING: "identity",
        })
        if token is not None:
            self._headers[hdrs.AUTHORIZATION] = _bearer(token)
        self._alarm = Alarm()
        self._usual_seconds = max(connect_timeout, timeout)
        self._usual_timeout = self._timeout_within(self._usual_seconds)

    async def send(self, request: Request, seconds: float, *, fresh: bool = False) -> Reply:
        """Make one attempt: connect, send, read all of the answer, leave the connection.

        A 401 of a token that has been renewed meanwhile is no answer: the request goes once more, with the new one.

        Args:
            request: What to send.
            seconds: How long the attempt may take at the most, whatever the timeouts say.
            fresh: Over a new connection, because the last attempt has lost its own. A borrowed session's pool cannot be
                told that, and hands out what it has.

        Returns:
            The answer. One that ends early is an answer too: its `flaw` says so.

        Raises:
            TransportError: No answer arrived; its class and effect say whether anything was sent.
            UnexpectedResponseError: What arrived is no HTTP.
            ConfigurationError: A borrowed session would send a token of its own where none is to go. Nothing was sent.
            ClientClosedError: The session is closed.
        """
        if self._is_closed:
            raise ClientClosedError("the client is closed")
        token = self.token
        if token is None and self._session is not None and hdrs.AUTHORIZATION in self._session.headers:
            raise ConfigurationError("the session sends an Authorization header by itself, which has no place here")
        ends_at = self._alarm.time() + seconds
        reply = await self._send(request, seconds, fresh=fresh)
        if reply.status == 401 and await self._is_renewed_since(token, ends_at - self._alarm.time()):
            reply = await self._send(request, max(ends_at - self._alarm.time(), 0.0), fresh=False)
        return reply

    @asynccontextmanager
    async def renewing(self) -> AsyncGenerator[None, None]:
        """While the token may be replaced; whoever is refused meanwhile waits for what comes of it."""
        self._renewal = renewal = asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            self._renewal = None
            renewal.set_result(None)

    def renew(self, token: Secret) -> None:
        """Use another token of the same account from now on."""
        self.token = token
        self._headers[hdrs.AUTHORIZATION] = _bearer(token)
        if self._session is not None and not self._borrowed:
            self._session.headers[hdrs.AUTHORIZATION] = _bearer(token)

    async def _is_renewed_since(self, token: Secret | None, seconds: float) -> bool:
        if token is self.token and self._renewal is not None:
            await asyncio.wait({self._renewal}, timeout=max(seconds, 0.0))
        return token is not self.token

    async def _send(self, request: Request, seconds: float, *, fresh: bool) -> Reply:
        token = self.token
        watch = AttemptWatch(self._alarm, min(self._timeout, seconds), wants_fresh=fresh)
        # For the connector, during this attempt alone; it is never asked for that of an earlier one.
        current_watch.set(watch)
        response: aiohttp.ClientResponse | None = None
        failure: OpenTrainError | None = None
        flaw: str | None = None
        body = b""
        try:
            response = await (self._session or self._open()).request(
                request.method,
                self._url_of(request),
                data=request.content,
                headers=self._headers_of(request),
                timeout=self._usual_timeout if seconds >= self._usual_seconds else self._timeout_within(seconds),
                skip_auto_headers=self._left_out,
                allow_redirects=False,
                raise_for_status=False,
            )
            content = response.content
            while not content.at_eof():
                body += content.read_nowait() if content.is_eof() else await content.readany()
                if len(body) > BODY_CAP:
                    flaw = f"over {BODY_CAP // 1024} KiB"
                    break
        except Exception as error:
            ended_by = TimeoutError("time is up") if watch.is_overdue else error
            failure = translated(ended_by, is_resolving=watch.is_resolving)
            flaw = f"cut off: {failure.__cause__}"
        except BaseException:
            if response is not None:
                response.close()
            body = b""  # no frame shows what had come by then: it may be a token
            raise
        finally:
            self._alarm.unset(watch)
        if response is None:
            raise failure or TransportError("no answer", effect="unknown")
        if watch.is_overdue:
            flaw = "cut off: time is up"
        if flaw is not None:
            response.close()
            body = body[:BODY_CAP]
        headers = _read_headers(response)
        if token is not None and len(token) >= _SHORTEST_REAL_TOKEN:  # a server that echoes it: not into our errors
            body = body.replace(token.encode(), b"***")
            headers = [(name, value.replace(token, "***")) for name, value in headers]
        return Reply(int(response.status), body, headers, flaw, isinstance(failure, ConnectionLostError))

    async def close(self) -> None:
        """Close the session, if it is our own; from then on nothing is sent."""
        self._is_closed = True
        self._alarm.close()
        if self._session is not None and not self._borrowed:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        host = self._origin.host_port_subcomponent or ""
        self._session = open_session(CIMultiDict({hdrs.HOST: host, **self._headers}), self._max_connections)
        return self._session

    def _url_of(self, request: Request) -> URL:
        url = self._origin.with_path(request.path, encoded=True)
        return url if request.query is None else url.with_query(request.query)

    def _headers_of(self, request: Request) -> CIMultiDict[str] | None:
        """What a request adds to the session's own headers: nothing, as a rule."""
        if request.content is None:
            return self._headers if self._borrowed else None
        headers = self._headers.copy() if self._borrowed else CIMultiDict[str]()
        headers[hdrs.CONTENT_TYPE] = request.content_type
        return headers

    def _timeout_within(self, seconds: float) -> ClientTimeout:
        """The timeouts that aiohttp keeps; it rounds long ones up to whole seconds unless it is told not to."""
        connecting, sending = min(self._connect_timeout, seconds), min(self._timeout, seconds)
        return ClientTimeout(
            total=connecting + sending if self._borrowed else None,
            connect=connecting,
            sock_connect=None,
            sock_read=sending if self._borrowed else None,
            ceil_threshold=math.inf,
        )


def transports(
    *, timeout: float, connect_timeout: float, max_connections: int, session: aiohttp.ClientSession | None
) -> Callable[[str, Secret | None], Transport]:
    """Makes transports, with a token and without, that have all else in common.

    Raises:
        ConfigurationError: An argument cannot be right.
    """
    if session is not None:
        _checks.kind("session", session, aiohttp.ClientSession)
    return partial(
        Transport,
        user_agent=USER_AGENT,
        timeout=_checks.number("timeout", timeout, above=0),
        connect_timeout=_checks.number("connect_timeout", connect_timeout, above=0),
        max_connections=_checks.whole("max_connections", max_connections),
        session=session,
    )


def _read_headers(response: aiohttp.ClientResponse) -> list[tuple[str, str]]:
    return [(name, value) for name in _HEADERS_READ for value in response.headers.getall(name, ())]


def _bearer(token: Secret) -> Secret:
    return Secret(f"Bearer {token}")
