"""Change JSON by chance: other values, another number of them, other bytes."""

import random
import re
from collections.abc import Callable, Iterator

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[-+.\w]+|[\[\]{},:]')
_NESTED = "[" * 1000 + "]" * 1000
_SWAPS = [
    "null", "true", "false", "[]", "{}", '""', '"x"', "0", "-1", "1", "2.5", "-0.0", "1e308", "-1e308", "1e999",
    "1e-300", "NaN", "Infinity", "-Infinity", "9" * 400, "9" * 5000, "1800000000", "253402300799", "99999999999999",
    "[1]", '["x"]', '{"x": 1}', '"\\ud800"', '"\\u0000\\u001b[31m"', '"../x"', '"' + "x" * 300 + '"', _NESTED,
    '{"a":' * 500 + "1" + "}" * 500, '"2026-01-01T00:00:00"', '"9999-12-31T23:59:59-23:59"', '"unknown"', '"published"',
    '"NotPublishReadyError"', '"job_0"', "[[[[]]]]", "01", "'x'", "undefined",
]  # fmt: skip
_FOREIGN = [
    b"", b"\n", b"\0" * 64, b"\xff" * 64, b"\x89PNG\r\n\x1a\n", b"<html></html>", b"\x80\x04]\x94.", b"\xef\xbb\xbf[]",
    "[2]".encode("utf-16"), b"[" * 100_000, b"9" * 100_000, b'"' + b"x" * 2_000_000, b" " * 5_000_000, b"[3,[]]",
]  # fmt: skip


_CHANGES: list[Callable[[float], float]] = [
    lambda number: -number,
    lambda number: number + 1,
    lambda number: number * 1000,
    lambda number: number - 1e9,
    lambda number: number / 7,
]


class Mutator:
    """Makes other texts of one text of JSON, by chance and each time the same.

    Args:
        text: The text.
        seed: Of the chance.
    """

    def __init__(self, text: str, seed: int) -> None:
        self._random = random.Random(seed)
        self._bytes = text.encode()
        self._tokens = _TOKEN.findall(text)
        self._spans = list(_spans(self._tokens))
        self._ways: list[Callable[[], bytes]] = [
            self._swapped, self._swapped, self._swapped, self._swapped, self._without, self._doubled, self._moved,
            self._numbers_changed, self._flipped, self._cut, self._spliced, self._foreign,
        ]  # fmt: skip

    def next(self) -> bytes:
        """The next text."""
        return self._random.choice(self._ways)()

    def _joined(self, tokens: list[str]) -> bytes:
        return "".join(tokens).encode("utf-8", "surrogatepass")

    def _swapped(self) -> bytes:
        """With one or two values exchanged for others."""
        tokens = list(self._tokens)
        for begin, end in self._random.choices(self._spans, k=self._random.choice((1, 1, 2))):
            tokens[begin] = self._random.choice(_SWAPS)
            tokens[begin + 1 : end] = [""] * (end - begin - 1)
        return self._joined(tokens)

    def _without(self) -> bytes:
        """With a value missing, and the comma before it or after it."""
        begin, end = self._random.choice(self._spans)
        tokens = self._tokens[:begin], self._tokens[end:]
        if tokens[1][:1] == [","]:
            return self._joined(tokens[0] + tokens[1][1:])
        return self._joined((tokens[0][:-1] if tokens[0][-1:] == [","] else tokens[0]) + tokens[1])

    def _doubled(self) -> bytes:
        """With a value, or a key and its value, there twice."""
        begin, end = self._random.choice(self._spans)
        if self._tokens[begin - 1] == ":":
            begin -= 2
        return self._joined([*self._tokens[:end], ",", *self._tokens[begin:]])

    def _moved(self) -> bytes:
        """With a value in the place of another one."""
        begin, end = self._random.choice(self._spans)
        from_, to = self._random.choice(self._spans)
        return self._joined([*self._tokens[:begin], *self._tokens[from_:to], *self._tokens[end:]])

    def _numbers_changed(self) -> bytes:
        """With some numbers far off, or a little."""
        change = self._random.choice(_CHANGES)
        return self._joined([
            repr(change(float(token))) if token[0].isdigit() and self._random.random() < 0.3 else token
            for token in self._tokens
        ])  # fmt: skip

    def _flipped(self) -> bytes:
        """With a few bits turned over."""
        changed = bytearray(self._bytes)
        for _ in range(self._random.choice((1, 1, 2, 8))):
            changed[self._random.randrange(len(changed))] ^= 1 << self._random.randrange(8)
        return bytes(changed)

    def _cut(self) -> bytes:
        """With its end missing, or its beginning."""
        place = self._random.randrange(len(self._bytes))
        return self._bytes[:place] if self._random.random() < 0.7 else self._bytes[place:]

    def _spliced(self) -> bytes:
        """With a piece of it put in elsewhere."""
        begin, end, place = (self._random.randrange(len(self._bytes)) for _ in range(3))
        return self._bytes[:place] + self._bytes[begin:end] + self._bytes[place:]

    def _foreign(self) -> bytes:
        """Something else altogether."""
        return self._random.choice(_FOREIGN) if self._random.random() < 0.1 else self._random.randbytes(50)


def _spans(tokens: list[str]) -> Iterator[tuple[int, int]]:
    """Where each value begins and ends; a key is one as well."""
    open_at: list[int] = []
    for number, token in enumerate(tokens):
        if token in {"[", "{"}:
            open_at.append(number)
        elif token in {"]", "}"}:
            yield open_at.pop(), number + 1
        elif token not in {",", ":"}:
            yield number, number + 1
