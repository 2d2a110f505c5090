"""Everything that aiohttp can raise has a translation, and none claims more than is known."""

import asyncio
import pickle
import ssl
from collections.abc import Callable

import aiohttp
import pytest
from aiohttp import client_exceptions
from aiohttp.client_reqrep import ConnectionKey
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from opentrain_async._service.http.translation import Circumstances, translated
from opentrain_async.errors import (
    ClientClosedError,
    ConnectError,
    ConnectionLostError,
    OpenTrainError,
    RequestTimeoutError,
    SessionError,
    TLSError,
    TransportError,
    UnexpectedResponseError,
)

from ..support.peers import TOKEN

HOST = ConnectionKey("a.test", 443, True, True, None, None, None)
DOWN = OSError(111, "down")
UNKNOWN = Circumstances()
HEADERS = CIMultiDictProxy(CIMultiDict({"Authorization": f"Bearer {TOKEN}"}))
REQUEST = aiohttp.RequestInfo(URL("https://a.test/"), "POST", HEADERS, URL("https://a.test/"))
NOTHING_SENT = {
    "ConnectionTimeoutError": ConnectError,
    "ClientConnectorError": ConnectError,
    "ClientConnectorDNSError": ConnectError,
    "ClientProxyConnectionError": ConnectError,
    "UnixClientConnectorError": ConnectError,
    "ClientHttpProxyError": ConnectError,
    "InvalidURL": ConnectError,
    "InvalidUrlClientError": ConnectError,
    "InvalidUrlRedirectClientError": ConnectError,  # never raised: redirects are not followed
    "ClientSSLError": ConnectError,
    "ClientConnectorSSLError": ConnectError,
    "ClientConnectorCertificateError": TLSError,
    "ServerFingerprintMismatch": TLSError,
}
SENT = {
    "ServerTimeoutError": RequestTimeoutError,
    "SocketTimeoutError": RequestTimeoutError,
    "ServerDisconnectedError": ConnectionLostError,
    "ServerConnectionError": ConnectionLostError,
    "ClientOSError": ConnectionLostError,
    "ClientConnectionResetError": ConnectionLostError,
    "ClientConnectionError": ConnectionLostError,
    "ClientPayloadError": ConnectionLostError,
    "ClientResponseError": UnexpectedResponseError,
    "ContentTypeError": UnexpectedResponseError,
}
PUBLIC = [
    kind
    for name, kind in vars(client_exceptions).items()
    if isinstance(kind, type) and issubclass(kind, Exception) and kind.__module__ == client_exceptions.__name__
    if not name.startswith("_")
]
OTHERS: list[tuple[Exception, type[OpenTrainError], str]] = [
    (TimeoutError(), RequestTimeoutError, "unknown"),
    (asyncio.IncompleteReadError(b"", 5), TransportError, "unknown"),
    (OSError(104, "reset"), ConnectionLostError, "unknown"),
    (ConnectionResetError(), ConnectionLostError, "unknown"),
    (BrokenPipeError(), ConnectionLostError, "unknown"),
    (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), UnexpectedResponseError, "unknown"),
    (ValueError("bad header"), UnexpectedResponseError, "unknown"),
    (RuntimeError("Session is closed"), ClientClosedError, "none"),
    (RuntimeError("something else"), TransportError, "unknown"),
    (KeyError("anything"), TransportError, "unknown"),
    (ssl.SSLCertVerificationError(1, "expired"), TLSError, "none"),
    (MemoryError(), TransportError, "unknown"),
    (aiohttp.http_exceptions.BadHttpMessage("bad"), TransportError, "unknown"),
]


def made(kind: type[Exception]) -> Exception:
    """An instance of one of aiohttp's classes, as aiohttp would make it."""
    makers: list[tuple[type[Exception], Callable[..., Exception], tuple[object, ...]]] = [
        (client_exceptions.UnixClientConnectorError, kind, ("/socket", HOST, DOWN)),
        (client_exceptions.ClientConnectorCertificateError, kind, (HOST, Exception("self-signed"))),
        (client_exceptions.ClientConnectorError, kind, (HOST, DOWN)),
        (client_exceptions.ClientResponseError, kind, (REQUEST, ())),
        (client_exceptions.ServerFingerprintMismatch, kind, (b"expected", b"got", "a.test", 443)),
        (client_exceptions.InvalidURL, kind, ("no url",)),
    ]
    for base, make, arguments in makers:
        if issubclass(kind, base):
            return make(*arguments)
    return kind()


def test_every_exported_exception_of_aiohttp_is_enumerated() -> None:
    """The walk misses none of the names that aiohttp exports."""
    assert {kind.__name__ for kind in PUBLIC} >= set(client_exceptions.__all__)


