"""Strings and bytes that do not show themselves."""

from typing import TypeVar

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
    """The token as a `Secret`; what is no string stays as it is, to be refused."""
    return Secret(token) if isinstance(token, str) else token
