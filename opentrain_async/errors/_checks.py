"""Check arguments at the call, and refuse a wrong one by its name."""

import inspect
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeGuard, TypeVar, cast

from .._base.found_file import NoHomeError, expanded
from .._base.secret import Secret
from .._base.text import TOKEN_PREFIXES, exact_str, shown, without_tokens
from . import ConfigurationError

F = TypeVar("F", bound=Callable[..., object])

_JOB_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_TOKEN_PREFIX = re.compile("|".join(TOKEN_PREFIXES))
_SHORTEST_TOKEN = 8
"""Characters of a token that is looked for within a text. Shorter ones, as in tests, are parts of words."""
_EMAIL = re.compile(r"[^\s@]{1,64}@[^\s@]{1,255}")


def number(name: str, value: object, *, above: float | None = None, at_least: float = 0.0) -> float:
    """A finite number in its range.

    Raises:
        ConfigurationError: It is none.
    """
    checked = _real(name, value)
    if math.isinf(checked) or checked < at_least or (above is not None and checked <= above):
        bound = f"above {above:g}" if above is not None else f"at least {at_least:g}"
        raise ConfigurationError(f"{name} has to be a finite number {bound}, not {shown(value)}")
    return checked


def patience(name: str, value: object) -> float:
    """A number of seconds from 0 up to infinity.

    Raises:
        ConfigurationError: It is none.
    """
    checked = _real(name, value)
    if checked < 0:
        raise ConfigurationError(f"{name} has to be 0 or more seconds, or math.inf; not {shown(value)}")
    return checked


def whole(name: str, value: object, *, at_least: int = 1) -> int:
    """A whole number in its range.

    Raises:
        ConfigurationError: It is none.
    """
    # Exact, as a member of an IntEnum writes and compares itself as it likes.
    checked = None if isinstance(value, bool) or not issubclass(type(value), int) else int.__index__(cast("int", value))
    if checked is None or checked < at_least:
        raise ConfigurationError(f"{name} has to be a whole number from {at_least}, not {shown(value)}")
    return checked


def name(argument: str, value: object, own_token: Secret | None = None) -> str:
    """Return a string that is not empty, as an exact `str`.

    Args:
        argument: The argument's name.
        value: Its value.
        own_token: The token of the client that is called, or `None`.

    Raises:
        ConfigurationError: It is not one, or is a token.
    """
    text = exact_str(value)
    if not text:
        raise ConfigurationError(f"{argument} has to be a name, not {_shown(value, own_token)}")
    refuse_token(argument, text, own_token)
    return text


def refuse_token(argument: str, text: str, own_token: Secret | None = None) -> None:
    """Refuse a token in the place of a name. Names are sent in the open, shown and written down.

    Raises:
        ConfigurationError: It is a token, or holds one. The error does not show it.
    """
    if problem := _token_in(text, own_token):
        raise ConfigurationError(f"{argument} {problem}; it is not shown")


def _token_in(text: str, own_token: Secret | None) -> str | None:
    """Return how a text is a token; `None` if it is not one."""
    if found := _TOKEN_PREFIX.search(text):
        if not found.start():
            return f"begins with {found[0]}, as a token does"
        if without_tokens(text) != text:
            return "holds what looks like a token"
    return "holds this client's own token" if own_token is not None and _holds(text, own_token) else None


def _holds(text: str, token: Secret) -> bool:
    own = token.reveal()
    return text == own or (len(own) >= _SHORTEST_TOKEN and own.lower() in text.lower())


def _shown(value: object, own_token: Secret | None) -> str:
    """Return a refused value for a message. What is not a text may hold a token too, as a list does."""
    text = shown(value)
    return "***" if own_token is not None and _holds(text, own_token) else text


def email(argument: str, value: object) -> str:
    """Return the address of a person, as an exact `str`.

    Raises:
        ConfigurationError: It is not valid.
    """
    text = exact_str(value)
    if text is None or not _EMAIL.fullmatch(text):
        raise ConfigurationError(f"{argument} has to be an e-mail address, not {shown(value)}")
    refuse_token(argument, text)
    return text


