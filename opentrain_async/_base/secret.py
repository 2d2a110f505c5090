"""Strings and bytes that do not show themselves."""

from typing import TypeVar, cast

from .text import exact_str

T = TypeVar("T")

TOKEN_PREFIXES = ("ot_pat_", "ot_clm_", "ot_cat_", "ot_ptk_", "whsec_")
"""Each begins a token of the service: https://www.opentrain.ai/docs/developers/concepts/authentication/."""


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
