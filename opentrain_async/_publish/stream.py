"""Stream the outcomes of a run as they come."""

import asyncio
from types import TracebackType
from typing import Self

from .._base.tasks import ended
from .._base.text import exact_str
from ..errors import OpenTrainError
from ..outcomes import PublishOutcome
from .run import Run


class PublishStream:
    """The outcomes of a bulk run, as an async iterator inside an ``async with`` block.

    The run begins with the block and ends with it; `stop` ends it early and gracefully. Leaving the block early cancels
    the drafts in flight, settles their slots and leaves no task behind. (A bare async generator could promise none of
    that, see PEP 789.) At most twice as many drafts as the concurrency are in flight or wait to be taken; a slow
    consumer slows the source down.
    """

    def __init__(self, run: Run, concurrency: int) -> None:
        self._run = run
        self._outcomes: asyncio.Queue[PublishOutcome | None] = asyncio.Queue(concurrency)
        self._pump: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._is_over = False

    @property
    def stopped_by(self) -> OpenTrainError | None:
        """The error that ended the run early, or `None`: what came then is `NOT_SENT`."""
        return self._run.stopped_by

    async def __aenter__(self) -> Self:
        if self._pump is not None:
            raise RuntimeError("a stream runs once; ask the client for another one")
        await self._run.begin()
        self._pump = asyncio.create_task(self._run_through())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._pump is not None and not self._pump.done():
                await self._leave(self._pump)
        finally:
            await self._run.end()  # of one that had no time to begin

    def earlier(self, job_id: str) -> PublishOutcome | None:
        """The outcome of an earlier run for which the journal leaves a draft out; `None` if it does not."""
        return self._run.earlier(exact_str(job_id))

    def stop(self) -> None:
        """Take no more drafts from the source, and let those go for which nothing has been sent: they are `NOT_SENT`.

        A draft that is being sent finishes and gets its outcome, so the iteration ends gracefully. For a signal handler
        of an event loop, or another task. To stop twice is harmless.
        """
        self._run.stop()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> PublishOutcome:
        if self._pump is None:
            raise RuntimeError("iterate inside the block: async with client.publish_stream(...) as outcomes")
        if not self._is_over:
            outcome = await self._outcomes.get()
            if outcome is not None:
                return outcome
            self._is_over = True
            if self._failure is not None:
                raise self._failure
        raise StopAsyncIteration

    async def _leave(self, pump: "asyncio.Task[None]") -> None:
        """Cancel the drafts in flight, and wait until their slots are settled."""
        pump.cancel()
        try:
            await ended(pump)
        finally:
            while not self._outcomes.empty():
                self._outcomes.get_nowait()
            self._outcomes.put_nowait(None)

    async def _run_through(self) -> None:
        try:
            await self._run.through(self._outcomes.put)
        except Exception as error:
            self._failure = error
        await self._outcomes.put(None)