def path(argument: str, value: object) -> Path:
    """Return the path of a file; a ``~`` at its beginning is the home folder.

    Raises:
        ConfigurationError: It is not one, or the home folder is not known.
    """
    try:
        text = exact_str(os.fspath(cast("str", value)))
    except TypeError:
        text = None
    if text is None or not Path(text).name or "\0" in text:
        raise ConfigurationError(f"{argument} has to be the path of a file, not {shown(value)}")
    refuse_token(argument, Path(text).name)
    try:
        return expanded(text)
    except NoHomeError as error:
        raise ConfigurationError(f"{argument}: {error}") from None


def kind(argument: str, value: object, wanted: type) -> None:
    """Refuse what is no instance of *wanted*.

    Raises:
        ConfigurationError: It is none.
    """
    if not isinstance(value, wanted):
        raise ConfigurationError(f"{argument} has to be a {wanted.__name__}, not {shown(value)}")


def callback(argument: str, value: object) -> None:
    """Refuse what cannot be called.

    Raises:
        ConfigurationError: It cannot.
    """
    if not callable(value):
        raise ConfigurationError(f"{argument} has to be callable, not {shown(value)}")


def plain_function(argument: str, value: F) -> F:
    """What can be called, and returns when it is done: nobody would await what an async function returns.

    Raises:
        ConfigurationError: It cannot, or is async.
    """
    callback(argument, value)
    kinds = (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    if any(is_async(called) for is_async in kinds for called in (value, type(value).__call__)):
        raise ConfigurationError(f"{argument} has to be a plain function, not an async one: nobody waits for it")
    return value


def method(argument: str, value: object, wanted: str) -> None:
    """Refuse what has no method of that name.

    Raises:
        ConfigurationError: It has none.
    """
    if isinstance(value, type) or not callable(getattr(value, wanted, None)):
        raise ConfigurationError(f"{argument} has to have a method {wanted}(), unlike {shown(value)}")


def is_job_id(value: object) -> TypeGuard[str]:
    """True for 1 to 128 of ``A-Z a-z 0-9 . _ ~ -``, except ``.`` and ``..``.

    An id becomes part of a path, so the service's own ids are checked too.
    """
    return isinstance(value, str) and _JOB_ID.fullmatch(value) is not None and value not in {".", ".."}


def is_same_id(one: str, other: str) -> bool:
    """True for two ids that are equal without regard to case; two UUIDs also without regard to dashes."""
    if not (one.isascii() and other.isascii()):  # the Kelvin sign, too, is a k in lower case
        return one == other
    one, other = one.lower(), other.lower()
    if _UUID.fullmatch(one) and _UUID.fullmatch(other):
        return one.replace("-", "") == other.replace("-", "")
    return one == other


def checked_job_id(job_id: object, own_token: Secret | None = None) -> str:
    """Return the id as an exact `str`, if it is valid.

    Args:
        job_id: The id.
        own_token: The token of the client that is called, or `None`.

    Raises:
        ConfigurationError: It is not.
    """
    text = exact_str(job_id)
    # In place of an id a token would end up in a URL, and in proxies' logs.
    if text is not None and (problem := _token_in(text, own_token)):
        raise ConfigurationError(f"not a job id: it {problem}, and is not shown")
    if is_job_id(text):
        return text
    raise ConfigurationError(
        f"not a job id: {_shown(job_id, own_token)} (1 to 128 of A-Z a-z 0-9 . _ ~ -, and neither '.' nor '..')",
        job_id=text,
    )


def shown_job_id(item: object, own_token: Secret | None = None) -> str:
    """Return how to name an item that was given as a job id, whether it is valid or not; never show a token."""
    text = exact_str(item)
    if text is None:
        return _shown(item, own_token)
    return "***" if _token_in(text, own_token) else text


def _real(name: str, value: object) -> float:
    try:
        checked = math.nan if isinstance(value, bool) or not isinstance(value, int | float) else float(value)
    except OverflowError:
        checked = math.nan
    if math.isnan(checked):
        raise ConfigurationError(f"{name} has to be a number, not {shown(value)}")
    return checked
