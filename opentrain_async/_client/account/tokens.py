"""Check API tokens and claim tokens: refuse what is certainly wrong, and never show it.

Source: https://www.opentrain.ai/docs/developers/concepts/authentication/.
"""

import re

from ..._base.secret import TOKEN_PREFIXES, Secret, masked
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
        value: The token, if possible as a `Secret`.
        name: Where it came from, for the error.

    Raises:
        ConfigurationError: It is not valid.
    """
    token = _checked(value, name)
    for prefix in _NOT_FOR_THE_API:
        if token.startswith(prefix):
            raise ConfigurationError(f"{name} begins with {prefix}, but a token for the API begins with ot_pat_")
    return token


def checked_claim_token(value: object, name: str) -> Secret:
    """Return a claim token; arguments and errors as for `checked_token`."""
    token = _checked(value, name)
    if not token.startswith(_CLAIM):
        raise ConfigurationError(f"{name} must begin with {_CLAIM}")
    return token


def is_of_sandbox(token: Secret) -> bool:
    """True if a sandbox has made the token."""
    return token.startswith(_OF_SANDBOXES)


def _checked(value: object, name: str) -> Secret:
    token = masked(value)
    if not isinstance(token, Secret) or not token:
        raise ConfigurationError(f"{name} must be a string that is not empty")
    if _BEARER.match(token):
        raise ConfigurationError(f"{name} begins as a header does: give the token alone, without Bearer")
    if problem := pasting_error(token):
        raise ConfigurationError(f"{name} {problem}")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigurationError(f"{name} holds blanks, control characters or non-ASCII characters")
    if not _TOKEN.fullmatch(token):
        raise ConfigurationError(f"{name} holds a character that no token has: only A-Z a-z 0-9 - . _ ~ + / are valid")
    return token
