"""A service that counts publishes by a rule of its own, and remembers whom it refused and when."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

from attrs import Factory, define, field, frozen

from opentrain_async.sandbox import SandboxClock

from .peers import Call, answer, envelope, job_of, live

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0

Rule = Literal["rolling", "calendar", "from first"]
"""Which publishes count: those of the last 24 hours, of the day in UTC, or of the 24 hours that the first one began."""
RULES: Sequence[Rule] = get_args(Rule)
RetryAfter = Literal["none", "a minute", "until a slot", "until midnight", "nonsense"]
"""What stands beside the quota's 429."""
Fate = Literal["lost", "unheard"]
"""A request that a gateway answers by itself: the service never sees it, or its own answer goes no further."""


@define(eq=False)
class Count:
    """The charges of an account, and how they count.

    Attributes:
        rule: Which of them count.
        limit: How many may.
        ours: When a request of ours was charged, in order.
        website: When a publish on the website was.
    """

    rule: Rule = "rolling"
    limit: int = 20
    ours: list[float] = Factory(list[float])
    website: list[float] = Factory(list[float])

    def room(self, now: float) -> int:
        """How many publishes the service accepts now."""
        return max(0, self.limit - len(self._counted(now)))

    def room_to_find(self, now: float) -> int:
        """How many of them a client can find, that counts its own publishes for 24 hours as it has to."""
        return max(0, min(self.room(now), self.limit - sum(now < at + DAY for at in self.ours)))

    def frees_at(self, now: float) -> float:
        """When there is room again, if nothing else is published."""
        counted = self._counted(now)
        if len(counted) < self.limit:
            return now
        if self.rule == "calendar":
            return _midnight(now) + DAY
        return counted[len(counted) - self.limit if self.rule == "rolling" else 0] + DAY

    def _counted(self, now: float) -> list[float]:
        charges = sorted([*self.ours, *self.website])
        if self.rule == "from first":
            return _of_the_day_begun_by_the_first(charges, now)
        return [at for at in charges if (now < at + DAY if self.rule == "rolling" else at >= _midnight(now))]


def _midnight(now: float) -> float:
    return now // DAY * DAY


def _of_the_day_begun_by_the_first(charges: Sequence[float], now: float) -> list[float]:
    counted: list[float] = []
    for at in charges:
        if counted and at >= counted[0] + DAY:
            counted = []
        counted.append(at)
    return counted if counted and now < counted[0] + DAY else []


@frozen
class Answered:
    """A request that was answered, by the service or a gateway: the draft, from when until when, and the status."""

    job: str
    at: float
    until: float
    status: int


@define(eq=False)
class CountingService:
    """Publishes drafts while its count has room, and answers each request after a while of its own.

    Attributes:
        clock: Its time.
        chance: How long it takes.
        count: The account's.
        details: What its 429 says to programs, of that count.
        retry_after: What its 429 says beside that.
        quota_first: Whether it looks at the quota before it looks at the draft.
        moderated: Drafts that it accepts, to put them live another day.
        absent: Drafts that it does not know.
        slow: Seconds that it takes for these drafts besides.
        live: When each draft went live.
        accepted: Drafts that it has accepted.
        fates: The next request of each of these drafts ends so.
        answered: All requests, in the order of their answers.
    """

    clock: SandboxClock
    chance: random.Random
    count: Count = Factory(Count)
    details: Callable[[Count], Mapping[str, object]] = field(default=lambda count: named(count))
    retry_after: RetryAfter = "none"
    quota_first: bool = False
    moderated: set[str] = Factory(set[str])
    absent: set[str] = Factory(set[str])
    slow: dict[str, float] = Factory(dict[str, float])
    live: dict[str, float] = Factory(dict[str, float])
    accepted: set[str] = Factory(set[str])
    fates: dict[str, Fate] = Factory(dict[str, Fate])
    answered: list[Answered] = Factory(list[Answered])

    @property
    def now(self) -> float:
        """Epoch seconds."""
        return self.clock.now()

    @property
    def refused(self) -> list[Answered]:
        """The requests that the quota refused."""
        return [one for one in self.answered if one.status == 429]

    def use_on_the_website(self, count: int) -> None:
        """Publish so many by other means, or as many as there is room for."""
        self.count.website += [self.now] * min(count, self.count.room(self.now))

    def take_down(self, *jobs: str) -> None:
        """Moderation makes drafts of these again; what they were charged stays."""
        for job in jobs:
            del self.live[job]

    async def __call__(self, call: Call) -> None:
        """Answer a request."""
        job, at = job_of(call), self.now
        await asyncio.sleep(self.chance.uniform(0.02, 0.2) + self.slow.get(job, 0.0))
        fate = self.fates.pop(job, None)
        status, body, headers = 502, dict[str, object](), ""
        if fate != "lost":
            status, body, headers = self._decide(job)
        if fate is not None:
            status, body, headers = 502, {}, ""
        await asyncio.sleep(self.chance.uniform(0.02, 0.2))
        self.answered.append(Answered(job, at, self.now, status))
        call.writer.write(answer(body, status=f"{status} Told", headers=headers))

    def _decide(self, job: str) -> tuple[int, dict[str, object], str]:
        if job in self.absent:
            return 404, envelope("No such job.", code="NOT_FOUND"), ""
        has_room = self.count.room(self.now) > 0
        if self.quota_first and not has_room:
            return self._refusal()
        if job in self.live or job in self.accepted:
            return 200, self._accepting(job, already=job in self.live), ""
        if not has_room:
            return self._refusal()
        self.count.ours.append(self.now)
        if job in self.moderated:
            self.accepted.add(job)
        else:
            self.live[job] = self.now
        return 200, self._accepting(job, already=False), ""

    def _accepting(self, job: str, *, already: bool) -> dict[str, object]:
        return live(job, already=already) | ({"status": "PENDING_APPROVAL"} if job in self.accepted else {})

    def _refusal(self) -> tuple[int, dict[str, object], str]:
        said = {
            "none": "",
            "a minute": "60",
            "until a slot": str(int(self.count.frees_at(self.now) - self.now) + 1),
            "until midnight": str(int(_midnight(self.now) + DAY - self.now) + 1),
            "nonsense": "soon",
        }[self.retry_after]
        body = envelope("The daily publish limit is reached.", code="RATE_LIMITED", details=self.details(self.count))
        return 429, body, f"Retry-After: {said}\r\n" if said else ""


def named(count: Count) -> Mapping[str, object]:
    """Details that name the limit."""
    return {"limit": count.limit, "windowHours": 24}


def unnamed(_count: Count) -> Mapping[str, object]:
    """Details that do not."""
    return {"windowHours": 24}
