"""HTTP messages as values: the request that is sent, and the answer that came."""

from collections.abc import Mapping

from attrs import define, field
from multidict import CIMultiDict, CIMultiDictProxy

BODY_CAP = 1024 * 1024
"""Bytes of an answer's body that are read at most."""
_NO_HEADERS: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())


# Not frozen, although no code changes one: attrs would set each attribute by `object.__setattr__`, at every request.
@define
class Request:
    """An HTTP request, without the headers that all requests have in common. It is never changed.

    Attributes:
        method: The method.
        path: The path below the origin.
        query: The names and values of the query.
        content: The body, or `None`.
        content_type: The media type of the body.
    """

    method: str
    path: str
    query: Mapping[str, str] | None = None
    content: bytes | None = None
    content_type: str = "application/json"


@define
class Reply:
    """An HTTP answer, read to its end or to the point where reading failed. Its repr shows no token.

    Attributes:
        status: The HTTP status.
        body: The part of the body that was read, at most `BODY_CAP` bytes.
        headers: The headers.
        flaw: Why the body is not complete (cut off, too large), or `None`.
        is_cut_off: True if the connection was lost before the end of the body.
    """

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: CIMultiDictProxy[str] = field(default=_NO_HEADERS, repr=False)
    flaw: str | None = None
    is_cut_off: bool = False
