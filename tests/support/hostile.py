"""Strings whose class says something else than they are."""

from collections.abc import Callable
from enum import Enum
from typing import Any, NoReturn


class Hostile(str):
    """A string that lies about itself in every way that a subclass has."""

    def __lie(self, *_: object, **__: object) -> Any:
        return "lie"

    __str__ = __format__ = __add__ = __mod__ = __getitem__ = __lie
    encode = strip = lower = upper = replace = split = join = format = removeprefix = casefold = title = __lie

    def __repr__(self) -> str:
        return type(self)("lie")

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return 7

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Any:
        return iter("lie")

    def __contains__(self, part: object) -> bool:
        return True

    def isascii(self) -> bool:
        return True

    def isprintable(self) -> bool:
        return True

    def startswith(self, *_: object) -> bool:
        return True

    def endswith(self, *_: object) -> bool:
        return False


class Broken(str):
    """A string that raises whatever is asked of it."""

    def __fail(self, *_: object, **__: object) -> NoReturn:
        raise RuntimeError("no")

    __str__ = __format__ = __repr__ = __eq__ = __ne__ = __len__ = __iter__ = __contains__ = __fail
    __add__ = __getitem__ = encode = strip = startswith = endswith = isascii = isprintable = __fail

    def __hash__(self) -> int:
        return 7


class Impostor:
    """What says that it is a string, and is not."""

    __class__ = str  # type: ignore[assignment]


def member(text: str) -> str:
    """A member of a (str, Enum) class with that value."""
    return Enum("Text", {"MEMBER": text}, type=str).MEMBER  # type: ignore[no-any-return,attr-defined]


KINDS: list[Callable[[str], str]] = [Hostile, Broken, member]
"""Each makes a string with that value, of another class."""
