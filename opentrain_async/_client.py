"""The client: what a caller sees. It checks what it is given and hands it on; it has no logic of its own."""

import asyncio
import hashlib
import os
from typing import Self

import aiohttp

from . import _checks
from ._bulk import JobIds, OnOutcome, Run, publish_many
from ._clock import Clock, SystemClock, instant
from ._closable import Closable
from ._flights import Flights
from ._journal import Journal, JournalWriter
from ._patience import Patience
from ._plan import PublishPlan, plan
from ._progress import Obstacle, OnProgress, Progress
from ._publishing import Publisher
from ._retry import Retrier, RetryPolicy
from ._settings import Secret, masked, resolve
from ._source import Source
from ._stream import PublishStream
from ._transport import Transport
from ._version import __version__
from ._wire import checked_job_id
from .errors import ClientClosedError, ConfigurationError
from .models import PublishResult
from .outcomes import PublishReport
from .quota import LedgerStore, MemoryLedger, QuotaLedger, QuotaSnapshot

_LEASE_MARGIN = 60.0
"""Seconds by which a reservation outlives the retry deadline before it is taken for abandoned."""


class AsyncOpenTrain(Closable):
    """Publishes OpenTrain drafts, within the account's daily quota.

    Use it as ``async with AsyncOpenTrain() as client:``, or `close` it. It belongs to the event loop in which it is
    first used. Nothing is opened or sent before the first call, and one client serves any number of tasks.

    A job id is 1 to 128 of ``A-Z a-z 0-9 . _ ~ -``, and neither ``.`` nor ``..``.

    Args:
        token: The API token (``ot_pat_…``). `None`: the environment's ``OT_API_TOKEN`` or
            ``OPENTRAIN_API_TOKEN``, then ``opentrain/cli.json`` in ``$XDG_CONFIG_HOME`` or ``~/.config``, which the
            service's own tools write (https://www.opentrain.ai/docs/developers/cli/overview/).
        base_url: The origin, https except on loopback. `None`: ``OT_API_BASE_URL`` or
            ``OPENTRAIN_API_BASE_URL``, then, if the token came from there, the file's; then the service's own.
        ledger: Where the account's publishes are counted; borrowed. `None`: a `MemoryLedger` of this client's.
        daily_limit: The account's publishes in any 24 hours, from 1. `None` learns it, at the cost of one
            refusal a day at most. The server's word lowers it.
        account: The account's name in the ledger. `None`: a fingerprint of the token, so that a new token
            starts from nothing.
        retry: What is tried again, how often, for how long.
        timeout: Seconds, above 0, for one attempt once it has a connection.
        connect_timeout: Seconds, above 0, to get a connection, from the pool or anew. Nothing was sent when it fails.
        max_connections: The size of the connection pool, from 1.
        session: An aiohttp session to borrow. It is never closed or reconfigured; its own pool and settings hold,
            and *timeout* and *connect_timeout* bound an attempt together. `None`: one of this client's own.
        clock: Where time comes from: ``now()`` in epoch seconds, ``monotonic()``, ``await sleep(seconds)``.
            `None`: the machine's.

    Raises:
        ConfigurationError: There is no token, or an argument cannot be right.
    """

    def __init__(
        self,
        token: str | None = None,
        *,
        base_url: str | None = None,
        ledger: LedgerStore | None = None,
        daily_limit: int | None = None,
        account: str | None = None,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - a frozen value
        timeout: float = 30.0,
        connect_timeout: float = 10.0,
        max_connections: int = 100,
        session: aiohttp.ClientSession | None = None,
        clock: Clock | None = None,
    ) -> None:
        token = masked(token)  # from here on no traceback shows it
        settings = resolve(token, base_url)
        _checks.kind("retry", retry, RetryPolicy)
        if session is not None:
            _checks.kind("session", session, aiohttp.ClientSession)
        if clock is not None:
            _checks.method("clock", clock, "now")
        if daily_limit is not None:
            _checks.whole("daily_limit", daily_limit)
        if ledger is not None:
            _checks.method("ledger", ledger, "run")
        if account is not None:
            _checks.name("account", account)
        self._base_url = settings.base_url
        self._max_connections = _checks.whole("max_connections", max_connections)
        self._clock: Clock = clock or SystemClock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False
        self._transport = Transport(
            settings,
            user_agent=f"opentrain-async/{__version__}",
            timeout=_checks.number("timeout", timeout, above=0),
            connect_timeout=_checks.number("connect_timeout", connect_timeout, above=0),
            max_connections=max_connections,
            session=session,
        )
        self._ledger = QuotaLedger(
            MemoryLedger() if ledger is None else ledger,
            account or _fingerprint(settings.token),
            self._clock,
            daily_limit=daily_limit,
            lease=retry.deadline + _LEASE_MARGIN,
        )
        retrier = Retrier(retry, self._clock)
        self._outage = retrier.outage
        publisher = Publisher(self._ledger, self._transport, retrier, self._clock)
        self._flights = Flights(publisher.publish, self._clock, retrier.look_again)

    def __repr__(self) -> str:
        # Also of one whose making failed: a crash reporter shows it with the frames.
        state = " closed" if getattr(self, "_is_closed", True) else ""
        return f"<AsyncOpenTrain {getattr(self, '_base_url', 'unmade')}{state}>"

    async def __aenter__(self) -> Self:
        self._check_usable()
        return self

    async def publish(self, job_id: str, *, max_wait: float = 0.0) -> PublishResult:
        """Publish one draft. It can be repeated safely: a job that is live stays so, and is charged once.

        Called again while the same draft is being published, it takes part in that. Cancelled, it ends the
        request, unless somebody else waits for it too; a slot of the quota that may have been used goes on counting.

        Args:
            job_id: The draft.
            max_wait: Seconds to wait at the most for the quota's window to free a slot, from 0 to `math.inf`. A wait
                that is known to be longer is not begun. Waiting for publishes that are under way does not count.

        Returns:
            The live job, put there by this call (`newly_published`) or found there.

        Raises:
            ConfigurationError: The id cannot be one. Nothing was sent.
            QuotaExceededError: There is no slot within *max_wait*. Nothing was sent, or the server refused.
            QuotaLedgerError: The ledger failed. Nothing was sent.
            APIError: The service refused; `effect` is ``"none"`` unless an earlier attempt is in doubt.
            ServerError: It failed. The job may be live.
            TransportError: No answer; `effect` says whether anything may have been applied.
            UnexpectedResponseError: An answer that cannot be read. After a 2xx the job may be live.
            ClientClosedError: The client is closed, or was while this went on.
        """
        self._check_usable()
        checked = checked_job_id(job_id)
        return await self._flights.join(checked, Patience(_checks.patience("max_wait", max_wait)))

    async def publish_many(
        self,
        job_ids: JobIds,
        *,
        concurrency: int = 10,
        max_wait: float = 0.0,
        outage_patience: float = 900.0,
        journal: str | os.PathLike[str] | None = None,
        on_outcome: OnOutcome | None = None,
        on_progress: OnProgress | None = None,
    ) -> PublishReport:
        """Publish many drafts at once, and report what became of each: one outcome per distinct id.

        An error of one draft is its outcome and does not disturb the others. What would hit all of them (a
        revoked token, a missing scope, a redirect, TLS, the ledger) stops the run, and the rest is `NOT_SENT`.
        When the quota is used up the rest is `DEFERRED`, without a request. Cancelled, it ends its requests and
        leaves no task behind.

        Args:
            job_ids: An iterable or async iterable; read no further ahead than *concurrency*. What it raises is
                raised, once the drafts under way have their outcomes.
            concurrency: How many drafts at once, from 1; no more than *max_connections* are.
            max_wait: As in `publish`, as one deadline for the whole run.
            outage_patience: Seconds, from 0 to `math.inf`, for which the run is held while the service is down. Several
                failures in a row, of different drafts, are an outage: then one draft at a time is tried, and no draft's
                attempts and deadline are used up; once the service answers, the rest follows by a ramp. After that
                many seconds without an answer, and the attempt that is under way then, the run stops: what was sent
                and not answered is `UNKNOWN`, the rest `NOT_SENT`. 0: it is not held, and each draft has its own
                retries.
            journal: A file in which each outcome is written down, one JSON object a line, before anybody is told of it.
                A run with a journal that is there goes on with it: drafts that are live, or that the service has
                refused for what they are, are left out and have their earlier outcomes in the report; the rest is
                tried. What was written of another service, such as a sandbox, does not count. `None`: nothing is
                written.
            on_outcome: Called with each outcome as it comes, and awaited if it is async. What it raises is logged,
                once, and changes nothing.
            on_progress: Called with a `PublishProgress` when something has changed, up to ten times a second, and at
                the end; awaited if it is async. It runs beside the publishes and never slows one; what it raises is
                logged, once.

        Returns:
            The report. It is a value: nothing is raised for a draft unless you call `raise_for_failures`.

        Raises:
            ConfigurationError: An argument cannot be right. (An id that cannot be is `REJECTED`.)
            ClientClosedError: The client is closed already.
            JournalError: The journal is none, cannot be written, or is another run's just now. Nothing was sent. (One
                that cannot be written any more stops the run.)
        """
        patience = self._patience(max_wait, outage_patience)
        if on_outcome is not None:
            _checks.callback("on_outcome", on_outcome)
        is_told_at_end = on_outcome is None and journal is None
        run = self._run(job_ids, concurrency, patience, journal, on_progress, distinct=True, told_at_end=is_told_at_end)
        return await publish_many(run, on_outcome)

    def publish_stream(
        self,
        job_ids: JobIds,
        *,
        concurrency: int = 10,
        max_wait: float = 0.0,
        outage_patience: float = 900.0,
        journal: str | os.PathLike[str] | None = None,
        on_progress: OnProgress | None = None,
    ) -> PublishStream:
        """Publish many drafts at once, and get each outcome as it comes.

        Use it as ``async with client.publish_stream(ids) as outcomes:`` and, inside, ``async for outcome in
        outcomes:``. Leaving the block cancels what is left; ``outcomes.stop()`` ends it in good order. Memory is
        bounded by *concurrency*, however long the source is; so an id that comes twice has two outcomes (and one
        request, if both are under way at once). With a journal there is memory for each draft that is in it.

        Args:
            job_ids: As in `publish_many`.
            concurrency: As in `publish_many`.
            max_wait: As in `publish_many`.
            outage_patience: As in `publish_many`.
            journal: As in `publish_many`; of drafts that are left out there is no outcome. What is wrong with it is
                raised as the block begins.
            on_progress: As in `publish_many`.

        Returns:
            The stream, which begins with the block.

        Raises:
            ConfigurationError: An argument cannot be right.
            ClientClosedError: The client is closed already.
        """
        patience = self._patience(max_wait, outage_patience)
        run = self._run(job_ids, concurrency, patience, journal, on_progress, distinct=False, told_at_end=False)
        return PublishStream(run, min(concurrency, self._max_connections))

    async def plan(self, job_ids: JobIds, *, journal: str | os.PathLike[str] | None = None) -> PublishPlan:
        """When each of these drafts could go, were they published now by this client alone. Sends nothing.

        Args:
            job_ids: As in `publish_many`; read to the end.
            journal: What a run with it would leave out is left out, if there is such a file. `None`: nothing is.

        Returns:
            For each distinct id the earliest time, given what the ledger counts.

        Raises:
            ConfigurationError: That is no iterable of ids. (An id that cannot be one is told in the plan.)
            QuotaLedgerError: The ledger failed.
            JournalError: The journal is none, or cannot be read.
            ClientClosedError: The client is closed.
            Exception: What the iterable raised.
        """
        source = Source(job_ids, distinct=True)
        done = Journal(())
        if journal is not None and (path := _checks.path("journal", journal)).exists():
            done = await asyncio.to_thread(Journal.open, path, service=self._base_url)
        items = [item async for item in source if not (isinstance(item, str) and done.is_final(item))]
        if source.failure is not None:
            raise source.failure
        quota = await self.quota()
        return plan(items, quota, quota.at or instant(self._clock.now()))

    async def quota(self) -> QuotaSnapshot:
        """The account's quota as the ledger knows it. Sends nothing.

        Raises:
            QuotaLedgerError: The ledger failed.
            ClientClosedError: The client is closed.
        """
        self._check_usable()
        return await self._ledger.snapshot()

    async def close(self) -> None:
        """End what is under way, settle its slots, and close the session, if it is the client's own.

        Whoever waits for a publish gets a `ClientClosedError`. Closing twice is harmless.
        """
        self._is_closed = True
        try:
            await self._flights.close()
            await self._ledger.settled()
        finally:
            await self._transport.close()

    def _patience(self, max_wait: float, outage_patience: float) -> Patience:
        patience = Patience(
            _checks.patience("max_wait", max_wait),
            outage=_checks.patience("outage_patience", outage_patience),
            since=self._clock.monotonic(),
        )
        patience.ends_at(self._clock.now())
        return patience

    def _run(
        self,
        job_ids: object,
        concurrency: int,
        patience: Patience,
        journal: str | os.PathLike[str] | None,
        on_progress: OnProgress | None,
        *,
        distinct: bool,
        told_at_end: bool,
    ) -> Run:
        workers = min(_checks.whole("concurrency", concurrency), self._max_connections)
        source = Source(job_ids, distinct=distinct)
        writer = (
            None if journal is None else JournalWriter(_checks.path("journal", journal), self._base_url, self._clock)
        )
        progress = None
        if on_progress is not None:
            _checks.callback("on_progress", on_progress)
            progress = Progress(on_progress, lambda: source.total, lambda: self._obstacle(patience), self._clock)
        self._check_usable()
        return Run(
            self._flights, source, workers, patience, self._clock,
            told_at_end=told_at_end, settled=self._ledger.settled, journal=writer, progress=progress,
        )  # fmt: skip

    def _obstacle(self, patience: Patience) -> Obstacle:
        denial = self._flights.denial(patience)
        if self._outage.state != "held" or not patience.outage:
            return Obstacle(denial=denial)
        held_until = instant(self._clock.now() + self._outage.probe_at - self._clock.monotonic())
        return Obstacle(held_until, self._outage.last_failure, denial)

    def _check_usable(self) -> None:
        if self._is_closed:
            raise ClientClosedError("the client is closed")
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise ConfigurationError("the client belongs to another event loop: make one inside each")


def _fingerprint(token: Secret) -> str:
    """What stands for the account in a ledger: nothing from which the token could be had."""
    return hashlib.sha256(token.encode()).hexdigest()[:32]
