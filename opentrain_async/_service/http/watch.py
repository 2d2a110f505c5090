"""The clock of one attempt."""

import asyncio
import math
from contextvars import ContextVar
from types import TracebackType
from typing import Self, cast

from ..._base.alarm import Alarm

_AGAIN_SECONDS = 1.0
"""After so many seconds an attempt that goes on, as in a hook that swallowed the cancellation, is cancelled again."""


class AttemptWatch:
    """Ends an attempt in time: when time is up, it cancels the attempt's task, as `asyncio.timeout` does.

    Enter it in the attempt's task. An attempt first connects and then sends, and each phase has its own bound.

    Args:
        alarm: Rings when time is up.
        connecting: Seconds until `begin`.
        sending: Seconds from `begin` on.
        total: Seconds for both phases together.
        wants_fresh: True if the attempt must not use a kept connection.

    Attributes:
        has_begun: True once the attempt has its connection: from then on something may have been sent.
        has_made_one: True if a connection was made for the attempt since it last asked for one.
        wants_fresh: True if the attempt must not use a kept connection.
    """

    __slots__ = (
        "_alarm", "_cancellations", "_connecting", "_ends_at", "_rings", "_sending", "_task", "_total",
        "has_begun", "has_made_one", "wants_fresh",
    )  # fmt: skip

    _task: asyncio.Task[object]

    def __init__(
        self,
        alarm: Alarm,
        *,
        connecting: float,
        sending: float = 0.0,
        total: float = math.inf,
        wants_fresh: bool = False,
    ) -> None:
        self._rings = 0
        self.has_begun = False
        self.has_made_one = False
        self.wants_fresh = wants_fresh
        self._alarm = alarm
        self._connecting = connecting
        self._sending = sending
        self._total = total

    def __enter__(self) -> Self:
        self._task = cast("asyncio.Task[object]", asyncio.current_task())
        self._cancellations = self._task.cancelling()
        self._ends_at = self._alarm.time() + self._total
        self._alarm.set(self, min(self._connecting, self._total))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Turn the watch's own cancellation into a `TimeoutError`.

        Raises:
            TimeoutError: Time was up.
        """
        self._alarm.unset(self)
        for _ in range(self._rings):
            self._task.uncancel()
        # With more cancellations left than there were before, the task was cancelled from outside as well.
        is_ours_alone = self._task.cancelling() <= self._cancellations
        if self.is_overdue and is_ours_alone and isinstance(error, asyncio.CancelledError):
            raise TimeoutError("time is up") from error

    @property
    def is_overdue(self) -> bool:
        """True once time was up."""
        return self._rings > 0

    def begin(self) -> None:
        """Start the time for sending: the attempt has its connection."""
        self.wants_fresh = True  # aiohttp repeats a GET by itself after a loss: not over a kept connection
        if not self.has_begun:
            self.has_begun = True
            self._alarm.set(self, min(self._sending, self._ends_at - self._alarm.time()))

    def ring(self) -> None:
        """Cancel the attempt: its time is up."""
        self._rings += 1
        self._task.cancel()
        self._alarm.set(self, _AGAIN_SECONDS)


current_watch: ContextVar[AttemptWatch] = ContextVar("current_watch")
"""The watch over the attempt that is made in this context."""