@pytest.mark.parametrize("kind", PUBLIC, ids=lambda kind: kind.__name__)
def test_every_exception_of_aiohttp_is_translated(kind: type[Exception]) -> None:
    """It becomes the class that says what is known, with no effect only where nothing can have been sent."""
    error = translated(made(kind), UNKNOWN)
    if kind.__name__ in NOTHING_SENT:
        assert (type(error), error.effect) == (NOTHING_SENT[kind.__name__], "none")
    else:
        assert isinstance(error, SENT.get(kind.__name__, OpenTrainError))
        assert error.effect == "unknown"


@pytest.mark.parametrize(("raised", "kind", "effect"), OTHERS, ids=lambda value: getattr(value, "__name__", None))
def test_what_else_a_session_can_raise_is_translated(raised: Exception, kind: type[Exception], effect: str) -> None:
    """Errors of the standard library come out of a session as well."""
    error = translated(raised, UNKNOWN)
    assert (type(error), error.effect) == (kind, effect)


@pytest.mark.parametrize("raised", [*map(made, PUBLIC), *(row[0] for row in OTHERS)], ids=lambda e: type(e).__name__)
def test_a_cause_is_a_plain_copy(raised: Exception) -> None:
    """It names the type and keeps the text, can be pickled, and holds nothing of aiohttp's and no token."""
    error = translated(raised, UNKNOWN)
    cause = error.__cause__
    assert cause is not None
    assert type(cause).__module__ == "opentrain_async._service.http.translation"
    assert str(cause).startswith(f"{type(raised).__name__}: ")
    assert (vars(cause), cause.__cause__, cause.__context__, cause.__traceback__) == ({}, None, None, None)
    pickled = pickle.dumps(cause)
    assert (type(pickle.loads(pickled)), str(pickle.loads(pickled))) == (type(cause), str(cause))  # noqa: S301
    for shown in (pickled, pickle.dumps(error)):
        assert TOKEN.encode() not in shown
        assert b"client_exceptions" not in shown


@pytest.mark.parametrize(
    "raised",
    [
        client_exceptions.ClientConnectorCertificateError(HOST, Exception("self-signed")),
        client_exceptions.ClientConnectorSSLError(HOST, ssl.SSLError(1, "wrong version")),
        client_exceptions.ClientConnectorError(HOST, DOWN),
        ssl.SSLCertVerificationError(1, "certificate required"),
        ssl.SSLError(1, "bad record"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_trouble_with_a_connection_after_something_was_sent_is_a_loss(raised: Exception) -> None:
    """TLS 1.3 refuses a client's certificate after the request was sent, as an alert; and a hook may send twice."""
    error = translated(raised, Circumstances(was_sent=True))
    assert (type(error), error.effect) == (ConnectionLostError, "unknown")


@pytest.mark.parametrize("is_tls", [True, False])
@pytest.mark.parametrize("broken", [ConnectionResetError(104, "reset"), ConnectionAbortedError(103, "aborted")])
def test_a_connection_that_is_reset_while_it_is_made_breaks_the_handshake_off(broken: OSError, is_tls: bool) -> None:
    """With TLS; without it there is no handshake to speak of. Either is tried again."""
    error = translated(client_exceptions.ClientConnectorError(HOST, broken), Circumstances(is_tls=is_tls))
    assert type(error) is ConnectError
    assert ("TLS handshake broke off" in error.message) == is_tls


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (ConnectionResetError(104, "reset"), ConnectError),
        (aiohttp.ServerDisconnectedError(), ConnectError),
        (ValueError("anything"), ConnectError),
        (TimeoutError(), ConnectError),
        (client_exceptions.ClientConnectorCertificateError(HOST, Exception("self-signed")), TLSError),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_breaks_in_a_client_s_own_session_before_it_sends_is_the_connection(
    raised: Exception, kind: type[OpenTrainError]
) -> None:
    """Whatever its class: there is no code of anyone else in it."""
    error = translated(raised, Circumstances(was_sent=False))
    assert (type(error), error.effect) == (kind, "none")


@pytest.mark.parametrize(("is_borrowed", "kind"), [(True, SessionError), (False, ClientClosedError)])
def test_a_session_that_was_closed_before_anything_was_sent_is_named(
    is_borrowed: bool, kind: type[OpenTrainError]
) -> None:
    """The owner of a borrowed one closed it; a client's own is closed with the client."""
    around = Circumstances(was_sent=False, is_borrowed=is_borrowed, is_closed=True)
    error = translated(aiohttp.ClientConnectionError("Connector is closed."), around)
    assert (type(error), error.effect) == (kind, "none")


def test_a_session_that_was_closed_after_something_was_sent_leaves_doubt() -> None:
    """A hook that sends twice may meet it."""
    error = translated(RuntimeError("Session is closed"), Circumstances(was_sent=True, is_borrowed=True))
    assert error.effect == "unknown"
