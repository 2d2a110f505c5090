"""Represent objects in whichever state they are."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

T = TypeVar("T")


def repr_if_ready(describe: Callable[[T], str]) -> Callable[[T], str]:
    """Return a `__repr__` that also works on an object whose `__init__` has raised, or was not called.

    A debugger or a crash reporter shows such an object with the frames of the error, and must not fail by it.
    """

    @wraps(describe)
    def represent(self: T) -> str:
        try:
            return describe(self)
        except AttributeError:
            return f"<{type(self).__name__}, not ready>"

    return represent
