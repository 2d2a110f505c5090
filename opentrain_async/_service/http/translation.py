"""Translate aiohttp's exceptions into ours."""

import ssl

import aiohttp

from ...errors import (
    ClientClosedError,
    ConnectError,
    ConnectionLostError,
    OpenTrainError,
    RequestTimeoutError,
    TLSError,
    TransportError,
    UnexpectedResponseError,
)


class AiohttpError(Exception):
    """A plain copy of what aiohttp raised, type name and text: the original shows request headers."""


def translated(error: Exception, *, is_resolving: bool = False) -> OpenTrainError:
    """The error of ours that says what one of aiohttp's means. Its cause is a copy, without frames.

    Args:
        error: What aiohttp raised.
        is_resolving: The host's name was being looked up just then.
    """
    ours = _class_for(error, is_resolving=is_resolving)
    ours.__cause__ = AiohttpError(f"{type(error).__name__}: {error}")
    return ours


def _class_for(error: Exception, *, is_resolving: bool) -> OpenTrainError:
    match error:
        case aiohttp.ConnectionTimeoutError():
            what_took_long = ": the host's name was not resolved (DNS)" if is_resolving else ""
            return ConnectError(f"no connection in time{what_took_long}")
        case aiohttp.ClientSSLError() | aiohttp.ServerFingerprintMismatch() | ssl.SSLCertVerificationError():
            return TLSError(f"the TLS handshake failed: {error}")
        case aiohttp.ClientConnectorDNSError():
            return ConnectError(f"the host's name could not be resolved (DNS): {error}")
        case aiohttp.ClientConnectorError() | aiohttp.ClientHttpProxyError():
            return ConnectError(f"no connection: {error}")
        case TimeoutError():
            return RequestTimeoutError("no whole answer in time", effect="unknown")
        case aiohttp.InvalidURL():
            return ConnectError(f"no connection: {error}")
        case UnicodeError() if not isinstance(error, UnicodeDecodeError):
            return ConnectError(f"the host's name cannot be encoded: {error}")
        case aiohttp.ClientResponseError() | ValueError():
            return UnexpectedResponseError(f"an answer that is no HTTP: {error}", effect="unknown")
        case RuntimeError() if "closed" in str(error):
            return ClientClosedError("the session is closed")
        case aiohttp.ClientPayloadError() | aiohttp.ClientConnectionError() | OSError():
            return ConnectionLostError(f"the connection was lost: {error}", effect="unknown")
        case _:
            return TransportError(f"the request failed: {type(error).__name__}: {error}", effect="unknown")
