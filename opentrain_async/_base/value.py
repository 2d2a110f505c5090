"""Define frozen values whose `repr` is harmless, whatever the service has put into them."""

from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from .text import shown

__all__ = ["frozen"]

_show = partial(shown, longest=500)


def _showing_harmless(_: type, fields: list["attrs.Attribute[Any]"]) -> list["attrs.Attribute[Any]"]:
    return [field.evolve(repr=_show) if field.repr is True else field for field in fields]


if TYPE_CHECKING:  # type checkers know this decorator by its own name alone
    from attrs import frozen
else:
    frozen = partial(attrs.frozen, field_transformer=_showing_harmless)
