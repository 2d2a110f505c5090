"""Decide at the door who may ask the sandbox at all.

The sandbox gives a token to every program that asks. A web page that is open in a browser on this machine must not get
one. The browser lets it ask any address; by DNS rebinding, where the page's own host name comes to lead to 127.0.0.1,
it can also read the answers. Such a request names the page's host in ``Host`` or ``Origin``, which no script can
change.
"""

import re

from aiohttp import web

from .._model.refusals import RefusedError

MOST_BYTES = 1024 * 1024
"""Of a body."""
_NAMES = ("127.0.0.1", "localhost", "[::1]")
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^:\[\]]+)(:[0-9]{1,5})?", re.ASCII)
_OF_THE_SAME_PAGE = {"same-origin", "none"}
"""What `Sec-Fetch-Site` says of the sandbox's own pages, and of an address that a person has typed."""
_ASKED_BY_ITSELF = re.compile(
    r"/|/favicon[\w.-]*|/(apple-touch-icon|android-chrome|mstile)[\w-]*\.png|/\.well-known/.*"
    r"|/(robots|ads|humans|security)\.txt|/sitemap\.xml|/browserconfig\.xml|/(site\.)?(webmanifest|manifest\.json)"
)


async def check(request: web.Request) -> None:
    """Let a request in, or refuse it.

    Raises:
        RefusedError: It is addressed to another host, comes from a page of another origin, or is too long.
    """
    named = [host.lower() for host in request.headers.getall("Host", [])]
    if len(named) != 1 or not _is_own(named[0], request) or not _is_for(named[0], request):
        raise RefusedError(421, "FORBIDDEN", "The sandbox answers to this machine's names only: 127.0.0.1, localhost.")
    origins = {origin.lower() for origin in request.headers.getall("Origin", [])}
    if not origins <= {f"http://{named[0]}"} or _is_of_another_page(request):
        raise RefusedError(403, "FORBIDDEN", "The sandbox answers to no page of another origin.")
    if request.content_length is None and request.can_read_body:
        try:
            await request.read()  # of unknown length: aiohttp counts, and keeps it for who reads it next
        except web.HTTPRequestEntityTooLarge:
            raise _too_long() from None
    if (request.content_length or 0) > MOST_BYTES:
        raise _too_long()


def is_asked_by_itself(request: web.Request) -> bool:
    """True for what a browser or a scanner asks of any server without being told to."""
    return request.method in {"GET", "HEAD"} and _ASKED_BY_ITSELF.fullmatch(request.path) is not None


def _is_own(host: str, request: web.Request) -> bool:
    """True if a host is one of this machine's names, or the address on which the sandbox listens.

    Any port will do, as a proxy or a container may have another one: a page cannot choose the name in its address.
    """
    found = _HOST.fullmatch(host)
    address = None if request.transport is None else request.transport.get_extra_info("sockname")[0]
    return found is not None and found["name"] in {*_NAMES, address, f"[{address}]"}


def _is_for(host: str, request: web.Request) -> bool:
    """True if the first line of a request, where it has an address of its own, names the same host."""
    return request.url.raw_authority.lower() in {host, host.removesuffix(":80")}


def _is_of_another_page(request: web.Request) -> bool:
    """True if the browser says so. A link to the sandbox, as to the page of a claim, may be followed from anywhere."""
    is_followed = request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
    return not is_followed and request.headers.get("Sec-Fetch-Site", "none") not in _OF_THE_SAME_PAGE


def _too_long() -> RefusedError:
    return RefusedError(413, "PAYLOAD_TOO_LARGE", "The body is longer than 1 MiB.")
