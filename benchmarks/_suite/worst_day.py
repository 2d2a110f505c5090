"""How many publishes are let through in the worst 24 hours, where an account may do 20 a day.

Whoever is not let through comes back as the pattern says, not sooner: what a limiter lets through late counts when it
lets it through. All on virtual time, from seeds; each round has other arrivals. Ours is the whole client, which
publishes by a server that would publish anything.
"""

import asyncio
import random

from .admission import CONTENDERS, LIMITERS, let_through_by, let_through_by_us
from .arrivals import PATTERNS, most_in_a_day
from .machine import describe, version_of
from .record import Record, Sample
from .servers import server
from .turns import OURS, told

LIMIT = 20
MOST, WANTED = "most in 24 hours", "wanted in 24 hours"
_FULL_SEEDS, _QUICK_SEEDS = 25, 2


def measure(is_quick: bool) -> Record:
    """Everybody, at all patterns and seeds."""
    return measured(_QUICK_SEEDS if is_quick else _FULL_SEEDS)


def measured(seeds: int) -> Record:
    """Everybody that is installed, at all patterns and that many seeds."""
    present = tuple(name for name in CONTENDERS if name == OURS or version_of(LIMITERS[name][0]))
    turns = [(seed, (name, pattern)) for seed in range(seeds) for pattern in PATTERNS for name in present]
    with server() as origin:
        samples = [
            Sample(seed, name, pattern, _figures(name, pattern, seed, origin))
            for seed, (name, pattern) in told("worst_day", turns, seeds)
        ]
    return Record(
        describe([OURS, "limits", "pyrate-limiter", "aiolimiter"]),
        {"seeds": str(seeds), "limit": str(LIMIT)},
        present,
        tuple(name for name in CONTENDERS if name not in present),
        tuple(samples),
    )


def _figures(name: str, pattern: str, seed: int, origin: str) -> dict[str, float]:
    arrivals = PATTERNS[pattern](random.Random(f"{pattern} {seed}"))
    if name == OURS:
        let_through = asyncio.run(let_through_by_us(arrivals, LIMIT, origin))
    else:
        let_through = asyncio.run(let_through_by(LIMITERS[name][1], arrivals, LIMIT))
    return {MOST: most_in_a_day(let_through), WANTED: most_in_a_day(arrivals)}
