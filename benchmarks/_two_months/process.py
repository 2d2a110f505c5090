"""A process that publishes drafts, is killed in the middle of anything, and goes on where it was.

To be killed is to be cancelled, here, with nothing to be heard or seen of it afterwards, as after SIGKILL: no step
of it is begun on the ledger any more, what it writes into its journal is undone, a line that was on its way there is
torn, the journal's lock is left behind with nobody holding it, and what it says is not listened to. What SIGKILL would
do and this does not: a step that the ledger's thread has begun already is carried through, and never broken off in the
middle of a transaction; and connections are closed in the order of the library and not of the system.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from _virtual import LoopClock, VirtualLoop
from attrs import define, field

from opentrain_async import AsyncOpenTrain, OpenTrainError, OutcomeStatus, SQLiteLedger
from opentrain_async.errors import (
    APIError,
    AuthenticationError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
)
from opentrain_async.quota import AccountLog
from opentrain_async.quota._slots import Reservation

from .audit import Audit

T = TypeVar("T")

TRY_AGAIN_AFTER = 600.0
"""Seconds after which a process tries a draft again of which it does not know when it can go."""


class KilledError(Exception):
    """What a dead process hears of its ledger; in truth it hears nothing."""


class LedgerOfAProcess:
    """One process's way to the ledger that all share. Once it is killed nothing of it gets there any more.

    Args:
        path: The ledger's file.
        loop: The loop, on which no time passes while the file is at work.
        audit: Is told which places the ledger gives.
    """

    def __init__(self, path: Path, loop: VirtualLoop, audit: Audit) -> None:
        self._store = SQLiteLedger(path)
        self._loop = loop
        self._audit = audit
        self.is_cut_off = False
        self.on_place: Callable[[], None] | None = None

    def run(self, account: str, step: Callable[[AccountLog, float], T], now: float) -> Awaitable[T]:
        """Run a step as the file's ledger does."""
        if self.is_cut_off:
            raise KilledError

        def watched(log: AccountLog, at: float) -> T:
            answer = step(log, at)
            if isinstance(answer, Reservation):
                self._audit.record.promised(answer, log.snapshot(at, None))
                if self.on_place is not None:
                    self._loop.call_soon_threadsafe(self.on_place)
            elif isinstance(answer, tuple):  # of all steps, only one that takes in a refusal returns two things
                self._audit.record.took_in_a_refusal(at, log.snapshot(at, None))
            return answer

        return self._loop.stands_still_until(asyncio.ensure_future(self._store.run(account, watched, now)))

    async def close(self) -> None:
        """Let go of the file."""
        await self._store.close()


@define(eq=False)
class Surroundings:
    """What all processes have in common.

    Attributes:
        url: The service's origin.
        token: The account's token, of which a claim makes another one.
        daily_limit: The limit that everybody is told; `None`: the server's is learned.
    """

    url: str
    token: str
    ledger: Path
    loop: VirtualLoop
    clock: LoopClock
    audit: Audit
    daily_limit: int | None = None

    @property
    def requests_seen(self) -> int:
        """How many requests the service has seen."""
        return len(self.audit.record.sandbox.requests)

    def ledger_of_a_process(self) -> LedgerOfAProcess:
        """Another process's way to the ledger."""
        return LedgerOfAProcess(self.ledger, self.loop, self.audit)


