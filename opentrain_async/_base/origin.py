"""Compare origins: the scheme, host and port of a service."""

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

_PORTS = {"https": 443, "http": 80}


@lru_cache(maxsize=64)
def normalised(origin: str) -> str:
    """Return the origin in lower case, without a default port and a path; other text comes back in lower case."""
    try:
        parts = urlsplit(origin)
        host, port = parts.hostname, parts.port
    except ValueError:
        return origin.lower()
    if not host:
        return origin.lower()
    shown_host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown_host}" + ("" if port in {None, _PORTS.get(parts.scheme)} else f":{port}")


def is_same(origin: str, other: str) -> bool:
    """True if both are the same origin, however they are written."""
    return origin == other or normalised(origin) == normalised(other)


def is_loopback(origin: str) -> bool:
    """True if the origin is on this machine."""
    try:
        return is_loopback_host(urlsplit(origin).hostname or "")
    except ValueError:
        return False


def is_loopback_host(host: str) -> bool:
    """True if a host is certainly this machine: not what only some resolvers take for it, as 127.1 or x.localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
