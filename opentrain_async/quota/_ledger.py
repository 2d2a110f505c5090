"""One client's view of its account's quota: a store, and the waiting for a place."""

import asyncio
import itertools
import logging
import secrets
from collections.abc import Callable, Coroutine
from typing import TypeVar

from .._clock import Clock
from ..errors import QuotaLedgerError
from ._line import Line, Waiter
from ._log import AccountLog
from ._memory import MemoryLedger
from ._slots import Before, Busy, Denied, Reservation, Settlement
from ._snapshot import QuotaSnapshot
from ._store import LedgerStore

T = TypeVar("T")

_STEP_SECONDS = 5.0
"""How long a store may take for a step before the draft is sent."""
_SETTLE_SECONDS = 2.0
"""How long it may take for one afterwards, when it can no longer change the outcome."""
_RECHECK_SECONDS = 60.0
"""The longest sleep, after which the wall clock is read again: it may have jumped."""
_FIRST_POLL_SECONDS = 0.1
_LAST_POLL_SECONDS = 1.0

_logger = logging.getLogger("opentrain_async")


def _ledger_failed(error: Exception) -> QuotaLedgerError:
    return QuotaLedgerError(f"the quota ledger failed: {type(error).__name__}: {error}")


async def _carried_through(running: Coroutine[object, object, T]) -> T:
    """Wait for something to its end, also when cancelled meanwhile; then the cancellation goes on."""
    task = asyncio.ensure_future(running)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
    return task.result()


class QuotaLedger:
    """The quota of one account, for the publishes of one client.

    Args:
        store: Where the account's log is kept; borrowed.
        account: The account's key in it.
        clock: Where the time comes from, unless the store has its own.
        daily_limit: A limit that the caller was told, or `None` to learn it.
        lease: For how many seconds a publish is taken to be under way if it is never settled.
    """

    def __init__(
        self, store: LedgerStore, account: str, clock: Clock, *, daily_limit: int | None, lease: float
    ) -> None:
        self._store = store
        self._account = account
        self._clock = clock
        self._cap = daily_limit
        self._lease = lease
        # A store that waits for nothing is asked without the timeout, which would cost more than the step.
        self._memory = store if isinstance(store, MemoryLedger) else None
        self._name = secrets.token_hex(9)
        self._numbers = itertools.count(1)
        self._line = Line()
        self._mine: set[str] = set()

    async def reserve(self, job: str, on_denied: Callable[[Denied], None]) -> Reservation:
        """Wait for a place for this draft, as long as it takes.

        A place that a publish under way may leave is waited for in silence. When there is none to be had before
        the window frees a slot, *on_denied* is told so, each time anew; it is for the caller to give up, by
        cancelling.

        Args:
            job: The draft.
            on_denied: Told when the next slot leaves the window.

        Returns:
            The reservation; it is to be settled, whatever happens.

        Raises:
            QuotaLedgerError: The store failed or was too slow. Nothing is reserved.
        """
        answer = await self._try(job, len(self._line))
        if isinstance(answer, Reservation):
            return answer
        with self._line.stand() as waiter:
            polls = 0
            while not isinstance(answer, Reservation):
                within = self._look_again_within(answer, polls)
                polls += 1
                if isinstance(answer, Denied):
                    on_denied(answer)
                    self._pass_on(waiter)
                await waiter.called(self._clock, within)
                answer = await self._try(job, self._line.ahead_of(waiter))
        return answer

    async def settle(self, reservation: Reservation, how: Settlement) -> None:
        """End a reservation. Never raises but `CancelledError`: a failing store is logged, and the lease runs out."""
        await self._finish(reservation.id, lambda log, now: log.settle(reservation, how, now))

    async def refused(
        self,
        reservation: Reservation,
        how: Settlement,
        *,
        limit: int | None,
        window: float | None,
        retry_after: float | None,
    ) -> Denied | None:
        """Take in the server's refusal and end the reservation.

        Returns:
            When the next slot leaves the window; `None` if the store failed, which is logged.
        """

        def step(log: AccountLog, now: float) -> Denied:
            return log.refused(
                reservation, how, now, limit=limit, window=window, retry_after=retry_after, cap=self._cap
            )

        return await self._finish(reservation.id, step)

    async def snapshot(self) -> QuotaSnapshot:
        """The quota as it stands now.

        Raises:
            QuotaLedgerError: The store failed or was too slow.
        """
        try:
            return await self._run(lambda log, now: log.snapshot(now, self._cap), _STEP_SECONDS)
        except Exception as error:
            raise _ledger_failed(error) from error

    async def _try(self, job: str, ahead: int) -> Reservation | Busy | Denied:
        reservation_id = f"{self._name}-{next(self._numbers)}"

        def step(log: AccountLog, now: float) -> Reservation | Busy | Denied:
            return log.reserve(job, now, reservation_id=reservation_id, lease=self._lease, cap=self._cap, ahead=ahead)

        try:
            if self._memory is not None:
                answer = self._memory.run_now(self._account, step, self._clock.now())
            else:
                answer = await self._run(step, _STEP_SECONDS)
        except (asyncio.CancelledError, TimeoutError) as error:
            # The store carries a step through: what it may have reserved for nobody is given back.
            abandoned = Reservation(reservation_id, job, Before.NEW, None, 0.0, 0.0)
            await self.settle(abandoned, Settlement.UNSENT)
            if isinstance(error, TimeoutError):
                raise _ledger_failed(error) from error
            raise
        except Exception as error:
            raise _ledger_failed(error) from error
        if isinstance(answer, Reservation):
            self._mine.add(reservation_id)
        return answer

    async def _finish(self, reservation_id: str, step: Callable[[AccountLog, float], T]) -> T | None:
        self._mine.discard(reservation_id)
        try:
            if self._memory is not None:
                return self._memory.run_now(self._account, step, self._clock.now())
            return await _carried_through(self._run(step, _SETTLE_SECONDS))
        except Exception:
            _logger.warning("the quota ledger could not settle a reservation; its lease runs out", exc_info=True)
            return None
        finally:
            if self._line:
                # Not at once: whoever learns of this outcome first may call those in line off.
                asyncio.get_running_loop().call_soon(self._line.call_first)

    async def _run(self, step: Callable[[AccountLog, float], T], seconds: float) -> T:
        async with asyncio.timeout(seconds):
            return await self._store.run(self._account, step, self._clock.now())

    def _look_again_within(self, answer: Busy | Denied, polls: int) -> float | None:
        """When to look again without being called: for what other processes and the window itself will change."""
        if isinstance(answer, Denied):
            return min(_RECHECK_SECONDS, max(_FIRST_POLL_SECONDS, answer.retry_at - self._clock.now()))
        if answer.holders and answer.holders <= self._mine:
            return None  # each of them calls when it is settled
        return min(_LAST_POLL_SECONDS, _FIRST_POLL_SECONDS * 2.0**polls)

    def _pass_on(self, waiter: Waiter) -> None:
        """Once one in line has been turned away, those behind must learn of it too: they may not want to wait."""
        if not waiter.turned_away:
            waiter.turned_away = True
            self._line.call_after(waiter)
