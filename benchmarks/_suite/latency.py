"""The speed of publishing over https, to a server that begins each answer 20 ms after its request has arrived.

Ours and the bare loop of `session.post` and `json.loads` have as many drafts in flight. The server is a process of its
own, with a certificate that is made for the run. Each turn is a new process, and the order of both changes from round
to round. The last rows are plain http on loopback without latency, in a fresh process and after 500 connections.

Bounds of ours over bare, in the median of all rounds: with 20 drafts in flight a pace of 0.97 and 1.3 times the CPU
seconds; with 100 a pace of 0.8. Plain http has none.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from .machine import describe
from .record import Record, Sample
from .servers import server, tls_server
from .throughput import BARE, PROCESSOR, RATE, Size, take_turns
from .turns import OURS, in_turns, told

LATENCY = 0.02
"""Seconds between a request and its answer."""
PLAIN = "plain http, "
FLOORS = {("20", RATE): 0.97, ("100", RATE): 0.8}
CEILINGS = {("20", PROCESSOR): 1.3}
FULL = Size(rounds=11, seconds=2.0, at_once=((20,), (100,)))
QUICK = Size(rounds=2, seconds=0.2, at_once=((20,),))
_PLAIN_AT_ONCE = ((100,), (500, 100))


def measure(is_quick: bool) -> Record:
    """Measure both at each concurrency, with and without latency."""
    return measured(QUICK, ((100,),)) if is_quick else measured(FULL, _PLAIN_AT_ONCE)


def measured(size: Size, plain_at_once: tuple[tuple[int, ...], ...]) -> Record:
    """Measure both at these concurrencies."""
    machine = describe([OURS, "aiohttp"])
    samples: list[Sample] = []
    with tls_server(LATENCY) as (origin, certificate), server() as plain, _trusting(certificate):
        places = [("", origin, turns) for turns in size.at_once] + [(PLAIN, plain, turns) for turns in plain_at_once]
        processes = [(name, place) for place in places for name in (OURS, BARE)]
        for number, (name, (what, where, turns)) in told("latency", in_turns(size.rounds, processes), size.rounds):
            for case, figures in take_turns(name, where, turns, size.seconds):
                samples.append(Sample(number, name, f"{what}{case}", figures))
    settings = {"rounds": str(size.rounds), "seconds a turn": f"{size.seconds:g}", "latency": f"{LATENCY * 1000:g} ms"}
    return Record(machine, settings, (OURS, BARE), (), tuple(samples))


def misses(record: Record) -> list[str]:
    """The bounds that were missed."""
    found = []
    for (case, figure), bound in (FLOORS | CEILINGS).items():
        ratio = record.ratio(OURS, BARE, case, figure)
        if ratio is None:
            continue
        is_missed = ratio.median < bound if (case, figure) in FLOORS else ratio.median > bound
        if is_missed:
            found.append(f"{figure} at {case}: {ratio.median:.2f}, the bound is {bound}")
    return found


@contextmanager
def _trusting(certificate: str) -> Iterator[None]:
    """Make the processes that start meanwhile trust the server."""
    os.environ["SSL_CERT_FILE"] = certificate
    try:
        yield
    finally:
        del os.environ["SSL_CERT_FILE"]
