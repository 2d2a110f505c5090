"""Publish many drafts: bounded workers over one source, and an outcome for each."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from contextlib import nullcontext
from datetime import datetime

from .._base.callback import Callback
from .._base.clock import Clock, instant
from .._base.fenced_log import logger
from .._retry.callers import Caller, GivenUpError
from ..errors import JournalError, OpenTrainError, QuotaExceededError, RateLimitedError
from ..errors._api import retry_after_of
from ..errors._refusing import RefusedId
from ..outcomes import PublishOutcome, PublishReport
from ..outcomes._answer_table import (
    NOT_SENT,
    PENDING,
    UNKNOWN,
    got_past,
    outcome_of,
    outcome_of_result,
    rule_on,
)
from .journal.journal import JournalWriter, is_left_out
from .progress import Progress
from .single_flight import SingleFlight
from .source import Source

JobIds = Iterable[str] | AsyncIterable[str]
OnOutcome = Callable[[PublishOutcome], object]
Sink = Callable[[PublishOutcome], Awaitable[None] | None]
"""Takes an outcome, at once or, where it returns something to await, as soon as there is room for it."""

_REFUSALS_THAT_STOP, _REFUSALS_THAT_WARN = 3, 10
"""Different drafts in a row with the same refusal: then it is not the draft's."""
_ASK_AGAIN_SECONDS = 3600.0
"""When to ask again for a draft that awaits approval, or after a throttle that stopped the run. The service does not
say how long either takes."""


class _Refusals:
    """Counts the different drafts that met the same refusal, until an answer gets past it."""

    def __init__(self) -> None:
        self._drafts: dict[tuple[object, ...], set[str]] = {}

    def count(self, job_id: str, error: OpenTrainError) -> int:
        """Count a draft; return how many have met this refusal."""
        facts = [getattr(error, name, None) for name in ("status", "code", "reason", "raised")]
        drafts = self._drafts.setdefault((type(error), *facts), set())
        drafts.add(job_id)
        return len(drafts)

    def forget(self) -> None:
        """Begin anew: an answer has got past every refusal."""
        self._drafts.clear()


