"""Run steps on one account's log: each within its time, and to its end even if its caller is cancelled."""

import asyncio
import logging
from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar

from .._base.clock import Clock
from .._base.fenced_log import logger
from ._log import AccountLog
from ._observer import QuotaObserver
from ._snapshot import QuotaSnapshot
from ._stores.memory import MemoryLedger
from ._stores.protocol import LedgerStore, Step

T = TypeVar("T")

_STEP_SECONDS = 5.0
"""How long a store may take for a step before the draft is sent. A store that names its own `patience` has that
long, also afterwards; and with each `progress` that it counts the time begins anew."""
_SETTLE_SECONDS = 2.0
"""How long it may take for one afterwards, when that can no longer change the outcome; once a caller is cancelled, also
where the store names its patience."""
_AGAIN_SECONDS = 60.0
"""Seconds after which the observer is called again with the same count: another client may have changed it since."""


class StoreCancelledError(Exception):
    """The store has given up a step by itself: its caller must not take that for its own cancellation."""


class AccountStore:
    """One account's log in a store: runs steps on it.

    Args:
        store: The store that keeps the log.
        account: The account's key in the store.
        clock: The clock, unless the store has its own.
        observer: Called with the quota after a step that has changed it; `None` if nobody listens.
        cap: The limit that the caller was told, or `None`; the observer's snapshots respect it.

    Attributes:
        account: The account's key.
    """

    def __init__(
        self,
        store: LedgerStore,
        account: str,
        clock: Clock,
        observer: QuotaObserver | None = None,
        cap: int | None = None,
    ) -> None:
        self.account = account
        self._store = store
        self._seconds: float = getattr(store, "patience", _STEP_SECONDS)
        self._seconds_to_settle: float = getattr(store, "patience", _SETTLE_SECONDS)
        self._clock = clock
        self._observer = observer
        self._cap = cap
        self._counted: tuple[object, ...] = ()
        self._counted_at = 0.0

    def on(self, account: str) -> "AccountStore":
        """Return another account's log in the same store, unobserved."""
        return AccountStore(self._store, account, self._clock)

    async def run(self, step: Step[T], seconds: float | None = None) -> T:
        """Run a step within that time, and call the observer with the quota if it has changed.

        A caller that is cancelled meanwhile leaves the step to be carried through.

        Raises:
            TimeoutError: The store took longer.
            StoreCancelledError: It has given up the step by itself.
        """
        # The log can be another account's by the time the store answers.
        account, observer = self.account, self._observer
        if observer is None:
            return await self._run(account, step, seconds)

        def with_snapshot(log: AccountLog, now: float) -> tuple[T, QuotaSnapshot]:
            return step(log, now), log.snapshot(now, self._cap)

        # The observer is called out here: a store may run the step in a thread of its own.
        result, quota = await self._run(account, with_snapshot, seconds)
        counted = (account, quota.limit, quota.limit_source, quota.used, quota.doubtful)
        at = self._clock.monotonic()
        if counted != self._counted or at - self._counted_at >= _AGAIN_SECONDS:  # it saw anything else a moment ago
            self._counted, self._counted_at = counted, at
            observer.counted(account, quota)
        return result

    def _run(self, account: str, step: Step[T], seconds: float | None) -> Awaitable[T]:
        running = self._store.run(account, step, self._clock.now())
        # A log in memory waits for nothing, and so needs no time limit.
        if isinstance(self._store, MemoryLedger):
            return running
        return _within(running, self._store, self._seconds if seconds is None else seconds)

    async def finish(self, step: Step[T], *, is_settled: bool = True) -> T | None:
        """Run a step that ends a reservation; whoever is cancelled meanwhile waits for that, and is cancelled then.

        Args:
            step: The step.
            is_settled: False if it only gives back what was reserved for no caller, which is told already: that is not
                waited for long, nor logged as a warning.

        Returns:
            What the step returned; `None` if the store failed, which is logged: then the lease runs out.
        """
        try:
            return await self._run_surely(step, self._seconds_to_settle if is_settled else _SETTLE_SECONDS)
        except asyncio.CancelledError:
            with suppress(Exception):
                await self._run_surely(step, _SETTLE_SECONDS)
            raise
        except Exception:
            level = logging.WARNING if is_settled else logging.DEBUG
            logger.log(level, "the quota ledger could not settle a reservation; its lease runs out", exc_info=True)
            return None

    async def _run_surely(self, step: Step[T], seconds: float) -> T:
        """Run a step, and once more if the store has dropped it.

        The store's own work may have been cancelled together with its callers, and takes what it had in hand with it.
        """
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            seconds = _SETTLE_SECONDS
        try:
            return await self.run(step, seconds)
        except StoreCancelledError:
            return await self.run(step, seconds)


async def _within(running: Awaitable[T], store: LedgerStore, seconds: float) -> T:
    """Return what a step of this store returns, if that comes in time."""
    future = asyncio.ensure_future(running)
    try:
        while True:
            progress = _progress_of(store)
            if (await asyncio.wait({future}, timeout=seconds))[0]:
                break
            # Whoever stands in a line that moves is not turned away.
            if progress == _progress_of(store):
                raise TimeoutError(f"no answer within {seconds:g} s")
    finally:
        future.cancel()
    if future.cancelled():
        raise StoreCancelledError("the store has given up the step by itself")
    return future.result()


def _progress_of(store: LedgerStore) -> int:
    return int(getattr(store, "progress", 0))
