"""HTTP messages as values: the request that is sent, and the answer that came."""

from collections.abc import Mapping

from attrs import define, field

from ..._base.secret import Secret

BODY_CAP = 1024 * 1024
"""Bytes of an answer's body that are read at most."""
Headers = tuple[tuple[str, str], ...]
"""Pairs of a name in lower case and a value, in the order in which they came."""


def plain(headers: Mapping[str, str] | Headers) -> Headers:
    """Return headers as pairs; those of a mapping are copied, so that no type of the HTTP library is left in them."""
    if isinstance(headers, tuple):
        return headers
    return tuple((str(name).lower(), str(value)) for name, value in headers.items())


# Not frozen, although no code changes one: attrs would set each attribute by `object.__setattr__`, at every request.
@define
class Request:
    """An HTTP request, without the headers that all requests have in common. It is never changed.

    Attributes:
        method: The method.
        path: The path below the origin.
        query: The names and values of the query.
        content: The body, a `Secret` if a token is in it; or `None`.
        content_type: The media type of the body.
        secret: A token in the body, which neither an answer nor an error may show; or `None`.
    """

    method: str
    path: str
    query: Mapping[str, str] | None = None
    content: bytes | Secret | None = None
    content_type: str = "application/json"
    secret: Secret | None = None


@define
class Reply:
    """An HTTP answer, read to its end or to the point where reading failed. Its repr shows no token.

    Attributes:
        status: The HTTP status.
        body: The part of the body that was read, at most `BODY_CAP` bytes.
        headers: The headers that the library reads.
        flaw: Why the body is not complete (cut off, too large), or `None`.
        is_cut_off: True if the connection was lost before the end of the body.
        is_resent: True if the session sent the request more than once, as a middleware of it may do.
    """

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: Headers = field(default=(), converter=plain, repr=False)
    flaw: str | None = None
    is_cut_off: bool = False
    is_resent: bool = False

    def header(self, name: str) -> str | None:
        """Return the first value of a header, by its name in lower case; or `None`."""
        return next(iter(self.headers_named(name)), None)

    def headers_named(self, name: str) -> tuple[str, ...]:
        """Return all values of a header, which may be sent more than once, by its name in lower case."""
        return tuple(value for known, value in self.headers if known == name)
