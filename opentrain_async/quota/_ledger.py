"""The quota of one account for one client: reserve a slot, wait for one, settle it."""

import asyncio
import copy
import itertools
import logging
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TypeVar

from .._base.clock import Clock, doubled
from .._base.fenced_log import logger
from .._base.waiting import Waiter, WaitQueue
from ..errors import QuotaLedgerError
from ._log import AccountLog
from ._observer import QuotaObserver
from ._slots import LONGEST_LEASE, Busy, Denied, Reservation, Settlement
from ._snapshot import QuotaSnapshot
from ._steps import AccountStore
from ._stores.batch import RedisError
from ._stores.protocol import LedgerStore, Step

T = TypeVar("T")

_RECHECK_SECONDS = 60.0
"""The longest sleep, after which the wall clock is read again: it may have jumped."""
_FIRST_POLL_SECONDS = 0.1
_LAST_POLL_SECONDS = 1.0


@cache
def _process_id() -> int:
    """Of this process; the system is asked once, and again by a forked child."""
    return os.getpid()


with suppress(AttributeError):  # on Windows, where nothing is forked
    os.register_at_fork(after_in_child=_process_id.cache_clear)


def _ledger_failed(error: Exception) -> QuotaLedgerError:
    """One of its own for each caller: those who came together to a store may share the error of that."""
    told = f"the quota ledger failed: {error if isinstance(error, RedisError) else f'{type(error).__name__}: {error}'}"
    failed = QuotaLedgerError(error.message if isinstance(error, QuotaLedgerError) else told)
    failed.__cause__ = error
    return failed


