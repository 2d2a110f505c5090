"""Tasks and their cancellation: wait for one that is ending, share one, close what was opened."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")


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


class SharedTask(Generic[T]):
    """A task that several callers wait for; one caller's cancellation does not affect the others.

    When the last caller leaves, the task is cancelled, and that caller waits until it has ended.

    Args:
        work: The coroutine of the task.
        grace: Seconds that the last caller waits for the result before it cancels the task.
    """

    def __init__(self, work: Coroutine[Any, Any, T], *, grace: float = 0.0) -> None:
        self._task = asyncio.create_task(work)
        self._task.add_done_callback(_retrieve)
        self._grace = grace
        self._callers = 0
        self._is_left = False

    @property
    def is_joinable(self) -> bool:
        """True while a new caller gets the result: the task is in flight, or has succeeded."""
        if self._is_left:
            return False
        return not self._task.done() or not (self._task.cancelled() or self._task.exception())

    @property
    def is_running(self) -> bool:
        """True until the task has ended."""
        return not self._task.done()

    async def result(self) -> T:
        """Wait for the task, and return what it returns.

        Raises:
            Exception: What the task raised, the same object for every caller.
            SharedTaskCancelledError: `cancel` has ended the task.
        """
        self._callers += 1
        try:
            return await asyncio.shield(self._task)
        except asyncio.CancelledError as error:
            if self._task.cancelled() and not is_cancelled_by_its_caller(error):
                raise SharedTaskCancelledError from None
            raise
        finally:
            self._callers -= 1
            if not self._callers and not self._task.done():
                await self._end()

    async def cancel(self) -> None:
        """Cancel the task, and wait until it has ended."""
        self._cancel_once()
        await asyncio.wait({self._task})

    async def wait(self, seconds: float) -> None:
        """Wait until the task has ended, or for so many seconds."""
        await asyncio.wait({self._task}, timeout=seconds)

    async def _end(self) -> None:
        try:
            if self._grace:
                await asyncio.wait({self._task}, timeout=self._grace)
        finally:
            # A caller may have joined during the grace.
            if not self._callers and not self._task.done():
                self._cancel_once()
                await ended(self._task)

    def _cancel_once(self) -> None:
        # A second cancellation would cut the task's cleaning up short.
        if not self._is_left:
            self._is_left = True
            self._task.cancel()


class SharedTaskCancelledError(Exception):
    """A shared task was cancelled, and its callers were not. It does not leave the package."""


def _retrieve(task: "asyncio.Task[Any]") -> None:
    """Look at a task's exception, so that asyncio does not log it as lost when its callers have left."""
    if not task.cancelled():
        task.exception()
