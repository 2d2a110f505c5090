"""Attempts that end as scripted."""

from collections.abc import Iterable

from opentrain_async._retry.engine import Retrier
from opentrain_async.errors import (
    OpenTrainError,
    ServerError,
)
from opentrain_async.outcomes._answer_table import is_transient

from ..support.virtual import VirtualClock


def failing() -> ServerError:
    return ServerError("no", status=503, effect="unknown")


class Trial:
    """Attempts that end as scripted, and the time at which each began."""

    def __init__(self, clock: VirtualClock, endings: Iterable[OpenTrainError | None], takes: float = 0.0) -> None:
        self.clock = clock
        self.endings = iter(endings)
        self.takes = takes
        self.began: list[float] = []
        self.left: list[float] = []

    async def attempt(self, seconds: float) -> str:
        self.began.append(self.clock.time)
        self.left.append(seconds)
        self.clock.time += self.takes
        ending = next(self.endings)
        if ending is not None:
            raise ending
        return "done"

    async def run(self, retrier: Retrier) -> str:
        return await retrier.run("job_1", self.attempt, is_transient)
