"""Hold a text that nothing shows: a token, or an address with a password."""

import hmac
from collections.abc import Callable
from typing import NoReturn, SupportsIndex, final

from attrs import frozen

from .text import exact_str


@final
class Secret:
    """A text that nothing shows: no `repr`, format, slice, copy or pickle, and no traceback with local variables.

    It is neither a `str` nor `bytes`, because many a tool slices or decodes these before it asks for their `repr`. Two
    are equal if their texts are. It cannot be pickled: a pickle is a file.

    Args:
        text: The text.

    Raises:
        TypeError: It is not a text.

    >>> Secret("ot_pat_2f81")
    Secret('***')
    >>> Secret("ot_pat_2f81").reveal()
    'ot_pat_2f81'
    """

    __slots__ = ("_reveal",)

    # In a closure, as tools that show an object's attributes find these in slots too.
    _reveal: Callable[[], str]

    def __init__(self, text: str) -> None:
        given = exact_str(text)
        del text
        if given is None:
            raise TypeError("a Secret holds a text: decode what is given as bytes")
        self._reveal = lambda: given

    def reveal(self) -> str:
        """Return the text. Keep the expression short: a traceback that shows local variables shows it from here on."""
        return self._reveal()

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.reveal().encode(errors="replace"), other.reveal().encode(errors="replace"))

    def __hash__(self) -> int:
        return hash((Secret, self.reveal()))

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, _: object) -> "Secret":
        return self

    def __reduce_ex__(self, _: SupportsIndex) -> NoReturn:
        raise TypeError("a Secret cannot be pickled: call reveal(), and keep the text safe")


@frozen
class NotText:
    """Stands for a value that should have been a text, and is not kept: a list, too, may hold a token."""

    type_name: str


def sealed(value: object) -> Secret | NotText | None:
    """Return a text as a `Secret`, `None` as it is, and a `NotText` in place of anything else.

    Seal an argument before anything can fail, and let go of the argument itself, so that no traceback shows it.
    """
    if value is None or isinstance(value, Secret):
        return value
    text = exact_str(value)
    return NotText(type(value).__name__) if text is None else Secret(text)
