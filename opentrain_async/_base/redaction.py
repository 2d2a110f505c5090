"""Take a secret out of foreign text, in whichever form the text has it."""

import html
import re
from collections.abc import Callable

from attrs import frozen

from .secret import Secret
from .text import without_tokens

_BLOCK = 8
_LEAST = 2 * _BLOCK - 1
"""Characters of a secret in a row that are taken out: a proxy may cut what it echoes. So many hold a whole block.

The service's own preview of a token, which it gives on purpose, has fewer.
"""
_SHORTEST = 12
"""Characters of the shortest secret that is looked for. Shorter ones, as in tests, are also parts of other words."""
_MASK = "***"
# What takes no place, in UTF-8 whose bytes are read as Latin-1, in lower case: the first byte of two is another then.
_INVISIBLE = (
    r"\xe2[\x80-\x9f\xad](?![\x80-\xbf])|\xed\x8f(?![\x80-\xbf])|\xf8\x9c|\xe1(?:\x85[\x9f\xa0]|\x9e[\xb4\xb5]|\xa0[\x8b-\x8f])"
    r"|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa0-\xaf]|\xe3\x85\xa4|\xef(?:\xb8[\x80-\x8f]|\xbb\xbf|\xbe\xa0)"
    r"|\xf3\xa0[\x80-\x87][\x80-\xbf]"
)
_ESCAPED = re.compile(
    # JSON, also when it is encoded twice; JavaScript; nginx. A longer run of backslashes is not of an escape.
    r"(?<!\\)\\{1,8}(?:u(?P<json>[0-9a-f]{4})|u\{0{0,6}(?P<braces>[0-9a-f]{1,6})\}|x(?P<hex>[0-9a-f]{2}))"
    r"|(?<!\\)\\{1,8}(?P<slash>/)"  # PHP
    r"|\\(?P<other>.)"
    r"|%(?:25){0,4}(?P<percent>[0-9a-f]{2})"
    r"|&(?P<entity>#x?[0-9a-f]{1,8}|[a-z]{2,12});"
    # Folds, the zeros of UTF-16, and what takes no place.
    rf"|(?P<ignored>[\x00-\x20\x7f]+|{_INVISIBLE})",
    re.DOTALL,
)
_TAKES_NO_PLACE = {0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF}
_ESCAPES_BEGIN = ("\\", "%", "&", "\0", "\x7f")
# Escapes that stand for a character of tokens, or for what takes no place: most texts have only others.
_CODE = "(?:2[bdef5]|3[0-9d]|[4-7][0-9a-f])"
_HIDES = re.compile(rf"\\(?:u00{_CODE}|u\{{|u00ad|u20[0-26]|ufeff|x{_CODE}|/)|%{_CODE}|&[#a-z]|[\0\x7f]|{_INVISIBLE}")
Redact = Callable[[bytes], bytes]


def redact_nothing(text: bytes) -> bytes:
    """Return the text as it is: there is no secret."""
    return text


def redactor(secret: Secret | None, *, also_cut: bool = True, shortest: int = _SHORTEST) -> Redact:
    r"""Return a function that masks a secret in a text, also where it is escaped, folded or in another case.

    Args:
        secret: The secret; `None` masks nothing.
        also_cut: Also mask a part of it. A part may be another thing as well, such as an id that stands in the token.
        shortest: Characters of the shortest secret that is looked for, from 8.

    >>> redactor(Secret("ot_pat_2f81c0de"))(b'{"got": "Bearer ot\\u005fpat_2f81c0de"}')
    b'{"got": "Bearer ***"}'
    """
    given = "" if secret is None else secret.reveal().encode(errors="replace").decode("latin-1").lower()
    # In the form in which a text is searched. A password may have what tokens do not: then no text is left unread.
    wanted = "".join(given.split())
    is_like_a_token = wanted == given and not any(mark in given for mark in "\"'\\")
    if len(wanted) < max(shortest, _BLOCK):
        return redact_nothing
    least = min(_LEAST, len(wanted)) if also_cut else len(wanted)
    blocks = [wanted[begin : begin + _BLOCK] for begin in range(0, len(wanted) - _BLOCK + 1, _BLOCK)]
    traces = (*blocks, *_ESCAPES_BEGIN)

    def has_block(text: str) -> bool:
        return any(map(text.__contains__, blocks))

    def redact(text: bytes) -> bytes:
        if len(text) < least:  # an escape is longer than the character for which it stands
            return text
        shown = text.decode("latin-1")  # a character for each byte, of which none changes its place in lower case
        lower = shown.lower()
        # Nearly every answer ends here: it has no part of the secret, and no escape that may hide one.
        if is_like_a_token and not any(map(lower.__contains__, traces)) and lower.isascii():
            return text
        may_hide = not is_like_a_token or _HIDES.search(lower)
        if not has_block(lower) and not (may_hide and has_block(_ESCAPED.sub(_character, lower))):
            return text
        plain, begins = _unescaped(lower)
        find = re.compile("|".join(map(re.escape, blocks))).search
        kept: list[str] = []
        done = 0
        found = find(plain)
        while found is not None:
            begin, end = _run(plain, found.start(), wanted, wanted.index(found[0]))
            if end - begin >= least and begins[begin] >= done:
                kept += [shown[done : begins[begin]], _MASK]
                done = begins[end - 1] + _length_at(lower, begins[end - 1])
            found = find(plain, end)
        return "".join([*kept, shown[done:]]).encode("latin-1")

    return redact


