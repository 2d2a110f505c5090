"""The script of the ledger in Redis, run by a Redis."""

import time
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from opentrain_async.quota._stores.redis_clock import BEHIND_SECONDS
from opentrain_async.quota._stores.redis_scripts import DIGEST, NONE, STEP

from ..support.servers import RedisServer


@pytest.fixture
async def redis(redis_server: RedisServer) -> Any:
    """A client of an empty Redis."""
    async with Redis.from_url(redis_server.url) as client:
        yield client


async def run(redis: Any, lines: dict[str, str], off: float = 0.0) -> list[Any]:
    """What the script says of each key, without the time, of which the caller is so far off."""
    answer = await redis.eval(STEP, len(lines), *lines, "\n".join(lines.values()), time.time() + off)
    assert int(answer[0]) > 1_700_000_000
    assert 0 <= int(answer[1]) < 1_000_000
    return list(answer[2:])


def asking(version: str = "new-0") -> str:
    """A line that writes nothing."""
    return f"{NONE} {version} 0 "


async def test_what_is_not_there_has_neither_version_nor_log(redis: Any) -> None:
    """Two times nothing, for each key."""
    assert await run(redis, {"a": asking(), "b": asking()}) == [[None, None, 0]] * 2
    assert await redis.keys("*") == []


async def test_a_log_is_written_over_the_version_that_is_expected(redis: Any) -> None:
    """And over no other; each key is decided by itself, and a refusal says what stands."""
    assert await run(redis, {"a": f"{NONE} v-1 60000 [1]"}) == [0]
    lines = {"a": "v-0 w-2 60000 [2]", "b": f'{NONE} w-1 60000 "x y"'}
    assert await run(redis, lines) == [[b"v-1", b"[1]", 1], 0]
    assert await run(redis, {"a": asking(), "b": asking()}) == [[b"v-1", b"[1]", 0], [b"w-1", b'"x y"', 0]]
    assert await run(redis, {"a": "v-1 w-2 60000 [2]", "b": f"{NONE} w-3 60000 [3]"}) == [1, [b"w-1", b'"x y"', 0]]
    assert await run(redis, {"a": asking()}) == [[b"w-2", b"[2]", 0]]


async def test_who_loses_is_told_its_place_and_who_wins_how_many_lost(redis: Any) -> None:
    """Only a log that was known loses; with the next write the places begin anew."""
    await run(redis, {"a": f"{NONE} v-1 60000 [1]"})
    places = [(await run(redis, {"a": line}))[0][2] for line in ("v-0 w-1 9 [2]", f"{NONE} w-2 9 [2]", "v-0 w-3 9 [2]")]
    assert places == [1, 0, 2]
    assert await run(redis, {"a": "v-1 v-2 60000 [2]"}) == [2]
    assert (await run(redis, {"a": "v-1 v-3 60000 [2]"}))[0][2] == 1
    assert await run(redis, {"a": "v-2 v-4 60000 [2]"}) == [1]
    assert await redis.hkeys("a") == [b"version", b"log"]


@pytest.mark.parametrize("off", [0.5, -BEHIND_SECONDS - 1.0, 1e6, -1e6])
async def test_nothing_is_written_by_a_wrong_time(redis: Any, off: float) -> None:
    """The answer has the right one, and what stands; it is no lost race."""
    assert await run(redis, {"a": f"{NONE} v-1 60000 [1]"}, off) == [[None, None, 0]]
    await run(redis, {"a": f"{NONE} v-1 60000 [1]"})
    assert await run(redis, {"a": "v-1 v-2 60000 [2]"}, off) == [[b"v-1", b"[1]", 0]]
    assert await run(redis, {"a": "v-0 v-2 60000 [2]"}, off) == [[b"v-1", b"[1]", 0]]


