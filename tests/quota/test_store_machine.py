"""The three stores under every order of events that Hypothesis can think of: time, crashes, cancellations, clocks.

2,000 steps a store; LEDGER_STEPS in the environment asks for more, and LEDGER_SEED for other ones.
"""

import asyncio
import itertools
import os
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar, TypeVar

import pytest
from attrs import define, evolve, field
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from opentrain_async.quota import LedgerStore, MemoryLedger, QuotaLedger, RedisLedger, SQLiteLedger, Step
from opentrain_async.quota._log import REMEMBERED, AccountLog
from opentrain_async.quota._probes import PROBE_INTERVAL
from opentrain_async.quota._slots import Reservation

from ..support.account import LOST, REFUSED
from ..support.servers import KINDS_OF_REDIS, RedisServer
from ..support.true_server import ARRIVALS, TrueServer, saw_of
from ..support.virtual import VirtualClock

T = TypeVar("T")

LIMIT = 4
LEASE = 180.0
DAY = 24 * 3600.0
A_WRONG_CLOCK = 25 * 3600.0
STEPS = int(os.environ.get("LEDGER_STEPS", "2000"))
SEED = int(os.environ.get("LEDGER_SEED", "0"))
STEPS_EACH = 50
EXAMPLES_EACH = 400
"""A long run begins anew that often with the next seed: what Hypothesis remembers of a run grows with it."""

_JOBS = st.sampled_from([f"job_{number}" for number in range(8)])
_MODERATED = ("job_6", "job_7")
_CLIENTS = st.integers(0, 2)
_PAUSES = st.sampled_from([0.0, 1.0, 59.0, 200.0, 3601.0, DAY / 2, DAY - 1, DAY])


@define
class World:
    """What outlives one example: an event loop, and handles on one storage."""

    open: Callable[[VirtualClock], LedgerStore]
    runner: asyncio.Runner = field(factory=asyncio.Runner)
    clock: VirtualClock = field(factory=VirtualClock)
    """True time."""
    stores: list[LedgerStore] = field(factory=list)
    accounts: Iterator[int] = field(factory=itertools.count)
    steps: int = 0

    def close(self) -> None:
        for store in self.stores:
            self.close_one(store)
        self.runner.close()

    def close_one(self, store: LedgerStore) -> None:
        if not isinstance(store, MemoryLedger):
            self.runner.run(store.close())  # type: ignore[attr-defined]


class RedisOfAWorld(RedisLedger):
    """A real Redis, whose clock can be moved: nobody can wait for days."""

    def __init__(self, url: str, clock: VirtualClock) -> None:
        super().__init__(url, timeout=30)
        self._clock = clock

    def run(self, account: str, step: Step[T], now: float) -> "asyncio.Future[T]":
        return super().run(account, lambda log, _: step(log, self._clock.now()), now)


