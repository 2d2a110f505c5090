"""Escape and cut foreign text for one line of a log or a terminal."""

_LONGEST = 300


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
        return repr(value)
    except Exception:
        return f"<{type(value).__name__}>"