class Run:
    """One bulk run.

    Args:
        single_flight: Publishes one draft.
        source: Where the ids come from; read no further ahead than there are workers.
        concurrency: How many workers.
        caller: The run as a caller: how long it waits for quota and for the service.
        clock: What time it is, for `retry_at`.
        journal: Where each outcome is written down before anybody is told of it, and which drafts are left out.
        again: Also try the drafts of the journal that were not ready, or were blocked by moderation.
        progress: Who is told how far it is.
        prepare: Finds out what the run needs to know before its first draft; what it raises ends the run there.
    """

    def __init__(
        self,
        single_flight: SingleFlight,
        source: Source,
        concurrency: int,
        caller: Caller,
        clock: Clock,
        *,
        journal: JournalWriter | None,
        again: bool,
        progress: Progress | None,
        prepare: Callable[[], Awaitable[None]],
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._again = again
        self._progress = progress
        self._prepare = prepare
        self._single_flight = single_flight
        self._source = source
        self._concurrency = concurrency
        self._caller = caller
        self._refusals = _Refusals()
        self._has_warned = False
        self._has_given_up = False

    @property
    def stopped_by(self) -> OpenTrainError | None:
        """The error that ended the run early, or `None`."""
        return self._caller.stopped_by

    async def begin(self) -> None:
        """Find out what is needed, and take hold of the journal, if there is one; to be ended.

        Raises:
            JournalError: It cannot be written.
        """
        await self._prepare()
        if self._journal is not None:
            await self._journal.open()

    async def end(self) -> None:
        """Close the journal; ending twice is harmless."""
        if self._journal is not None:
            await self._journal.close()

    def earlier(self, job_id: object) -> PublishOutcome | None:
        """Return the outcome of an earlier run for which the journal leaves a draft out."""
        found = None if self._journal is None else self._journal.final(job_id)
        return found if found is not None and is_left_out(found, again=self._again) else None

    def stop(self) -> None:
        """Take no more drafts, and release those for which nothing was sent; a draft that is being sent finishes."""
        self._source.end()
        self._caller.give_up(None)
        self._give_up_shared()

    async def through(self, sink: Sink, on_earlier: Callable[[PublishOutcome], None] | None = None) -> None:
        """Work through the source; the sink takes each outcome as it comes.

        Args:
            sink: Takes the outcomes.
            on_earlier: Told the outcomes of the drafts that the journal leaves out.

        Raises:
            Exception: What the source raised, once the drafts in flight have their outcomes.
        """
        try:
            async with self._progress or nullcontext(), asyncio.TaskGroup() as workers:
                for _ in range(self._concurrency):
                    workers.create_task(self._work(sink, on_earlier))
        finally:
            await self.end()
        if self._source.failure is not None:
            raise self._source.failure

    async def _work(self, sink: Sink, on_earlier: Callable[[PublishOutcome], None] | None) -> None:
        """Take drafts until there are no more: publish one, write its outcome down, tell it."""
        task, progress, journal = asyncio.current_task(), self._progress, self._journal
        async for item in self._source:
            if journal is not None and (earlier := self.earlier(item)) is not None:
                await self._leave_out(earlier, on_earlier)
                continue
            if progress is not None:
                progress.begun()
            outcome = await self._publish(item, task)
            if journal is not None:
                await self._write_down(outcome, journal)
            if self._caller.is_given_up:
                self._give_up_shared()
            if progress is not None:
                progress.ended(outcome)
            if not outcome.attempts:
                await asyncio.sleep(0)  # a long source of what cannot be sent lets others run
            if (taken := sink(outcome)) is not None:
                await taken

    async def _publish(self, item: str | RefusedId, task: "asyncio.Task[object] | None") -> PublishOutcome:
        job_id = item if isinstance(item, str) else item.name
        if self._caller.is_given_up:
            return self._given_up(job_id, 0, in_doubt=False)
        if isinstance(item, RefusedId):
            return self._failed(job_id, item.error, 0)
        try:
            shared, ending = self._single_flight.join_in_own_task(job_id, self._caller, task)
        except OpenTrainError as error:
            return self._failed(job_id, error, 0)
        try:
            result = await ending
        except GivenUpError:
            return self._given_up(job_id, shared.attempts, in_doubt=shared.in_doubt)
        except OpenTrainError as error:
            return self._failed(job_id, error, shared.attempts)
        self._refusals.forget()
        status = outcome_of_result(result)
        retry_at = instant(self._clock.now() + _ASK_AGAIN_SECONDS) if status is PENDING else None
        return PublishOutcome(job_id, status, result=result, attempts=shared.attempts, retry_at=retry_at)

    async def _leave_out(self, earlier: PublishOutcome, on_earlier: Callable[[PublishOutcome], None] | None) -> None:
        if self._progress is not None:
            self._progress.left_out(earlier)
        if on_earlier is not None:
            on_earlier(earlier)
        await asyncio.sleep(0)

    def _given_up(self, job_id: str, attempts: int, *, in_doubt: bool) -> PublishOutcome:
        """Return the outcome of a draft for which the stopped run has sent nothing, or nothing more."""
        error = self.stopped_by
        retry_at = None if error is None else self._retry_at(error)
        return PublishOutcome(job_id, UNKNOWN if in_doubt else NOT_SENT, None, error, attempts, retry_at)

    def _retry_at(self, error: OpenTrainError) -> datetime | None:
        """Return when trying again makes sense, where that is known."""
        now = self._clock.now()
        retry_at = retry_at_of(error, now)
        if isinstance(error, RateLimitedError) and isinstance(self.stopped_by, RateLimitedError):
            # A shorter Retry-After has been waited for again and again, in vain.
            return max(retry_at or instant(now), instant(now + _ASK_AGAIN_SECONDS))
        return retry_at

    def _failed(self, job_id: str, error: OpenTrainError, attempts: int) -> PublishOutcome:
        error = error.with_traceback(None)
        self._stop_if_hopeless(job_id, error)
        retry_at = self._retry_at(error)
        return PublishOutcome(job_id, outcome_of(error), error=error, attempts=attempts, retry_at=retry_at)

    def _stop_if_hopeless(self, job_id: str, error: OpenTrainError) -> None:
        """Stop the run if every other draft would end the same way, such as with a revoked token."""
        if got_past(error):
            self._refusals.forget()
            return
        match rule_on(error).run:
            case "stops":
                self._give_up(error)
            case "stops at the third" if self._refusals.count(job_id, error) == _REFUSALS_THAT_STOP:
                self._give_up(error)
            case "warns at the tenth" if self._refusals.count(job_id, error) == _REFUSALS_THAT_WARN:
                self._warn_of_another_account(error)
            case _:
                pass

    def _warn_of_another_account(self, error: OpenTrainError) -> None:
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "%d drafts in a row do not exist for this token, which may be of another account: %s",
                _REFUSALS_THAT_WARN, error,
            )  # fmt: skip

    async def _write_down(self, outcome: PublishOutcome, journal: JournalWriter) -> None:
        """Have an outcome in the journal; where that fails nothing more is sent."""
        try:
            await journal.write(outcome)
        except JournalError as error:
            self._give_up(error.with_traceback(None))

    def _give_up(self, error: OpenTrainError) -> None:
        if not self._caller.is_given_up:
            self._caller.give_up(error)
            logger.warning("the run stops, the rest is not sent: %s", error)

    def _give_up_shared(self) -> None:
        """Give up the drafts in flight that are not being sent, once."""
        if not self._has_given_up:
            self._has_given_up = True
            self._single_flight.give_up(self._caller)


async def publish_many(run: Run, on_outcome: OnOutcome | None) -> PublishReport:
    """Run to the end and report."""
    outcomes: list[PublishOutcome] = []
    callback = None if on_outcome is None else Callback("on_outcome", on_outcome)
    sink: Sink = outcomes.append if callback is None else _sink_with_callback(outcomes, callback)
    await run.begin()
    try:
        await run.through(sink, outcomes.append)
    except BaseException as error:
        error.add_note(f"until then: {PublishReport(tuple(outcomes), run.stopped_by)}; to run again is safe")
        raise
    finally:
        if callback is not None:
            callback.log_failures()
    return PublishReport(tuple(outcomes), run.stopped_by)


def _sink_with_callback(outcomes: list[PublishOutcome], callback: Callback[PublishOutcome]) -> Sink:
    async def sink(outcome: PublishOutcome) -> None:
        outcomes.append(outcome)
        await callback.call_and_wait(outcome)

    return sink


def retry_at_of(error: OpenTrainError, now: float) -> datetime | None:
    """The earliest time at which trying again makes sense, where the error knows one."""
    if isinstance(error, QuotaExceededError):
        return error.retry_at
    asked = retry_after_of(error)
    return None if asked is None else instant(now + asked)
