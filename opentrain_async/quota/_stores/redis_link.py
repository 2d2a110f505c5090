"""Run the ledger's script on a server: again where a connection fails, and with an eye on the server's time."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from ssl import SSLCertVerificationError
from typing import Any

from ..._base.clock import LATEST, doubled
from ..._base.fenced_log import logger
from .batch import RedisAwayError, RedisError
from .redis_clock import ServerClock
from .redis_scripts import DIGEST, STEP

_FIRST_RETRY, _LAST_RETRY = 0.01, 0.5
"""Seconds before a command is sent again after a connection has failed, at first and at most."""


class RedisLink:
    """Runs the script on one server, or on a cluster.

    Args:
        client: Of redis-py's asyncio kind.
        where: The server's name for an error.
        now: The caller's wall clock, in epoch seconds.
        copy: Returns a plain copy of what redis-py raised.

    Attributes:
        client: The client.
        clock: What time the server has.
        round_trip: How many seconds the last command took.
        trouble: How the connection failed since the last answer; `None` if it did not.
    """

    def __init__(self, client: Any, where: str, now: float, copy: Callable[[Exception], RedisError]) -> None:
        self.client = client
        self.clock = ServerClock.by_wall_clock(now)
        self.round_trip = 0.0
        self.trouble: RedisAwayError | None = None
        self._where = where
        self._copy = copy
        self._is_told = False
        self._has_looked = False

    async def run(self, keys: list[str], lines: list[str], now: float, give_up_at: float) -> list[Any]:
        """Run the script, and return what it says of each key.

        Args:
            keys: The accounts' keys.
            lines: What it is to do with each.
            now: The server's time by which it was made.
            give_up_at: Until when a command is sent again after a connection has failed, by the event loop's time.

        Raises:
            RedisAwayError: The connection failed until there was no more time.
            RedisError: The server refused, or its answer is not one of the script's.
        """
        answer, sent_at = await self._send((len(keys), *keys, "\n".join(lines), f"{now:.6f}"), give_up_at)
        received_at = time.monotonic()
        entries: list[Any]
        try:
            seconds, microseconds, *entries = answer
            server_time = int(seconds) + int(microseconds) / 1e6
        except (TypeError, ValueError, OverflowError):
            server_time, entries = -1.0, []
        if len(entries) != len(keys) or not 0 <= server_time <= LATEST.timestamp():
            raise RedisError(f"the answer of Redis ({self._where}) is not one of the ledger's script")
        self.trouble = None
        self.clock.heard(server_time, sent_at, received_at)
        self.round_trip = received_at - sent_at
        return entries

    async def _send(self, arguments: tuple[Any, ...], give_up_at: float) -> tuple[Any, float]:
        """Return the script's answer, and when the command was sent that it is of."""
        tries = 0
        while True:
            sent_at = time.monotonic()
            try:
                return await self._evaluate(*arguments), sent_at
            except Exception as error:
                failure, passes = self._copy(error), _passes(error)
            # Out here, where no frame of redis-py hangs on what is raised.
            if not passes:
                raise failure
            self.trouble = RedisAwayError(*failure.args)
            delay = doubled(_FIRST_RETRY, tries, _LAST_RETRY)
            if asyncio.get_running_loop().time() + delay >= give_up_at:
                raise self.trouble
            await asyncio.sleep(delay)
            tries += 1

    async def _evaluate(self, *arguments: Any) -> Any:
        """Run the script by its digest where the server knows it."""
        from redis.exceptions import NoScriptError

        if self._is_told:
            with suppress(NoScriptError):
                return await self.client.evalsha(DIGEST, *arguments)
        answer = await self.client.eval(STEP, *arguments)
        self._is_told = True
        return answer

    async def warn_if_it_may_evict(self, seconds: float) -> None:
        """Say once if the server may throw logs away to make room: then it would forget what was published."""
        if self._has_looked or not self._is_told:
            return
        self._has_looked = True
        with suppress(Exception):  # a server that does not say, or not to us, is used all the same
            async with asyncio.timeout(seconds):
                memory = await self.client.info("memory")
            if memory["maxmemory"] and memory["maxmemory_policy"] != "noeviction":
                policy = memory["maxmemory_policy"]
                logger.warning("Redis may evict the quota ledger: its maxmemory-policy is %s", policy)


def _passes(error: Exception) -> bool:
    """True if it is of the connection, which may be back in a moment. A refusal, as of a password, is decided."""
    from redis import exceptions

    if not isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError):
        return False
    is_refused = isinstance(error, exceptions.AuthenticationError | exceptions.AuthorizationError)
    return not is_refused and not isinstance(error.__context__, SSLCertVerificationError)
