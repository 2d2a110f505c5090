"""The account, those who publish for it, and what befalls them and the service.

The same seed gives the same drafts, weather, kills and publishes elsewhere, at the same times. What comes of them
differs a little each time: threads write the ledger's file and the journals, which of two is first at one instant of
virtual time is for the system to say, and the library's own jitter is not of the seed. So figures come out much alike,
and not the same; and a fault that was seen once may take several runs, or another seed, to be seen again.
"""

import asyncio
import math
import random
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from _virtual import LoopClock, VirtualLoop
from attrs import define, frozen

from opentrain_async import AsyncOpenTrain
from opentrain_async.sandbox import Fault, Sandbox
from opentrain_async.sandbox._model.state import LIMITS

from .audit import LOOK_EACH, Audit
from .day import DAY, HOUR
from .gateway import Gateway
from .process import Bot, Campaign, Process, Surroundings

MINUTE = 60.0
BEGAN_AT = 1_793_491_200.0
"""1 November 2026, midnight UTC."""
UNCLAIMED, CLAIMED = 3, 20
DRAIN_DAYS = 20
"""For how many days after the last draft came the processes may still work on those that are left."""


@frozen
class Story:
    """What is to happen.

    Attributes:
        days: For how long drafts come.
        seed: Of all that is left to chance.
        elsewhere: Publishes by other means, on average, on a day of the claimed account; 0 is nobody else.
        arrivals: Drafts a day, before and after the claim, as shares of what the account may publish.
        kills_each: Hours between two processes being killed.
        outages_each: Hours between two outages or times of throttling.
        website: The share of days on which the website uses up a part of what is left, or all of it.
        gateway: Whether a gateway says Retry-After beside the quota's refusals, and what it likes.
        raised_to: What the plan of the account is raised to when two thirds of the days are over; `None`: it is not.
            The processes are told so from the beginning.
    """

    days: int = 60
    seed: int = 0
    elsewhere: float = 0.0
    arrivals: float = 0.97
    kills_each: float = 8.0
    outages_each: float = 40.0
    website: float = 0.0
    gateway: bool = False
    raised_to: int | None = None


def weather(days: int, seed: int, **more: float) -> Story:
    """The story in which others use up the day, gateways say what they like, and the plan is raised."""
    return Story(days, seed, arrivals=0.6, website=0.4, gateway=True, raised_to=50, **more)


@define(eq=False)
class World:
    """An account's life while it is lived."""

    story: Story
    sandbox: Sandbox
    audit: Audit
    around: Surroundings
    processes: list[Process]
    claim_token: str
    is_well: bool = True

    @property
    def waiting(self) -> int:
        """How many drafts wait just now."""
        return sum(process.waiting for process in self.processes)

    async def live(self) -> None:
        """From the first day to the last draft."""
        befalling = [
            self._be_looked_at(),
            self._be_claimed(),
            self._publish_elsewhere(),
            self._use_the_website(),
            self._be_raised(),
            self._have_bad_weather(),
            self._be_killed(),
            *(process.run(_pauses(self._chance(process.name))) for process in self.processes),
        ]
        async with asyncio.TaskGroup() as group:
            meanwhile = [group.create_task(what) for what in befalling]
            await self._drafts_come()
            for task in meanwhile:
                task.cancel()

    async def _drafts_come(self) -> None:
        """At any time of the day, to any process; then until all are done."""
        chance = self._chance("drafts")
        for _ in range(self.story.days):
            expected = self.story.arrivals * self.audit.limit
            times = sorted(chance.uniform(0, DAY) for _ in range(_about(expected, chance)))
            for earlier, later in zip([0.0, *times], [*times, DAY], strict=True):
                await asyncio.sleep(later - earlier)
                if later < DAY:
                    self._draft_comes(chance)
        for _ in range(DRAIN_DAYS * 24):
            if not any(process.to_do for process in self.processes):
                return
            await asyncio.sleep(HOUR)

    def _draft_comes(self, chance: random.Random) -> None:
        kind = chance.random()
        job_id = self.sandbox.draft(
            missing=["experienceLevel"] if kind < 0.03 else (), blocked=0.03 <= kind < 0.05, token=self.around.token
        )
        if chance.random() < 0.15:
            fault = chance.choice([Fault.RESET, Fault.CLOSE, Fault.STALL, Fault.HTML, Fault.TRUNCATED, Fault.DRIP])
            self.sandbox.fault(fault, job_id=job_id, published=chance.random() < 0.5)
        self.audit.given(job_id, is_good=kind >= 0.05)
        chance.choice(self.processes).give(job_id)

    async def _be_looked_at(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EACH)
            self.audit.look(self.waiting, is_well=self.is_well)

    async def _be_claimed(self) -> None:
        """In the middle of it all a person claims the account: all tokens are revoked, and there is another one."""
        await asyncio.sleep(self.story.days / 2 * DAY + 9 * HOUR)
        ledger = self.around.ledger_of_a_process()
        client = AsyncOpenTrain(
            self.around.token, base_url=self.around.url, clock=self.around.clock, claim_token=self.claim_token,
            account="auto", ledger=ledger, daily_limit=self.around.daily_limit,
        )  # fmt: skip
        async with client:
            await client.start_claim("owner@example.com")
            self.sandbox.approve_claim()
            self.around.token = (await client.wait_for_claim()).access_token.reveal()
            self.audit.claimed(CLAIMED)
            await client.quota()
        await ledger.close()

    async def _publish_elsewhere(self) -> None:
        chance = self._chance("elsewhere")
        while self.story.elsewhere:
            await _at_times(DAY / self.story.elsewhere * CLAIMED / self.audit.limit, chance)
            if self.audit.record.free(self.audit.limit) > 0:
                self.sandbox.publish_elsewhere(token=self.around.token)
                self.audit.published_elsewhere()

    async def _use_the_website(self) -> None:
        """On some days, at any time, somebody publishes a part of what is left of the day at once, or all of it."""
        chance = self._chance("website")
        while self.story.website:
            at = chance.uniform(0, DAY)
            await asyncio.sleep(at)
            if chance.random() < self.story.website:
                wanted = self.audit.limit if chance.random() < 0.5 else chance.randint(1, self.audit.limit)
                for _ in range(min(wanted, self.audit.record.free(self.audit.limit))):
                    self.sandbox.publish_elsewhere(token=self.around.token)
                    self.audit.published_elsewhere()
            await asyncio.sleep(DAY - at)

    async def _be_raised(self) -> None:
        """The account's plan is raised, of which the server says nothing until it refuses."""
        if self.story.raised_to is not None:
            await asyncio.sleep(self.story.days * 2 / 3 * DAY + 12 * HOUR)
            LIMITS[True] = self.story.raised_to
            self.audit.raised(self.story.raised_to)

    async def _have_bad_weather(self) -> None:
        """The service is down, or says that there is too much traffic; drafts may have gone live nevertheless."""
        chance = self._chance("weather")
        while True:
            await _at_times(self.story.outages_each * HOUR, chance)
            if chance.random() < 0.5:
                wait = chance.choice(["1", "20", "300"])
                self.sandbox.fault(Fault.STATUS, times=10**9, status=429, retry_after=wait)
                minutes = chance.uniform(1, 30)
            else:
                kind = chance.choice([Fault.STATUS, Fault.RESET, Fault.CLOSE, Fault.STALL])
                self.sandbox.fault(kind, times=10**9, published=chance.random() < 0.3)
                minutes = chance.uniform(5, 240)
            self.is_well = False
            await asyncio.sleep(minutes * MINUTE)
            self.sandbox.recover()
            self.is_well = True

    async def _be_killed(self) -> None:
        """At any time, or just when a publish is under way."""
        chance = self._chance("kills")
        while True:
            await _at_times(self.story.kills_each * HOUR, chance)
            victim = chance.choice(self.processes)
            if chance.random() < 0.7:
                victim.kill_when_it_sends(chance.randrange(60))
            else:
                victim.kill()

    def _chance(self, of: str) -> random.Random:
        """What is left to chance, for each by itself: so it is the same each time, whoever is faster."""
        return random.Random(f"{self.story.seed} {of}")


