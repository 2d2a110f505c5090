"""Publish many drafts: bounded workers over one source, and an outcome for each."""

import asyncio
import logging
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from datetime import datetime
from inspect import isawaitable

from ._answers import ALREADY_PUBLISHED, DEFERRED, NOT_SENT, PUBLISHED, UNKNOWN, is_bare_denial, outcome_of, rule_on
from ._clock import Clock, instant
from ._flight import Flight
from ._flights import Flights
from ._journal import JournalWriter
from ._patience import GivenUpError, Patience
from ._source import Source, is_cancelled_by_its_caller
from ._text import shown
from ._wire import checked_job_id
from .errors import JournalError, OpenTrainError, QuotaExceededError, RateLimitedError, ServerError
from .outcomes import OutcomeStatus, PublishOutcome, PublishReport

JobIds = Iterable[str] | AsyncIterable[str]
OnOutcome = Callable[[PublishOutcome], object]
Emit = Callable[[PublishOutcome], Awaitable[None] | None]
"""Takes an outcome, at once or, where it returns something to await, as soon as there is room for it."""

_logger = logging.getLogger("opentrain_async")


class Run:
    """One bulk run.

    Args:
        flights: Publishes one draft.
        source: Where the ids come from; read no further ahead than there are workers.
        concurrency: How many workers.
        patience: How long the whole run waits for quota and for the service.
        clock: What time it is, for `retry_at`.
        told_at_end: Nobody hears of an outcome before the run ends.
        settled: Waits until the slots are settled for which that was put off.
        journal: Where each outcome is written down before anybody is told of it, and which drafts are left out.
    """

    def __init__(
        self,
        flights: Flights,
        source: Source,
        concurrency: int,
        patience: Patience,
        clock: Clock,
        *,
        told_at_end: bool,
        settled: Callable[[], Awaitable[None]],
        journal: JournalWriter | None = None,
    ) -> None:
        self._clock = clock
        self._told_at_end = told_at_end
        self._settled = settled
        self._journal = journal
        self._flights = flights
        self._source = source
        self._concurrency = concurrency
        self._patience = patience
        self._last_was_bare_denial = False
        self._has_let_go = False

    @property
    def stopped_by(self) -> OpenTrainError | None:
        """The error that ended the run early, or `None`."""
        return self._patience.stopped_by

    async def begin(self) -> None:
        """Take hold of the journal, if there is one; to be ended.

        Raises:
            JournalError: It cannot be written.
        """
        if self._journal is not None:
            await self._journal.open()

    async def end(self) -> None:
        """Let go of the journal; ending twice is harmless."""
        if self._journal is not None:
            await self._journal.close()

    async def through(self, emit: Emit, on_earlier: Callable[[PublishOutcome], None] | None = None) -> None:
        """Work through the source; each outcome is emitted as it comes.

        Args:
            emit: Takes the outcomes.
            on_earlier: Told the outcomes of the drafts that are left out.

        Raises:
            Exception: What the source raised, once the drafts under way then have their outcomes.
        """
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(self._concurrency):
                    workers.create_task(self._work(emit, on_earlier))
        finally:
            try:
                await self._settled()
            finally:
                await self.end()
        if self._source.failure is not None:
            raise self._source.failure

    async def _work(self, emit: Emit, on_earlier: Callable[[PublishOutcome], None] | None) -> None:
        task = asyncio.current_task()
        async for item in self._source:
            if self._journal is not None and (earlier := self._journal.final(item)) is not None:
                if on_earlier is not None:
                    on_earlier(earlier)
                await asyncio.sleep(0)
                continue
            flight: Flight | None = None
            try:
                if self._patience.is_given_up:
                    raise GivenUpError
                flight, ending = self._flights.carry(
                    checked_job_id(item), self._patience, task, told_at_end=self._told_at_end
                )
                result = await ending
                self._last_was_bare_denial = False
                status = PUBLISHED if result.newly_published else ALREADY_PUBLISHED
                outcome = PublishOutcome(flight.job_id, status, result=result, attempts=flight.attempts)
            except GivenUpError:
                status = UNKNOWN if flight is not None and flight.in_doubt else NOT_SENT
                outcome = PublishOutcome(_named(item), status, error=self.stopped_by)
            except OpenTrainError as error:
                outcome = self._failed(item, error.with_traceback(None), flight.attempts if flight else 0)
            if self._journal is not None:
                await self._write_down(outcome, self._journal)
            if self._patience.is_given_up:
                self._let_go()
            if not outcome.attempts:
                await asyncio.sleep(0)  # a long source of what cannot be sent lets others run
            if (taken := emit(outcome)) is not None:
                await taken

    def _failed(self, item: object, error: OpenTrainError, attempts: int) -> PublishOutcome:
        status = outcome_of(error)
        self._stop_if_hopeless(error, status)
        retry_at = _retry_at(error, self._clock.now())
        return PublishOutcome(_named(item), status, error=error, attempts=attempts, retry_at=retry_at)

    def _stop_if_hopeless(self, error: OpenTrainError, status: OutcomeStatus) -> None:
        """Stop the run where every other draft would end the same way, such as with a revoked token."""
        is_bare = is_bare_denial(error)
        is_second = is_bare and self._last_was_bare_denial
        if status is not DEFERRED:
            self._last_was_bare_denial = is_bare
        if (is_second or rule_on(error).stops_run) and not self._patience.is_given_up:
            self._patience.give_up(error)
            _logger.warning("the run stops, the rest is not sent: %s", error)

    async def _write_down(self, outcome: PublishOutcome, journal: JournalWriter) -> None:
        """Have an outcome in the journal; where that fails nothing more is sent."""
        try:
            await journal.write(outcome)
        except JournalError as error:
            if not self._patience.is_given_up:
                self._patience.give_up(error.with_traceback(None))
                _logger.warning("the run stops, the rest is not sent: %s", error)

    def _let_go(self) -> None:
        """Tell those under way, once, that the run has given up."""
        if not self._has_let_go:
            self._has_let_go = True
            self._flights.give_up(self._patience)


async def publish_many(run: Run, on_outcome: OnOutcome | None) -> PublishReport:
    """Run to the end and report."""
    outcomes: list[PublishOutcome] = []
    emit: Emit = outcomes.append if on_outcome is None else _Telling(outcomes, on_outcome)
    await run.begin()
    try:
        await run.through(emit, outcomes.append)
    except Exception as error:
        error.add_note(f"until then: {PublishReport(tuple(outcomes), run.stopped_by)}")
        raise
    return PublishReport(tuple(outcomes), run.stopped_by)


class _Telling:
    """Keeps outcomes and tells a callback, async or not, which cannot harm the run: what it raises is logged, once."""

    def __init__(self, outcomes: list[PublishOutcome], callback: OnOutcome) -> None:
        self._outcomes = outcomes
        self._callback = callback
        self._has_failed = False

    async def __call__(self, outcome: PublishOutcome) -> None:
        self._outcomes.append(outcome)
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


def _named(item: object) -> str:
    return item if isinstance(item, str) else shown(item)


def _retry_at(error: OpenTrainError, now: float) -> datetime | None:
    """The earliest time at which trying again makes sense, where the error knows one."""
    if isinstance(error, QuotaExceededError):
        return error.retry_at
    if isinstance(error, RateLimitedError | ServerError) and error.retry_after is not None:
        return instant(now + error.retry_after)
    return None
