"""Count the outcomes of a run, and report its progress while it runs."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from .._base.callback import Callback
from .._base.clock import Clock, instant
from .._base.fenced_log import logger
from .._base.value import frozen
from ..errors import OpenTrainError, QuotaExceededError
from ..outcomes import OutcomeStatus, PublishOutcome, PublishProgress

OnProgress = Callable[[PublishProgress], object]

_TICK_SECONDS = 0.1
"""How often it is looked whether there is something new. Of real time, whatever the clock is: people look on."""
_SAME_TICKS = 10
"""So many ticks after the last time it is told even if nothing has changed: the rate has."""
_RATE_TICKS = 100
"""Over so many of them the rate is taken."""
_LAST_SECONDS = 1.0
"""How long the run's end waits for a callback that is still at it."""
_DAY = timedelta(days=1)


@frozen
class BlockedBy:
    """What a run waits for just now, if anything.

    Attributes:
        held_until: When the next draft is tried in an outage.
        held_by: The last failure in it.
        denial: Why there is no quota for a draft that would come next.
    """

    held_until: datetime | None = None
    held_by: OpenTrainError | None = None
    denial: QuotaExceededError | None = None


class Progress:
    """Counts what comes of a run, and tells how far it is: for the length of a block, and once more at its end.

    A callback that takes its time is told the newest state when it is ready for it, and never slows the run.

    Args:
        on_progress: Who is told.
        total: How many drafts there are, if that is known.
        blocked_by: What the run waits for.
        clock: What time it is.
    """

    def __init__(
        self,
        on_progress: OnProgress,
        total: Callable[[], int | None],
        blocked_by: Callable[[], BlockedBy],
        clock: Clock,
    ) -> None:
        self._callback = Callback("on_progress", on_progress)
        self._total = total
        self._blocked_by = blocked_by
        self._clock = clock
        self._counts = Counter[OutcomeStatus]()
        self._in_flight = 0
        self._ended = 0
        self._ticks: deque[tuple[float, int]] = deque(maxlen=_RATE_TICKS)
        self._over = asyncio.Event()
        self._ticker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._ticker = asyncio.create_task(self._report_while_running())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ticker = self._ticker
        assert ticker is not None, "a block that was entered"  # noqa: S101
        self._over.set()
        if error is not None:
            ticker.cancel()
        try:
            await asyncio.wait({ticker}, timeout=_LAST_SECONDS)
        finally:
            if ticker.cancel():
                logger.warning("on_progress has not returned; the run ends without it")
            self._callback.log_failures()

    def begun(self) -> None:
        """Count a draft in flight."""
        self._in_flight += 1

    def ended(self, outcome: PublishOutcome) -> None:
        """Count the outcome of a draft that was in flight."""
        self._in_flight -= 1
        self._ended += 1
        self._counts[outcome.status] += 1

    def left_out(self, outcome: PublishOutcome) -> None:
        """A draft had its outcome before."""
        self._counts[outcome.status] += 1

    async def _report_while_running(self) -> None:
        told, same = None, 0
        while not self._over.is_set():
            now = self._now()
            news = (now.counts, now.in_flight, now.held_until, now.waiting_until)
            same = same + 1 if news == told else 0
            if not same % _SAME_TICKS:
                told = news
                await self._callback.call_and_wait(now)
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._over.wait()
        await self._callback.call_and_wait(self._now())

    def _now(self) -> PublishProgress:
        blocked_by = self._blocked_by()
        counts = {status: self._counts[status] for status in OutcomeStatus}
        total, rate = self._total(), self._rate()
        waiting_until = None if blocked_by.denial is None else blocked_by.denial.retry_at
        left = None if total is None else total - self._counts.total()
        return PublishProgress(
            counts=counts,
            in_flight=self._in_flight,
            total=total,
            rate=rate,
            held_until=blocked_by.held_until,
            held_by=blocked_by.held_by,
            waiting_until=waiting_until,
            eta=None if left is None else self._eta(left, rate, blocked_by),
        )

    def _rate(self) -> float:
        self._ticks.append((self._clock.monotonic(), self._ended))
        (since, before), (now, ended) = self._ticks[0], self._ticks[-1]
        return (ended - before) / (now - since) if now > since else 0.0

    def _eta(self, left: int, rate: float, blocked_by: BlockedBy) -> datetime | None:
        now, denial = instant(self._clock.now()), blocked_by.denial
        if left <= 0:
            return now
        if denial is not None and denial.retry_at is not None:
            return None if denial.limit is None else _later(denial.retry_at, (left - 1) // denial.limit)
        if blocked_by.held_until is not None or not rate:
            return None
        return instant(self._clock.now() + left / rate)


def _later(at: datetime, days: int) -> datetime:
    return instant(at.timestamp() + days * _DAY.total_seconds())
