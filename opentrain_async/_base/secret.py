"""Strings and bytes that do not show themselves."""

from typing import TypeVar, cast

from .text import exact_str

T = TypeVar("T")


class Secret(str):
    """A string that does not show itself in a `repr`, and so in no traceback, log or debugger listing."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class SecretBytes(bytes):
    """The same as bytes: what is sent, where a token is in it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "b'***'"


def masked(token: T) -> T | Secret:
    """Return a string as a `Secret` with its own value, and bytes as `SecretBytes`; anything else unchanged."""
    if (text := exact_str(token)) is not None:
        return Secret(text)
    return cast("T", SecretBytes(token)) if isinstance(token, bytes | bytearray) else token
