"""Tokens and a password that are looked for in what is shown, and are kept in no frame and no global."""

import random
import re
import string
from collections.abc import Callable, Iterator, Mapping

from opentrain_async._base.secret import Secret

_PIECE = 8
"""Characters in a row of a secret that must not be seen."""
_FRAME = re.compile(r"[\s│╭╮╰╯─┃┆|+]")
"""What tools put around a value and into it where a line ends."""

KINDS: Mapping[str, Callable[[str], object]] = {
    "str": str,
    "bytes": str.encode,
    "list": lambda text: [text],
    "Secret": Secret,
}
"""The types in which a secret is passed: by its right type, or by mistake."""


class Secrets:
    """A token, a claim token, the token and the claim token that a server gives, and the password of a store.

    What calls one of the functions has the text on Python's stack alone, so that it is in no frame of a test.

    Args:
        length: Characters of each.
        kind: The type in which `token`, `claim_token` and `url` come.
    """

    def __init__(self, length: int, kind: str = "str") -> None:
        texts = {prefix: _made(prefix, length) for prefix in ("ot_pat_", "ot_clm_", "ot_pat_new", "ot_clm_new", "pw")}
        as_kind = KINDS[kind]
        self.text: Callable[[str], str] = lambda prefix: texts[prefix]
        self.token: Callable[[], object] = lambda: as_kind(texts["ot_pat_"])
        self.claim_token: Callable[[], object] = lambda: as_kind(texts["ot_clm_"])
        self.like: Callable[[str, str], object] = lambda template, prefix: as_kind(template.format(texts[prefix]))
        self._pieces: Callable[[], Iterator[str]] = lambda: (
            text[begin : begin + _PIECE].lower()
            for prefix, text in texts.items()
            for begin in range(len(prefix), length - _PIECE + 1)
        )

    def seen_in(self, text: str) -> list[str]:
        """Return the pieces of the secrets that a text shows, also where lines or panels break them."""
        whole = _FRAME.sub("", text).lower()
        return [piece for piece in self._pieces() if piece in whole]


def _made(prefix: str, length: int) -> str:
    """A text that begins so, and of which no piece is in anything else."""
    marks = random.Random(f"{prefix} {length}").choices(string.ascii_letters + string.digits, k=length - len(prefix))
    return prefix + "".join(marks)
