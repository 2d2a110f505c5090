"""One account's steps on a store: each within its time, and carried through whatever becomes of who asked for it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from attrs import define

from .._alarm import Alarm
from .._clock import Clock
from ._log import AccountLog
from ._memory import MemoryLedger
from ._store import LedgerStore

T = TypeVar("T")
Step = Callable[[AccountLog, float], T]

_STEP_SECONDS = 5.0
"""How long a store may take for a step before the draft is sent."""
_SETTLE_SECONDS = 2.0
"""How long it may take for one afterwards, when it can no longer change the outcome."""

_logger = logging.getLogger("opentrain_async")


class Steps:
    """Runs steps on the account's log, one after another.

    Args:
        store: Where the log is kept.
        account: The account's key in it.
        clock: Where the time comes from, unless the store has its own.
        on_settled: Called when what was put off has been done, or has failed.

    Attributes:
        log: The log itself, where the store takes no time; `None` where it does.
    """

    def __init__(self, store: LedgerStore, account: str, clock: Clock, on_settled: Callable[[], None]) -> None:
        # A log in memory waits for nothing, and so needs neither a timeout nor a task of its own for a step.
        self.log = store.log_of(account) if isinstance(store, MemoryLedger) else None
        self._store = store
        self._account = account
        self._clock = clock
        self._on_settled = on_settled
        self._alarm = Alarm()
        self._put_off: list[Step[object]] = []
        self._catching_up: asyncio.Task[None] | None = None

    async def run(self, step: Step[T], seconds: float = _STEP_SECONDS) -> T:
        """Run a step, within these seconds, after what was put off.

        Whoever is cancelled meanwhile leaves it to be carried through.
        """
        if self.log is not None:
            return step(self.log, self._clock.now())
        before, self._put_off = self._put_off, []
        if before:
            step = _after(before, step)
        try:
            return await self._bounded(self._store.run(self._account, step, self._clock.now()), seconds)
        except Exception:
            if before:
                self._warn(logging.WARNING)
            raise
        finally:
            if before:
                self._on_settled()

    async def finish(self, step: Step[T], level: int = logging.WARNING) -> T | None:
        """Run a step that ends a reservation; whoever is cancelled meanwhile waits for that, and is cancelled then.

        Returns:
            What the step returned; `None` if the store failed, which is logged: then the lease runs out.
        """
        try:
            return await self.run(step, _SETTLE_SECONDS)
        except asyncio.CancelledError:
            with suppress(Exception):  # steps do not overtake each other: when this one has been run, so has that
                await self.run(_nothing, _SETTLE_SECONDS)
            raise
        except Exception:
            self._warn(level)
            return None

    def put_off(self, step: Step[object]) -> None:
        """Run a step that ends a reservation with whatever is run next, or as soon as the current task waits."""
        if not self._put_off:
            asyncio.get_running_loop().call_soon(self._catch_up)
        self._put_off.append(step)

    async def settled(self) -> None:
        """Wait until nothing is put off any more; whoever is cancelled meanwhile is cancelled then."""
        self._catch_up()
        cancelled: asyncio.CancelledError | None = None
        while self._catching_up is not None:
            try:
                await asyncio.wait({self._catching_up})
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    def _catch_up(self) -> None:
        if self._put_off and self._catching_up is None:
            self._catching_up = asyncio.create_task(self.finish(_nothing))
            self._catching_up.add_done_callback(self._caught_up)

    def _caught_up(self, _task: "asyncio.Task[None]") -> None:
        self._catching_up = None
        self._catch_up()

    async def _bounded(self, answer: Awaitable[T], seconds: float) -> T:
        running = asyncio.ensure_future(answer)
        bound = _Bound(running)
        self._alarm.set(bound, seconds)
        times_cancelled = _times_cancelled()
        try:
            return await running
        except asyncio.CancelledError:
            if bound.is_over and _times_cancelled() == times_cancelled:
                raise TimeoutError(f"no answer within {seconds:g} s") from None
            raise
        finally:
            self._alarm.unset(bound)

    def _warn(self, level: int) -> None:
        _logger.log(level, "the quota ledger could not settle a reservation; its lease runs out", exc_info=True)


@define(eq=False)
class _Bound:
    """A step that has only so long: rung by the alarm when its time is up."""

    running: "asyncio.Future[Any]"
    is_over: bool = False

    def ring(self) -> None:
        self.is_over = True
        self.running.cancel()


def _nothing(_log: AccountLog, _now: float) -> None:
    """Change nothing."""


def _after(before: list[Step[object]], step: Step[T]) -> Step[T]:
    """These steps and then this one, as one."""

    def all_of_them(log: AccountLog, now: float) -> T:
        for earlier in before:
            earlier(log, now)
        return step(log, now)

    return all_of_them


def _times_cancelled() -> int:
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()
