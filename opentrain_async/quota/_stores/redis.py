"""The ledger of many machines, in Redis."""

import asyncio
import os
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ..._base.redaction import redacted, redactor
from ..._base.representation import repr_if_ready
from ..._base.secret import Secret, sealed
from ..._base.tasks import Closable
from ..._base.text import shown
from ...errors import ConfigurationError, QuotaLedgerError, _checks
from ...errors._refusing import refusing
from .batch import PendingStep, RedisError
from .protocol import Step
from .redis_batcher import RedisBatcher

T = TypeVar("T")

_SHORTEST_PASSWORD = 8
"""Characters. To mask a shorter one, such as the number that is also the port, would tell it."""
_ECHO = ", with args beginning with"
"""Redis says this of a command that it does not know, such as a login to an old version, and quotes the password."""


class RedisLedger(Closable):
    """A quota ledger in Redis (6.2 and later) or Valkey, for any number of machines.

    Clients that use the same server and prefix share the quota of the accounts they have in common. Time is the
    server's own, so that a host's wrong clock has no effect. Each account is one key, ``PREFIX:quota:ACCOUNT``, which
    expires a week after its window has passed; a cluster will do. What a server loses (a restart without persistence,
    a failover) the next refusal of the service tells.

    It belongs to the event loop in which it is in use. Needs the extra ``redis``.

    Args:
        redis: A URL (``redis://``, ``rediss://`` or ``unix://``), of which a client of its own is made when it is
            first used: then `close` the ledger, or use ``async with``. A password in it is shown nowhere. Or a
            `redis.asyncio` client to borrow, which is never closed.
        prefix: What the keys begin with.
        timeout: Seconds, above 0, within which the server must have taken a step. A connection that is refused or lost
            is tried again for as long. After that the publish fails with a `QuotaLedgerError`, and nothing is sent.

    Attributes:
        timeout: The same.

    Raises:
        ConfigurationError: An argument cannot be right, or the extra is missing.
    """

    @refusing
    def __init__(self, redis: Any, *, prefix: str = "opentrain", timeout: float = 10.0) -> None:
        given = sealed(redis)
        self._url = given if isinstance(given, Secret) else None
        self._borrowed = redis if self._url is None else None
        del redis
        self._prefix = _checks.name("prefix", prefix)
        self.timeout: float = _checks.number("timeout", timeout, above=0)
        self._where = "its client"
        self._password: Secret | None = None
        self._batcher: RedisBatcher | None = None
        if self._url is not None:
            # A client that is thrown away: it connects to nothing, and reads the URL.
            self._password = _password_of(_client_of(self._url, self.timeout))
            self._where = _place_in(self._url)
        elif not callable(getattr(self._borrowed, "evalsha", None)):
            kind = type(self._borrowed).__name__
            raise ConfigurationError(f"redis must be a URL or a client of redis.asyncio, not of type {kind}")

    @property
    def patience(self) -> float:
        """Seconds after which a caller gives up: longer than `timeout`, whose error tells why."""
        return self.timeout + 1.0

    @repr_if_ready
    def __repr__(self) -> str:
        where = f"{shown(self._where)}, " if self._url else ""
        return f"RedisLedger({where}prefix={shown(self._prefix)})"

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
            client = self._borrowed if self._url is None else _client_of(self._url, self.timeout)
            batcher = self._batcher = RedisBatcher(client, loop, now, self._key, self.timeout, self._where, self._copy)
        pending = PendingStep.begin(account, step, now)
        batcher.put(pending)
        return pending.future

    async def close(self) -> None:
        """Finish what was begun, and close the connections, if they are the ledger's own. It can be used again.

        Raises:
            QuotaLedgerError: The connections cannot be closed. What was begun is finished.
        """
        batcher = self._batcher
        if batcher is not None and batcher.loop is asyncio.get_running_loop() and batcher.process == os.getpid():
            await batcher.idle()
            failure = None
            try:
                if self._url is not None:
                    await batcher.client.aclose()
            except Exception as error:
                failure = self._copy(error)
            self._batcher = None  # not before: whoever is cancelled here can close it again
            if failure is not None:
                raise QuotaLedgerError(f"the connections of the quota ledger cannot be closed: {failure}") from failure

    def _key(self, account: str) -> str:
        return f"{self._prefix}:quota:{account}"

    def _copy(self, error: Exception) -> RedisError:
        """Return a copy of what redis-py raised, without the password, which a server may echo."""
        text = f"{type(error).__name__}: {error}"
        return RedisError(redacted(text, redactor(self._password, shortest=_SHORTEST_PASSWORD)).partition(_ECHO)[0])


class _Login:
    """The login of a URL. redis-py asks for it at each connection, and keeps no copy, which its frames would show."""

    def __init__(self, name: str | None, password: Secret) -> None:
        self.password = password
        self._name = name

    def get_credentials(self) -> tuple[str, ...]:
        """Return the user's name, if there is one, and the password."""
        return (self.password.reveal(),) if self._name is None else (self._name, self.password.reveal())

    async def get_credentials_async(self) -> tuple[str, ...]:
        """Return the same."""
        return self.get_credentials()


def _client_of(url: Secret, timeout: float) -> Any:
    """Return a client that is not connected yet.

    Raises:
        ConfigurationError: The URL is not valid, or the extra is missing.
    """
    try:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError:
        raise ConfigurationError("RedisLedger needs more: pip install 'opentrain_async[redis]'") from None
    make: Callable[..., Any] = Redis.from_url  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    # A connection that the server has closed meanwhile is replaced at once: the script can be repeated. How long an
    # answer may take is bounded by the step that waits for it.
    options = {"retry": Retry(NoBackoff(), 1), "socket_connect_timeout": timeout, "socket_timeout": None}
    client = _read(url, partial(make, **options))
    if client is None:
        raise ConfigurationError(
            "the Redis URL is not valid: it begins with redis://, rediss:// or unix://, its port and its database are "
            "numbers, what follows a ? are options of redis-py's connections, and characters such as #, / and ? in a "
            "password must be percent-encoded"
        )
    return client


def _read(url: Secret, make: Callable[[str], Any]) -> Any | None:
    """Return the client that redis-py makes of a URL; `None` if it cannot. Its errors show pieces of the password."""
    try:
        if urlsplit(url.reveal()).scheme == "unix":
            if "@" in urlsplit(url.reveal()).path:  # of a password with a slash in it, the rest
                return None
        else:
            int(urlsplit(url.reveal()).path.strip("/") or 0)  # redis-py takes what is not a number for 0
        client = make(url.reveal())
        options = client.connection_pool.connection_kwargs
        password = sealed(options.pop("password", None))
        if isinstance(password, Secret):
            options["credential_provider"] = _Login(options.pop("username", None), password)
        client.connection_pool.make_connection()  # only made, not opened: it is this that reads the URL's options
    except Exception:
        return None
    return client


def _password_of(client: Any) -> Secret | None:
    login = client.connection_pool.connection_kwargs.get("credential_provider")
    return login.password if isinstance(login, _Login) else None


def _place_in(url: Secret) -> str:
    """Return a URL without its login and its options: they may hold a password."""
    parts = urlsplit(url.reveal())
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