async def test_a_time_that_lags_as_a_network_does_will_do(redis: Any) -> None:
    """By seconds: who is far away could write nothing else."""
    assert await run(redis, {"a": f"{NONE} v-1 60000 [1]"}, -BEHIND_SECONDS + 2.0) == [0]


async def test_F73_a_key_of_another_kind_does_not_keep_the_others_from_being_served(
    redis: Any, redis_server: RedisServer
) -> None:
    """Its entry is empty; what else goes wrong is an error of the whole."""
    await redis.set("a", "x")
    await redis.rpush("b", "x")
    await redis.hset("huge", mapping={"version": "v-1", "log": "x" * 10_000_000})
    await run(redis, {"c": f"{NONE} v-1 60000 [1]"})
    lines = dict.fromkeys(("a", "b", "huge", "c", "d"), f"{NONE} w-1 60000 [2]")
    assert await run(redis, lines) == [[], [], [], [b"v-1", b"[1]", 0], 0]
    await redis.execute_command("ACL", "SETUSER", "guest", "on", ">secret", "~*", "+eval", "+time")
    try:
        async with Redis(port=redis_server.port, username="guest", password="secret") as guest:
            with pytest.raises(ResponseError, match=r"NOPERM|run this command"):
                await run(guest, {"c": asking()})
    finally:
        await redis.execute_command("ACL", "DELUSER", "guest")


@pytest.mark.parametrize("version", ["v w", "", NONE, "v" * 101, None])
@pytest.mark.parametrize("expected", [NONE, "v-1"])
async def test_F73_nothing_is_written_over_what_is_not_a_log(redis: Any, version: str | None, expected: str) -> None:
    """Not even that somebody has lost against it."""
    kept = {"log": "[1]"} if version is None else {"version": version, "log": "[1]"}
    await redis.hset("a", mapping=kept)
    before = await redis.hgetall("a")
    said = None if version is None else version.encode()
    assert await run(redis, {"a": f"{expected} w-1 60000 [2]"}) == [[said, b"[1]", 0]]
    assert await redis.hgetall("a") == before


@pytest.mark.parametrize("lost", ["x", "nan", "1e400", "-7", ""])
async def test_F73_a_count_that_is_no_number_harms_nothing(redis: Any, lost: str) -> None:
    """It is a hint, and goes with the next write."""
    await run(redis, {"a": f"{NONE} v-1 60000 [1]"})
    await redis.hset("a", "lost", lost)
    ((*stands, place),) = await run(redis, {"a": "v-0 w-1 60000 [2]"})
    assert (stands, type(place)) == ([b"v-1", b"[1]"], int)
    assert type((await run(redis, {"a": "v-1 v-2 60000 [2]"}))[0]) is int
    assert await redis.hkeys("a") == [b"version", b"log"]


async def test_F28_a_write_whose_answer_was_lost_can_be_repeated(redis: Any) -> None:
    """The very version stands already, and nobody else's is overwritten, however late the repetition comes."""
    assert await run(redis, {"a": f"{NONE} v-1 60000 [1]"}) == [0]
    assert await run(redis, {"a": f"{NONE} v-1 60000 [1]"}, -60.0) == [0]
    assert await run(redis, {"a": f"{NONE} other-1 60000 [2]"}) == [[b"v-1", b"[1]", 0]]


async def test_a_log_expires(redis: Any) -> None:
    """So many milliseconds after it was last written; to lose against it does not keep it."""
    await run(redis, {"a": f"{NONE} v-1 60000 [1]"})
    assert 0 < await redis.pttl("a") <= 60_000
    await run(redis, {"a": "v-0 w-1 90000 [1]", "b": "v-0 w-1 90000 [1]"})
    assert 0 < await redis.pttl("a") <= 60_000
    assert not await redis.exists("b")


async def test_a_script_is_known_by_its_digest(redis: Any) -> None:
    """As the server computes it."""
    assert (await redis.script_load(STEP)) in {DIGEST, DIGEST.encode()}
