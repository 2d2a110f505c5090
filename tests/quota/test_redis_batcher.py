"""The batcher: the steps of all tasks, in few round trips."""

import asyncio
import math
import time
from contextlib import suppress
from functools import partial

import pytest
from redis.asyncio import Redis

from opentrain_async import RedisLedger
from opentrain_async.errors import QuotaLedgerError
from opentrain_async.quota import AccountLog, dump_log
from opentrain_async.quota._slots import Slot
from opentrain_async.quota._stores import redis_batcher

from ..support import stores
from ..support.servers import RedisServer, commands
from ..support.stores import publish, used
from ..support.virtual import LoopTime, VirtualClock

ledger_on = partial(stores.ledger_on, limit=20)
KEY = "opentrain:quota:account"
LOG = dump_log(AccountLog()).encode()


async def test_a_publish_costs_two_commands_and_the_first_one_too(
    redis_store: RedisLedger, redis_server: RedisServer
) -> None:
    """To reserve and to settle, where nobody else writes: also of the process that has asked for nothing yet."""
    redis_server.do("CONFIG", "RESETSTAT")
    await publish(ledger_on(redis_store), *(f"job_{number}" for number in range(20)))
    assert commands(redis_server) == 40


async def test_a_log_that_another_has_written_costs_one_command_more(
    redis_store: RedisLedger, redis_server: RedisServer
) -> None:
    """The lost race is answered with it."""
    await publish(ledger_on(redis_store), "a")
    async with RedisLedger(redis_server.url) as other:
        redis_server.do("CONFIG", "RESETSTAT")
        await publish(ledger_on(other), "b")
        assert commands(redis_server) == 3
        await publish(ledger_on(redis_store), "c")
        assert commands(redis_server) == 6
        assert await used(other) == 3


async def test_steps_of_concurrent_tasks_share_their_round_trips(
    redis_store: RedisLedger, redis_server: RedisServer
) -> None:
    """A hundred reservations at once, of ten accounts, cost two scripts' runs and not two hundred."""
    ledgers = [ledger_on(redis_store, account=f"account_{number}") for number in range(10)]
    for ledger in ledgers:
        await publish(ledger, "first")
    redis_server.do("CONFIG", "RESETSTAT")
    await asyncio.gather(*(publish(ledger, f"job_{number}") for ledger in ledgers for number in range(10)))
    assert commands(redis_server) == 2


