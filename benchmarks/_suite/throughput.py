"""How many drafts a second are published, and how much of a processor's time a thousand of them take.

Each contender lives in a process of its own, where it is the only one that has imported anything, and sleeps while
another has its turn; the server is one more process. Each round has new ones: where in memory things happen to lie
makes a process faster or slower by a tenth for its whole life. In a turn the connections are made first; then as many
drafts are published as can be begun within the turn's time, and the clock stops when the last one is answered. Who
takes more than ten seconds for that, connecting included, has had the only turn at that concurrency.
"""

import asyncio
import gc
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count, groupby
from multiprocessing.connection import Connection
from operator import itemgetter

from attrs import frozen

from .contenders import CONTENDERS
from .machine import describe, version_of
from .record import Record, Sample
from .servers import server
from .turns import OURS, in_turns, told

BARE = "bare aiohttp"
RATE = "drafts a second"
PROCESSOR = "CPU seconds per 1,000"
_LIBRARIES = (
    "aiohttp", "tenacity", "aiohttp-retry", "stamina", "httpx", "httpx2", "niquests", "urllib3-future", "openai",
)  # fmt: skip
_SLOW_SECONDS = 10.0
TakeTurn = Callable[[int, float], tuple[int, float, float]]
"""For so many at once, and seconds: how many were published, in how many seconds, and in how many of its own."""


@frozen
class Size:
    """How much is measured.

    Attributes:
        rounds: How often each contender has its turn at each concurrency.
        seconds: For how long drafts are begun in a turn.
        at_once: The concurrencies.
    """

    rounds: int
    seconds: float
    at_once: tuple[int, ...]


FULL = Size(rounds=9, seconds=0.6, at_once=(1, 20, 100, 500))
QUICK = Size(rounds=2, seconds=0.1, at_once=(1, 100))


def measure(is_quick: bool) -> Record:
    """Everybody at each concurrency."""
    return measured(QUICK if is_quick else FULL, tuple(CONTENDERS))


def measured(size: Size, wanted: Sequence[str]) -> Record:
    """These contenders, as far as they are installed."""
    present = tuple(name for name in wanted if version_of(CONTENDERS[name][0]))
    machine = describe([OURS, *_LIBRARIES])
    pairs = [(name, at_once) for at_once in size.at_once for name in present]
    samples: list[Sample] = []
    slow: set[tuple[str, int]] = set()
    rounds = ((number, list(turns)) for number, turns in groupby(in_turns(size.rounds, pairs), key=itemgetter(0)))
    with server() as origin:
        for number, turns in told("throughput", rounds, size.rounds):
            left = [pair for _, pair in turns if pair not in slow]
            with _processes(dict.fromkeys(name for name, _ in left), origin) as turn_of:
                for name, at_once in left:
                    began = time.perf_counter()
                    live, seconds, processor = turn_of[name](at_once, size.seconds)
                    if time.perf_counter() - began > _SLOW_SECONDS:
                        slow.add((name, at_once))
                    figures = {RATE: live / seconds, PROCESSOR: processor / live * 1000}
                    samples.append(Sample(number, name, str(at_once), figures))
    return Record(
        machine,
        {"rounds": str(size.rounds), "seconds a turn": f"{size.seconds:g}"},
        present,
        tuple(name for name in wanted if name not in present),
        tuple(samples),
    )


@contextmanager
def _processes(names: Iterable[str], origin: str) -> Iterator[dict[str, TakeTurn]]:
    """One of each contender, which has imported what it needs."""
    with ExitStack() as processes:
        turn_of = {name: processes.enter_context(_process(name, origin)) for name in names}
        for take_turn in turn_of.values():
            take_turn(1, 0.0)
        yield turn_of


@contextmanager
def _process(name: str, origin: str) -> Iterator[TakeTurn]:
    """A contender's process, which takes a turn when it is told to."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_live, args=(there, name, origin), daemon=True)
    process.start()
    there.close()

    def take_turn(at_once: int, seconds: float) -> tuple[int, float, float]:
        here.send((at_once, seconds))
        live, took, processor = here.recv()
        return live, took, processor

    try:
        yield take_turn
    finally:
        here.close()
        process.join()


def _live(orders: Connection, name: str, origin: str) -> None:
    for variable in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[variable]  # some heed them, and the way to the server is to be the same for all
    try:
        while True:
            at_once, seconds = orders.recv()
            orders.send(asyncio.run(_turn(name, origin, at_once, seconds)))
    except EOFError:
        return


async def _turn(name: str, origin: str, at_once: int, seconds: float) -> tuple[int, float, float]:
    """How many drafts were published, in how many seconds, and how many of the process's own that took."""
    async with CONTENDERS[name][1](origin, at_once) as publish_all:
        await publish_all(f"before_{number}" for number in range(at_once))
        gc.collect()
        taken = [0]
        began, processor_before = time.perf_counter(), time.process_time()
        live = await publish_all(_ids(began + seconds, taken))
        processor, took = time.process_time() - processor_before, time.perf_counter() - began
    assert live == taken[0], f"{name} published {live} of {taken[0]}"
    return live, took, processor


def _ids(until: float, taken: list[int]) -> Iterator[str]:
    """Drafts, at least one, as long as it is not yet time to end; and how many were taken."""
    for number in count():
        if number and time.perf_counter() >= until:
            return
        taken[0] += 1
        yield f"job_{number}"
