"""The ledger of many machines, in Redis."""

import asyncio
import os
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ..._base.representation import repr_if_ready
from ..._base.tasks import Closable
from ..._base.text import exact_str, shown
from ...errors import ConfigurationError, _checks
from .batch import PendingStep
from .protocol import Step
from .redis_batcher import RedisBatcher

T = TypeVar("T")


class RedisLedger(Closable):
    """A quota ledger in Redis (6.2 and later) or Valkey, for any number of machines.

    Clients that use the same server and prefix share the quota of the accounts they have in common. Time is the
    server's own, so that a host's wrong clock has no effect. Each account is one key, ``PREFIX:quota:ACCOUNT``, which
    expires a week after its window has passed; a cluster will do. What a server loses (a restart without persistence,
    a failover) the next refusal of the service tells.

    It belongs to the event loop in which it is in use. Needs the extra ``redis``.

    Args:
        redis: A URL (``redis://``, ``rediss://`` or ``unix://``), of which a client of its own is made when it is
            first used: then `close` the ledger, or use ``async with``. Or a `redis.asyncio` client to borrow, which is
            never closed.
        prefix: What the keys begin with.
        timeout: Seconds, above 0, within which the server has to have taken a step. After that the publish fails
            with a `QuotaLedgerError`, and nothing is sent.

    Raises:
        ConfigurationError: An argument cannot be right, or the extra is missing.
    """

    def __init__(self, redis: Any, *, prefix: str = "opentrain", timeout: float = 2.0) -> None:
        self._prefix = _checks.name("prefix", prefix)
        self._timeout = _checks.number("timeout", timeout, above=0)
        self._url = exact_str(redis)
        self._borrowed = redis if self._url is None else None
        if self._url is not None:
            _client_of(self._url, self._timeout)  # which connects to nothing yet
        elif not callable(getattr(redis, "evalsha", None)):
            raise ConfigurationError(f"redis has to be a URL or a client of redis.asyncio, not {shown(redis)}")
        parts = urlsplit(self._url or "")  # of which a password is to be shown nowhere
        self._where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if self._url else "its client"
        self._batcher: RedisBatcher | None = None

    @repr_if_ready
    def __repr__(self) -> str:
        where = f"{self._where!r}, " if self._url else ""
        return f"RedisLedger({where}prefix={self._prefix!r})"

    def run(self, account: str, step: Step[T], now: float) -> "asyncio.Future[T]":
        """Run *step* on the account's log, at the server's time.

        Raises:
            ConfigurationError: It is in use in another event loop.
        """
        loop = asyncio.get_running_loop()
        batcher = self._batcher
        if batcher is None or batcher.loop is not loop or batcher.process != os.getpid():
            if batcher is not None and not batcher.loop.is_closed() and batcher.process == os.getpid():
                raise ConfigurationError("the ledger belongs to another event loop: make one inside each")
            client = self._borrowed if self._url is None else _client_of(self._url, self._timeout)
            batcher = self._batcher = RedisBatcher(client, loop, self._key, self._time, self._timeout, self._where)
        pending = PendingStep.begin(account, step, now)
        batcher.put(pending)
        return pending.future

    async def close(self) -> None:
        """Finish what was begun, and close the connections, if they are the ledger's own. It can be used again."""
        batcher = self._batcher
        if batcher is not None and batcher.loop is asyncio.get_running_loop() and batcher.process == os.getpid():
            await batcher.idle()
            if self._url is not None:
                await batcher.client.aclose()
            self._batcher = None  # not before: whoever is cancelled here can close it again

    def _key(self, account: str) -> str:
        return f"{self._prefix}:quota:{account}"

    def _time(self, seconds: bytes | str, microseconds: bytes | str) -> float:
        """The server's time, in epoch seconds."""
        return int(seconds) + int(microseconds) / 1e6


def _client_of(url: str, timeout: float) -> Any:
    """A client that is not connected yet.

    Raises:
        ConfigurationError: The URL cannot be one, or the extra is missing.
    """
    try:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError:
        raise ConfigurationError("RedisLedger needs more: pip install 'opentrain_async[redis]'") from None
    make: Callable[..., Any] = Redis.from_url  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    # A connection that the server has closed meanwhile is replaced at once: both scripts can be repeated.
    try:
        if urlsplit(url).scheme != "unix":
            int(urlsplit(url).path.strip("/") or 0)  # redis-py takes what is no number for 0
        client = make(url, retry=Retry(NoBackoff(), 1), socket_connect_timeout=timeout)
        client.connection_pool.make_connection()  # only made, not opened: it is this that reads the URL's options
    except (ValueError, TypeError):  # whose text may hold a piece of the password
        raise ConfigurationError(
            "the Redis URL cannot be one: it begins with redis://, rediss:// or unix://, its port and its database are "
            "numbers, what follows a ? are options of redis-py's connections, and characters such as #, / and ? in a "
            "password have to be percent-encoded"
        ) from None
    return client