async def test_logs_of_many_accounts_are_not_all_remembered(
    redis_store: RedisLedger, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those last used are; another costs a command more."""
    monkeypatch.setattr(redis_batcher, "_MOST_KNOWN", 2)
    for account in "abc":
        await redis_store.run(account, lambda log, _: log.used, 0.0)
    redis_server.do("CONFIG", "RESETSTAT")
    for account in "cb":
        await redis_store.run(account, lambda log, _: log.used, 0.0)
    assert commands(redis_server) == 2
    await redis_store.run("a", lambda log, _: log.used, 0.0)
    assert commands(redis_server) == 4
    await asyncio.gather(*(redis_store.run(account, lambda log, _: log.used, 0.0) for account in "abcdef"))
    assert redis_store._batcher is not None
    await redis_store.run("g", lambda log, _: log.used, 0.0)
    assert len(redis_store._batcher._accounts) == 2


async def test_a_hosts_wrong_clock_costs_one_command(redis_store: RedisLedger, redis_server: RedisServer) -> None:
    """The server refuses to write by it and says what time it is. Nothing is written twice."""
    clock = VirtualClock(time.time() + 25 * 3600)
    redis_server.do("CONFIG", "RESETSTAT")
    await publish(ledger_on(redis_store, clock), "a", "b")
    assert commands(redis_server) == 5
    assert await used(redis_store) == 2


async def test_a_server_whose_clock_was_set_is_followed(redis_store: RedisLedger, redis_server: RedisServer) -> None:
    """As is another one in its place: one command more."""
    times = [await redis_store.run("account", lambda _, now: now, time.time())]
    assert redis_store._batcher is not None
    for off in (60.0, -60.0):
        redis_store._batcher._link.clock.ahead += off
        redis_server.do("CONFIG", "RESETSTAT")
        times.append(await redis_store.run("account", lambda _, now: now, 0.0))
        assert commands(redis_server) == 2
    assert times == sorted(times)
    assert times[-1] == pytest.approx(time.time(), abs=5)


def fail(_log: AccountLog, _now: float) -> None:
    raise LookupError("its own affair")


async def test_a_step_that_raises_on_a_guess_is_run_again_on_what_stands(
    redis_store: RedisLedger, redis_server: RedisServer
) -> None:
    """What it makes of a log that nobody has is no answer."""
    await publish(ledger_on(redis_store), "a")

    def find(log: AccountLog, _now: float) -> str | None:
        return log.jobs["a"].kind

    async with RedisLedger(redis_server.url) as fresh:
        answers = await asyncio.gather(
            *(fresh.run("account", step, 0.0) for step in (fail, find, fail)), return_exceptions=True
        )
    assert [type(answers[0]), answers[1], type(answers[2])] == [LookupError, "spent", LookupError]


async def test_a_step_that_raises_alone_is_told_so(redis_store: RedisLedger, redis_server: RedisServer) -> None:
    """With a look at what stands, and without a write."""
    redis_server.do("CONFIG", "RESETSTAT")
    with pytest.raises(LookupError):
        await redis_store.run("account", fail, time.time())
    assert commands(redis_server) == 1
    assert redis_server.do("KEYS", "*") == []


async def test_a_log_that_cannot_be_written_is_an_error_of_its_account_alone(redis_store: RedisLedger) -> None:
    """Others whose steps share the round trip have theirs."""

    def spoil(log: AccountLog, _now: float) -> None:
        log.jobs["no/id"] = Slot("spent", 1.0)

    steps = {"one": spoil, "two": lambda log, _: log.used}
    answers = await asyncio.gather(
        *(redis_store.run(account, step, 0.0) for account, step in steps.items()), return_exceptions=True
    )
    assert [type(answers[0]), answers[1]] == [QuotaLedgerError, 0]
    assert await used(redis_store, "one") == 0


@pytest.mark.parametrize("lost", [0, 3, 10**15, -(10**15)])
async def test_who_wins_makes_way_for_those_who_lost(
    redis_store: RedisLedger, redis_server: RedisServer, lost: int
) -> None:
    """For two round trips each; no more than a second, whatever the count says."""
    await publish(ledger_on(redis_store), "a")
    redis_server.do("HSET", KEY, "lost", str(lost))
    loop = asyncio.get_running_loop()
    before = loop.time()
    await redis_store.run("account", lambda log, _: log.used, 0.0)
    after = loop.time()
    assert redis_store._batcher is not None
    seconds = min(1.0, 2 * max(0, lost) * redis_store._batcher._link.round_trip)
    assert before + seconds <= redis_store._batcher._accounts["account"].resume_at <= after + seconds


async def test_an_account_that_makes_way_holds_up_no_other(redis_store: RedisLedger) -> None:
    """A step of another wakes the task that waits."""
    await asyncio.gather(*(publish(ledger_on(redis_store, account=account), "a") for account in ("one", "two")))
    assert redis_store._batcher is not None
    time = LoopTime()
    redis_store._batcher._accounts["one"].resume_at = asyncio.get_running_loop().time() + 9
    first = redis_store.run("one", lambda log, _: log.used, 0.0)
    await asyncio.sleep(0.001)
    assert await used(redis_store, "two") == 1
    assert not first.done()
    time.block(9)
    assert await first == 1


async def test_a_step_has_its_own_time_though_others_came_before(redis_server: RedisServer) -> None:
    """Those that came first fail first; whoever came later is tried again, and gets its answer."""
    time = LoopTime()
    async with RedisLedger(redis_server.url, timeout=4) as redis_store:
        await publish(ledger_on(redis_store), "a")
        redis_server.do("CLIENT", "PAUSE", "60000", "WRITE")
        first = redis_store.run("account", lambda log, _: log.used, 0.0)
        await asyncio.sleep(0.001)
        time.block(3)
        second = redis_store.run("account", lambda log, _: log.used, 0.0)
        await asyncio.sleep(0.001)
        time.block(2)
        with pytest.raises(TimeoutError, match="took longer than 4 s"):
            await first
        redis_server.do("CLIENT", "UNPAUSE")
        assert await second == 1


async def test_something_else_under_the_key_is_an_error(redis_store: RedisLedger, redis_server: RedisServer) -> None:
    """Neither a value of another kind nor a log of a newer version is overwritten."""
    redis_server.do("SET", "opentrain:quota:account", "somebody else's")
    with pytest.raises(QuotaLedgerError, match="not a log"):
        await used(redis_store)
    redis_server.do("DEL", "opentrain:quota:account")
    redis_server.do("HSET", "opentrain:quota:account", "version", "x", "log", "[3]")
    with pytest.raises(QuotaLedgerError, match="newer version"):
        await used(redis_store)
    assert redis_server.do("HGET", "opentrain:quota:account", "log") == b"[3]"


@pytest.mark.parametrize(
    "version", ["v w", "v\nw", "", " ", "-", "v" * 101, "\xff", "v\x00w", "\u00e4", None],
)  # fmt: skip
async def test_F73_a_version_of_another_form_is_an_error(
    redis_store: RedisLedger, redis_server: RedisServer, version: str | None
) -> None:
    """A script would read it as something else, again and again; nothing is written over what is there."""
    await publish(ledger_on(redis_store), "a")
    if version is None:
        redis_server.do("HDEL", KEY, "version")
    else:
        redis_server.do("HSET", KEY, "version", version)
    before = redis_server.do("HGETALL", KEY)
    async with RedisLedger(redis_server.url, timeout=10) as fresh:
        for store in (redis_store, fresh):
            with pytest.raises(
                QuotaLedgerError, match=r"not a log. .* \(Redis redis:.*, key opentrain:quota:account\)"
            ):
                await used(store)
    assert redis_server.do("HGETALL", KEY) == before


@pytest.mark.parametrize("log", ["", "x", "[2]", "\xff\xfe", None])
async def test_F73_a_log_that_is_none_is_an_error_of_its_account_alone(
    redis_store: RedisLedger, redis_server: RedisServer, log: str | None
) -> None:
    """Others whose steps share the round trip have their logs."""
    two = ledger_on(redis_store, account="two")
    await publish(ledger_on(redis_store), "a")
    await publish(two, "a")
    redis_server.do("HSET", KEY, "version", "other")
    redis_server.do(*(("HDEL", KEY, "log") if log is None else ("HSET", KEY, "log", log)))
    asked = [ledger.snapshot() for ledger in (ledger_on(redis_store), two) * 2]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(answer, QuotaLedgerError) for answer in answers] == [True, False] * 2


class Impostor:
    """A server's client whose script answers something else."""

    def __init__(self, *answers: object) -> None:
        self.answers = answers
        self.calls = 0

    async def eval(self, *_: object) -> object:
        self.calls += 1
        return self.answers[self.calls % len(self.answers)]

    async def evalsha(self, *_: object) -> object:
        return await self.eval()


class Swallower(Impostor):
    """One that swallows a cancellation, while time passes."""

    def __init__(self, *answers: object) -> None:
        super().__init__(*answers)
        self._time = LoopTime()

    async def eval(self, *_: object) -> object:
        self._time.block(0.1)
        with suppress(asyncio.CancelledError):
            for _turn in range(3):
                await asyncio.sleep(0)
        return await super().eval()


@pytest.mark.parametrize(
    "answer",
    [None, [], "OK", 7, [b"1", b"2"], [b"1", b"2", 0, 0], [b"x", b"2", 0], [None, None, 0],
     [b"253402300801", b"0", 0], [b"-1", b"0", 0], [b"9" * 400, b"0", 0], [b"1", b"2", None], [b"1", b"2", "OK"],
     [b"1", b"2", True], [b"1", b"2", []], [b"1", b"2", [b"v"]], [b"1", b"2", [None, None]],
     [b"1", b"2", [1, 2, 3]], [b"1", b"2", [b"v", b"[]", 1]], [b"1", b"2", [b"v w", LOG, 1]],
     [b"1", b"2", [b"v", LOG, b"1"]], [b"1", b"2", [b"v", None, 1]], {b"1": b"2"}],
)  # fmt: skip
async def test_F73_an_answer_that_no_script_gives_is_an_error(answer: object) -> None:
    """One question, and no loop; to close the ledger takes no time."""
    client = Impostor(answer)
    async with RedisLedger(client) as store:
        with pytest.raises(QuotaLedgerError):
            await used(store)
    assert client.calls == 1


async def test_F73_who_loses_for_ever_is_told_so_in_time() -> None:
    """Though the client swallows the cancellation by which a timeout would end it."""
    client = Swallower(*([b"1", b"2", [b"v-%d" % number, LOG, 1]] for number in range(7)))
    async with RedisLedger(client, timeout=1) as store:
        with pytest.raises(TimeoutError, match=r"Redis \(its client\) took longer than 1 s"):
            await store.run("account", lambda log, _: log.used, 0.0)
    assert 5 <= client.calls <= 10


async def test_who_waits_for_a_turn_longer_than_there_is_time_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a machine was suspended: the step is not run late, and another account's is run."""
    monkeypatch.setattr(redis_batcher, "_TURN", math.inf)
    loop_time = LoopTime()
    client = Impostor([b"1", b"2", 0], [b"1", b"2", [b"v-1", LOG, 50]])
    async with RedisLedger(client, timeout=2) as store:
        late = store.run("late", lambda _, now: now, 0.0)
        await loop_time.passed_until(lambda: client.calls)
        loop_time.block(3)
        assert await store.run("other", lambda _, now: now, 0.0) > 0
        with pytest.raises(TimeoutError, match="took longer than 2 s"):
            await late
    assert client.calls == 2


def test_what_a_closed_loop_leaves_behind_is_cancelled(redis_server: RedisServer) -> None:
    """A program that ends in mid-step ends."""
    answers: list[asyncio.Future[object]] = []
    client = Redis.from_url(redis_server.url)

    async def leave_in_mid_step() -> None:
        redis_store = RedisLedger(client)
        answers.append(redis_store.run("account", lambda _, now: now, 0.0))
        await asyncio.sleep(0)
        answers.append(redis_store.run("account", lambda _, now: now, 0.0))

    asyncio.run(leave_in_mid_step())
    assert all(answer.cancelled() for answer in answers)
