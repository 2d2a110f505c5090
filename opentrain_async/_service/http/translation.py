"""Translate aiohttp's exceptions into ours."""

import ssl

import aiohttp
from attrs import frozen

from ..._base.text import one_line
from ...errors import (
    ClientClosedError,
    ConnectError,
    ConnectionLostError,
    OpenTrainError,
    RequestTimeoutError,
    SessionError,
    SessionHookError,
    TLSError,
    TransportError,
    UnexpectedResponseError,
)
from ...outcomes._answer_table import effect_of
from .evidence import is_raised_by_hook, passed_aiohttp, root_of

_BROKEN_OFF = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)


class AiohttpError(Exception):
    """A plain copy of what aiohttp raised, type name and text: the original shows request headers."""


@frozen
class Circumstances:
    """What is known of the attempt that failed.

    Attributes:
        was_sent: True if something was sent, `None` if that is not known.
        is_borrowed: True if the session is borrowed.
        is_closed: True if the session is closed.
        is_tls: True if the connection has TLS.
    """

    was_sent: bool | None = None
    is_borrowed: bool = False
    is_closed: bool = False
    is_tls: bool = False


def translated(error: BaseException, around: Circumstances) -> OpenTrainError:
    """Return the error of ours that says the same as one of aiohttp's. Its cause is a copy, without frames."""
    ours = _class_for(error, around)
    ours.effect = effect_of(ours)
    # In a traceback its text stands by itself.
    ours.__cause__ = AiohttpError(one_line(f"{type(error).__name__}: {error}"))
    return ours


def _class_for(error: BaseException, around: Circumstances) -> OpenTrainError:
    if not around.was_sent:
        ours = _trouble_of_connecting(error, around) or _refusal(error, around)
        if ours is not None:
            return ours
    if around.was_sent is False:
        return _of_the_session(error) if around.is_borrowed else ConnectError(f"no connection: {error}")
    if around.is_borrowed and passed_aiohttp(error) and is_raised_by_hook(error):
        return _raised_by_hook(error, was_sent=True)
    return _after_sending(error)


def _trouble_of_connecting(error: BaseException, around: Circumstances) -> OpenTrainError | None:
    """Return the error of a connection that could not be made, or `None` if the class does not say that."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return ConnectError("no connection in time")
        case ssl.SSLCertVerificationError() | aiohttp.ClientConnectorCertificateError():
            return TLSError(f"the TLS handshake failed: {error}")
        case aiohttp.ServerFingerprintMismatch():
            return TLSError(f"the TLS handshake failed: {error}")
        case aiohttp.ClientSSLError():
            return ConnectError(f"the TLS handshake broke off: {error}")
        case aiohttp.ClientConnectorDNSError():
            return ConnectError(f"the host's name could not be resolved (DNS): {error}")
        case aiohttp.ClientConnectorError() if around.is_tls and isinstance(error.os_error, _BROKEN_OFF):
            return ConnectError(f"the TLS handshake broke off: {error}")
        case aiohttp.ClientHttpProxyError(status=407):
            return SessionError("the proxy of the borrowed session refused its login (407): correct the proxy's login")
        case aiohttp.ClientConnectorError() | aiohttp.ClientHttpProxyError() | aiohttp.InvalidURL():
            return ConnectError(f"no connection: {error}")
        case _:
            return None


def _refusal(error: BaseException, around: Circumstances) -> OpenTrainError | None:
    """Return the error of a session that refuses to send, or `None` if that is not what was raised."""
    is_closed = isinstance(error, RuntimeError) and "Session is closed" in str(error)
    if is_closed or (around.was_sent is False and around.is_closed):
        if around.is_borrowed:
            return SessionError("the borrowed session is closed: keep it open as long as the client")
        return ClientClosedError("the session is closed")
    if around.is_borrowed and isinstance(error, ValueError) and "Cannot combine AUTH" in str(error):
        return SessionError(
            "the borrowed session logs in by itself, such as by .netrc; the token is the only login:"
            " make the session with trust_env=False"
        )
    return None


def _of_the_session(error: BaseException) -> OpenTrainError:
    """Return the error of a borrowed session that has sent nothing."""
    if is_raised_by_hook(error):
        return _raised_by_hook(error, was_sent=False)
    if isinstance(error, aiohttp.ClientError | OSError):
        return ConnectError(f"no connection: {type(error).__name__}: {error}")
    if isinstance(error, RuntimeError) and "loop" in str(error):
        return session_of_another_loop()
    return SessionError(
        f"the borrowed session cannot send: {type(error).__name__}: {error}; correct its headers and settings"
    )


def _raised_by_hook(error: BaseException, *, was_sent: bool) -> SessionHookError:
    root = root_of(error)
    raised = type(root).__name__
    text = f"a hook of the borrowed session raised {raised}: {root}"
    return SessionHookError(text, raised=raised, was_sent=was_sent)


def session_of_another_loop() -> SessionError:
    """Return the error of a borrowed session that another event loop runs."""
    return SessionError("the borrowed session belongs to another event loop: make it in the loop that runs the client")


def _after_sending(error: BaseException) -> OpenTrainError:
    """Return the error of a request that was sent, or may have been."""
    match error:
        case TimeoutError():
            return RequestTimeoutError("no whole answer in time")
        case aiohttp.ClientResponseError(message=message):  # without its status, which is not the answer's
            return UnexpectedResponseError(
                "the answer is not valid HTTP; a proxy or the server sends a header twice, malformed or too long:"
                f" {message}"
            )
        case ValueError() if not isinstance(error, ssl.SSLError):
            return UnexpectedResponseError(f"the answer is not valid HTTP: {error}")
        case aiohttp.ClientPayloadError() | aiohttp.ClientConnectionError() | OSError():
            return ConnectionLostError(f"the connection was lost: {error}")
        case _:
            return TransportError(f"the request failed: {type(error).__name__}: {error}")
