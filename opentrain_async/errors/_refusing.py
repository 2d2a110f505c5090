"""Refuse arguments without keeping them: any of them may be a token, passed in the wrong place."""

import functools
import inspect
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar, cast

from attrs import frozen

from .._base.secret import Secret
from . import ConfigurationError
from ._checks import checked_job_id, shown_job_id

F = TypeVar("F", bound=Callable[..., object])

_PACKAGE = __name__.partition(".")[0]


def refusing(function: F) -> F:
    """Decorate a public function or method: a `ConfigurationError` leaves it without the frames of the package.

    A traceback that shows local variables would show the arguments in these. The frames of other code stay, such as
    those of a callback that raised the error.
    """
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaiting(*arguments: object, **named: object) -> object:
            try:
                call = function(*arguments, **named)
            finally:
                del arguments, named
            try:
                return await call
            except ConfigurationError as error:
                refusal = _without_our_frames(error)
            try:
                raise refusal
            finally:
                del refusal  # else the error and this frame would keep each other

        return cast("F", awaiting)

    @functools.wraps(function)
    def calling(*arguments: object, **named: object) -> object:
        try:
            return function(*arguments, **named)
        except ConfigurationError as error:
            refusal = _without_our_frames(error)
        finally:  # also of a call with an argument too many
            del arguments, named
        try:
            raise refusal
        finally:
            del refusal

    return cast("F", calling)


@frozen
class RefusedId:
    """Stands for an item of a run that is not a valid job id, and is not kept.

    Attributes:
        name: How to name the item; not a token.
        error: Why it is refused.
    """

    name: str
    error: ConfigurationError


def read_job_id(item: object, own_token: Secret | None = None) -> str | RefusedId:
    """Return an item as a checked job id, or a `RefusedId` in its place; an item that has been read as it is.

    Args:
        item: The item.
        own_token: The token of the client that is called, or `None`.
    """
    if isinstance(item, RefusedId):
        return item
    try:
        return checked_job_id(item, own_token)
    except ConfigurationError as error:
        return RefusedId(shown_job_id(item, own_token), _without_our_frames(error))


def _without_our_frames(error: ConfigurationError) -> ConfigurationError:
    frames = _foreign_frames_of(error.__traceback__)
    if frames is None:  # a check's own; its context has frames of the package too
        error.__context__ = None
    return error.with_traceback(frames)


def _foreign_frames_of(trace: TracebackType | None) -> TracebackType | None:
    links: list[TracebackType] = []
    while trace is not None:
        if _package_of(trace) != _PACKAGE:
            links.append(trace)
        trace = trace.tb_next
    rest: TracebackType | None = None
    for link in reversed(links):
        rest = TracebackType(rest, link.tb_frame, link.tb_lasti, link.tb_lineno)
    return rest


def _package_of(trace: TracebackType) -> str:
    module: Any = trace.tb_frame.f_globals.get("__name__", "")
    return str(module).partition(".")[0]
