"""Send one request over a session and read all of the answer: one attempt."""

import asyncio
import platform
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import aiohttp
from aiohttp import hdrs
from aiohttp.client import ClientTimeout
from multidict import CIMultiDict
from yarl import URL

from ..._base.alarm import Alarm
from ..._base.redaction import Masks, Redact, redacted
from ..._base.secret import Secret
from ..._base.tasks import is_cancelled_by_its_caller
from ..._version import USER_AGENT
from ...errors import (
    ClientClosedError,
    ConnectError,
    ConnectionLostError,
    OpenTrainError,
    PoolTimeoutError,
    SessionError,
    TransportError,
    _checks,
)
from .authorization import bearer, sealed_body
from .body import BodyTooLargeError, CappedContent, read_as_its_owner
from .evidence import WatchedBody, passed_aiohttp
from .messages import BODY_CAP, Reply, Request
from .pool import Resolver, open_session
from .translation import Circumstances, session_of_another_loop, translated
from .watch import AttemptWatch, current_watch

_NO_TIMEOUT = ClientTimeout()
"""None of aiohttp's own: an attempt's watch bounds it, on every event loop alike."""
_LONGEST_HEADER = 64 * 1024
_MOST_HEADERS = 256
_HEADERS_READ = ("content-type", "retry-after", "date", "location")


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
            raise SessionError("the borrowed session logs in by itself (auth=); the token is the only credential")
        self.token = token
        self._masks = Masks.of(token)
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
            self._headers[hdrs.AUTHORIZATION] = bearer(token)
        self._alarm = Alarm()
        self._resolver: Resolver | None = None
        self._is_of_this_loop = session is None

    async def send(
        self,
        request: Request,
        seconds: float,
        *,
        fresh: bool = False,
        on_unsent: Callable[[], None] | None = None,
    ) -> Reply:
        """Make one attempt: connect, send, read all of the answer, leave the connection.

        A 401 of a token that has been renewed meanwhile is no answer: the request goes once more, with the new one.

        Args:
            request: What to send.
            seconds: How long the attempt may take at the most, whatever the timeouts say.
            fresh: Over a new connection, because the last attempt has lost its own. A borrowed session's pool cannot be
                told that, and hands out what it has.
            on_unsent: Called if the attempt is cancelled before it has sent anything.

        Returns:
            The answer. One that ends early is an answer too: its `flaw` says so.

        Raises:
            TransportError: No answer arrived; its class and effect say whether anything was sent.
            UnexpectedResponseError: What arrived is no HTTP.
            SessionError: The borrowed session cannot send: it is closed, belongs to another event loop, or logs in by
                itself. Nothing was sent.
            SessionHookError: A hook of the borrowed session raised before anything was sent.
            ClientClosedError: The client is closed.
        """
        if self._is_closed:
            raise ClientClosedError("the client is closed")
        if self._session is not None and not self._is_of_this_loop:
            self._check_loop(self._session)
        token = self.token
        if token is None and self._session is not None and hdrs.AUTHORIZATION in self._session.headers:
            raise SessionError("the borrowed session sends an Authorization header by itself, which has no place here")
        ends_at = self._alarm.time() + seconds
        reply = await self._send(request, seconds, fresh=fresh, on_unsent=on_unsent)
        if reply.status == 401 and await self._is_renewed_since(token, ends_at - self._alarm.time()):
            left = ends_at - self._alarm.time()
            return reply if left <= 0 else await self._send(request, left, fresh=False)
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
        self._masks = Masks.of(token)
        self._headers[hdrs.AUTHORIZATION] = bearer(token)
        if self._session is not None and not self._borrowed:
            self._session.headers[hdrs.AUTHORIZATION] = bearer(token)

    async def _is_renewed_since(self, token: Secret | None, seconds: float) -> bool:
        if token is self.token and self._renewal is not None:
            await asyncio.wait({self._renewal}, timeout=max(seconds, 0.0))
        return token is not self.token

    def _check_loop(self, session: aiohttp.ClientSession) -> None:
        """Raise if a borrowed session belongs to another loop: over a kept connection it would even send."""
        with warnings.catch_warnings():  # the property is deprecated, and the only public one that tells
            warnings.simplefilter("ignore", DeprecationWarning)
            loop = session.loop
        if _is_another(loop):
            raise session_of_another_loop()
        self._is_of_this_loop = True

    async def _send(
        self, request: Request, seconds: float, *, fresh: bool, on_unsent: Callable[[], None] | None = None
    ) -> Reply:
        masks = self._masks if request.secret is None else self._masks.and_of(request.secret)
        watch = self._watch(seconds, fresh=fresh)
        # For the connector, during this attempt alone; it is never asked for that of an earlier one.
        current_watch.set(watch)
        session = self._session or self._open()
        data = self._data_of(request, session)
        response: aiohttp.ClientResponse | None = None
        failure: OpenTrainError | None = None
        flaw: str | None = None
        content: CappedContent | None = None
        try:
            with watch:
                response = await self._request(session, request, data)
                content = CappedContent(response.content)
                await (read_as_its_owner(response, content) if self._borrowed else content.read())
        except BodyTooLargeError as error:
            flaw = str(error)
        except BaseException as error:
            if is_cancelled_by_its_caller(error) or not isinstance(error, Exception | asyncio.CancelledError):
                if on_unsent is not None and response is None and self._was_sent(error, watch, data) is False:
                    on_unsent()
                if response is not None:
                    response.close()
                content = None  # no frame shows what had come by then: it may be a token
                raise
            was_sent = True if response is not None else self._was_sent(error, watch, data)
            failure = _redacted(self._failure(error, watch, was_sent=was_sent), masks.of_refusal)
            flaw = f"cut off: {failure.__cause__}"
        if response is None or content is None:
            raise failure or TransportError("no answer", effect="unknown")
        if flaw is not None or response.status < 200:
            response.close()
        is_cut_off = isinstance(failure, ConnectionLostError)
        is_resent = isinstance(data, WatchedBody) and data.times_begun > 1
        return _reply(response, content, masks, flaw, is_cut_off=is_cut_off, is_resent=is_resent)

    def _request(
        self, session: aiohttp.ClientSession, request: Request, data: WatchedBody | bytes | None
    ) -> Awaitable[aiohttp.ClientResponse]:
        return session.request(
            request.method,
            self._url_of(request),
            data=data,
            headers=self._headers_of(request),
            timeout=_NO_TIMEOUT,
            skip_auto_headers=self._left_out,
            allow_redirects=False,
            raise_for_status=False,
            max_line_size=_LONGEST_HEADER,
            max_field_size=_LONGEST_HEADER,
            max_headers=_MOST_HEADERS,
        )

    def _watch(self, seconds: float, *, fresh: bool) -> AttemptWatch:
        if self._borrowed:
            return AttemptWatch(self._alarm, connecting=self._connect_timeout + self._timeout, total=seconds)
        return AttemptWatch(
            self._alarm, connecting=self._connect_timeout, sending=self._timeout, total=seconds, wants_fresh=fresh
        )

    def _was_sent(self, error: BaseException, watch: AttemptWatch, data: WatchedBody | bytes | None) -> bool | None:
        """Return whether anything was sent by a request that has no answer; `None` if that is not known."""
        raised = error.__cause__ if watch.is_overdue and error.__cause__ is not None else error
        if isinstance(data, WatchedBody):
            return data.was_sent(raised)
        if self._borrowed or (not watch.has_begun and not passed_aiohttp(raised)):
            return None
        return watch.has_begun

    def _failure(self, error: BaseException, watch: AttemptWatch, *, was_sent: bool | None) -> OpenTrainError:
        if watch.is_overdue:
            error = TimeoutError("time is up")
        around = Circumstances(
            was_sent=was_sent,
            is_borrowed=self._borrowed,
            is_closed=self._session is not None and self._session.closed,
            is_tls=self._origin.scheme == "https",
        )
        failure = translated(error, around)
        if not watch.is_overdue or was_sent is not False:
            return failure
        late: ConnectError
        if self._resolver is not None and self._resolver.lookups:
            late = ConnectError("no connection in time: the host's name was not resolved (DNS)")
        elif self._borrowed or watch.has_made_one:
            late = ConnectError("no connection in time")
        else:
            late = PoolTimeoutError("no connection in time: all of the pool's are in use")
        late.__cause__ = failure.__cause__
        return late

    async def close(self) -> None:
        """Close the session, if it is our own; from then on nothing is sent."""
        self._is_closed = True
        self._alarm.close()
        if self._session is not None and not self._borrowed:
            await self._session.close()
        if self._resolver is not None:
            await self._resolver.close()

    def _open(self) -> aiohttp.ClientSession:
        self._resolver = Resolver()
        host = self._origin.host_port_subcomponent or ""
        headers = CIMultiDict({hdrs.HOST: host, **self._headers})
        self._session = open_session(headers, self._max_connections, self._resolver)
        return self._session

    def _data_of(self, request: Request, session: aiohttp.ClientSession) -> WatchedBody | bytes | None:
        """Return the body to send: over a borrowed session one that knows whether it was sent.

        A secret is opened here, as bytes that show nothing of it.
        """
        content = sealed_body(request.content) if isinstance(request.content, Secret) else request.content
        # A request that expects ``100 Continue`` sends its headers before the body.
        if not self._borrowed or hdrs.EXPECT in session.headers:
            return content
        return WatchedBody(content or b"")

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


