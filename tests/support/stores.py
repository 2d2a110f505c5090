"""Quota stores that take their time, or fail, as those on a disk or across a network do; and ledgers on any store."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from opentrain_async import AsyncOpenTrain
from opentrain_async._base.clock import Clock, SystemClock
from opentrain_async._publish.draft import wait_for_slot
from opentrain_async.quota import AccountLog, LedgerStore, MemoryLedger, QuotaLedger, Reservation, Wait

from .account import PUBLISHED

T = TypeVar("T")

TO_SETTLE = 2
"""The step on the ledger in which the slot of the one draft is settled, after that in which it is reserved."""


class SlowStore:
    """A store that keeps the contract: what is begun is carried through. Each step waits for `go_on`.

    With *stops_at* that is taken back when the step of this number begins.
    """

    def __init__(self, *, goes_on: bool = True, stops_at: int | None = None) -> None:
        self.log = AccountLog()
        self.go_on = asyncio.Event()
        self.begun = 0
        self._stops_at = stops_at
        self._tasks: set[asyncio.Task[Any]] = set()
        if goes_on:
            self.go_on.set()

    async def run(self, account: str, step: Callable[[AccountLog, float], T], now: float) -> T:
        async def carry_through() -> T:
            await asyncio.sleep(0)
            await self.go_on.wait()
            return step(self.log, now)

        self.begun += 1
        if self.begun == self._stops_at:
            self.go_on.clear()
        task = asyncio.create_task(carry_through())
        self._tasks.add(task)
        return await asyncio.shield(task)

    def is_at(self, task: "asyncio.Task[Any]") -> bool:
        """Whether it is this store's own, in which it carries a step through."""
        return task in self._tasks


class DroppingStore:
    """A store that takes one step at a time: one whose caller leaves before its turn has come is not run.

    *lost* counts down: as many steps are given up by the store itself, as if its own task had been cancelled.
    """

    def __init__(self) -> None:
        self.log = AccountLog()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.begun = 0
        self.lost = 0
        self._turn = asyncio.Lock()

    async def run(self, account: str, step: Callable[[AccountLog, float], T], now: float) -> T:
        self.begun += 1
        async with self._turn:
            await self.go_on.wait()
            if self.lost:
                self.lost -= 1
                raise asyncio.CancelledError
            return step(self.log, now)


class BrokenStore:
    """A store that is gone; or, with *works_for*, goes after that many steps."""

    def __init__(self, works_for: int = 0) -> None:
        self._memory = MemoryLedger()
        self._left = works_for

    def run(self, account: str, step: Callable[[AccountLog, float], T], now: float) -> Awaitable[T]:
        self._left -= 1
        if self._left < 0:
            raise OSError("disk on fire")
        return self._memory.run(account, step, now)


def ledger_on(
    store: LedgerStore, clock: Clock | None = None, *, limit: int | None = 1, account: str = "account"
) -> QuotaLedger:
    """One client's view of an account; by the machine's clock unless there is another."""
    return QuotaLedger(store, account, clock or SystemClock(), daily_limit=limit, lease=180.0)


async def reserve(ledger: QuotaLedger, job: str, on_wait: Callable[[Wait], None]) -> Reservation:
    """Wait for a place for this draft, as a publish does."""
    return await wait_for_slot(job, ledger, ledger._clock, on_wait)


async def publish(ledger: QuotaLedger, *jobs: str) -> None:
    """Have these jobs charged, one after another; there has to be a place for each."""
    for job in jobs:
        await ledger.settle(await reserve(ledger, job, lambda wait: pytest.fail(str(wait))), PUBLISHED)


async def accept_one(client: AsyncOpenTrain) -> None:
    """Have a publish of the client's account accepted: without one, its first draft goes before the rest."""
    await publish(client._ledger, "job_accepted")


async def used(store: LedgerStore, account: str = "account") -> int:
    """How many slots an account has in use."""
    return (await ledger_on(store, account=account).snapshot()).used
