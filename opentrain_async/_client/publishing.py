"""The part of the client that publishes: one draft, or many, at once or as a stream; the plan and the quota."""

import asyncio
import os
from functools import partial
from pathlib import Path

from .._base.clock import instant
from .._base.fenced_log import logger
from .._publish.journal.journal import Journal, JournalWriter, is_left_out, journal_of
from .._publish.progress import BlockedBy, OnProgress, Progress
from .._publish.run import JobIds, OnOutcome, Run, publish_many
from .._publish.source import Source
from .._publish.stream import PublishStream
from .._retry.callers import Caller
from .._service import operations
from ..errors import APIError, ConfigurationError, ResponseError, _checks
from ..errors._refusing import refusing
from ..models import PublishResult
from ..outcomes import PublishReport
from ..quota import QuotaSnapshot, SQLiteLedger
from ..quota._plan import PublishPlan
from .account.preflight import check_feature, check_scope
from .core import ClientCore

_NOT_SERVED = {404, 405, 501}
"""The answers of a service that does not know the question."""


class Publishing(ClientCore):
    """Publishes drafts within the quota, one or many."""

    @refusing
    async def publish(self, job_id: str, *, max_wait: float = 0.0) -> PublishResult:
        """Publish one draft. It can be repeated safely: a job that is live stays so, and is charged once.

        Called again while the same draft is being published, it takes part in that. Cancelled, it ends the
        request, unless somebody else waits for it too; a slot of the quota that may have been used continues to count.

        Args:
            job_id: The draft.
            max_wait: Seconds to wait at the most for the quota's window to free a slot, from 0 to `math.inf`. A wait
                that is known to be longer is not begun. Waiting for publishes in flight does not count.

        Returns:
            The job. `is_live` is false if it was accepted and awaits approval (`is_pending`), or was live before and
            has ended (`has_ended`). Otherwise it is live: put there by this call (`newly_published`) or found there.

        Raises:
            ConfigurationError: The id cannot be one. Nothing was sent.
            QuotaExceededError: There is no slot within *max_wait*. Nothing was sent, or the server refused.
            QuotaLedgerError: The ledger failed. Nothing was sent.
            APIError: The service refused; `effect` is ``"none"`` unless the outcome of an earlier attempt is unknown.
            ServerError: It failed. The job may be live.
            TransportError: No answer; `effect` says whether anything may have been applied.
            UnexpectedResponseError: An answer that cannot be read. After a 2xx the job may be live.
            ClientClosedError: The client is closed, or was while this went on.
        """
        self._check_usable()
        checked = self._checked_job_id(job_id)
        caller = Caller(_checks.patience("max_wait", max_wait))
        await self._know_account()
        return await self._single_flight.join(checked, caller)

    @refusing
    async def publish_many(
        self,
        job_ids: JobIds,
        *,
        concurrency: int = 10,
        max_wait: float = 0.0,
        outage_patience: float = 900.0,
        journal: str | os.PathLike[str] | None = None,
        again: bool = False,
        preflight: bool = False,
        on_outcome: OnOutcome | None = None,
        on_progress: OnProgress | None = None,
    ) -> PublishReport:
        """Publish many drafts at once, and report what became of each: one outcome per distinct id.

        An error of one draft is its outcome and does not disturb the others. An error that would hit all of them (a
        revoked token, a missing scope, an unpaid bill, a redirect, TLS, the ledger) stops the run, and the rest is
        `NOT_SENT`. So does the same refusal of three different drafts with no answer between that got past it.
        When the quota is used up the rest is `DEFERRED`, without a request. Cancelled, it ends its requests and
        leaves no task behind.

        Args:
            job_ids: An iterable or async iterable; read no further ahead than *concurrency*. What it raises is
                raised, once the drafts in flight have their outcomes.
            concurrency: How many drafts at once, from 1; no more than *max_connections* are.
            max_wait: As in `publish`, as one deadline for the whole run.
            outage_patience: Seconds, from 0 to `math.inf`, for which an outage pauses the run. Several
                failures in a row, of different drafts, are an outage: then one draft at a time is tried, and no draft's
                attempts and deadline are used up; once the service answers, the rest follows by a ramp. After that
                many seconds without an answer, and the attempt that is in flight then, the run stops: what was sent
                and not answered is `UNKNOWN`, the rest `NOT_SENT`. Several answers of 429 in a row that are not the
                quota's pause the run in the same way: then what was sent is `DEFERRED`, and `retry_at` is an hour ahead
                for each draft. 0: it is not paused, and each draft has its own retries.
            journal: A file in which each outcome is written down, one JSON object a line, before anybody is told of it.
                It must be your own, and no other user may write to it; ``~`` is the home folder.
                A run with an existing journal resumes from it: drafts that are live, not ready, or blocked by
                moderation are left out and have their earlier outcomes in the report; the rest is tried. What was
                written of another service, such as a sandbox, or of an account of another name does not count. `None`:
                nothing is written.
            again: Also try the drafts of the journal that were not ready or blocked, as after they were edited. Live
                drafts are left out always.
            preflight: Ask the service first what is switched on for the account and what the token may do: two
                requests, before any draft is sent. Then what would refuse every draft is raised, once.
            on_outcome: Called with each outcome as it comes, and awaited if it is async. What it raises is logged
                once, counted, and changes nothing.
            on_progress: Called with a `PublishProgress` when something has changed, up to ten times a second, and at
                the end; awaited if it is async. It runs beside the publishes and never slows one; what it raises is
                logged once, and counted.

        Returns:
            The report. It is a value: nothing is raised for a draft unless you call `raise_for_failures`.

        Raises:
            ConfigurationError: An argument cannot be right. (An id that cannot be is `REJECTED`.)
            ClientClosedError: The client is closed already.
            JournalError: The journal is none, cannot be written, or is another run's just now. Nothing was sent. (One
                that cannot be written any more stops the run.)
            PreflightError: *preflight* has found that publishing is off, or that the token may not. Nothing was
                published.
            OpenTrainError: The service could not be asked, for *preflight* or for ``account="auto"``. Nothing was
                published.
        """
        caller = self._run_caller(max_wait, outage_patience)
        if on_outcome is not None:
            _checks.callback("on_outcome", on_outcome)
        run = self._run(
            job_ids, concurrency, caller, journal, on_progress,
            again=again, preflight=preflight, distinct=True,
        )  # fmt: skip
        del job_ids  # a traceback would show them from here on, and one may be a token
        return await publish_many(run, on_outcome)

    @refusing
    def publish_stream(
        self,
        job_ids: JobIds,
        *,
        concurrency: int = 10,
        max_wait: float = 0.0,
        outage_patience: float = 900.0,
        journal: str | os.PathLike[str] | None = None,
        again: bool = False,
        preflight: bool = False,
        on_progress: OnProgress | None = None,
    ) -> PublishStream:
        """Publish many drafts at once, and get each outcome as it comes.

        Use it as ``async with client.publish_stream(ids) as outcomes:`` and, inside, ``async for outcome in
        outcomes:``. Leaving the block cancels what is left; ``outcomes.stop()`` ends it gracefully. Memory is
        bounded by *concurrency*, however long the source is; so an id that comes twice has two outcomes (and one
        request, if both are in flight at once). With a journal there is memory for each draft that is in it.

        Args:
            job_ids: As in `publish_many`.
            concurrency: As in `publish_many`.
            max_wait: As in `publish_many`.
            outage_patience: As in `publish_many`.
            journal: As in `publish_many`; of drafts that are left out there is no outcome. What is wrong with it is
                raised as the block begins.
            again: As in `publish_many`.
            preflight: As in `publish_many`; what it finds is raised as the block begins.
            on_progress: As in `publish_many`.

        Returns:
            The stream, which begins with the block.

        Raises:
            ConfigurationError: An argument cannot be right.
            ClientClosedError: The client is closed already.
        """
        caller = self._run_caller(max_wait, outage_patience)
        run = self._run(
            job_ids, concurrency, caller, journal, on_progress,
            again=again, preflight=preflight, distinct=False,
        )  # fmt: skip
        return PublishStream(run, min(concurrency, self._max_connections))

    @refusing
    async def plan(
        self, job_ids: JobIds, *, journal: str | os.PathLike[str] | None = None, again: bool = False
    ) -> PublishPlan:
        """When each of these drafts could go, were they published now by this client alone. Sends nothing.

        Args:
            job_ids: As in `publish_many`; read to the end.
            journal: What a run with it would leave out is left out, if there is such a file. `None`: nothing is.
            again: As in `publish_many`.

        Returns:
            For each distinct id the earliest time, given what the ledger counts.

        Raises:
            ConfigurationError: That is no iterable of ids. (An id that cannot be one is told in the plan.)
            QuotaLedgerError: The ledger failed.
            OpenTrainError: With ``account="auto"`` the first look at the quota asks who one is, and that failed.
            JournalError: The journal is none, or cannot be read.
            ClientClosedError: The client is closed.
            Exception: What the iterable raised.
        """
        source = Source(job_ids, distinct=True, own_token=self._own_token)
        del job_ids  # a traceback would show them from here on, and one may be a token
        done = Journal(())
        if journal is not None:
            path = self._journal_path(journal)
            self._check_usable()
            await self._know_account()
            done = await asyncio.to_thread(journal_of, path, self._journal_account(), may_be_missing=True)
        left_out = {outcome.job_id for outcome in done if is_left_out(outcome, again=again)}
        items = [item async for item in source if not (isinstance(item, str) and item in left_out)]
        if source.failure is not None:
            raise source.failure
        self._check_usable()
        await self._know_account()
        return await self._ledger.plan(items)

    async def quota(self) -> QuotaSnapshot:
        """The account's quota as the ledger knows it. Sends nothing.

        Raises:
            QuotaLedgerError: The ledger failed.
            OpenTrainError: With ``account="auto"`` the first look at the quota asks who one is, and that failed.
            ClientClosedError: The client is closed.
        """
        self._check_usable()
        await self._know_account()
        return await self._ledger.snapshot()

    def _run_caller(self, max_wait: float, outage_patience: float) -> Caller:
        caller = Caller(
            _checks.patience("max_wait", max_wait),
            outage_patience=_checks.patience("outage_patience", outage_patience),
            since=self._clock.monotonic(),
        )
        caller.waits_until(self._clock.now())
        return caller

    def _journal_path(self, journal: str | os.PathLike[str]) -> Path:
        """Return the path of a journal. SQLite would take an empty one for a ledger, and delete one beside its own."""
        path = _checks.path("journal", journal)
        if isinstance(self._store, SQLiteLedger) and self._store.has_file(path):
            raise ConfigurationError("journal is a file of the quota ledger: name another one")
        return path

    def _run(
        self,
        job_ids: object,
        concurrency: int,
        caller: Caller,
        journal: str | os.PathLike[str] | None,
        on_progress: OnProgress | None,
        *,
        again: bool,
        preflight: bool,
        distinct: bool,
    ) -> Run:
        workers = min(_checks.whole("concurrency", concurrency), self._max_connections)
        source = Source(job_ids, distinct=distinct, own_token=self._own_token)
        writer = (
            None if journal is None else JournalWriter(self._journal_path(journal), self._journal_account, self._clock)
        )
        progress = None
        if on_progress is not None:
            _checks.callback("on_progress", on_progress)
            progress = Progress(on_progress, lambda: source.total, lambda: self._blocked_by(caller), self._clock)
        self._check_usable()
        return Run(
            self._single_flight, source, workers, caller, self._clock,
            journal=writer, again=again,
            progress=progress, prepare=partial(self._prepare, preflight=preflight),
        )  # fmt: skip

    async def _check_scope(self) -> None:
        """See that the token may publish; where the service does not tell, it is for the publishes to find out."""
        try:
            check_scope(await self._identity.get())
        except (APIError, ResponseError) as error:
            if error.status not in _NOT_SERVED:
                raise
            logger.warning("the preflight could not see what the token may do: %s", error)

    async def _prepare(self, *, preflight: bool) -> None:
        """What a run needs to know before its first draft."""
        if preflight:
            check_feature(await self._call(operations.capabilities()))
            await self._check_scope()
        await self._know_account()

    def _blocked_by(self, caller: Caller) -> BlockedBy:
        denial = self._single_flight.denial(caller)
        if self._breaker.state != "open" or not caller.outage_patience:
            return BlockedBy(denial=denial)
        held_until = instant(self._clock.now() + self._breaker.probe_at - self._clock.monotonic())
        return BlockedBy(held_until, self._breaker.last_failure, denial)
