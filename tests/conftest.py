"""What every test stands on: no credentials of this machine, no leaks, a sandbox, and a clock that is ours."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import settings

from opentrain_async import AsyncOpenTrain
from opentrain_async._client.account.settings import BASE_URL_VARIABLES, TOKEN_VARIABLES
from opentrain_async.quota import LedgerStore, MemoryLedger, RedisLedger, SQLiteLedger
from opentrain_async.sandbox import Sandbox

from .support.servers import KINDS_OF_REDIS, RedisServer
from .support.virtual import VirtualClock

os.umask(os.umask(0) | 0o022)  # what a test writes and the library reads must not be writable by others

settings.register_profile("of any machine", deadline=None)  # an example may take long where others compute as well
settings.load_profile("of any machine")

if os.environ.get("EVENT_LOOP") == "uvloop":

    def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
        """Run the tests on uvloop."""
        return {"uvloop": import_module("uvloop").new_event_loop}


_HOW_TO_GET_ONE = "neither redis-server nor valkey-server is on PATH: 'apt-get install redis-server' brings one"


@pytest.fixture(autouse=True)
def no_credentials_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A test must neither read nor need the credentials of whoever runs it, nor touch the ledger."""
    for name in (*TOKEN_VARIABLES, *BASE_URL_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


@pytest.fixture
def clock() -> VirtualClock:
    """A clock on which sleeping takes no time."""
    return VirtualClock()


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A running sandbox with a claimed account."""
    async with Sandbox() as running:
        yield running


@pytest.fixture
async def unclaimed() -> AsyncIterator[Sandbox]:
    """A running sandbox with an unclaimed account."""
    async with Sandbox(claimed=False) as running:
        yield running


@pytest.fixture(scope="session")
def redis_of_kind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], RedisServer]]:
    """Servers by the name of their program, each started once for all tests together."""
    running: dict[str, RedisServer] = {}

    def start(program: str) -> RedisServer:
        if not program:
            explain = pytest.fail if os.environ.get("REDIS_TESTS") == "required" else pytest.skip
            explain(_HOW_TO_GET_ONE)
        if program not in running:
            running[program] = RedisServer(program, tmp_path_factory.mktemp("redis"))
            running[program].start()
        running[program].empty()
        return running[program]

    yield start
    for server in running.values():
        server.stop()


@pytest.fixture(params=KINDS_OF_REDIS)
def redis_server(request: pytest.FixtureRequest, redis_of_kind: Callable[[str], RedisServer]) -> RedisServer:
    """A running Redis with nothing in it, and once more everything with a Valkey where this machine has one."""
    return redis_of_kind(request.param)


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LedgerStore]:
    """A store in memory, which takes no time, and one in a file, which does."""
    if request.param == "memory":
        yield MemoryLedger()
    else:
        async with SQLiteLedger(tmp_path / "quota.sqlite3") as ledger:
            yield ledger


@pytest.fixture
def ledger_path(tmp_path: Path) -> Path:
    """A file for a ledger, in a folder that does not exist yet."""
    return tmp_path / "new" / "state" / "quota.sqlite3"


@pytest.fixture
async def sqlite_store(ledger_path: Path) -> AsyncIterator[SQLiteLedger]:
    """A ledger in that file."""
    async with SQLiteLedger(ledger_path) as opened:
        yield opened


@pytest.fixture
async def redis_store(redis_server: RedisServer) -> AsyncIterator[RedisLedger]:
    """A ledger in an empty Redis."""
    async with RedisLedger(redis_server.url, timeout=10) as opened:
        yield opened


@pytest.fixture
def journal_path(tmp_path: Path) -> Path:
    """A path for a journal."""
    return tmp_path / "run.jsonl"


@pytest.fixture
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """All loggers log all they can."""
    caplog.set_level(logging.DEBUG)
    for name in ("opentrain_async", "aiohttp.client", "aiohttp.internal", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)


@pytest.fixture
async def connect() -> AsyncIterator[Callable[..., AsyncOpenTrain]]:
    """Makes clients of a sandbox, and closes them."""
    clients: list[AsyncOpenTrain] = []

    def make(sandbox: Sandbox, **options: object) -> AsyncOpenTrain:
        settings: dict[str, object] = {"token": sandbox.token, "base_url": sandbox.url, "clock": sandbox.clock}
        client = AsyncOpenTrain(**(settings | options))  # type: ignore[arg-type]
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.close()
