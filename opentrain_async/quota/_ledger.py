"""The quota of one account for one client: reserve a slot, wait for one, settle it."""

import asyncio
import copy
import itertools
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import TypeVar

from .._base.clock import Clock, doubled
from .._base.fenced_log import logger
from .._base.waiting import WaitQueue
from ..errors import QuotaLedgerError
from ._log import AccountLog
from ._log_takeover import release_ended, take_over
from ._observer import QuotaObserver
from ._plan import PublishPlan, plan
from ._slots import LONGEST_LEASE, Reservation, Saw, Wait
from ._snapshot import QuotaSnapshot
from ._steps import AccountStore
from ._stores.batch import RedisError
from ._stores.protocol import LedgerStore, Step

T = TypeVar("T")

_RECHECK_SECONDS = 60.0
"""The longest sleep, after which the wall clock is read again: it may have jumped."""
_FIRST_POLL_SECONDS = 0.1
_LAST_POLL_SECONDS = 1.0
_OTHERS_SECONDS = 5.0
"""How long another process's publish in flight is waited for in silence."""


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

    Attributes:
        line: Those who wait for a place; it is woken when one may be free.
        lease: The lease.
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
        self.line: WaitQueue = WaitQueue()
        self.lease: float = min(lease, LONGEST_LEASE)
        self._store = AccountStore(store, account, clock, observer, daily_limit)
        self._observer = observer
        self._clock = clock
        self._cap = daily_limit
        self._name = secrets.token_urlsafe(9)
        self._numbers = itertools.count(1)
        self._mine: set[str] = set()
        self._others: dict[str, float] = {}

    @property
    def account(self) -> str:
        """The account's key in the store."""
        return self._store.account

    def use(self, account: str) -> None:
        """Count for this account from now on: its name has become known."""
        self._store.account = account

    async def continue_as(self, earlier: str, account: str) -> None:
        """Count for the same account under another name, or its own, with its slots; the limit is learned anew.

        It can be repeated: a slot is carried over once.

        Raises:
            QuotaLedgerError: The store failed or was too slow. Then the slots may have stayed behind.
        """
        self.use(account)
        try:
            if earlier != account:
                counted = await self._store.on(earlier).run(lambda log, _: copy.deepcopy(log))
                release_ended(counted, self._has_ended)  # what has been settled meanwhile was so under the new name
                await self._store.run(lambda log, now: take_over(log, counted, now))
            else:
                await self._store.run(lambda log, _: log.forget_limit())
        except Exception as error:
            raise _ledger_failed(error)  # noqa: B904 - which names its cause
        finally:
            self.line.wake_first_soon()

    async def reserve(self, job: str, ahead: int) -> Reservation | Wait:
        """Ask for a place for this draft.

        Args:
            job: The draft.
            ahead: How many wait in the line before it.

        Returns:
            The reservation, which is to be settled, whatever happens; or when to ask again.

        Raises:
            QuotaLedgerError: The store failed or was too slow. Nothing is reserved.
        """
        reservation_id = self._new_id()

        def step(log: AccountLog, now: float) -> Reservation | Wait:
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
            self._mine.add(answer.id)
            if self._observer is not None:
                self._observer.reserved(job, answer.probe is not None)
        return answer

    def may_pass_soon(self, wait: Wait, since: float) -> bool:
        """True if a place may still come before its time, so that nobody needs to be told to wait.

        Our own publishes in flight are waited for as long as they take. Those of others, who may have died, are
        waited for a few seconds, once for all drafts.

        Args:
            wait: What the log has answered.
            since: When the draft began to wait, by the monotonic clock.
        """
        others = wait.holders - self._mine
        if not others:
            return wait.may_pass
        now = self._clock.monotonic()
        self._others = {holder: at for holder, at in self._others.items() if now - at < self.lease}
        seen_last = max(self._others.setdefault(holder, now) for holder in others)
        return now < min(since, seen_last) + _OTHERS_SECONDS

    def ask_within(self, wait: Wait, polls: int) -> float:
        """Return in how many seconds to ask again: other processes and the window itself wake nobody here."""
        if wait.holders - self._mine:
            return doubled(_FIRST_POLL_SECONDS, polls, _LAST_POLL_SECONDS)
        if wait.may_pass and not wait.holders:
            return _RECHECK_SECONDS  # whoever is ahead wakes the next one when he leaves the line
        return min(_RECHECK_SECONDS, max(_FIRST_POLL_SECONDS, wait.seconds))

    async def settle(self, reservation: Reservation, saw: Saw) -> None:
        """End a reservation. Never raises but `CancelledError`: a failing store is logged, and the lease runs out."""
        self._end(reservation, saw)
        await self._finish(lambda log, now: log.settle(reservation, saw, now))

    async def renew(self, reservation: Reservation) -> None:
        """Begin the lease of a reservation anew; a failing store is logged, and the lease runs out."""
        try:
            await self._store.run(lambda log, now: log.renew(reservation, now))
        except Exception:
            logger.warning("the quota ledger could not renew a reservation; its lease runs out", exc_info=True)

    async def refused(
        self,
        reservation: Reservation,
        saw: Saw,
        *,
        limit: int | None,
        window: float | None,
        retry_after: float | None,
    ) -> Wait | None:
        """Take in the server's refusal and end the reservation; a limit below the one that was counted on is logged.

        Returns:
            When to ask again; `None` if the store failed, which is logged.
        """

        def step(log: AccountLog, now: float) -> tuple[int | None, Wait]:
            counted_on = log.snapshot(now, self._cap).limit
            return counted_on, log.refused(
                reservation, saw, now, limit=limit, window=window, retry_after=retry_after, cap=self._cap
            )

        self._end(reservation, saw)
        ended = await self._finish(step)
        if ended is None:
            return None
        counted_on, wait = ended
        if limit is not None and counted_on is not None and limit < counted_on:
            logger.warning("the account's publish limit is %d and not %d: so says the server", limit, counted_on)
        return wait

    async def snapshot(self) -> QuotaSnapshot:
        """The quota as it stands now.

        Raises:
            QuotaLedgerError: The store failed or was too slow.
        """
        try:
            return await self._store.run(lambda log, now: log.snapshot(now, self._cap))
        except Exception as error:
            raise _ledger_failed(error)  # noqa: B904 - which names its cause

    async def plan(self, items: Iterable[object]) -> PublishPlan:
        """When each of these drafts can go: `plan`, for the log as it stands now.

        Raises:
            QuotaLedgerError: The store failed or was too slow.
        """
        try:
            log, now = await self._store.run(lambda log, now: (copy.deepcopy(log), now))
        except Exception as error:
            raise _ledger_failed(error)  # noqa: B904 - which names its cause
        return plan(items, log, now, self._cap)

    def _end(self, reservation: Reservation, saw: Saw) -> None:
        self._mine.discard(reservation.id)
        if self._observer is not None:
            self._observer.settled(reservation.job, saw.meaning_for(reservation.before))

    async def _give_back(self, reservation_id: str, job: str) -> None:
        """Give back what may have been reserved for nobody: a store carries a step through, or lost its answer."""
        abandoned = Reservation(reservation_id, job, "new", None, 0.0, 0.0)
        await self._finish(lambda log, now: log.settle(abandoned, Saw("refused"), now), is_settled=False)

    async def _finish(self, step: Step[T], *, is_settled: bool = True) -> T | None:
        try:
            return await self._store.finish(step, is_settled=is_settled)
        finally:
            self.line.wake_first_soon()

    def _has_ended(self, reservation_id: str) -> bool:
        """Whether a reservation was this client's and is not any more."""
        return reservation_id.startswith(f"{self._name}-") and reservation_id not in self._mine

    def _new_id(self) -> str:
        """A reservation's id: by its process as well, since a client may be made before its process is forked."""
        return f"{self._name}-{_process_id()}-{next(self._numbers)}"
