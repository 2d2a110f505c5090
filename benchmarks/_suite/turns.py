"""Who is measured when."""

import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

OURS = "opentrain_async"
"""What we are called among the contenders."""


def in_turns(rounds: int, contenders: Sequence[T]) -> Iterator[tuple[int, T]]:
    """Everybody once a round, with the round's number: first as they are given, then in an order of each round's own.

    The orders are the same in each run.
    So what makes the machine slower for a while hits all of them, and nobody always comes first, or after the same one.
    """
    for number in range(rounds):
        order = random.Random(number).sample(contenders, len(contenders)) if number else contenders
        yield from ((number, one) for one in order)


def told(part: str, turns: Iterable[tuple[int, T]], rounds: int) -> Iterator[tuple[int, T]]:
    """The same turns; at each round's beginning stderr says how far it is."""
    last = -1
    for number, one in turns:
        if number != last:
            last = number
            print(f"{part}: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        yield number, one
