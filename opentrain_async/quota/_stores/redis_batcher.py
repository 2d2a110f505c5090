"""Run the steps of all tasks of one event loop on Redis: one round trip for all of them, unless others write too."""

import asyncio
import itertools
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from math import inf
from typing import Any

from ..._base.text import one_line
from ...errors import QuotaLedgerError
from .batch import PendingStep, RedisAwayError, RedisError
from .redis_account import Draft, RedisAccount
from .redis_link import RedisLink

_MOST_KNOWN = 1000
"""How many accounts' logs are remembered, those last used. A log that is not costs a round trip more."""
_TURN = 2
"""Round trips that another process needs for its write: in the first it is told what stands."""
_LONGEST_WAIT = 1.0
"""Seconds, at most, for which an account's steps leave its log to others."""


class RedisBatcher:
    """Runs the steps that come during one round trip in the next one, on the logs last known.

    No caller's cancellation reaches the tasks that do it: so no command is given up halfway, except by the timeout, and
    then its connection is dropped with it.

    Args:
        client: Of redis-py's asyncio kind.
        loop: The running event loop.
        now: The caller's wall clock, in epoch seconds.
        key_of: The key of an account.
        timeout: Seconds that a step may take.
        where: The server's name for an error.
        copy: Returns a plain copy of what redis-py raised.
    """

    def __init__(
        self,
        client: Any,
        loop: asyncio.AbstractEventLoop,
        now: float,
        key_of: Callable[[str], str],
        timeout: float,
        where: str,
        copy: Callable[[Exception], RedisError],
    ) -> None:
        from redis.asyncio.cluster import RedisCluster

        self.client = client
        self.loop = loop
        self.process = os.getpid()
        self._is_cluster = isinstance(client, RedisCluster)
        self._link = RedisLink(client, where, now, copy)
        self._key_of = key_of
        self._timeout = timeout
        self._where = where
        self._accounts: dict[str, RedisAccount] = {}
        self._lanes: dict[str, dict[str, RedisAccount]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._name = secrets.token_urlsafe(9)
        self._numbers = itertools.count(1)

    def put(self, pending: PendingStep) -> None:
        """Have a step run; those who put several have them run in that order."""
        pending.give_up_at = self.loop.time() + self._timeout
        name = pending.account
        account = self._accounts.pop(name) if name in self._accounts else RedisAccount(name)
        self._accounts[name] = account
        account.steps.append(pending)
        while len(self._accounts) > _MOST_KNOWN and not (oldest := next(iter(self._accounts.values()))).steps:
            del self._accounts[oldest.name]
        # All accounts share a command; but on a cluster, where their keys lie apart, each has its own.
        lane = name if self._is_cluster else ""
        if lane not in self._lanes:
            self._lanes[lane] = {}
            task = self.loop.create_task(self._work(lane))
            self._tasks.add(task)
            task.add_done_callback(partial(self._stop, lane))
        self._lanes[lane][name] = account
        self._woken.set()

    async def idle(self) -> None:
        """Wait until nothing is left to do."""
        while self._tasks:
            await asyncio.wait(self._tasks)
            await asyncio.sleep(0)

    def _stop(self, lane: str, task: "asyncio.Task[None]") -> None:
        """Where the event loop is being closed, no caller is left waiting for what will not come."""
        self._tasks.discard(task)
        if task.cancelled():
            for account in self._lanes.pop(lane).values():
                for pending in account.steps:
                    pending.future.cancel()
                account.steps = []

    async def _work(self, lane: str) -> None:
        """Run what waits, of each account whose turn has come, until nothing does."""
        waiting = self._lanes[lane]
        while True:
            now = self.loop.time()
            for account in [*waiting.values()]:
                if account.is_late(now):
                    account.fail(self._out_of_time(), until=now)
                if not account.steps:
                    del waiting[account.name]
            if not waiting:
                del self._lanes[lane]  # what is put from here on starts a task of its own
                return
            due = [account for account in waiting.values() if account.resume_at <= now]
            if due:
                await self._attempt(due)
                await self._link.warn_if_it_may_evict(self._timeout)
            else:
                self._woken.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(min(account.resume_at for account in waiting.values())):
                        await self._woken.wait()

    async def _attempt(self, accounts: list[RedisAccount]) -> None:
        """Run these accounts' steps, and write what they have made of the logs; some may have to be run again."""
        give_up_at = min(pending.give_up_at for account in accounts for pending in account.steps)
        try:
            async with asyncio.timeout_at(give_up_at):
                await self._exchange(accounts, give_up_at)
        except (TimeoutError, RedisAwayError):
            error, until = self._out_of_time(), give_up_at
        except Exception as failure:
            error, until = failure, inf
        else:
            return
        for account in accounts:
            account.fail(error, until=until)

    async def _exchange(self, accounts: list[RedisAccount], give_up_at: float) -> None:
        now = self._link.clock.now()
        drafts = [(account, account.draft(f"{self._name}-{next(self._numbers)}", now)) for account in accounts]
        drafts = [(account, draft) for account, draft in drafts if account.steps]
        if drafts:
            keys = [self._key_of(account.name) for account, _ in drafts]
            entries = await self._link.run(keys, [draft.line for _, draft in drafts], now, give_up_at)
            for (account, draft), entry in zip(drafts, entries, strict=True):
                self._take(account, draft, entry)

    def _take(self, account: RedisAccount, draft: Draft, entry: Any) -> None:
        try:
            seconds = account.take(draft, entry) * _TURN * self._link.round_trip
        except QuotaLedgerError as error:
            where = f"Redis {self._where}, key {one_line(self._key_of(account.name))}"
            account.fail(QuotaLedgerError(f"{error.message} ({where})"))
        else:
            account.resume_at = self.loop.time() + min(_LONGEST_WAIT, seconds)

    def _out_of_time(self) -> Exception:
        return self._link.trouble or TimeoutError(f"Redis ({self._where}) took longer than {self._timeout:g} s")
