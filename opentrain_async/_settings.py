"""Who calls, and where to: the token and the base URL, from the argument, the environment or the shared file."""

import ipaddress
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar, cast
from urllib.parse import urlsplit

from attrs import frozen

from .errors import ConfigurationError

T = TypeVar("T")

DEFAULT_BASE_URL = "https://app.opentrain.ai"
_TOKEN_VARIABLES = ("OT_API_TOKEN", "OPENTRAIN_API_TOKEN")
_BASE_URL_VARIABLES = ("OT_API_BASE_URL", "OPENTRAIN_API_BASE_URL")
_NO_API_TOKENS = ("ot_clm_", "ot_cat_", "ot_ptk_", "whsec_")


class Secret(str):
    """A string that does not show itself in a `repr`, and so in no traceback, log or debugger listing."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


@frozen
class Settings:
    """A checked token and origin."""

    token: Secret
    base_url: str


def resolve(token: str | None, base_url: str | None) -> Settings:
    """Find the token and the base URL: argument, then environment, then the file of the service's own tools.

    The file's base URL goes with the file's own token only: a token from elsewhere was not made for it.

    Raises:
        ConfigurationError: There is no token, or one of the two cannot be right.
    """
    chosen: object = masked(token) if token is not None else _from_environment(_TOKEN_VARIABLES)
    chosen_url: object = base_url if base_url is not None else _from_environment(_BASE_URL_VARIABLES)
    if chosen is None:
        saved = _from_file()
        chosen = saved.get("apiToken")
        chosen_url = chosen_url if chosen_url is not None else saved.get("baseUrl")
    if chosen is None:
        raise ConfigurationError(
            "no API token: set OT_API_TOKEN, pass token=, or log in with the service's own command line tool"
        )
    return Settings(_checked_token(chosen), _checked_origin(DEFAULT_BASE_URL if chosen_url is None else chosen_url))


def masked(token: T) -> T | Secret:
    """The token as a `Secret`; what is no string stays as it is, to be refused."""
    return Secret(token) if isinstance(token, str) else token


def credentials_path() -> Path:
    """The credentials file that the service's own tools share (…/docs/developers/cli/overview/).

    Raises:
        RuntimeError: The user has no home, as in many a container.
    """
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "opentrain" / "cli.json"


def _from_environment(names: tuple[str, ...]) -> Secret | None:
    """The first of the variables that is set; one set to nothing counts as not set."""
    return next((Secret(value) for name in names if (value := os.environ.get(name))), None)


def _from_file() -> Mapping[str, object]:
    """The saved credentials; every string in them is a secret from the moment it is read."""
    problem = "it holds no JSON object"
    try:
        path = credentials_path()
    except RuntimeError:
        return {}
    try:
        saved: object = json.loads(path.read_bytes(), object_pairs_hook=_with_secrets)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        saved, problem = None, type(error).__name__
    if not isinstance(saved, dict):
        saved = None  # it may be the token itself
        raise ConfigurationError(f"the credentials file {path} cannot be read: {problem}")
    return cast("Mapping[str, object]", saved)


def _with_secrets(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """The strings of an object, as secrets, and without lists: nothing that is needed is in one."""
    return {key: [] if isinstance(value, list) else masked(value) for key, value in pairs}


def _checked_token(token: object) -> Secret:
    if not isinstance(token, str) or not token:
        raise ConfigurationError("the API token is empty or no string")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigurationError("the API token holds blanks, control characters or non-ASCII characters")
    for prefix in _NO_API_TOKENS:
        if token.startswith(prefix):
            raise ConfigurationError(f"a token that begins with {prefix} is not for the API (ot_pat_… is)")
    return Secret(token)


def _checked_origin(base_url: object) -> str:
    if not isinstance(base_url, str) or not base_url.isprintable() or " " in base_url:
        raise ConfigurationError("the base URL is no string or holds blanks or control characters")
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError("the base URL cannot be read as one") from None
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError("the base URL holds user info; the token is the only credential")
    if parts.scheme not in {"https", "http"} or not host:
        raise ConfigurationError("the base URL has to begin with https:// and name a host")
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
