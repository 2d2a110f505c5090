"""Check an address and bring it into one form: the origin to which aiohttp connects."""

import ipaddress
import re

from yarl import URL

from ..._base.origin import is_loopback_host
from ..._base.secret import Secret, sealed
from ...errors import ConfigurationError
from .pasted import pasting_error

_DEFAULT_PORTS = {"https": 443, "http": 80}
# The forms that all parsers read alike. A host that is not ASCII is for yarl to encode.
_ADDRESS = re.compile(r"https?://(\[[0-9a-f:.]+\]|[^\s:/?#@\\\[\]%]+)(:[0-9]{0,5})?/?", re.ASCII | re.IGNORECASE)
_BEGINNING = re.compile(r"https?://[^:/?#]", re.IGNORECASE)
_NOT_PRINTABLE = "must be a string without blanks and control characters"
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_LONGEST_NAME = 253
_JOINERS = re.compile("[\u200c\u200d]")
"""Of Persian and Indian scripts, in which they make words."""
_PUNYCODE = "xn--"


def checked_origin(value: object, name: str) -> str:
    """Return the origin that an address names: lower case, punycode, without a default port or a trailing dot.

    What is checked is what aiohttp connects to: the address is read by its own parser.

    Args:
        value: The address.
        name: Where it came from, for the error, which never shows the address itself: it may hold a password.

    Raises:
        ConfigurationError: It is not an origin, or its requests would show the token to the network.
    """
    address = sealed(value)
    if not isinstance(address, Secret):
        raise ConfigurationError(f"{name} {_NOT_PRINTABLE}")
    if problem := _problem(address):
        raise ConfigurationError(f"{name} {problem}")
    url = _parsed(address)
    if url is None:
        raise ConfigurationError(f"{name} cannot be read as the address of a server")
    host = _host_of(url, name)
    if url.scheme == "http" and not is_loopback_host(host):
        raise ConfigurationError(f"{name}: http to {host} would show the token to the network, use https")
    port = "" if url.port == _DEFAULT_PORTS[url.scheme] else f":{url.port}"
    return f"{url.scheme}://{f'[{host}]' if ':' in host else host}{port}"


def _problem(address: Secret) -> str | None:
    """Return what is wrong with an address; raised here, the error's frames would show it."""
    text = address.reveal()
    if not text.isprintable() or " " in text:
        return _NOT_PRINTABLE
    if problem := pasting_error(text):
        return problem
    if "@" in text:
        return "holds user info, but the token is the only credential"
    if not _BEGINNING.match(text):
        return "must begin with https://, or http:// on this machine, and name a host"
    if text.count("/") > 2 + text.endswith("/") or "?" in text or "#" in text:
        return "must be an origin, without path, query or fragment"
    return None


def _parsed(address: Secret) -> URL | None:
    try:
        return url if _ADDRESS.fullmatch(address.reveal()) and (url := URL(address.reveal())).port else None
    except ValueError:
        return None


def _host_of(url: URL, name: str) -> str:
    host = (url.raw_host or "").removesuffix(".")
    if not _is_host(host):
        raise ConfigurationError(
            f"{name} does not name a valid host: give a domain name, or an IP address with all its parts"
        )
    return host


def _is_host(host: str) -> bool:
    """True if a host that yarl has encoded can be connected to, and can stand in a header and a certificate."""
    labels = host.split(".")
    # A name does not end in a number. The resolver takes 1.2.3, 0x7f.1 and 12345 for short forms of an address, and
    # other parsers for other addresses.
    if ":" in host or _NUMBER.fullmatch(labels[-1]):
        return _is_ip(host)
    return len(host) <= _LONGEST_NAME and all(map(_is_label, labels))


def _is_label(label: str) -> bool:
    if not _LABEL.fullmatch(label):
        return False
    return not label.startswith(_PUNYCODE) or _stands_for_text(label.removeprefix(_PUNYCODE))


def _stands_for_text(punycode: str) -> bool:
    try:
        text = punycode.encode().decode("punycode")
        shown = _JOINERS.sub("", text)
        return not text.isascii() and shown.isprintable() and text.encode("punycode").decode() == punycode
    except ValueError:
        return False


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
