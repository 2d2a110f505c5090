"""Find the token and the origin: from the arguments, the environment or the shared file.

A credential belongs to its origin. A saved token goes where its file says, or to the service's own origin. Any other
origin must come with a token of its own.
"""

import os
from collections.abc import Mapping
from contextlib import suppress

from attrs import frozen

from ..._base.origin import is_loopback
from ..._base.secret import NotText, Secret
from ...errors import ConfigurationError
from . import credentials
from .origins import checked_origin
from .tokens import checked_claim_token, checked_token, is_of_sandbox

DEFAULT_BASE_URL = "https://app.opentrain.ai"
TOKEN_VARIABLES = ("OT_API_TOKEN", "OPENTRAIN_API_TOKEN")
BASE_URL_VARIABLES = ("OT_API_BASE_URL", "OPENTRAIN_API_BASE_URL", "OPENTRAIN_BASE_URL")
"""The names of the service's command line tool, of its MCP server and of its Python SDK."""


@frozen
class Settings:
    """A checked token and origin; without a token for what is asked before there is one."""

    token: Secret | None
    base_url: str
    claim_token: Secret | None = None


@frozen
class Origin:
    """A checked origin, and what named it: an argument, a variable, a key of the file; `None` for the service's own."""

    url: str
    named_by: str | None = None


_OWN = Origin(DEFAULT_BASE_URL)


Sealed = Secret | NotText | None
"""An argument of a caller, sealed before anything could fail."""


def resolve(token: Sealed, base_url: Sealed, claim_token: Sealed = None) -> Settings:
    """Find the token and the origin: argument, then environment, then the file of the service's own tools.

    The file's origin and claim token go with the file's own token only: a token from elsewhere was not made for them.

    Raises:
        ConfigurationError: There is no token, one of the two is not valid, or the token belongs to another origin.
    """
    chosen = _given_token(token)
    given = _given_origin(base_url)
    claim = None if claim_token is None else checked_claim_token(claim_token, "claim_token")
    if chosen is None:
        return _of_file(credentials.read(), given, claim)
    origin = given or _OWN
    _check_sandbox(chosen, origin)
    return _with_claim_token(Settings(chosen, origin.url), origin, claim)


def saved() -> Settings:
    """Return what the credentials file says, whatever token the environment has: the account registered here.

    Raises:
        ConfigurationError: There is no such account, what is saved is not valid, or it belongs to another origin than
            the one that the environment names.
    """
    found = credentials.read()
    if found.get(credentials.API_TOKEN) is None:
        raise ConfigurationError("there is no account here that waits to be claimed: register one first")
    if found.get(credentials.CLAIM_TOKEN) is None:
        raise ConfigurationError(
            "the saved account does not wait to be claimed: it is claimed, or was not registered here"
        )
    claim = checked_claim_token(found[credentials.CLAIM_TOKEN], _key_of_file(credentials.CLAIM_TOKEN))
    return _of_file(found, _given_origin(None), claim)


def without_token(base_url: Sealed) -> Settings:
    """Return where to send what is asked before there is a token.

    Raises:
        ConfigurationError: The base URL is not valid.
    """
    return Settings(None, (_given_origin(base_url) or _OWN).url)


def _given_token(token: Sealed) -> Secret | None:
    """Return the token of the argument or of the first variable that is set; one set to nothing is not set."""
    if token is not None:
        return checked_token(token, "token")
    name = next((name for name in TOKEN_VARIABLES if os.environ.get(name)), None)
    return None if name is None else checked_token(Secret(os.environ[name]), name)


def _given_origin(base_url: Sealed) -> Origin | None:
    """Return the origin of the argument, or that on which all variables that are set agree."""
    if base_url is not None:
        return Origin(checked_origin(base_url, "base_url"), "base_url")
    values = {name: Secret(os.environ[name]) for name in BASE_URL_VARIABLES if os.environ.get(name)}
    origins = [Origin(checked_origin(value, name), name) for name, value in values.items()]
    if len({origin.url for origin in origins}) > 1:
        named = ", ".join(f"{origin.named_by} names {origin.url}" for origin in origins)
        raise ConfigurationError(f"the origin is not clear: {named}. Set them all to one, or unset the wrong ones.")
    return origins[0] if origins else None


def _of_file(found: Mapping[str, object], given: Origin | None, claim: Secret | None) -> Settings:
    """Return the settings of the credentials file, if nothing else names another origin than it does."""
    if found.get(credentials.API_TOKEN) is None:
        raise ConfigurationError(
            "no API token: set OT_API_TOKEN, register, log in with the service's own command line tool, or in a program"
            " pass token="
        )
    token = checked_token(found[credentials.API_TOKEN], _key_of_file(credentials.API_TOKEN))
    home = _OWN
    if (address := found.get(credentials.BASE_URL)) is not None:
        name = _key_of_file(credentials.BASE_URL)
        home = Origin(checked_origin(address, name), name)
    if given is not None and given.url != home.url:
        instead = "drop base_url=" if given.named_by == "base_url" else f"unset {given.named_by}"
        raise ConfigurationError(
            f"the saved token belongs to {home.url}, but {given.named_by} names {given.url}: set OT_API_TOKEN (or pass "
            f"token=) to a token of that origin, or {instead}"
        )
    _check_sandbox(token, home)
    return _with_claim_token(Settings(token, home.url), home, claim or _claim_token_in(found))


def _with_claim_token(settings: Settings, origin: Origin, claim: Secret | None) -> Settings:
    if claim is not None:
        _check_sandbox(claim, origin)
    return Settings(settings.token, settings.base_url, claim)


def _check_sandbox(token: Secret, origin: Origin) -> None:
    """Refuse to send a sandbox's token to the service: a program would take that for a revoked token."""
    if not is_of_sandbox(token) or is_loopback(origin.url):
        return
    named = "" if origin.named_by is None else f" ({origin.named_by} names {origin.url})"
    raise ConfigurationError(
        f"the token is a sandbox's, but the sandbox's address is missing{named}: set OT_API_BASE_URL to it, such as "
        "http://127.0.0.1:8080, or pass base_url="
    )


def _claim_token_in(found: Mapping[str, object]) -> Secret | None:
    """Return the saved claim token; one that is not valid matters to a claim only, so it is left out."""
    with suppress(ConfigurationError):
        return checked_claim_token(found.get(credentials.CLAIM_TOKEN), credentials.CLAIM_TOKEN)
    return None


def _key_of_file(key: str) -> str:
    return f"{key} in {credentials.path_of_file()}"
