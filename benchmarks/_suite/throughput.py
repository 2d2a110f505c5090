"""How many drafts a second are published, and how much of a processor's time a thousand of them take.

The server accepts every draft, over plain http on loopback, and is a process of its own; our client is told of a limit
that is never reached, and has its ledger in memory. Each turn is had in a new process, but for the last one, at 100 in
those that have had one at 500. In a turn the connections are made first; then as many drafts are published as can be
begun within the turn's time, and the clock stops when the last one is answered. Who takes more than ten seconds for
that, connecting included, has had the only turn of the kind.

What a process has done before matters: asyncio has 256 KiB allocated for each read, which are mapped and unmapped by
the system each time until the C library has once seen so large a piece come back. That is luck at 100 connections, and
certain at 500: from then on a session of aiohttp is faster by a tenth. Ours asks for less at a time over plain http,
and has one speed. So ours over bare is best where bare is unlucky, and the last row is the one without that luck.
"""

import asyncio
import gc
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count, pairwise
from multiprocessing.connection import Connection

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
        rounds: How often each contender has each of its turns.
        seconds: For how long drafts are begun in a turn.
        at_once: The concurrencies, by process: one after the other.
    """

    rounds: int
    seconds: float
    at_once: tuple[tuple[int, ...], ...]


FULL = Size(rounds=11, seconds=0.6, at_once=((1,), (20,), (100,), (500, 100)))
QUICK = Size(rounds=2, seconds=0.1, at_once=((1,), (100,)))


def measure(is_quick: bool) -> Record:
    """Everybody at each concurrency."""
    return measured(QUICK if is_quick else FULL, tuple(CONTENDERS))


def measured(size: Size, wanted: Sequence[str]) -> Record:
    """These contenders, as far as they are installed."""
    present = tuple(name for name in wanted if version_of(CONTENDERS[name][0]))
    machine = describe([OURS, *_LIBRARIES])
    processes = [(name, turns) for turns in size.at_once for name in present]
    samples: list[Sample] = []
    slow: set[tuple[str, tuple[int, ...]]] = set()
    with server() as origin:
        for number, (name, turns) in told("throughput", in_turns(size.rounds, processes), size.rounds):
            if (name, turns) in slow:
                continue
            began = time.perf_counter()
            for case, figures in take_turns(name, origin, turns, size.seconds):
                if time.perf_counter() - began > _SLOW_SECONDS:
                    slow.add((name, turns))
                samples.append(Sample(number, name, case, figures))
                began = time.perf_counter()
    return Record(
        machine,
        {"rounds": str(size.rounds), "seconds a turn": f"{size.seconds:g}"},
        present,
        tuple(name for name in wanted if name not in present),
        tuple(samples),
    )


def take_turns(name: str, origin: str, turns: Sequence[int], seconds: float) -> Iterator[tuple[str, dict[str, float]]]:
    """The turns of a contender in one new process: the case, and both figures."""
    with _process(name, origin) as take_turn:
        for before, at_once in pairwise((0, *turns)):
            live, took, processor = take_turn(at_once, seconds)
            case = f"{at_once}, after {before}" if before else f"{at_once}"
            yield case, {RATE: live / took, PROCESSOR: processor / live * 1000}


@contextmanager
def _process(name: str, origin: str) -> Iterator[TakeTurn]:
    """A contender's process, which has imported what it needs, and takes a turn when it is told to."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_live, args=(there, name, origin), daemon=True)
    process.start()
    there.close()

    def take_turn(at_once: int, seconds: float) -> tuple[int, float, float]:
        here.send((at_once, seconds))
        live, took, processor = here.recv()
        return live, took, processor

    try:
        take_turn(1, 0.0)
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
