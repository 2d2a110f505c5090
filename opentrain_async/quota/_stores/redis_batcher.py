"""Run the steps of all tasks of one event loop on Redis, in few round trips."""

import asyncio
import itertools
import os
import random
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from attrs import frozen

from ..._base.clock import LATEST
from ..._base.fenced_log import logger
from ..._base.text import one_line
from ...errors import OpenTrainError, QuotaLedgerError
from .._log import AccountLog
from .batch import PendingStep, StepFailedError, by_account
from .redis_scripts import NONE, READ, SWAP, Script
from .serialized import NOT_A_LOG, dump_log, load_log

_KEPT_SECONDS = 7 * 24 * 3600.0
"""How long beyond its window a log is kept that nobody writes to: what it knows of the limit is worth something."""
_YIELD = 0.004
"""Seconds of jitter, at the most, before a step where others are at work: a turn taken is followed by others."""
_BACKOFF = 0.002
"""Seconds of jitter, at the most, after somebody else was faster for the first time."""
_VERSION = re.compile(r"[!-~]{1,100}", re.ASCII)
"""A version as it is written: without the blanks and newlines by which a script tells it from what follows."""


@frozen
class _Kept:
    """An account's log and its version in Redis, `NONE` if there is none yet."""

    version: str
    log: AccountLog


_NOTHING = _Kept(NONE, AccountLog())


