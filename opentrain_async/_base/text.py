"""Foreign text: make it an exact `str`, and escape and cut it for one line of a log or a terminal."""

from typing import cast

_LONGEST = 300


def exact_str(value: object) -> str | None:
    """Return a string as an exact `str` with the string's own value; `None` for anything else.

    A subclass can say something else wherever it is formatted, compared or encoded, as the members of a ``(str, Enum)``
    class do. So a caller's string is made exact before it is checked, and only the exact one is used.

    >>> import enum
    >>> exact_str(enum.Enum("Drafts", {"CATS": "job_1"}, type=str).CATS)
    'job_1'
    """
    # Not isinstance(), which a __class__ attribute can deceive. Called on its class, the method cannot be overridden.
    return str.__str__(cast("str", value)) if issubclass(type(value), str) else None


def one_line(text: object) -> str:
    r"""The text with everything unprintable (newlines, ANSI, bidi marks) escaped, cut at 300 characters.

    >>> one_line("down\n\x1b[31mred")
    'down\\n\\x1b[31mred'
    """
    shown = str(text)
    cut = shown[:_LONGEST] + "…" if len(shown) > _LONGEST else shown
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in cut)


def shown(value: object) -> str:
    """The value's `repr`, or its type's name where that fails, as of an int too long to be written."""
    try:
        return str.__str__(repr(value))
    except Exception:
        return f"<{type(value).__name__}>"
