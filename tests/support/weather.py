"""An account in bad weather: a client and its service in virtual time, over real sockets, and who watches them."""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeVar

from _virtual import LoopClock, VirtualLoop
from attrs import Factory, define

from opentrain_async import AsyncOpenTrain, MemoryLedger, OutcomeStatus, PublishReport
from opentrain_async.quota import LedgerStore

from .counting import DAY, HOUR, MINUTE, RULES, Answered, Count, CountingService, RetryAfter, Rule
from .peers import ONCE, TOKEN, peer

T = TypeVar("T")

SEEDS = range(int(os.environ.get("WEATHER_SEEDS", "1")))
"""Of what is left to chance; ``WEATHER_SEEDS=9`` tries more, and all kinds of Retry-After."""
_SAID: Sequence[RetryAfter] = ["none", "a minute", "until a slot"]
BEGAN_AT = 1_800_000_000.0
"""15 January 2027, 8 o'clock UTC."""
LOOK_EACH = 60.0
MOST_REFUSED, LONGEST_SCENE = 200, 60 * DAY
"""Where a scene is broken off: nothing that is right comes near them."""
LONGEST_BACK_OFF = 8 * HOUR
SLACK = 5 * MINUTE
"""In which a wait that has ended is noticed, and the drafts before it are sent."""


@define(eq=False)
class Weather:
    """An account, its service, and what was seen of both.

    Attributes:
        service: Whose answers are the evidence.
        clock: Everybody's.
        chance: What the test leaves to chance.
        ledger: Where the account's slots are counted.
        url: The service's origin.
        asked_for: The drafts that a caller asks for now.
        idle_since: Since when each slot has stood free that a draft could have had.
        overdue: For how long a slot stood free, beyond what the back-off allows; at most 0 where none did.
    """

    service: CountingService
    clock: LoopClock
    chance: random.Random
    url: str
    ledger: LedgerStore = Factory(MemoryLedger)
    asked_for: set[str] = Factory(set[str])
    idle_since: list[float] = Factory(list[float])
    overdue: float = 0.0

    @property
    def now(self) -> float:
        """Epoch seconds."""
        return self.clock.now()

    @property
    def count(self) -> Count:
        """The account's, at the service."""
        return self.service.count

    @property
    def refused(self) -> list[Answered]:
        """The requests that the quota refused."""
        return self.service.refused

    async def passes(self, *, days: float = 0, hours: float = 0, seconds: float = 0) -> None:
        """Let time pass."""
        await asyncio.sleep(days * DAY + hours * HOUR + seconds)

    def client(self, *, ledger: LedgerStore | None = None, **options: Any) -> AsyncOpenTrain:
        """A client of the account, and of its ledger unless there is another way to it."""
        return AsyncOpenTrain(TOKEN, base_url=self.url, ledger=ledger or self.ledger, clock=self.clock, **options)

    async def run(self, client: AsyncOpenTrain, ids: Sequence[str], **options: Any) -> PublishReport:
        """A run of these drafts, and nothing untrue in its report."""
        self.asked_for.update(ids)
        try:
            report = await client.publish_many(
                ids, on_outcome=lambda outcome: self.asked_for.discard(outcome.job_id), **options
            )
        finally:
            self.asked_for.difference_update(ids)
        assert [outcome.job_id for outcome in report.outcomes if not self.is_true(outcome.job_id, outcome.status)] == []
        return report

    def is_true(self, job: str, status: OutcomeStatus) -> bool:
        """Whether what is said of a draft is so."""
        if status in {OutcomeStatus.PUBLISHED, OutcomeStatus.ALREADY_PUBLISHED}:
            return job in self.service.live
        if status is OutcomeStatus.PENDING:
            return job in self.service.accepted
        return status is OutcomeStatus.UNKNOWN or job not in self.service.live

    async def leave_in_doubt(self, jobs: Sequence[str], *, charged: bool, **options: Any) -> None:
        """Publish drafts of which no answer of the service comes back; they were *charged*, or it saw none of them."""
        for job in jobs:
            self.service.fates[job] = "unheard" if charged else "lost"
            # Each by a client of its own: to one, several of them would be an outage.
            async with self.client(retry=ONCE, **options) as client:
                report = await client.publish_many([job])
            assert [outcome.status for outcome in report.outcomes] == [OutcomeStatus.UNKNOWN], report.outcomes

    async def watch(self) -> None:
        """See for how long slots stand free for which drafts wait; ends where that is no campaign any more."""
        while len(self.refused) < MOST_REFUSED and self.now < BEGAN_AT + LONGEST_SCENE:
            idle = min(self.count.room_to_find(self.now), len(self.asked_for))
            del self.idle_since[idle:]
            self.idle_since += [self.now] * (idle - len(self.idle_since))
            if self.idle_since:
                allowed = back_off(self._refusals_in_a_row()) + SLACK
                self.overdue = max(self.overdue, self.now - self.idle_since[0] - allowed)
            await asyncio.sleep(LOOK_EACH)

    def _refusals_in_a_row(self) -> int:
        return len(next(reversed(list(rows(self.service.answered))), []))


