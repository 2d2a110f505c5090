"""One run of the command line: it publishes drafts, reports each outcome, and can be stopped gracefully."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path

from attrs import frozen

from .._client.client import AsyncOpenTrain
from .._publish.progress import OnProgress
from .._publish.stream import PublishStream
from ..outcomes import PublishOutcome, PublishReport
from ..quota import LedgerStore


@frozen
class PublishOptions:
    """The options of a run.

    Attributes:
        ids: The drafts, each once.
        concurrency: How many at once.
        max_wait: Seconds to wait for the quota's window.
        outage_patience: Seconds for which an outage may pause the run.
        journal: The journal that it writes and resumes from.
        grace: Seconds for what is being sent, once it is stopped.
        preflight: Ask first what would refuse all of them.
        again: Also try the drafts of the journal that were not ready or blocked.
    """

    ids: tuple[str, ...]
    concurrency: int
    max_wait: float
    outage_patience: float
    journal: Path | None
    grace: float = 10.0
    preflight: bool = False
    again: bool = False


class Campaign:
    """One run.

    Args:
        options: Its options.
        ledger: To be closed with the run.
        on_outcome: What to do with an outcome.
        on_progress: What to do with how far it is.

    Attributes:
        options: Its options.
        is_stopped: It was stopped before its end.
    """

    def __init__(
        self,
        options: PublishOptions,
        ledger: LedgerStore,
        on_outcome: Callable[[PublishOutcome], None],
        on_progress: OnProgress,
    ) -> None:
        self.is_stopped = False
        self.options = options
        self._ledger = ledger
        self._on_outcome = on_outcome
        self._on_progress = on_progress
        self._seen: dict[str, PublishOutcome] = {}
        self._stream: PublishStream | None = None
        self._closing: asyncio.Task[None] | None = None

    async def run(self, client: AsyncOpenTrain) -> None:
        """Publish the drafts. An outcome that cannot be written ends the run: nobody would know what it did.

        Raises:
            OSError: One could not be written.
        """
        options = self.options
        self._client = client
        async with closing(self._ledger), client:
            if self.is_stopped:
                return
            self._stream = client.publish_stream(
                options.ids,
                concurrency=options.concurrency,
                max_wait=options.max_wait,
                outage_patience=options.outage_patience,
                journal=options.journal,
                again=options.again,
                preflight=options.preflight,
                on_progress=self._on_progress,
            )
            async with self._stream as outcomes:
                async for outcome in outcomes:
                    self._seen[outcome.job_id] = outcome
                    self._on_outcome(outcome)

    def stop(self) -> None:
        """Take no more drafts, and finish those that are being sent; one that outlasts the grace is unknown."""
        self.is_stopped = True
        if self._stream is not None:
            self._stream.stop()
        asyncio.get_running_loop().call_later(self.options.grace, self._close)

    def _close(self) -> None:
        self._closing = asyncio.ensure_future(self._client.close())

    @property
    def earlier(self) -> int:
        """How many drafts were left out, as earlier runs have settled them."""
        return len(self.report.outcomes) - len(self._seen)

    @property
    def left(self) -> int:
        """For how many drafts there is something left to be done."""
        return len(self.options.ids) - sum(outcome.is_final for outcome in self.report.outcomes)

    @property
    def report(self) -> PublishReport:
        """What has become of the drafts so far, in their order; of what an earlier run has done, too."""
        if self._stream is None:
            return PublishReport()
        known = [self._seen.get(job_id) or self._stream.earlier(job_id) for job_id in self.options.ids]
        return PublishReport(tuple(outcome for outcome in known if outcome is not None), self._stream.stopped_by)


def closing(ledger: LedgerStore) -> AbstractAsyncContextManager[object]:
    """A block with which the ledger is closed, if it is one that can be."""
    return ledger if isinstance(ledger, AbstractAsyncContextManager) else nullcontext()