class RedisBatcher:
    """Runs the steps that come during one round trip in the next one, in one task.

    No caller's cancellation reaches that task: so no command is given up halfway, except by the timeout, and then
    its connection is dropped with it.

    Args:
        client: Of redis-py's asyncio kind.
        loop: The running event loop.
        key_of: The key of an account.
        time_of: The server's time, of its seconds and microseconds.
        timeout: Seconds that a step may take.
        where: The server's name for an error.
        copy: Returns a plain copy of what redis-py raised.
    """

    def __init__(
        self,
        client: Any,
        loop: asyncio.AbstractEventLoop,
        key_of: Callable[[str], str],
        time_of: Callable[[bytes, bytes], float],
        timeout: float,
        where: str,
        copy: Callable[[Exception], Exception],
    ) -> None:
        self.client = client
        self.loop = loop
        self.process = os.getpid()
        self._key_of = key_of
        self._time_of = time_of
        self._timeout = timeout
        self._where = where
        self._copy = copy
        self._waiting: list[PendingStep] = []
        self._served: list[PendingStep] = []
        self._task: asyncio.Task[None] | None = None
        self._known: dict[str, _Kept] = {}
        self._name = secrets.token_urlsafe(9)
        self._numbers = itertools.count(1)
        self._is_crowded = False
        self._has_looked = False

    def put(self, pending: PendingStep) -> None:
        """Have a step run; those who put several have them run in that order."""
        self._waiting.append(pending)
        if self._task is None:
            self._task = self.loop.create_task(self._work())
            self._task.add_done_callback(self._stop)

    async def idle(self) -> None:
        """Wait until nothing is left to do."""
        while self._task is not None:
            await asyncio.wait({self._task})
            await asyncio.sleep(0)

    async def _work(self) -> None:
        while self._waiting:
            self._served, self._waiting = self._waiting, []
            groups = _sent_together(self.client, by_account(self._served))
            if len(groups) == 1:
                await self._serve(groups[0])
            else:
                await asyncio.gather(*(self._serve(group) for group in groups))
            await self._warn_if_it_may_evict()

    def _stop(self, task: "asyncio.Task[None]") -> None:
        """All is done; or the event loop is being closed, and nobody is left waiting for what will not come."""
        self._task = None
        if task.cancelled():
            for pending in (*self._served, *self._waiting):
                pending.future.cancel()
            self._waiting = []
        elif self._waiting:
            self.put(self._waiting.pop())

    async def _serve(self, steps: dict[str, list[PendingStep]]) -> None:
        """Run these steps within the timeout, and tell each caller how that went."""
        error: Exception
        try:
            async with asyncio.timeout(self._timeout):
                await self._exchange(steps)
        except TimeoutError:
            error = TimeoutError(f"Redis ({self._where}) took longer than {self._timeout:g} s")
        except OpenTrainError as failure:
            error = failure
        except Exception as failure:
            error = self._copy(failure)
        else:
            return
        for pending in itertools.chain(*steps.values()):
            pending.fail(error)

    async def _exchange(self, steps: dict[str, list[PendingStep]]) -> None:
        """Read, run the steps, and write, where nobody else has written meanwhile; for the rest again."""
        if self._is_crowded:
            await asyncio.sleep(random.uniform(0, _YIELD))
        losses = 0
        # A client may swallow the cancellation by which a timeout would end it.
        give_up_at = self.loop.time() + self._timeout
        while self.loop.time() < give_up_at:
            now, kept = await self._read(steps)
            try:
                for account, ours in steps.items():
                    for pending in ours:
                        pending.run(kept[account].log, now)
            except StepFailedError as failed:
                failed.pending.fail(failed.error)
                steps[failed.pending.account].remove(failed.pending)
                continue
            for account in await self._write(kept):
                for pending in steps.pop(account):
                    pending.answer()
            if not steps:
                return
            losses += 1  # whoever has lost more often waits less, so that nobody loses for ever
            await asyncio.sleep(random.uniform(0, _BACKOFF / losses))
        raise TimeoutError

    async def _read(self, steps: dict[str, list[PendingStep]]) -> tuple[float, dict[str, _Kept]]:
        """Return the server's time and these accounts' logs; forget the logs that are known until they are written.

        The steps of an account whose log cannot be read fail, and are taken out of *steps*.
        """
        known = {account: self._known.pop(account, _NOTHING) for account in steps}
        now, entries = await self._run(READ, known, " ".join([kept.version for kept in known.values()]))
        logs: dict[str, _Kept] = {}
        for (account, kept), entry in zip(known.items(), entries, strict=True):
            try:
                logs[account] = _kept(kept, entry)
            except QuotaLedgerError as error:
                where = f"Redis {self._where}, key {one_line(self._key_of(account))}"
                for pending in steps.pop(account):
                    pending.fail(QuotaLedgerError(f"{error.message} ({where})"))
        self._is_crowded = any(kept is not known[account] for account, kept in logs.items())
        return now, logs

    async def _write(self, logs: Mapping[str, _Kept]) -> list[str]:
        """Write the logs of which nobody else has written another version; returns whose those are."""
        if not logs:
            return []
        drafts = {account: _Kept(f"{self._name}-{next(self._numbers)}", kept.log) for account, kept in logs.items()}
        lines: list[str] = []
        for account, draft in drafts.items():
            milliseconds = int((draft.log.window + _KEPT_SECONDS) * 1000)
            lines.append(f"{logs[account].version} {draft.version} {milliseconds} {dump_log(draft.log)}")
        _, entries = await self._run(SWAP, drafts, "\n".join(lines))
        written = [account for account, entry in zip(drafts, entries, strict=True) if entry == 1]
        self._known.update((account, drafts[account]) for account in written)
        return written

    async def _run(self, script: Script, accounts: Iterable[str], argument: str) -> tuple[float, Any]:
        """The server's time, and what the script says of each account.

        Raises:
            QuotaLedgerError: The answer is not one of the script's.
        """
        from redis.exceptions import NoScriptError

        keys = [self._key_of(account) for account in accounts]
        try:
            answer = await self.client.evalsha(script.digest, len(keys), *keys, argument)
        except NoScriptError:
            answer = await self.client.eval(script.source, len(keys), *keys, argument)
        try:
            seconds, microseconds, *entries = answer
            now = self._time_of(seconds, microseconds)
        except (TypeError, ValueError, OverflowError):
            now, entries = -1.0, []
        if len(entries) != len(keys) or not 0 <= now <= LATEST.timestamp():
            raise QuotaLedgerError(f"the answer of Redis ({self._where}) is not one of the ledger's script")
        return now, entries

    async def _warn_if_it_may_evict(self) -> None:
        """Say once if the server may throw logs away to make room: then it would forget what was published."""
        if self._has_looked:
            return
        self._has_looked = True
        with suppress(Exception):  # a server that does not say, or not to us, is used all the same
            async with asyncio.timeout(self._timeout):
                memory = await self.client.info("memory")
            if memory["maxmemory"] and memory["maxmemory_policy"] != "noeviction":
                policy = memory["maxmemory_policy"]
                logger.warning("Redis may evict the quota ledger: its maxmemory-policy is %s", policy)


def _sent_together(client: object, steps: dict[str, list[PendingStep]]) -> list[dict[str, list[PendingStep]]]:
    """All in one command; but on a cluster, where the accounts' keys lie apart, each account in one of its own."""
    from redis.asyncio.cluster import RedisCluster

    if isinstance(client, RedisCluster):
        return [{account: ours} for account, ours in steps.items()]
    return [steps]


def _kept(known: _Kept, entry: Any) -> _Kept:
    """Return what stands in Redis, by what the script says of a key.

    Raises:
        QuotaLedgerError: It is not a log with its version.
    """
    match entry:
        case [version] if known.version != NONE and _text(version) == known.version:
            return known
        case [None, None]:
            return _Kept(NONE, AccountLog())
        case [bytes() | str() as version, bytes() | str() as text]:
            log, version = load_log(text), _text(version)
            if _VERSION.fullmatch(version) and version != NONE:
                return _Kept(version, log)
        case _:
            pass
    raise QuotaLedgerError(NOT_A_LOG)


def _text(version: object) -> str:
    return version.decode(errors="replace") if isinstance(version, bytes) else str(version)
