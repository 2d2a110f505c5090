"""What a place in the day costs, and how many get one: our ledgers beside two limiters, on the same stores.

A pair is reserve and settle of ours, and one hit of theirs: they know nothing of what became of a request. *Alone* is
one process; *crowded* are eight processes at one account after another, all at the same; the 99th percentile there is
that of a single step. *Let through* is how many of 400 publishes of eight processes, begun at once, were let through
where 20 a day are; and how many in all when a host whose clock is 25 hours ahead comes next.
"""

import multiprocessing
import statistics

from attrs import frozen

from .limiters import HAS_NO, LIMITERS, work
from .machine import describe, version_of
from .record import Record, Sample
from .servers import fresh_place, has_redis
from .turns import OURS, in_turns, told

ALONE, CROWDED = "microseconds a pair alone", "microseconds a pair crowded"
LAST_PERCENT = "99th percentile of a step crowded, milliseconds"
AT_ONCE, CLOCK_AHEAD = "let through at once", "let through with a clock ahead"
_WRONG_BY = 25 * 3600.0
_LIMIT, _EACH, _NO_LIMIT = 20, 50, 10**6
_ANSWER_WITHIN = 120.0


@frozen
class Size:
    """How much is measured.

    Attributes:
        rounds: How often.
        pairs: How many in a turn.
        processes: How many crowd together.
    """

    rounds: int
    pairs: int
    processes: int


FULL = Size(rounds=3, pairs=200, processes=8)
QUICK = Size(rounds=1, pairs=100, processes=2)


def measure(is_quick: bool) -> Record:
    """Every library on every store that it knows, if this machine has it."""
    size = QUICK if is_quick else FULL
    present = tuple(name for name in LIMITERS if version_of(name))
    stores = ["memory", "SQLite", *(["Redis"] if has_redis() else [])]
    pairs = [(name, store) for store in stores for name in present if (name, store) not in HAS_NO]
    machine = describe([OURS, "limits", "pyrate-limiter", "redis"])
    samples = [
        Sample(number, name, store, _figures(name, store, size))
        for number, (name, store) in told("stores", in_turns(size.rounds, pairs), size.rounds)
    ]
    settings = {"rounds": str(size.rounds), "pairs": str(size.pairs), "processes": str(size.processes)}
    absent = [*(name for name in LIMITERS if name not in present), *([] if "Redis" in stores else ["Redis"])]
    return Record(machine, settings, present, tuple(absent), tuple(samples))


def _figures(name: str, store: str, size: Size) -> dict[str, float]:
    with fresh_place(store) as where:
        ((_, seconds, _),) = _answers(name, where, limit=_NO_LIMIT, count=size.pairs, a_key=_LIMIT)
    figures = {ALONE: seconds / size.pairs * 1e6}
    if store == "memory":
        return figures
    with fresh_place(store) as where:
        count = size.pairs // 2
        crowd = _answers(name, where, limit=_NO_LIMIT, count=count, a_key=2, processes=size.processes)
    latencies = [one for *_, several in crowd for one in several]
    with fresh_place(store) as where:
        by_right_clocks = _answers(name, where, limit=_LIMIT, count=_EACH, a_key=_EACH, processes=size.processes)
        by_a_wrong_one = _answers(name, where, limit=_LIMIT, count=_EACH, a_key=_EACH, ahead=_WRONG_BY)
    at_once = sum(allowed for allowed, *_ in by_right_clocks)
    return {
        **figures,
        CROWDED: statistics.mean(seconds for _, seconds, _ in crowd) / count * 1e6,
        LAST_PERCENT: statistics.quantiles(latencies, n=100)[-1] * 1e3,
        AT_ONCE: at_once,
        CLOCK_AHEAD: at_once + sum(allowed for allowed, *_ in by_a_wrong_one),
    }


def _answers(
    name: str, where: str, *, limit: int, count: int, a_key: int, processes: int = 1, ahead: float = 0.0
) -> list[tuple[int, float, list[float]]]:
    """What these processes say, which begin at the same time: how many got a place, in how many seconds."""
    spawn = multiprocessing.get_context("spawn")
    start, out = spawn.Barrier(processes), spawn.Queue()
    workers = [
        spawn.Process(target=work, args=(name, where, limit, count, a_key, ahead, start, out), daemon=True)
        for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    answers = [out.get(timeout=_ANSWER_WITHIN) for _ in workers]
    for worker in workers:
        worker.join()
    if None in answers:
        raise RuntimeError(f"{name} has failed at {where}")
    return answers