def _reply(
    response: aiohttp.ClientResponse,
    content: CappedContent,
    masks: Masks,
    flaw: str | None,
    *,
    is_cut_off: bool,
    is_resent: bool,
) -> Reply:
    """Copy an answer into values of ours; a token that the server echoes does not get into our errors."""
    status = int(response.status)
    # Of a success only its media type is told, if it is not as promised.
    is_success = 200 <= status < 300
    read, redact = (_HEADERS_READ[:1], masks.of_success) if is_success else (_HEADERS_READ, masks.of_refusal)
    headers = tuple([
        (name, redacted(str(value), redact)) for name in read for value in response.headers.getall(name, ())
    ])
    return Reply(status, redact(content.received[:BODY_CAP]), headers, flaw, is_cut_off, is_resent)


def _redacted(failure: OpenTrainError, redact: Redact) -> OpenTrainError:
    """Take the token out of an error: aiohttp quotes what is not valid HTTP, and a hook may quote a header."""
    for error in filter(None, (failure, failure.__cause__)):
        error.args = tuple(redacted(str(text), redact) for text in error.args)
    failure.message = redacted(failure.message, redact)
    return failure


def _is_another(loop: object) -> bool:
    """True for an event loop that is not the running one; a mocked session's loop is a mock."""
    return isinstance(loop, asyncio.AbstractEventLoop) and loop is not asyncio.get_running_loop()
