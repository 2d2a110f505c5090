"""When somebody wants to publish: whatever might bring a limiter to let too much through in some 24 hours.

All are sorted lists of epoch seconds, whole ones, so that nobody is tripped up by how a clock rounds.
"""

import random
from collections.abc import Callable

DAY = 24 * 3600
_MIDNIGHT = 20_000 * DAY
"""One in UTC."""
_MORE_THAN_A_DAY_HAS = 30
_OFTEN = 600
_DAYS = 3


def around_midnight(chance: random.Random) -> list[int]:
    """All at once just before a day ends, and once more just after."""
    before, after = chance.randint(1, 600), chance.randint(0, 600)
    return [_MIDNIGHT - before] * _MORE_THAN_A_DAY_HAS + [_MIDNIGHT + after] * _MORE_THAN_A_DAY_HAS


def around_the_end_of_ones_own_day(chance: random.Random) -> list[int]:
    """One, by which a window may begin; all just before that is a day ago, and once more just after."""
    first = _MIDNIGHT + chance.randrange(DAY)
    before, after = chance.randint(1, 600), chance.randint(1, 600)
    return [
        first,
        *[first + DAY - before] * _MORE_THAN_A_DAY_HAS,
        *[first + DAY + after] * _MORE_THAN_A_DAY_HAS,
    ]


def all_at_once_then_now_and_then(chance: random.Random) -> list[int]:
    """All at once at any time, and from then on one each ten minutes, for days."""
    first = _MIDNIGHT + chance.randrange(DAY)
    return [first] * _MORE_THAN_A_DAY_HAS + list(range(first + _OFTEN, first + _DAYS * DAY, _OFTEN))


def at_random(chance: random.Random) -> list[int]:
    """Some at a time, at any time."""
    arrivals: list[int] = []
    for _ in range(chance.randint(10, 40)):
        at = _MIDNIGHT + chance.randrange(_DAYS * DAY)
        arrivals += [at + chance.randint(0, 60) for _ in range(chance.randint(1, _MORE_THAN_A_DAY_HAS))]
    return sorted(arrivals)


PATTERNS: dict[str, Callable[[random.Random], list[int]]] = {
    "around midnight": around_midnight,
    "around the end of one's own day": around_the_end_of_ones_own_day,
    "all at once, then now and then": all_at_once_then_now_and_then,
    "at random": at_random,
}


def most_in_a_day(let_through: list[int]) -> int:
    """The most of these sorted instants that lie within any 24 hours, which do not include their own end."""
    most = begin = 0
    for end, at in enumerate(let_through):
        while at - let_through[begin] >= DAY:
            begin += 1
        most = max(most, end - begin + 1)
    return most
