"""Foreign text: make it an exact `str`, and make it harmless where it leaves the library."""

import re
from collections.abc import Iterable
from typing import cast

TOKEN_PREFIXES = ("ot_pat_", "ot_clm_", "ot_cat_", "ot_ptk_", "whsec_")
"""Each begins a token of the service: https://www.opentrain.ai/docs/developers/concepts/authentication/."""
SENTENCE = 2000
"""Characters of a sentence of ours, which may have several foreign words in it."""
_WORD, _VALUE = 300, 100
_LOOKED_AT = 4096
"""Characters of a text in which tokens are looked for, before it is cut."""
_MOST_LINES = 1000
# With fewer characters behind its prefix it is the service's preview of a token, or a word of ours about the prefix.
# Behind a letter it is a part of a word, unless that letter is of an escape.
_BEGINNING = rf"(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt]))(?:{'|'.join(TOKEN_PREFIXES)})"
_TOKEN = re.compile(rf"{_BEGINNING}[\w.~+/-]{{8,}}=*", re.ASCII)
# The login of an address, up to the last @, as a password may hold one, and a slash. The path of a page may hold an @.
# Bounded, as a text may have many beginnings.
_LOGIN = re.compile(
    r"(?:(?<=https://)|(?<=http://))[^\s'\"<>/?#]{1,256}@|(?<=(?<!http)(?<!https)://)[^\s'\"<>]{1,256}@", re.IGNORECASE
)
# Printable, says Unicode, but they take no place: grapheme joiner, fillers, variation selectors.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


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


def one_line(text: object, longest: int = _WORD) -> str:
    r"""Return a text as it may leave the library, in an error, a log, an event or on a terminal.

    Everything that does not print is escaped (newlines, ANSI, bidi marks, zero width). What looks like a token, and the
    login of an address, are masked. What is too long is cut. The token of a client is masked before, where an answer is
    read. A text that has been here before stays as it is.

    Args:
        text: The text.
        longest: Characters after which it is cut.

    >>> one_line("down\n\x1b[31mred")
    'down\\n\\x1b[31mred'
    """
    line = escaped(_without_secrets(str(text)[:_LOOKED_AT])[: longest + 1])
    return line[:longest] + "…" if len(line) > longest else line


def lines(text: str) -> str:
    """Return a text of many lines, such as a traceback, with each of them made harmless."""
    return "\n".join(one_line(line, SENTENCE) for line in text.split("\n", _MOST_LINES)[:_MOST_LINES])


def listed(words: Iterable[object]) -> str:
    """Return foreign words in a row, for a sentence of ours."""
    return one_line(", ".join(map(str, words)), SENTENCE)


def shown(value: object, longest: int = _VALUE) -> str:
    """Return a value's `repr` for a sentence of ours; its type's name if that fails, as of a very long int."""
    try:
        return one_line(str.__str__(repr(value)), longest)
    except Exception:
        return f"<{type(value).__name__}>"


def escaped(text: str) -> str:
    """Return a text with everything escaped that does not print, for what is shown whole, such as a page's address."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(mark if mark.isprintable() else _code(mark) for mark in _INVISIBLE.sub(_code_of, text))


def without_tokens(text: str) -> str:
    """Return a text in which everything that looks like a token is masked."""
    return _TOKEN.sub("***", text)


def _without_secrets(text: str) -> str:
    return _LOGIN.sub("***@", without_tokens(text))


def _code_of(found: re.Match[str]) -> str:
    return _code(found[0])


def _code(mark: str) -> str:
    return mark.encode("unicode_escape").decode()
