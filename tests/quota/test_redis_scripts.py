"""The two scripts of the ledger in Redis, run by a Redis."""

import json
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from opentrain_async.quota._stores.redis_scripts import NONE, READ, SWAP, Script

from ..support.servers import RedisServer


@pytest.fixture
async def redis(redis_server: RedisServer) -> Any:
    """A client of an empty Redis."""
    async with Redis.from_url(redis_server.url) as client:
        yield client


async def run(redis: Any, script: Script, keys: list[str], argument: str) -> list[Any]:
    """What a script says of each key, without the time."""
    answer = await redis.eval(script.source, len(keys), *keys, argument)
    assert int(answer[0]) > 1_700_000_000
    assert 0 <= int(answer[1]) < 1_000_000
    return list(answer[2:])


async def test_what_is_not_there_has_neither_version_nor_log(redis: Any) -> None:
    """Two times nothing, for each key."""
    assert await run(redis, READ, ["a", "b"], f"{NONE} {NONE}") == [[None, None], [None, None]]


async def test_a_log_is_written_over_the_version_that_is_expected(redis: Any) -> None:
    """And over no other; each key is decided by itself."""
    assert await run(redis, SWAP, ["a"], f"{NONE} v1 60000 [1]") == [1]
    assert await run(redis, SWAP, ["a", "b"], f"v0 v2 60000 [2]\n{NONE} w1 60000 [3]") == [0, 1]
    assert await run(redis, READ, ["a", "b"], f"{NONE} {NONE}") == [[b"v1", b"[1]"], [b"w1", b"[3]"]]


async def test_a_log_that_is_known_is_not_sent_again(redis: Any) -> None:
    """Its version alone says that it still stands."""
    await run(redis, SWAP, ["a"], f"{NONE} v1 60000 {json.dumps('x y')}")
    assert await run(redis, READ, ["a"], "v1") == [[b"v1"]]
    assert await run(redis, READ, ["a"], "v0") == [[b"v1", b'"x y"']]


async def test_F73_a_key_of_another_kind_does_not_keep_the_others_from_being_read(
    redis: Any, redis_server: RedisServer
) -> None:
    """Its entry is empty; what else goes wrong is an error of the whole."""
    await redis.set("a", "x")
    await redis.rpush("b", "x")
    await redis.hset("huge", mapping={"version": "v1", "log": "x" * 10_000_000})
    await run(redis, SWAP, ["c"], f"{NONE} v1 60000 [1]")
    assert await run(redis, READ, ["a", "b", "huge", "c", "d"], " ".join([NONE] * 5)) == [
        [], [], [], [b"v1", b"[1]"], [None, None],
    ]  # fmt: skip
    await redis.execute_command("ACL", "SETUSER", "guest", "on", ">secret", "~*", "+eval", "+time")
    try:
        async with Redis(port=redis_server.port, username="guest", password="secret") as guest:
            with pytest.raises(ResponseError, match=r"NOPERM|run this command"):
                await run(guest, READ, ["c"], NONE)
    finally:
        await redis.execute_command("ACL", "DELUSER", "guest")


async def test_F28_a_write_whose_answer_was_lost_can_be_repeated(redis: Any) -> None:
    """The very version stands already, and nobody else's is overwritten."""
    for _ in range(2):
        assert await run(redis, SWAP, ["a"], f"{NONE} v1 60000 [1]") == [1]
    assert await run(redis, SWAP, ["a"], f"{NONE} other 60000 [2]") == [0]


async def test_a_log_expires(redis: Any) -> None:
    """So many milliseconds after it was last written."""
    await run(redis, SWAP, ["a"], f"{NONE} v1 60000 [1]")
    assert 0 < await redis.pttl("a") <= 60_000


async def test_a_script_is_known_by_its_digest(redis: Any) -> None:
    """As the server computes it."""
    for script in (READ, SWAP):
        assert (await redis.script_load(script.source)) in {script.digest, script.digest.encode()}