class StoreMachine(RuleBasedStateMachine):
    """Three clients of one account, each with a handle of its own, and a server that is exact."""

    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        self.world.steps -= 1  # what holds is looked at before the first step too
        self.host = VirtualClock(self.world.clock.time)
        self.account = f"account_{next(self.world.accounts)}"
        self.server = TrueServer(LIMIT, _MODERATED)
        self.clients = [self.client(store) for store in self.world.stores]
        self.under_way: list[tuple[int, Reservation, float]] = []
        self.in_doubt: dict[str, float] = {}
        self.behind = 0.0

    def client(self, store: LedgerStore) -> QuotaLedger:
        return QuotaLedger(store, self.account, self.host, daily_limit=LIMIT, lease=LEASE)

    @property
    def now(self) -> float:
        """True time."""
        return self.world.clock.time

    @rule(client=_CLIENTS, job=_JOBS)
    def begin(self, client: int, job: str) -> None:
        """A client reserves a place; it sends later, or never."""
        answer = self.world.runner.run(self.clients[client].reserve(job, 0))
        if isinstance(answer, Reservation):
            self.under_way.append((client, answer, self.now + LEASE))
            self.world.runner.run(self.clients[client]._store.run(partial(self.is_let_in, answer)))
            return
        assert answer.until > self.host.now() or (answer.may_pass and answer.until >= self.host.now())
        is_fresh = self.now - self.in_doubt.get(job, -REMEMBERED) < REMEMBERED - A_WRONG_CLOCK
        assert answer.may_be_live or not is_fresh, "a draft that may be live is said not to be"

    def is_let_in(self, given: Reservation, log: AccountLog, _now: float) -> None:
        """One probe at a time, none before its time; and nothing at all soon after two refusals in a row."""
        in_flight = [
            holder for slot in log.jobs.values() for holder in slot.holders if log.clock.seen < holder.lease_ends
        ]
        probes, at = [holder for holder in in_flight if holder.probe is not None], given.made_at
        assert len(probes) <= 1, "two probes at once"
        assert given.probe is None or log.probes.next_at <= at, "a probe before its time"
        assert given.probe is not None or log.used <= LIMIT, "more than the limit is let in"
        assert given.probe is not None or not log.probes.are_careful, "not alone after a refusal"
        assert log.probes.in_a_row < 2 or at >= (log.probes.refused_at or 0.0) + PROBE_INTERVAL, "sent again too soon"

    @precondition(lambda self: self.in_doubt)
    @rule(client=_CLIENTS, data=st.data())
    def begin_again(self, client: int, data: st.DataObject) -> None:
        """A client tries a draft again that is in doubt."""
        self.begin(client, data.draw(st.sampled_from(sorted(self.in_doubt))))

    @rule(client=_CLIENTS, job=_JOBS, after=st.integers(0, 6))
    def be_cancelled(self, client: int, job: str, after: int) -> None:
        """A client's caller leaves while it reserves; what it may have got by then is given back unsent."""

        async def leave() -> None:
            caller = asyncio.create_task(self.clients[client].reserve(job, 0))
            for _ in range(after):
                await asyncio.sleep(0)
            caller.cancel()
            await asyncio.wait({caller})
            if not caller.cancelled() and isinstance(answer := caller.result(), Reservation):
                # As the ledger gives it back: which of both happens is a matter of the store's thread.
                await self.clients[client].settle(evolve(answer, before="new", probe=None), REFUSED)

        self.world.runner.run(leave())

    @precondition(lambda self: self.under_way)
    @rule(
        data=st.data(),
        arrive=ARRIVALS,
        reply_is_lost=st.booleans(),
        retry_after=st.sampled_from([None, 60.0, 7200.0]),
        is_cancelled=st.booleans(),
    )
    def send(
        self,
        data: st.DataObject,
        arrive: list[bool],
        reply_is_lost: bool,
        retry_after: float | None,
        is_cancelled: bool,
    ) -> None:
        """A client sends what it reserved, again after a lost reply, and learns of the answer or not."""
        client, reservation, until = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        if until <= self.now:
            return  # nobody sends that late: the retry deadline ends a minute before the lease
        charged = self.server.asked(reservation.job, self.now, arrive, is_answered=not reply_is_lost)
        if reply_is_lost:
            self.in_doubt[reservation.job] = self.now
        elif charged in {"accepted", "pending"}:  # it may be approved at any time
            self.in_doubt.setdefault(reservation.job, self.now)
        elif charged is not None:
            self.in_doubt.pop(reservation.job, None)
        is_asked_after = reservation.before != "new" or reply_is_lost
        assert charged is not None or reservation.probe is not None or is_asked_after, "more than the limit was let in"
        unanswered_for = 0.0 if len(arrive) > 1 else None
        ledger = self.clients[client]
        settling: Coroutine[object, object, object]
        if reply_is_lost:
            settling = ledger.settle(reservation, LOST)
        elif charged is None:
            saw = saw_of(charged, unanswered_for)
            settling = ledger.refused(reservation, saw, limit=LIMIT, window=DAY, retry_after=retry_after)
        else:
            settling = ledger.settle(reservation, saw_of(charged, unanswered_for))
        self.world.runner.run(self.finish(settling, is_cancelled))
        if reply_is_lost and self.world.runner.run(ledger._store.run(partial(_is_spent, reservation.job))):
            # Another client has learned that it is live. A day later that is no news, and is forgotten.
            self.in_doubt.pop(reservation.job, None)

    async def finish(self, settling: Coroutine[object, object, object], is_cancelled: bool) -> None:
        task = asyncio.ensure_future(settling)
        if is_cancelled:
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.wait({task})

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), sent=st.booleans())
    def crash(self, data: st.DataObject, sent: bool) -> None:
        """A client's process dies, before or after its requests arrived; another one takes its place."""
        victim = data.draw(st.sampled_from(sorted({client for client, *_ in self.under_way})))
        for client, reservation, until in self.under_way:
            if client == victim and sent and self.now < until and reservation.before != "spent":
                self.server.publish(reservation.job, self.now)
                self.in_doubt[reservation.job] = self.now
        self.under_way = [entry for entry in self.under_way if entry[0] != victim]
        if not isinstance(self.world.stores[victim], MemoryLedger):
            self.world.close_one(self.world.stores[victim])
            self.world.stores[victim] = self.world.open(self.world.clock)
        self.clients[victim] = self.client(self.world.stores[victim])

    @precondition(lambda self: self.server.pending)
    @rule(data=st.data())
    def approve(self, data: st.DataObject) -> None:
        """A person approves an accepted job."""
        self.server.approve(data.draw(st.sampled_from(sorted(self.server.pending))))

    @rule(pause=_PAUSES)
    def wait(self, pause: float) -> None:
        """Time goes by."""
        self.world.clock.time += pause
        self.host.time += pause

    @precondition(lambda self: not self.behind)
    @rule()
    def fall_behind(self) -> None:
        """The host's clock is set back by 25 hours, soon after somebody has looked at the ledger."""
        self.used()
        self.behind = A_WRONG_CLOCK
        self.host.time -= A_WRONG_CLOCK
        self.used()

    @precondition(lambda self: self.behind)
    @rule()
    def come_back(self) -> None:
        """It is set right."""
        self.behind = 0.0
        self.host.time = self.now

    @invariant()
    def nothing_that_was_charged_is_forgotten(self) -> None:
        """Whoever asks, at least as many are counted as the server charged in the last 24 hours."""
        self.world.steps += 1
        assert self.used() >= sum(self.now < at + DAY for at in self.server.charges)

    def used(self) -> int:
        return self.world.runner.run(self.clients[0].snapshot()).used


