"""Tasks and their cancellation: wait for one that is ending, share one, close what was opened."""

import asyncio
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Self


class Closable(ABC):
    """An object that is closed at the end of an ``async with`` block, or by `close`, which is also called `aclose`."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @abstractmethod
    async def close(self) -> None:
        """Release everything that the object holds."""

    async def aclose(self) -> None:
        """Do the same as `close`, under the name that `contextlib.aclosing` calls."""
        await self.close()


async def ended(ending: "asyncio.Future[Any]") -> None:
    """Wait until a task that is ending has ended.

    A caller that is cancelled meanwhile still waits for the end, and is cancelled then. A second cancellation takes
    effect at once.
    """
    task = asyncio.current_task()
    is_cancelled_already = task is not None and task.cancelling() > 0
    try:
        await asyncio.wait({ending})
    except asyncio.CancelledError:
        if not is_cancelled_already:
            await asyncio.wait({ending})
        raise


def is_cancelled_by_its_caller(error: BaseException) -> bool:
    """True if this error is a cancellation of the running task, and not one that foreign code let out."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0
