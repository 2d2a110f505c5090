"""What is measured in a process of its own, which has nothing else in it."""

import asyncio
import multiprocessing
import resource
import sys
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from pathlib import Path

Figures = dict[str, float]
Work = Callable[..., Awaitable[Figures]]
"""A coroutine function that a new process can find by its name."""


def in_a_fresh_process(work: Work, *arguments: object) -> Figures:
    """The figures that a coroutine comes to in a new interpreter."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(there, work, arguments))
    process.start()
    there.close()
    try:
        figures: Figures = here.recv()
    finally:
        process.join()
    return figures


def _run(answer: Connection, work: Work, arguments: tuple[object, ...]) -> None:
    async def run() -> Figures:
        return await work(*arguments)

    answer.send(asyncio.run(run()))


def peak_mib() -> float:
    """The most memory that this process has had so far."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage tells there is also that of the process which began this one
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