def _pauses(chance: random.Random) -> Callable[[], float]:
    """How long a process that was killed stays dead, each time."""
    return lambda: chance.uniform(1, 120) * MINUTE


async def _at_times(mean: float, chance: random.Random) -> None:
    """Wait, so long on average, for what may happen at any time."""
    await asyncio.sleep(chance.expovariate(1 / mean))


def _about(expected: float, chance: random.Random) -> int:
    """A number as of what comes by chance, so many on average: Poisson's, by Knuth."""
    bound, product, number = math.exp(-expected), chance.random(), 0
    while product > bound:
        product *= chance.random()
        number += 1
    return number


def live_through(story: Story) -> Audit:
    """Let it happen, and tell what was seen."""
    with tempfile.TemporaryDirectory() as directory, asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        return runner.run(_live_through(story, Path(directory), loop))


async def _live_through(story: Story, directory: Path, loop: VirtualLoop) -> Audit:
    clock = LoopClock(loop, BEGAN_AT)
    sandbox = Sandbox(claimable_for=story.days * DAY)
    sandbox.clock = clock
    with limits_of_their_own():
        async with sandbox, origin_of(sandbox, story, clock) as url:
            return await _live_at(url, sandbox, story, directory, loop, clock)


@contextmanager
def limits_of_their_own() -> Iterator[None]:
    """The sandbox knows no plans but these two: what is changed about them is undone afterwards."""
    before = dict(LIMITS)
    try:
        yield
    finally:
        LIMITS.update(before)


@asynccontextmanager
async def origin_of(sandbox: Sandbox, story: Story, clock: LoopClock) -> AsyncIterator[str]:
    """Where the processes reach the service."""
    if not story.gateway:
        yield sandbox.url
        return
    port = int(sandbox.url.rpartition(":")[2])
    async with Gateway(port, clock, random.Random(f"{story.seed} gateway")).running() as url:
        yield url


async def _live_at(
    url: str, sandbox: Sandbox, story: Story, directory: Path, loop: VirtualLoop, clock: LoopClock
) -> Audit:
    made = await AsyncOpenTrain.register(base_url=sandbox.url, save=False, clock=clock)
    audit = Audit.of(sandbox, made.access_token.reveal(), UNCLAIMED)
    around = Surroundings(
        url, made.access_token.reveal(), directory / "quota.sqlite3", loop, clock, audit, story.raised_to
    )
    processes: list[Process] = [
        *(Bot(f"bot{number}", around, max_wait=wait) for number, wait in enumerate([0.0, 0.0, HOUR, math.inf])),
        *(Campaign(f"campaign{n}", around, max_wait=wait) for n, wait in enumerate([0.0, 0.0, 6 * HOUR, math.inf])),
    ]
    world = World(story, sandbox, audit, around, processes, made.claim_token.reveal())
    await world.live()
    audit.close()
    return audit
