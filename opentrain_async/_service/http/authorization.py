"""The header with the token, and a body with one, in the forms that aiohttp needs."""

from typing import SupportsIndex, overload

from ..._base.secret import Secret


class _Authorization(str):
    """A `str`, as aiohttp takes no other type. It is whole where aiohttp writes it, and shows nothing elsewhere.

    The frames of a request have it in their headers as long as the request lasts, and tracebacks show them: by `repr`,
    of which some tools take the first characters only, or by slices.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __getitem__(self, _: SupportsIndex | slice) -> str:
        return "***"


class _Body(bytes):
    """Bytes, as aiohttp writes nothing else. Their `repr` shows nothing, nor does that of a slice.

    The frames in which aiohttp writes them, and the tracers of a borrowed session, have them as a local variable.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "b'***'"

    @overload
    def __getitem__(self, key: SupportsIndex) -> int: ...

    @overload
    def __getitem__(self, key: slice) -> bytes: ...

    def __getitem__(self, key: SupportsIndex | slice) -> int | bytes:
        # A slice is what its place says: aiohttp and asyncio write slices.
        piece = super().__getitem__(key)
        return _Body(piece) if isinstance(piece, bytes) else piece


def bearer(token: Secret) -> str:
    """Return the value of the header ``Authorization``."""
    return _Authorization(f"Bearer {token.reveal()}")


def sealed_body(content: Secret) -> bytes:
    """Return the body of a request, in UTF-8."""
    return _Body(content.reveal(), "utf-8")
