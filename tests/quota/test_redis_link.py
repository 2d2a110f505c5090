"""The link to a server: how often a command is sent, and which errors end it."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from opentrain_async.quota._stores.batch import RedisAwayError, RedisError
from opentrain_async.quota._stores.redis_link import RedisLink
from opentrain_async.quota._stores.redis_scripts import NONE

from ..support.peers import server_tls
from ..support.servers import Lossy, RedisServer
from ..support.virtual import LoopTime

ASKING = f"{NONE} new-0 0 "


def link_to(client: Any) -> RedisLink:
    return RedisLink(client, "its client", time.time(), copy)


def copy(error: Exception) -> RedisError:
    return RedisError(f"{type(error).__name__}: {error}")


async def asked(link: RedisLink, seconds: float = 10.0) -> list[Any]:
    """What the script says of a key."""
    loop = asyncio.get_running_loop()
    return await link.run(["a"], [ASKING], link.clock.now(), loop.time() + seconds)


class Failing:
    """A client whose scripts fail, so many times; then they answer."""

    def __init__(self, error: Exception, times: int = 10**9) -> None:
        self.error = error
        self.times = times
        self.calls = 0

    async def eval(self, *_: object) -> object:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return [b"5000", b"0", [None, None, 0]]


async def test_it_learns_the_servers_time_and_how_far_it_is(redis_server: RedisServer) -> None:
    """From each answer."""
    async with Redis.from_url(redis_server.url) as client:
        link = RedisLink(client, "there", 0.0, copy)
        assert await asked(link) == [[None, None, 0]]
        assert link.clock.now() == pytest.approx(time.time(), abs=5)
        assert 0 < link.round_trip < 10


async def test_the_script_is_sent_once(redis_server: RedisServer) -> None:
    """From then on its digest is; a server that has forgotten it costs a round trip more."""
    relay = Lossy(redis_server.port)
    async with relay.running(), Redis.from_url(relay.url) as client:
        await client.ping()
        link, before = link_to(client), relay.round_trips
        for _ in range(3):
            await asked(link)
        assert relay.round_trips == before + 3
        redis_server.do("SCRIPT", "FLUSH")
        await asked(link)
        await asked(link)
        assert relay.round_trips == before + 6


@pytest.mark.parametrize("error", [RedisConnectionError("refused"), RedisConnectionError("LOADING")])
async def test_F57_a_connection_that_fails_is_tried_again(error: Exception) -> None:
    """Less and less often, as long as there is time; then its error is told, before the time is over."""
    loop, client = LoopTime(), Failing(error)
    running = asyncio.create_task(asked(link_to(client)))
    assert 9 <= await loop.passed_until(running.done) <= 10
    with pytest.raises(RedisAwayError, match="ConnectionError") as raised:
        await running
    assert raised.value.__context__ is raised.value.__cause__ is None
    assert 15 <= client.calls <= 30


async def test_F57_one_that_is_back_answers() -> None:
    """The same call."""
    client = Failing(RedisConnectionError("refused"), times=2)
    link = link_to(client)
    assert await asked(link) == [[None, None, 0]]
    assert (client.calls, link.trouble) == (3, None)


@pytest.mark.parametrize("error", [AuthenticationError("no"), ResponseError("READONLY"), OSError(), LookupError()])
async def test_what_is_decided_is_not_tried_again(error: Exception) -> None:
    """A login that is refused, a server that may not write, what is no fault of a connection."""
    client = Failing(error)
    with pytest.raises(RedisError, match=type(error).__name__) as raised:
        await asked(link_to(client))
    assert (client.calls, raised.type, raised.value.__context__) == (1, RedisError, None)


class Counting:
    """A client that counts the scripts."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.calls = 0

    async def eval(self, *arguments: object) -> object:
        self.calls += 1
        return await self.client.eval(*arguments)


async def test_a_wrong_password_or_certificate_is_not_tried_again(redis_server: RedisServer, tmp_path: Path) -> None:
    """Both are errors of the connection to redis-py, and stay wrong."""
    with RedisServer(redis_server.binary, tmp_path, password="another") as server:
        for url in (server.url, server.url.replace("//", "//:wrong@")):
            async with Redis.from_url(url) as client:
                counting = Counting(client)
                with pytest.raises(RedisError, match="AuthenticationError"):
                    await asked(link_to(counting))
                assert counting.calls == 1
    loop = asyncio.get_running_loop()
    async with await loop.create_server(asyncio.Protocol, "127.0.0.1", 0, ssl=server_tls(tmp_path)) as other:
        counting = Counting(Redis.from_url(f"rediss://127.0.0.1:{other.sockets[0].getsockname()[1]}"))
        with pytest.raises(RedisError, match=r"(?i)certificate"):
            await asked(link_to(counting))
        await counting.client.aclose()
    assert counting.calls == 1


@pytest.mark.parametrize("answer", [None, [], [b"1", b"2"], [b"x", b"2", 0], [b"-1", b"0", 0], [b"9" * 400, b"0", 0]])
async def test_F73_an_answer_that_no_script_gives_is_an_error(answer: object) -> None:
    """It leaves open what was written, and says nothing of the time."""

    class Impostor:
        async def eval(self, *_: object) -> object:
            return answer

    link = link_to(Impostor())
    before = link.clock.ahead
    with pytest.raises(RedisError, match=r"answer of Redis \(its client\) is not one of the ledger's script"):
        await asked(link)
    assert link.clock.ahead == before
