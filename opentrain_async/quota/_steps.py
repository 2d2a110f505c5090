"""Run steps on one account's log: each within its time, and to its end even if its caller is cancelled."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from attrs import define, field

from .._base.alarm import Alarm
from .._base.clock import Clock
from .._base.fenced_log import logger
from ._log import AccountLog
from ._observer import QuotaObserver
from ._snapshot import QuotaSnapshot
from ._stores.memory import MemoryLedger
from ._stores.protocol import LedgerStore, Step

T = TypeVar("T")

_STEP_SECONDS = 5.0
"""How long a store may take for a step before the draft is sent."""
_SETTLE_SECONDS = 2.0
"""How long it may take for one afterwards, when it can no longer change the outcome."""
_PUT_OFF_SECONDS = 0.05
"""How long a settlement waits at most for another step that takes it along."""
_AGAIN_SECONDS = 60.0
"""Seconds after which the observer is called again with the same count: another client may have changed it since."""


class StoreCancelledError(Exception):
    """The store has given up a step by itself: its caller must not take that for its own cancellation."""


class AccountStore:
    """One account's log in a store: runs steps on it, one after another.

    Args:
        store: The store that keeps the log.
        account: The account's key in the store.
        clock: The clock, unless the store has its own.
        on_settled: Called when a settlement that was put off may have been done.
        observer: Called with the quota after a step that has changed it; `None` if nobody listens.
        cap: The limit that the caller was told, or `None`; the observer's snapshots respect it.

    Attributes:
        account: The account's key.
        log: The log itself, where the store takes no time; `None` where it does.
    """

    def __init__(
        self,
        store: LedgerStore,
        account: str,
        clock: Clock,
        on_settled: Callable[[], None],
        observer: QuotaObserver | None = None,
        cap: int | None = None,
    ) -> None:
        self._store = store
        # A log in memory waits for nothing, and so needs neither a timeout nor a task of its own for a step.
        self.use(account)
        self._clock = clock
        self._on_settled = on_settled
        self._observer = observer
        self._cap = cap
        self._counted: tuple[object, ...] = ()
        self._counted_at = 0.0
        self._alarm = Alarm()
        self._put_off: list[Step[object]] = []
        self._settling = 0
        self._catching_up: set[asyncio.Task[bool | None]] = set()
        self._is_due = False
        # A cancelled caller has waited for the store in vain, and since then nothing was done or put off.
        self._is_late = False

    def use(self, account: str) -> None:
        """Continue with another account's log."""
        self.account = account
        self.log = self._store.log_of(account) if isinstance(self._store, MemoryLedger) else None

    def on(self, account: str) -> "AccountStore":
        """Return another account's log in the same store, unobserved."""
        return AccountStore(self._store, account, self._clock, self._on_settled)

    def observe(self) -> None:
        """Call the observer after a step that was run on the log itself."""
        if self._observer is not None and self.log is not None:
            self._count(self.account, self.log.snapshot(self._clock.now(), self._cap))

    async def run(self, step: Step[T], seconds: float | None = None) -> T:
        """Run a step, and call the observer with the quota if it has changed.

        A caller that is cancelled meanwhile leaves the step to be carried through.

        Args:
            step: The step.
            seconds: Within how many seconds; `None` is the time that a step may take before a draft is sent.
        """
        if self._observer is None:
            return await self._run(step, seconds)
        # The log can be another account's by the time the store answers.
        account = self.account

        def with_snapshot(log: AccountLog, now: float) -> tuple[T, QuotaSnapshot]:
            return step(log, now), log.snapshot(now, self._cap)

        # The observer is called out here: a store may run the step in a thread of its own.
        result, quota = await self._run(with_snapshot, seconds)
        self._count(account, quota)
        return result

    def _count(self, account: str, quota: QuotaSnapshot) -> None:
        """Call the observer, if the quota is not what it saw a moment ago."""
        counted = (account, quota.limit, quota.limit_source, quota.used, quota.doubtful)
        now = self._clock.monotonic()
        if self._observer is not None and (counted != self._counted or now - self._counted_at >= _AGAIN_SECONDS):
            self._counted, self._counted_at = counted, now
            self._observer.counted(account, quota)

    async def _run(self, step: Step[T], seconds: float | None = None) -> T:
        """Run a step after the steps that were put off.

        Steps that were put off are put off again unless they are known to have been run: to end a reservation twice is
        harmless.
        """
        if self.log is not None:
            return step(self.log, self._clock.now())
        before, self._put_off = self._put_off, []
        self._settling += bool(before)
        seconds = _STEP_SECONDS if seconds is None else seconds
        bound, times_cancelled, running = _Bound(), _times_cancelled(), None
        self._alarm.set(bound, seconds)
        try:
            wanted = _after(before, step) if before else step
            running = asyncio.ensure_future(self._store.run(self.account, wanted, self._clock.now()))
            bound.running = running
            result = await running
        except BaseException as error:
            self._put_off[:0] = before
            if isinstance(error, asyncio.CancelledError):
                if _times_cancelled() == times_cancelled:
                    if bound.is_over:
                        self._is_late |= times_cancelled > 0
                        raise TimeoutError(f"no answer within {seconds:g} s") from None
                    if not (times_cancelled and _is_called_off(running)):
                        raise StoreCancelledError("the store has given up the step by itself") from None
                if before:
                    self._catch_up_soon()  # the caller has left, and the store has not failed
            raise
        else:
            self._is_late = False
            return result
        finally:
            self._alarm.unset(bound)
            self._settling -= bool(before)
            if before:
                self._on_settled()

    async def finish(self, step: Step[T], level: int = logging.WARNING) -> T | None:
        """Run a step that ends a reservation; whoever is cancelled meanwhile waits for that, and is cancelled then.

        Returns:
            What the step returned; `None` if the store failed, which is logged: then the lease runs out.
        """
        self._settling += step is not _nothing
        try:
            return await self._run_surely(step)
        except asyncio.CancelledError:
            with suppress(Exception):
                await self._run_surely(step)
            raise
        except Exception:
            logger.log(level, "the quota ledger could not settle a reservation; its lease runs out", exc_info=True)
            return None
        finally:
            self._settling -= step is not _nothing

    async def _run_surely(self, step: Step[T]) -> T:
        """Run a step, and once more if the store has dropped it.

        The store's own work may have been cancelled together with its callers, and takes what it had in hand with it.
        """
        times_cancelled = _times_cancelled()
        try:
            return await self.run(step, _SETTLE_SECONDS)
        except (StoreCancelledError, asyncio.CancelledError):
            if _times_cancelled() != times_cancelled:
                raise
            return await self.run(step, _SETTLE_SECONDS)

    def put_off(self, step: Step[object]) -> None:
        """Run a step that ends a reservation along with whatever is run next, at the latest in a moment."""
        self._put_off.append(step)
        self._is_late = False
        self._catch_up_soon()

    async def settled(self) -> None:
        """Wait until what was put off has been run, or has failed, which is logged; cancellation as in `finish`.

        Whoever has been cancelled and found the store not to answer has waited for that already.
        """
        if (self._put_off or self._settling) and not (self._is_late and _times_cancelled()):
            while await self.finish(_nothing) and (self._put_off or self._settling):
                pass  # again: whoever has taken something along may be cancelled before it is run

    def _catch_up_soon(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_later(_PUT_OFF_SECONDS, self._catch_up)

    def _catch_up(self) -> None:
        self._is_due = False
        if self._put_off:
            task = asyncio.create_task(self.finish(_nothing))
            self._catching_up.add(task)
            task.add_done_callback(self._catching_up.discard)


@define(eq=False)
class _Bound:
    """A step that has only so long: rung by the alarm when its time is up."""

    running: "asyncio.Future[Any]" = field(init=False)
    is_over: bool = False

    def ring(self) -> None:
        self.is_over = True
        self.running.cancel()


def _nothing(_log: AccountLog, _now: float) -> bool:
    """Change nothing, and say that this was done."""
    return True


def _after(before: list[Step[object]], step: Step[T]) -> Step[T]:
    """These steps and then this one, as one."""

    def all_of_them(log: AccountLog, now: float) -> T:
        for earlier in before:
            earlier(log, now)
        return step(log, now)

    return all_of_them


def _is_called_off(running: "asyncio.Future[Any] | None") -> bool:
    """Whether a step was cancelled from outside: by its caller too, where that was cancelled before it awaited it."""
    return isinstance(running, asyncio.Task) and running.cancelling() > 0


def _times_cancelled() -> int:
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()