@define(eq=False)
class Process(ABC):
    """One process, life after life.

    Attributes:
        name: What it is called.
        around: What it has in common with the others.
        max_wait: How many seconds it waits for the quota, each time that it asks.
        to_do: The drafts that it has to publish, and from when on each can go: what its database would hold.
    """

    name: str
    around: Surroundings
    max_wait: float
    to_do: dict[str, float] = field(factory=dict)
    _given: asyncio.Event = field(factory=asyncio.Event)
    _ledger: LedgerOfAProcess | None = None
    _life: "asyncio.Task[None] | None" = None
    _left_behind: dict[Path, bytes] = field(factory=dict)

    def give(self, job_id: str) -> None:
        """Give it one more draft to publish."""
        self.to_do[job_id] = self.now
        self._given.set()

    @property
    def now(self) -> float:
        """Epoch seconds."""
        return self.around.clock.now()

    @property
    def waiting(self) -> int:
        """How many drafts it would have published just now."""
        return sum(map(self.around.audit.waits, self.to_do)) if self.is_alive else 0

    @property
    def is_alive(self) -> bool:
        """Whether it has not been killed, and has not ended."""
        return self._life is not None and not self._life.done() and not self._is_cut_off

    @property
    def _is_cut_off(self) -> bool:
        return self._ledger is not None and self._ledger.is_cut_off

    async def run(self, pause: Callable[[], float]) -> None:
        """Live, and having been killed live again after a pause."""
        while True:
            self._ledger = self.around.ledger_of_a_process()
            self._life = asyncio.create_task(self._live(self._ledger))
            try:
                await asyncio.wait({self._life})
            finally:
                self._life.cancel()
                await asyncio.wait({self._life})
                await self._ledger.close()
            if self._is_cut_off:
                self._leave_behind()
                await asyncio.sleep(pause())
            else:
                self._life.result()

    def kill(self) -> None:
        """End it, if it lives: nothing of it gets anywhere from now on, and its connections are gone."""
        if self._ledger is not None and self._life is not None and self.is_alive:
            self._ledger.is_cut_off = True
            self._left_behind = {path: path.read_bytes() for path in self._files() if path.exists()}
            self.around.audit.killed(list(self.to_do))
            self._life.cancel()

    def kill_when_it_sends(self, ticks: int) -> None:
        """End it so many turns of the loop after it has got its next place in the quota."""
        if self._ledger is not None:
            self._ledger.on_place = lambda: self._kill_in(ticks)

    def _files(self) -> tuple[Path, ...]:
        """The files that are its own."""
        return ()

    def _leave_behind(self) -> None:
        """Undo what it has done to its files since it was killed, but for half of the line that was to come next."""
        for path, content in self._left_behind.items():
            since = path.read_bytes()[len(content) :] if path.exists() else b""
            line = since[: since.find(b"\n") + 1]
            path.write_bytes(content + line[: len(line) // 2])

    @abstractmethod
    async def _work(self, client: AsyncOpenTrain) -> None:
        """Publish what there is to do, for ever, or until the token is no longer valid."""

    async def _live(self, ledger: LedgerOfAProcess) -> None:
        client = AsyncOpenTrain(
            self.around.token, base_url=self.around.url, ledger=ledger, account="auto", clock=self.around.clock,
            daily_limit=self.around.daily_limit,
        )  # fmt: skip
        async with client:
            try:
                await self._work(client)
            except* AuthenticationError:
                pass  # a claim has made another token, with which the next life begins

    def _kill_in(self, ticks: int) -> None:
        if ticks:
            self.around.loop.call_soon(self._kill_in, ticks - 1)
        else:
            self.kill()

    def _tell(self, job_id: str, status: OutcomeStatus, error: OpenTrainError | None, since: int) -> None:
        """Say what became of a draft, and put it off if that was not its end; the dead say nothing."""
        if self._is_cut_off:
            return
        retry_at = error.retry_at if isinstance(error, QuotaExceededError) else None
        slot_at = None if retry_at is None else retry_at.timestamp()
        self.around.audit.tell(job_id, status, since=since, slot_at=slot_at)
        if status in {OutcomeStatus.PUBLISHED, OutcomeStatus.ALREADY_PUBLISHED, OutcomeStatus.REJECTED}:
            self.to_do.pop(job_id, None)
        else:
            self.to_do[job_id] = slot_at or self.now + TRY_AGAIN_AFTER


@define(eq=False)
class Bot(Process):
    """Publishes each draft as it comes."""

    async def _work(self, client: AsyncOpenTrain) -> None:
        begun: set[str] = set()
        async with asyncio.TaskGroup() as publishing:
            while True:
                self._given.clear()
                for job_id in self.to_do.keys() - begun:
                    begun.add(job_id)
                    publishing.create_task(self._publish(client, job_id))
                await self._given.wait()

    async def _publish(self, client: AsyncOpenTrain, job_id: str) -> None:
        while job_id in self.to_do:
            await asyncio.sleep(self.around.clock.left_until(self.to_do[job_id]))
            since = self.around.requests_seen
            try:
                result = await client.publish(job_id, max_wait=self.max_wait)
            except AuthenticationError:
                raise
            except OpenTrainError as error:
                self._tell(job_id, _said_of(error), error, since)
            else:
                found = not result.newly_published
                self._tell(job_id, OutcomeStatus.ALREADY_PUBLISHED if found else OutcomeStatus.PUBLISHED, None, since)


@define(eq=False)
class Campaign(Process):
    """Publishes what has come together, in runs with a journal."""

    async def _work(self, client: AsyncOpenTrain) -> None:
        journal, _ = self._files()
        while True:
            self._given.clear()
            ready = [job_id for job_id, at in self.to_do.items() if at <= self.now]
            if not ready:
                await self._idle()
                continue
            since = self.around.requests_seen
            report = await client.publish_many(ready, concurrency=4, max_wait=self.max_wait, journal=journal)
            for outcome in report.outcomes:
                if isinstance(outcome.error, AuthenticationError):
                    continue  # that is of the token, and not of the draft
                self._tell(outcome.job_id, outcome.status, outcome.error, since)
            if isinstance(report.stopped_by, AuthenticationError):
                return

    def _files(self) -> tuple[Path, Path]:
        journal = self.around.ledger.with_name(f"{self.name}.jsonl")
        return journal, journal.with_name(f"{journal.name}.lock")

    async def _idle(self) -> None:
        """Wait for another draft, or for the first that can go."""
        soonest = min(map(self.around.clock.left_until, self.to_do.values()), default=None)
        with suppress(TimeoutError):
            async with asyncio.timeout(soonest):
                await self._given.wait()


def _said_of(error: OpenTrainError) -> OutcomeStatus:
    """What a bot makes of an error."""
    if error.effect == "unknown":
        return OutcomeStatus.UNKNOWN
    if isinstance(error, QuotaExceededError | RateLimitedError):
        return OutcomeStatus.DEFERRED
    is_refused = isinstance(error, APIError) and not isinstance(error, ServerError)
    return OutcomeStatus.REJECTED if is_refused else OutcomeStatus.NOT_SENT