class QuotaLedger:
    """The quota of one account, for the publishes of one client.

    Args:
        store: Where the account's log is kept; borrowed.
        account: The account's key in it.
        clock: Where the time comes from, unless the store has its own.
        daily_limit: A limit that the caller was told, or `None` to learn it.
        lease: For how many seconds a publish counts as in flight if it is neither settled nor renewed; at most a year.
        observer: Called with what happens to the slots; `None` if nobody listens.
    """

    def __init__(
        self,
        store: LedgerStore,
        account: str,
        clock: Clock,
        *,
        daily_limit: int | None,
        lease: float,
        observer: QuotaObserver | None = None,
    ) -> None:
        self._queue = WaitQueue()
        self._observer = observer
        self._store = AccountStore(store, account, clock, self._queue.wake_first_soon, observer, daily_limit)
        self._clock = clock
        self._cap = daily_limit
        self.lease: float = min(lease, LONGEST_LEASE)
        self._name = secrets.token_urlsafe(9)
        self._numbers = itertools.count(1)
        self._mine: set[str] = set()

    @property
    def account(self) -> str:
        """The account's key in the store."""
        return self._store.account

    def use(self, account: str) -> None:
        """Count for this account from now on: its name has become known."""
        self._store.use(account)

    async def continue_as(self, earlier: str, account: str) -> None:
        """Count for the same account under another name, or its own, with its slots; the limit is learned anew.

        It can be repeated: a slot is carried over once.

        Raises:
            QuotaLedgerError: The store failed or was too slow. Then the slots may have stayed behind.
        """
        self._store.use(account)
        try:
            if earlier != account:
                counted = await self._store.on(earlier).run(lambda log, _: copy.deepcopy(log))
                counted.release_ended(self._has_ended)  # what has been settled meanwhile was so under the new name
                await self._store.run(lambda log, now: log.take_over(counted, now))
            else:
                await self._store.run(lambda log, _: log.forget_limit())
        except Exception as error:
            raise _ledger_failed(error)  # noqa: B904 - which names its cause
        finally:
            self._queue.wake_first_soon()

    def reserve_at_once(self, job: str) -> Reservation | None:
        """A place for this draft, if there is one and the store takes no time to say so; otherwise `None`."""
        log = self._store.log
        if log is None:
            return None
        answer = log.reserve(
            job,
            self._clock.now(),
            reservation_id=self._new_id(),
            lease=self.lease,
            cap=self._cap,
            ahead=self._queue.length,
        )
        if not isinstance(answer, Reservation):
            return None
        self._begin(answer)
        self._store.observe()
        return answer

    async def reserve(self, job: str, on_denied: Callable[[Denied], None]) -> Reservation:
        """Wait for a place for this draft, as long as it takes.

        A place that a publish in flight may leave is waited for in silence. When there is none to be had before
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
        answer = await self._try(job, self._queue.length)
        if isinstance(answer, Reservation):
            return answer
        with self._queue.join() as waiter:
            polls = 0
            while not isinstance(answer, Reservation):
                within = self._recheck_within(answer, polls)
                polls += 1
                if isinstance(answer, Denied):
                    on_denied(answer)
                    self._pass_on(waiter)
                await waiter.wait(self._clock, within)
                answer = await self._try(job, self._queue.ahead_of(waiter))
        return answer

    async def settle(self, reservation: Reservation, how: Settlement) -> None:
        """End a reservation. Never raises but `CancelledError`: a failing store is logged, and the lease runs out."""
        if self._store.log is None:
            self._end(reservation, how)
            await self._finish(lambda log, now: log.settle(reservation, how, now))
        else:
            self.settle_soon(reservation, how)

    def settle_soon(self, reservation: Reservation, how: Settlement) -> None:
        """End a reservation, which the ledger's next step will take along; await `settled` to be sure of it.

        A store in memory does so at once.
        """
        log = self._store.log
        if log is None:
            self._store.put_off(lambda log, now: log.settle(reservation, how, now))
        else:
            log.settle(reservation, how, self._clock.now())
            self._queue.wake_first_soon()
        self._end(reservation, how)
        self._store.observe()

    async def renew(self, reservation: Reservation) -> None:
        """Begin the lease of a reservation anew; a failing store is logged, and the lease runs out."""
        try:
            await self._store.run(lambda log, now: log.renew(reservation, now))
        except Exception:
            logger.warning("the quota ledger could not renew a reservation; its lease runs out", exc_info=True)

    async def settled(self) -> None:
        """Wait until what was to be settled soon is, or has failed."""
        await self._store.settled()

    async def refused(
        self,
        reservation: Reservation,
        how: Settlement,
        *,
        limit: int | None,
        window: float | None,
        retry_after: float | None,
    ) -> Denied | None:
        """Take in the server's refusal and end the reservation; a limit below the one that was counted on is logged.

        Returns:
            When the next slot leaves the window; `None` if the store failed, which is logged.
        """

        def step(log: AccountLog, now: float) -> tuple[int | None, Denied]:
            counted_on = log.snapshot(now, self._cap).limit
            return counted_on, log.refused(
                reservation, how, now, limit=limit, window=window, retry_after=retry_after, cap=self._cap
            )

        self._end(reservation, how)
        ended = await self._finish(step)
        if ended is None:
            return None
        counted_on, denied = ended
        if limit is not None and counted_on is not None and limit < counted_on:
            logger.warning("the account's publish limit is %d and not %d: so says the server", limit, counted_on)
        return denied

    async def snapshot(self) -> QuotaSnapshot:
        """The quota as it stands now.

        Raises:
            QuotaLedgerError: The store failed or was too slow.
        """
        try:
            return await self._store.run(lambda log, now: log.snapshot(now, self._cap))
        except Exception as error:
            raise _ledger_failed(error)  # noqa: B904 - which names its cause

    async def _try(self, job: str, ahead: int) -> Reservation | Busy | Denied:
        reservation_id = self._new_id()

        def step(log: AccountLog, now: float) -> Reservation | Busy | Denied:
            return log.reserve(job, now, reservation_id=reservation_id, lease=self.lease, cap=self._cap, ahead=ahead)

        try:
            answer = await self._store.run(step)
        except QuotaLedgerError as error:
            raise _ledger_failed(error)  # noqa: B904 - which names its cause
        except (asyncio.CancelledError, Exception) as error:
            await self._give_back(reservation_id, job)
            if isinstance(error, Exception):
                raise _ledger_failed(error)  # noqa: B904 - which names its cause
            raise
        if isinstance(answer, Reservation):
            self._begin(answer)
        return answer

    def _begin(self, reservation: Reservation) -> None:
        self._mine.add(reservation.id)
        if self._observer is not None:
            self._observer.reserved(reservation.job, reservation.probe)

    def _end(self, reservation: Reservation, how: Settlement) -> None:
        self._mine.discard(reservation.id)
        if self._observer is not None:
            self._observer.settled(reservation.job, how)

    async def _give_back(self, reservation_id: str, job: str) -> None:
        """Give back what may have been reserved for nobody: a store carries a step through, or lost its answer."""
        abandoned = Reservation(reservation_id, job, "new", None, 0.0, 0.0)
        await self._finish(lambda log, now: log.settle(abandoned, "unsent", now), logging.DEBUG)

    async def _finish(self, step: Step[T], level: int = logging.WARNING) -> T | None:
        try:
            return await self._store.finish(step, level)
        finally:
            self._queue.wake_first_soon()

    def _has_ended(self, reservation_id: str) -> bool:
        """Whether a reservation was this client's and is not any more."""
        return reservation_id.startswith(f"{self._name}-") and reservation_id not in self._mine

    def _new_id(self) -> str:
        """A reservation's id: by its process as well, since a client may be made before its process is forked."""
        return f"{self._name}-{_process_id()}-{next(self._numbers)}"

    def _recheck_within(self, answer: Busy | Denied, polls: int) -> float | None:
        """Return when a waiter must ask again: other processes and the window itself wake nobody here."""
        if isinstance(answer, Denied):
            return min(_RECHECK_SECONDS, max(_FIRST_POLL_SECONDS, answer.wait))
        if answer.holders and answer.holders <= self._mine:
            return None  # each of them calls when it is settled
        return doubled(_FIRST_POLL_SECONDS, polls, _LAST_POLL_SECONDS)

    def _pass_on(self, waiter: Waiter) -> None:
        """Wake the next waiter once this one was denied: it must learn of that too, as it may not want to wait."""
        if not waiter.was_denied:
            waiter.was_denied = True
            self._queue.wake_after(waiter)
