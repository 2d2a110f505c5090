"""Check API tokens and claim tokens: refuse what is certainly wrong, and never show it.

Source: https://www.opentrain.ai/docs/developers/concepts/authentication/.
"""

import re
from collections.abc import Callable

from ..._base.secret import NotText, Secret, sealed
from ..._base.text import TOKEN_PREFIXES
from ...errors import ConfigurationError
from .pasted import pasting_error

_CLAIM = "ot_clm_"
_NOT_FOR_THE_API = tuple(prefix for prefix in TOKEN_PREFIXES if prefix != "ot_pat_")
_OF_SANDBOXES = ("ot_pat_sandbox", "ot_clm_sandbox")
_BEARER = re.compile(r"(authorization\s*:|bearer(\s|:|$))", re.IGNORECASE)
# RFC 6750 allows just these in a bearer token. Nothing else is required: the service may come to issue other kinds.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)


def checked_token(value: object, name: str) -> Secret:
    """Return an API token.

    Args:
        value: The token, sealed.
        name: Where it came from, for the error.

    Raises:
        ConfigurationError: It is not valid.
    """
    return _checked(value, name, _wrong_kind)


def checked_claim_token(value: object, name: str) -> Secret:
    """Return a claim token; arguments and errors as for `checked_token`."""
    return _checked(value, name, _wrong_kind_of_claim)


def is_of_sandbox(token: Secret) -> bool:
    """True if a sandbox has made the token."""
    return token.reveal().startswith(_OF_SANDBOXES)


def _checked(value: object, name: str, wrong_kind: Callable[[Secret], str | None]) -> Secret:
    token = sealed(value)
    if not isinstance(token, Secret):
        got = f", not {token.type_name}" if isinstance(token, NotText) else ""
        raise ConfigurationError(f"{name} must be a string that is not empty{got}")
    if problem := _problem(token) or wrong_kind(token):
        raise ConfigurationError(f"{name} {problem}")
    return token


# What follows returns the problem instead of raising it: the frames of an error would show the token.


def _wrong_kind(token: Secret) -> str | None:
    prefix = next(filter(token.reveal().startswith, _NOT_FOR_THE_API), None)
    return prefix and f"begins with {prefix}, but a token for the API begins with ot_pat_"


def _wrong_kind_of_claim(token: Secret) -> str | None:
    return None if token.reveal().startswith(_CLAIM) else f"must begin with {_CLAIM}"


def _problem(token: Secret) -> str | None:
    text = token.reveal()
    if not text:
        return "must be a string that is not empty"
    if _BEARER.match(text):
        return "begins as a header does: give the token alone, without Bearer"
    if problem := pasting_error(text):
        return problem
    if not text.isascii() or not text.isprintable() or " " in text:
        return "holds blanks, control characters or non-ASCII characters"
    if not _TOKEN.fullmatch(text):
        return "holds a character that no token has: only A-Z a-z 0-9 - . _ ~ + / are valid"
    return None
