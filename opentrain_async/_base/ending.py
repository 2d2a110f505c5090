"""Waiting for the end of what is ending by itself."""

import asyncio
from typing import Any


async def ended(ending: "asyncio.Future[Any]") -> None:
    """Wait until it has ended. Whoever is cancelled meanwhile waits for that too, and is cancelled then.

    Only once: a second cancellation is not kept waiting.
    """
    task = asyncio.current_task()
    is_cancelled_already = task is not None and task.cancelling() > 0
    try:
        await asyncio.wait({ending})
    except asyncio.CancelledError:
        if not is_cancelled_already:
            await asyncio.wait({ending})
        raise
