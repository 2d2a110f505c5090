"""Where a call is cancelled: an account of its own at the sandbox, on a real ledger; and what has to hold then."""

import asyncio
import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from attrs import define, field

from opentrain_async import AsyncOpenTrain, OutcomeStatus
from opentrain_async._publish.journal.file import _Lock
from opentrain_async.quota import AccountLog, LedgerStore, MemoryLedger, RedisLedger, SQLiteLedger, Step
from opentrain_async.quota._slots import Reservation
from opentrain_async.sandbox import Sandbox
from opentrain_async.sandbox._model.state import WINDOW

from .stepping import Watched

T = TypeVar("T")

LONG = 30.0
"""Seconds: whoever sleeps for longer waits for the window, and sleeps until that is over."""


class Skipping:
    """The sandbox's clock, on which sleeping takes no time.

    Attributes:
        stands_still: If true, no sleeper wakes up.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.stands_still = False
        self._sandbox = sandbox
        self.now = sandbox.clock.now
        self.monotonic = sandbox.clock.monotonic

    async def sleep(self, seconds: float) -> None:
        if self.stands_still:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        self._sandbox.advance(hours=24 if seconds >= LONG else 0, seconds=seconds)
        await asyncio.sleep(0)


class SkippingRedisLedger(RedisLedger):
    """One whose server lives in the sandbox's time."""

    def __init__(self, redis: str, sandbox: Sandbox) -> None:
        super().__init__(redis, timeout=10)
        self._sandbox = sandbox

    def run(self, account: str, step: Step[T], now: float) -> "asyncio.Future[T]":
        return super().run(account, lambda log, time: step(log, time + self._sandbox.clock._skipped), now)


class CoroutineLedger:
    """A store whose every step is a coroutine's: it takes a turn of the loop to begin, or is cancelled before."""

    def __init__(self) -> None:
        self._memory = MemoryLedger()

    async def run(self, account: str, step: Callable[[AccountLog, float], T], now: float) -> T:
        await asyncio.sleep(0)
        return await self._memory.run(account, step, now)


@define(eq=False)
class Ground:
    """A new account and its client.

    Attributes:
        sandbox: The service.
        store: Where the ledger is kept.
        journal: Where a run may keep a journal.
        limit: How much the account publishes a day; below 20 it is unclaimed.
        account: As in the client.
        drafts: How many there are to be published.
        jobs: Those.
        caller: In which the call runs, once it does.
        holder: A reservation that somebody else has.
        charged_before: What the account was charged before the call.
        clock: The client's.
    """

    sandbox: Sandbox
    store: LedgerStore
    journal: Path
    limit: int
    account: str | None
    drafts: int
    token: str = field(init=False)
    clock: Skipping = field(init=False)
    client: AsyncOpenTrain = field(init=False)
    jobs: list[str] = field(init=False)
    caller: "asyncio.Task[object] | None" = None
    holder: Reservation | None = None
    charged_before: int = 0

    def __attrs_post_init__(self) -> None:
        self.token = self.sandbox.add_account(claimed=self.limit == 20)
        self.clock = Skipping(self.sandbox)
        self.client = AsyncOpenTrain(
            self.token, base_url=self.sandbox.url, clock=self.clock, daily_limit=self.limit,
            ledger=self.store if isinstance(self.store, MemoryLedger) else Watched(self.store), account=self.account,
        )  # fmt: skip
        self.jobs = self.draft(self.drafts)

    def draft(self, count: int) -> list[str]:
        """More drafts of the account."""
        return [self.sandbox.draft(token=self.token) for _ in range(count)]

    @property
    def charges(self) -> list[float]:
        """When the service charged the account."""
        return self.sandbox._service.accounts[self.token].published_at

    def live(self, *, within_window: bool) -> set[str]:
        """The drafts that have gone live, in this window or in one before."""
        jobs, since = self.sandbox._service.jobs, self.sandbox.clock.now() - WINDOW
        live = {job for job in self.jobs if jobs[job].status == "OPEN"}
        return {job for job in live if (jobs[job].updated_at > since) is within_window}

    async def states(self) -> dict[str | None, str]:
        """What the ledger says of each draft."""
        return {slot.job_id: slot.state for slot in (await self.client.quota()).slots}


def see_that_nothing_is_left(ground: Ground) -> None:
    """Nobody stands in a line, no connection is in use, and all locks are free."""
    client = ground.client
    assert client._ledger.line.length == client._breaker._queue.length == 0
    assert client._breaker._in_flight == set()
    assert client._api._retrier.sleeping == set()
    assert (client._single_flight._joinable, client._single_flight._left_by_all) == ({}, set())
    session = client._transport._session
    assert session is None or session.connector is None or session.connector._acquired == set()
    _Lock(ground.journal).release()
    match ground.store:
        case SQLiteLedger(path=path) if path.exists():
            with closing(sqlite3.connect(path, timeout=0)) as other:
                other.execute("BEGIN IMMEDIATE")
        case RedisLedger(_batcher=batcher) if batcher is not None:
            assert batcher._tasks == set()
            assert not batcher.client.connection_pool._in_use_connections


async def see_that_it_is_true(ground: Ground, first: Callable[[Ground], object] | None) -> None:
    """No slot is held; what is live counts; and whoever then publishes the same drafts is told the truth.

    Args:
        ground: Where.
        first: What happens before they are published once more.
    """
    states = await ground.states()
    assert "held" not in states.values(), states
    assert ground.live(within_window=True) <= set(states), states
    known = {job for job in ground.jobs if states.get(job) == "spent"} | ground.live(within_window=False)
    if first is not None:
        first(ground)
    again = await ground.client.publish_many(ground.jobs, max_wait=math.inf)
    told = {outcome.job_id for outcome in again.outcomes if outcome.status is OutcomeStatus.ALREADY_PUBLISHED}
    assert told == known, (states, again.outcomes)
    assert len(again.published) == len(ground.jobs) - len(told), again.outcomes
    assert len(ground.charges) == ground.charged_before + len(ground.jobs)
    states = await ground.states()
    assert {job: states[job] for job in ground.live(within_window=True) if states[job] != "spent"} == {}


async def see_no_connections(sandbox: Sandbox) -> None:
    """The service has lost every connection, as it sees when it next looks."""
    runner: Any = sandbox._runner
    async with asyncio.timeout(5):
        while runner.server.connections:
            await asyncio.sleep(0)
