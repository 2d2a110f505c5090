"""Waiting in tests for what has to happen."""

import asyncio
from collections.abc import Callable


async def until(fact: Callable[[], object]) -> None:
    """Wait until something is so; half a minute is for a machine that is busy with something else."""
    async with asyncio.timeout(30):
        while not fact():
            await asyncio.sleep(0.001)
