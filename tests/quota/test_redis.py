"""The ledger in Redis: what its server may do to it, and what other clients of the server never see of it."""

import asyncio
import sys
from functools import partial
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from opentrain_async import RedisLedger
from opentrain_async.errors import ConfigurationError, QuotaLedgerError

from ..support import stores
from ..support.account import PUBLISHED
from ..support.servers import RedisServer
from ..support.stores import publish, reserve, used
from ..support.waiting import until

ledger_on = partial(stores.ledger_on, limit=20)


async def test_an_account_is_one_key_that_expires(redis_store: RedisLedger, redis_server: RedisServer) -> None:
    """It is kept for a week beyond its window, and names no token."""
    await publish(ledger_on(redis_store), "a")
    assert redis_server.do("KEYS", "*") == [b"opentrain:quota:account"]
    expires_in = redis_server.do("TTL", "opentrain:quota:account")
    assert isinstance(expires_in, int)
    assert 0 <= 8 * 24 * 3600 - expires_in < 60


async def test_a_prefix_keeps_its_ledger_apart(redis_server: RedisServer, redis_store: RedisLedger) -> None:
    """Two deployments share one server and nothing else."""
    async with RedisLedger(redis_server.url, prefix="staging") as other:
        await publish(ledger_on(other), "a")
        assert repr(other) == f"RedisLedger('{redis_server.url}', prefix='staging')"
        assert (
            repr(RedisLedger("redis://me:secret@localhost:1/2"))
            == "RedisLedger('redis://localhost:1/2', prefix='opentrain')"
        )
        assert (await used(other), await used(redis_store)) == (1, 0)


@pytest.mark.parametrize(
    "arguments",
    [
        {"redis": "mysql://localhost"},
        {"redis": "redis://localhost/database"},
        {"redis": "redis://localhost?unknown=1"},
        {"redis": "redis://localhost?socket_timeout=soon"},
        {"redis": 7},
        {"redis": "redis://localhost", "prefix": ""},
        {"redis": "redis://localhost", "timeout": 0},
    ],
)
def test_what_cannot_be_right_is_refused(arguments: dict[str, object]) -> None:
    """At construction, by name."""
    with pytest.raises(ConfigurationError):
        RedisLedger(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("password", ["s3cr#et", "s3cr/et", "s3cr?et"])
def test_a_url_that_cannot_be_read_shows_nothing_of_its_password(password: str) -> None:
    """Characters that have to be percent-encoded are the commonest mistake."""
    with pytest.raises(ConfigurationError, match="percent-encoded") as refused:
        RedisLedger(f"redis://:{password}@127.0.0.1:port")
    assert "s3cr" not in f"{refused.value!r}"
    with pytest.raises(ConfigurationError, match="percent-encoded") as refused:
        RedisLedger("unix://:s3cr/et@/run/redis.sock")
    assert "et@" not in f"{refused.value!r}"


def test_a_socket_in_the_file_system_will_do() -> None:
    """Its path is no database's number."""
    assert repr(RedisLedger("unix:///run/redis.sock")) == "RedisLedger('unix:///run/redis.sock', prefix='opentrain')"


def test_without_its_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a bare ImportError."""
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(ConfigurationError, match=r"opentrain_async\[redis\]"):
        RedisLedger("redis://localhost")


@pytest.mark.parametrize("decode", [True, False])
async def test_a_client_that_is_passed_in_is_borrowed(redis_server: RedisServer, decode: bool) -> None:
    """However it is set up: it is used, and neither changed nor closed."""
    client = Redis.from_url(redis_server.url, decode_responses=decode)
    async with RedisLedger(client) as redis_store:
        await publish(ledger_on(redis_store), "a")
    assert await client.ping()
    async with RedisLedger(client) as redis_store:
        assert await used(redis_store) == 1
    await client.aclose()


async def test_a_ledger_can_be_closed_twice_and_used_again(redis_server: RedisServer) -> None:
    """Closing is not the end of it."""
    redis_store = RedisLedger(redis_server.url)
    await redis_store.close()
    await publish(ledger_on(redis_store), "a")
    await redis_store.close()
    await redis_store.close()
    assert await used(redis_store) == 1
    await redis_store.close()


def test_F37_it_belongs_to_the_loop_in_which_it_is_in_use(redis_server: RedisServer) -> None:
    """In a second loop at the same time it says so; in one that follows it goes on."""
    redis_store = RedisLedger(redis_server.url)

    async def also_in_another_loop() -> None:
        await publish(ledger_on(redis_store), "a")
        with pytest.raises(QuotaLedgerError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, publish(ledger_on(redis_store), "b"))
        assert redis_store._batcher is not None
        await redis_store._batcher.client.aclose()

    asyncio.run(also_in_another_loop())

    async def next_loop() -> int:
        await publish(ledger_on(redis_store), "c")
        count = await used(redis_store)
        await redis_store.close()
        return count

    assert asyncio.run(next_loop()) == 2


@pytest.fixture
def cluster(redis_server: RedisServer, tmp_path: Path) -> RedisServer:
    """A cluster of one node, which holds all of the slots and is as strict about them as any."""
    return RedisServer(redis_server.binary, tmp_path, "--cluster-enabled", "yes")


async def test_a_cluster_will_do(cluster: RedisServer) -> None:
    """Accounts whose keys lie in different slots are asked for apart."""
    with cluster:
        cluster.do("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        await until(lambda: b"cluster_state:ok" in str(cluster.do("CLUSTER", "INFO")).encode())
        client = RedisCluster(host="127.0.0.1", port=cluster.port)
        async with RedisLedger(client) as redis_store:
            accounts = [f"account_{number}" for number in range(10)]
            await asyncio.gather(*(publish(ledger_on(redis_store, account=account), "a", "b") for account in accounts))
            assert [await used(redis_store, account) for account in accounts] == [2] * 10
            cluster.do("SET", "opentrain:quota:account_3", "somebody else's")
            asked = [ledger_on(redis_store, account=account).snapshot() for account in accounts]
            answers = await asyncio.gather(*asked, return_exceptions=True)
            assert [isinstance(answer, QuotaLedgerError) for answer in answers] == [n == 3 for n in range(10)]
        await client.aclose()


async def test_many_machines_stay_within_the_limit(redis_server: RedisServer) -> None:
    """Eight ledgers that all want the same twenty places get twenty between them."""
    stores = [RedisLedger(redis_server.url) for _ in range(8)]
    granted: list[str] = []

    async def want(redis_store: RedisLedger, job: str) -> None:
        ledger = ledger_on(redis_store)
        try:
            await ledger.settle(await reserve(ledger, job, _turn_away), PUBLISHED)
        except LookupError:
            return
        granted.append(job)

    await asyncio.gather(
        *(want(redis_store, f"job_{id(redis_store)}_{number}") for redis_store in stores for number in range(5))
    )
    assert len(granted) == 20
    for redis_store in stores:
        await redis_store.close()


def _turn_away(denied: object) -> None:
    raise LookupError(denied)