def _is_spent(job: str, log: AccountLog, _now: float) -> bool:
    return job in log.jobs and log.jobs[job].kind == "spent"


@pytest.fixture(params=["memory", "sqlite", *KINDS_OF_REDIS])
def world(
    request: pytest.FixtureRequest, tmp_path: Path, redis_of_kind: Callable[[str], RedisServer]
) -> Iterator[World]:
    """Three handles on one storage."""
    world = World(_opener(request.param, tmp_path, redis_of_kind))
    world.stores = [world.open(world.clock) for _ in range(3)]
    yield world
    world.close()


def _opener(
    kind: str, directory: Path, redis_of_kind: Callable[[str], RedisServer]
) -> Callable[[VirtualClock], LedgerStore]:
    match kind:
        case "memory":
            store = MemoryLedger()
            return lambda _: store
        case "sqlite":
            return lambda _: SQLiteLedger(directory / "quota.sqlite3")
        case _:
            url = redis_of_kind(kind).url
            return lambda clock: RedisOfAWorld(url, clock)


def test_no_store_lets_more_than_the_limit_through(world: World) -> None:
    """Of drafts that are new, none but a probe is ever refused, and nothing that was charged is forgotten."""
    how = settings(
        max_examples=min(EXAMPLES_EACH, 1 + STEPS // (STEPS_EACH - 10)), stateful_step_count=STEPS_EACH, deadline=None,
        database=None, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    seeds = itertools.count(SEED)
    while world.steps < STEPS:

        @seed(next(seeds))
        class Machine(StoreMachine):
            pass

        Machine.world = world
        run_state_machine_as_test(Machine, settings=how)
    print(f"{world.steps:,} steps, with the seeds from {SEED} to {next(seeds) - 1}")  # noqa: T201 (shown by -rP)
