"""Define values whose `repr` is harmless, whatever the service has put into them, also of a half-made one."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from .representation import repr_if_ready
from .text import shown

__all__ = ["define", "frozen"]

_show = partial(shown, longest=500)


def _showing_harmless(_: type, fields: list["attrs.Attribute[Any]"]) -> list["attrs.Attribute[Any]"]:
    return [field.evolve(repr=_show) if field.repr is True else field for field in fields]


def _made(make: Callable[..., Any], cls: Any = None, **options: Any) -> Any:
    if cls is None:
        return partial(_made, make, **options)
    made = make(cls, field_transformer=_showing_harmless, **options)
    made.__repr__ = repr_if_ready(made.__repr__)
    if "__str__" in vars(made):
        made.__str__ = repr_if_ready(made.__str__)
    return made


if TYPE_CHECKING:  # type checkers know these decorators by their own names alone
    from attrs import define, frozen
else:
    define, frozen = partial(_made, attrs.define), partial(_made, attrs.frozen)
