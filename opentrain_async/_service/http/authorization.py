"""The header with the token, in the form that aiohttp needs."""

from typing import SupportsIndex

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


def bearer(token: Secret) -> str:
    """Return the value of the header ``Authorization``."""
    return _Authorization(f"Bearer {token.reveal()}")
