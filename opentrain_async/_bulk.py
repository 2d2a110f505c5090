"""Publish many drafts: bounded workers over one source, and an outcome for each."""

import asyncio
import logging
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from datetime import datetime
from inspect import isawaitable

from ._answers import is_bare_denial, outcome_of, rule_on
from ._clock import Clock, instant
from ._flight import Landing, Patience
from ._flights import Flights
from ._source import Source, is_cancelled_by_its_caller
from ._text import shown
from ._wire import checked_job_id
from .errors import OpenTrainError, QuotaExceededError, RateLimitedError, ServerError
from .outcomes import OutcomeStatus, PublishOutcome, PublishReport

JobIds = Iterable[str] | AsyncIterable[str]
OnOutcome = Callable[[PublishOutcome], object]

_logger = logging.getLogger("opentrain_async")


class Run:
    """One bulk run.

    Args:
        flights: Publishes one draft.
        source: Where the ids come from; read no further ahead than there are workers.
        concurrency: How many workers.
        patience: How long the whole run waits for quota.
        clock: What time it is, for `retry_at`.
    """

    def __init__(self, flights: Flights, source: Source, concurrency: int, patience: Patience, clock: Clock) -> None:
        self._clock = clock
        self._flights = flights
        self._source = source
        self._concurrency = concurrency
        self._patience = patience
        self._last_was_bare_denial = False
        self.stopped_by: OpenTrainError | None = None

    async def through(self, emit: Callable[[PublishOutcome], Awaitable[None]]) -> None:
        """Work through the source; each outcome is emitted as it comes.

        Raises:
            Exception: What the source raised, once the drafts under way then have their outcomes.
        """
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._concurrency):
                workers.create_task(self._work(emit))
        if self._source.failure is not None:
            raise self._source.failure

    async def _work(self, emit: Callable[[PublishOutcome], Awaitable[None]]) -> None:
        async for item in self._source:
            await emit(await self._outcome(item))

    async def _outcome(self, item: object) -> PublishOutcome:
        landing = await self._land(item) if self.stopped_by is None else Landing()
        if not landing.attempts:
            await asyncio.sleep(0)  # a long source of what cannot be sent lets others run
        outcome = self._read(landing, item if isinstance(item, str) else shown(item))
        self._stop_if_hopeless(outcome)
        return outcome

    async def _land(self, item: object) -> Landing:
        try:
            return await self._flights.carry(checked_job_id(item), self._patience)
        except OpenTrainError as error:
            return Landing(error=error.with_traceback(None))

    def _read(self, landing: Landing, job_id: str) -> PublishOutcome:
        """The outcome of one draft; one that was given up, or not begun, was not sent as the run had stopped."""
        if landing.result is not None:
            newly = landing.result.newly_published
            status = OutcomeStatus.PUBLISHED if newly else OutcomeStatus.ALREADY_PUBLISHED
            return PublishOutcome(job_id, status, result=landing.result, attempts=landing.attempts)
        if landing.error is None:
            return PublishOutcome(job_id, OutcomeStatus.NOT_SENT, error=self.stopped_by)
        return PublishOutcome(
            job_id,
            outcome_of(landing.error),
            error=landing.error,
            attempts=landing.attempts,
            retry_at=_retry_at(landing.error, self._clock.now()),
        )

    def _stop_if_hopeless(self, outcome: PublishOutcome) -> None:
        """Stop the run where every other draft would end the same way, such as with a revoked token."""
        error = outcome.error
        is_bare = is_bare_denial(error)
        is_second = is_bare and self._last_was_bare_denial
        if outcome.status is not OutcomeStatus.DEFERRED:
            self._last_was_bare_denial = is_bare
        if error is not None and (is_second or rule_on(error).stops_run) and self.stopped_by is None:
            self.stopped_by = error
            _logger.warning("the run stops, the rest is not sent: %s", error)
            self._flights.give_up(self._patience)


async def publish_many(run: Run, on_outcome: OnOutcome | None) -> PublishReport:
    """Run to the end and report."""
    outcomes: list[PublishOutcome] = []
    tell = _Guarded(on_outcome) if on_outcome is not None else None

    async def keep(outcome: PublishOutcome) -> None:
        outcomes.append(outcome)
        if tell is not None:
            await tell(outcome)

    try:
        await run.through(keep)
    except Exception as error:
        error.add_note(f"until then: {PublishReport(tuple(outcomes), run.stopped_by)}")
        raise
    return PublishReport(tuple(outcomes), run.stopped_by)


class _Guarded:
    """A caller's callback, which may be async, and which cannot harm the run: what it raises is logged, once."""

    def __init__(self, callback: OnOutcome) -> None:
        self._callback = callback
        self._has_failed = False

    async def __call__(self, outcome: PublishOutcome) -> None:
        try:
            answer = self._callback(outcome)
            if isawaitable(answer):
                await answer
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled_by_its_caller(error):
                raise
            if not self._has_failed:
                self._has_failed = True
                _logger.exception("on_outcome raised; the run goes on, and this is said once")


def _retry_at(error: OpenTrainError, now: float) -> datetime | None:
    """The earliest time at which trying again makes sense, where the error knows one."""
    if isinstance(error, QuotaExceededError):
        return error.retry_at
    if isinstance(error, RateLimitedError | ServerError) and error.retry_after is not None:
        return instant(now + error.retry_after)
    return None