@frozen
class Masks:
    """What is masked in the answers to the requests of a transport.

    Attributes:
        of_success: Masks the whole token. A part of it may be an id, or of a new token, which is kept.
        of_refusal: Masks parts of the token too, and everything that looks like a token, of whichever account.
    """

    of_success: Redact = redact_nothing
    of_refusal: Redact = redact_nothing

    @classmethod
    def of(cls, secret: Secret | None) -> "Masks":
        """Return the masks for a secret."""
        return cls(redactor(secret, also_cut=False), _in_turn(redactor(secret), _redact_tokens))

    def and_of(self, secret: Secret) -> "Masks":
        """Return masks that mask another secret too."""
        other = Masks.of(secret)
        return Masks(_in_turn(self.of_success, other.of_success), _in_turn(self.of_refusal, other.of_refusal))


def _redact_tokens(text: bytes) -> bytes:
    return without_tokens(text.decode("latin-1")).encode("latin-1")


def _in_turn(first: Redact, second: Redact) -> Redact:
    return lambda text: second(first(text))


def redacted(text: str, redact: Redact) -> str:
    """Return a string as the function leaves it."""
    return redact(text.encode(errors="surrogatepass")).decode(errors="surrogatepass")


def _unescaped(text: str) -> tuple[str, list[int]]:
    """Return the text without escapes and blanks, and where each of its characters begins in the text."""
    plain: list[str] = []
    begins: list[int] = []
    done = 0
    for escape in _ESCAPED.finditer(text):
        plain.append(text[done : escape.start()])
        begins += range(done, escape.start())
        if character := _character(escape):
            plain.append(character)
            begins.append(escape.start())
        done = escape.end()
    plain.append(text[done:])
    begins += range(done, len(text))
    return "".join(plain), begins


def _character(escape: re.Match[str]) -> str:
    """Return the character, in lower case, for which an escape stands; a question mark for what no token holds."""
    kind = escape.lastgroup
    if kind == "ignored":
        return ""
    if kind == "slash":
        return "/"
    if kind == "entity":
        code = ord(html.unescape(escape[0])[0])
    elif kind == "other":
        return escape["other"] if escape["other"] in "\"'\\" else "?"
    else:
        code = int(escape[kind or 0], 16)
    if code <= 0x20 or code in _TAKES_NO_PLACE:
        return ""
    return chr(code).lower() if code < 0x80 else "?"


def _length_at(text: str, position: int) -> int:
    """Return how many characters of the text stand for the one character there."""
    escape = _ESCAPED.match(text, position)
    return 1 if escape is None else len(escape[0])


def _run(plain: str, at: int, wanted: str, offset: int) -> tuple[int, int]:
    """Return where the part of the secret begins and ends that is here, around the block at this offset of it."""
    begin, end = at, at + _BLOCK
    while begin > 0 and at - begin < offset and plain[begin - 1] == wanted[offset - (at - begin) - 1]:
        begin -= 1
    while end < len(plain) and offset + end - at < len(wanted) and plain[end] == wanted[offset + end - at]:
        end += 1
    return begin, end
