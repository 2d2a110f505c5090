"""Find the token and the base URL: from the argument, the environment or the shared file."""

import ipaddress
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import cast
from urllib.parse import urlsplit

from attrs import frozen

from ..._base.secret import Secret, masked
from ..._base.text import exact_str
from ...errors import ConfigurationError
from . import credentials

DEFAULT_BASE_URL = "https://app.opentrain.ai"
TOKEN_VARIABLES = ("OT_API_TOKEN", "OPENTRAIN_API_TOKEN")
BASE_URL_VARIABLES = ("OT_API_BASE_URL", "OPENTRAIN_API_BASE_URL")
_NO_API_TOKENS = ("ot_clm_", "ot_cat_", "ot_ptk_", "whsec_")


@frozen
class Settings:
    """A checked token and origin; without a token for what is asked before there is one."""

    token: Secret | None
    base_url: str
    claim_token: Secret | None = None


def resolve(token: str | None, base_url: str | None, claim_token: str | None = None) -> Settings:
    """Find the token and the base URL: argument, then environment, then the file of the service's own tools.

    The file's base URL and claim token go with the file's own token only: a token from elsewhere was not made for them.

    Raises:
        ConfigurationError: There is no token, or one of the two cannot be right.
    """
    chosen: object = masked(token) if token is not None else _from_environment(TOKEN_VARIABLES)
    chosen_url: object = base_url if base_url is not None else _from_environment(BASE_URL_VARIABLES)
    chosen_claim = None if claim_token is None else _checked_claim_token(masked(claim_token))
    if chosen is None:
        saved = credentials.read()
        chosen = saved.get(credentials.API_TOKEN)
        chosen_url = chosen_url if chosen_url is not None else saved.get(credentials.BASE_URL)
        chosen_claim = chosen_claim or _claim_token_in(saved)
    if chosen is None:
        raise ConfigurationError(
            "no API token: set OT_API_TOKEN, register, log in with the service's own command line tool, or in a program"
            " pass token="
        )
    origin = _checked_origin(DEFAULT_BASE_URL if chosen_url is None else chosen_url)
    return Settings(_checked_token(chosen), origin, chosen_claim)


def saved() -> Settings:
    """What the credentials file says, whatever the environment has for a token: the account that was registered here.

    Raises:
        ConfigurationError: There is no such account, or what is saved cannot be right.
    """
    found = credentials.read()
    if found.get(credentials.API_TOKEN) is None:
        raise ConfigurationError("there is no account here that waits to be claimed: register one first")
    if _claim_token_in(found) is None:
        raise ConfigurationError(
            "the saved account does not wait to be claimed: it is claimed, or was not registered here"
        )
    return resolve(
        cast("str", found[credentials.API_TOKEN]),
        _from_environment(BASE_URL_VARIABLES) or cast("str | None", found.get(credentials.BASE_URL)),
        _claim_token_in(found),
    )


def without_token(base_url: str | None) -> Settings:
    """Where to, for what is asked before there is a token.

    Raises:
        ConfigurationError: The base URL cannot be right.
    """
    chosen = base_url if base_url is not None else _from_environment(BASE_URL_VARIABLES)
    return Settings(None, _checked_origin(DEFAULT_BASE_URL if chosen is None else chosen))


def _from_environment(names: tuple[str, ...]) -> Secret | None:
    """The first of the variables that is set; one set to nothing counts as not set."""
    return next((Secret(value) for name in names if (value := os.environ.get(name))), None)


def _claim_token_in(saved: Mapping[str, object]) -> Secret | None:
    """The saved claim token; one that is none is nobody's concern but a claim's."""
    with suppress(ConfigurationError):
        return _checked_claim_token(saved.get(credentials.CLAIM_TOKEN))
    return None


def _checked_claim_token(token: object) -> Secret:
    secret = masked(token)
    if not isinstance(secret, Secret) or not secret.startswith("ot_clm_") or not _is_plain(secret):
        raise ConfigurationError(
            "claim_token has to begin with ot_clm_ and to hold no blanks, control characters or non-ASCII characters"
        )
    return secret


def _checked_token(token: object) -> Secret:
    token = masked(token)
    if not isinstance(token, Secret) or not token:
        raise ConfigurationError("the API token is empty or no string")
    if not _is_plain(token):
        raise ConfigurationError("the API token holds blanks, control characters or non-ASCII characters")
    for prefix in _NO_API_TOKENS:
        if token.startswith(prefix):
            raise ConfigurationError(f"a token that begins with {prefix} is not for the API (ot_pat_… is)")
    return token


def _is_plain(token: str) -> bool:
    return token.isascii() and token.isprintable() and " " not in token


def _checked_origin(base_url: object) -> str:
    base_url = exact_str(base_url)
    if base_url is None or not base_url.isprintable() or " " in base_url:
        raise ConfigurationError("the base URL is no string or holds blanks or control characters")
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError("the base URL cannot be read as one") from None
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError("the base URL holds user info; the token is the only credential")
    if parts.scheme not in {"https", "http"} or not host:
        raise ConfigurationError("the base URL has to begin with https://, or http:// on this machine, and name a host")
    if parts.path not in {"", "/"} or "?" in base_url or "#" in base_url:
        raise ConfigurationError("the base URL is an origin: no path, query or fragment")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ConfigurationError(f"http to {host} would show the token to the network: use https")
    shown_host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown_host}" + (f":{port}" if port is not None else "")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
