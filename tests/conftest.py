"""What every test stands on: no credentials of this machine, no leaks, a sandbox, and a clock that is ours."""

import os
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from opentrain_async import AsyncOpenTrain
from opentrain_async.sandbox import Sandbox

from .servers import RedisServer, binaries
from .virtual import VirtualClock

_HOW_TO_GET_ONE = "neither redis-server nor valkey-server is on PATH: 'apt-get install redis-server' brings one"


@pytest.fixture(autouse=True)
def no_credentials_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A test must neither read nor need the credentials of whoever runs it, nor touch the ledger."""
    for name in ("OT_API_TOKEN", "OPENTRAIN_API_TOKEN", "OT_API_BASE_URL", "OPENTRAIN_API_BASE_URL"):
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


@pytest.fixture(scope="session", params=binaries() or [""])
def shared_redis(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A running Redis, and once more everything with a running Valkey where there is one, for all tests together."""
    if not request.param:
        if os.environ.get("REDIS_TESTS") == "required":
            pytest.fail(_HOW_TO_GET_ONE)
        pytest.skip(_HOW_TO_GET_ONE)
    with RedisServer(request.param, tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_server(shared_redis: RedisServer) -> RedisServer:
    """The same, empty."""
    shared_redis.empty()
    return shared_redis


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