def in_weather(
    scene: Callable[[Weather], Awaitable[T]], *, seed: int = 0, began_at: float = BEGAN_AT, **service: Any
) -> T:
    """Live through a scene, and give back what it does."""

    async def live_through(loop: VirtualLoop) -> T:
        clock, chance = LoopClock(loop, began_at), random.Random(seed)
        serving = CountingService(clock, random.Random(seed), **service)
        async with peer(serving) as server:
            weather = Weather(serving, clock, chance, server.url)
            watching, living = asyncio.create_task(weather.watch()), asyncio.ensure_future(scene(weather))
            await asyncio.wait({watching, living}, return_when=asyncio.FIRST_COMPLETED)
            if not living.done():
                living.cancel()
                await asyncio.wait({living})
                raise AssertionError(f"{len(weather.refused)} requests were refused in {loop.time() / HOUR:.0f} hours")
            watching.cancel()
            return await living

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        return runner.run(live_through(loop))


def kind(seed: int) -> tuple[Rule, RetryAfter]:
    """A rule, and what a refusal says beside it: nine seeds in a row have each of both."""
    return RULES[seed % 3], _SAID[(seed + seed // 3) % 3]


def drafts(count: int, name: str = "draft") -> list[str]:
    """So many drafts."""
    return [f"{name}_{number}" for number in range(count)]


def back_off(refusals: int) -> float:
    """For how long a slot that came back unannounced may stay unfound, after so many refusals in a row."""
    return min(LONGEST_BACK_OFF, HOUR * 2.0 ** max(0, refusals - 1))


def rows(answered: Sequence[Answered]) -> Iterator[list[Answered]]:
    """The refusals in a row, with no other answer of the service between; the last row may be empty."""
    row: list[Answered] = []
    for one in answered:
        if one.status == 429:
            row.append(one)
        elif one.status != 502:
            yield row
            row = []
    yield row


def most_at_once(refused: Sequence[Answered], within: float = MINUTE) -> int:
    """How many refused requests began, at the most, in any one minute."""
    return max((sum(first.at <= one.at < first.at + within for one in refused) for first in refused), default=0)


def hammering(weather: Weather) -> list[tuple[Answered, Answered]]:
    """Refusals that came within an hour of a second one in a row, with no slot of ours left meanwhile.

    Those that were in flight together are one.
    """
    leaves = [at + DAY for at in weather.count.ours]
    return [
        (before, one)
        for row in rows(weather.service.answered)
        for before, one in pairwise(_one_after_the_other(row)[1:])
        if one.at < before.until + HOUR - 1 and not any(before.at <= at <= one.at for at in leaves)
    ]


def _one_after_the_other(row: Sequence[Answered]) -> list[Answered]:
    """These, without those that began before the one ahead of them had its answer."""
    apart: list[Answered] = []
    for one in row:
        if not apart or one.at >= apart[-1].until:
            apart.append(one)
    return apart
