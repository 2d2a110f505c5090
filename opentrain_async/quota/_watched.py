"""Steps after which a listener is told what they have made of the quota."""

from collections.abc import Callable

from .._base.clock import Clock
from ._events import QuotaCounted
from ._log import AccountLog
from ._snapshot import QuotaSnapshot
from ._steps import Steps, T
from ._stores.protocol import LedgerStore, Step

_AGAIN_SECONDS = 60.0
"""After which the same count is told once more: another client may have told the same listener another one since."""


class WatchedSteps(Steps):
    """Runs steps as `Steps` does, and looks at the quota with each.

    Args:
        store: Where the log is kept.
        account: The account's key in it.
        clock: Where the time comes from, unless the store has its own.
        on_settled: Called when what was put off may have been done.
        tell: Tells the listener.
        cap: The limit that the caller was told, or `None`.
    """

    def __init__(
        self,
        store: LedgerStore,
        account: str,
        clock: Clock,
        on_settled: Callable[[], None],
        tell: Callable[[object], None],
        cap: int | None,
    ) -> None:
        super().__init__(store, account, clock, on_settled)
        self._tell = tell
        self._cap = cap
        self._told: tuple[object, ...] = ()
        self._told_at = 0.0

    async def run(self, step: Step[T], seconds: float | None = None) -> T:
        """Run a step, and tell what the quota is now, if it is not what was told a moment ago."""
        account = self.account  # when the store has answered, it may go by another name

        def looking(log: AccountLog, now: float) -> tuple[T, QuotaSnapshot]:
            # Told of out there: a store may run this in a thread of its own.
            return step(log, now), log.snapshot(now, self._cap)

        result, quota = await super().run(looking, seconds)
        self._tell_if_changed(account, quota)
        return result

    def look(self) -> None:
        """The same, for a step that was taken on the log itself."""
        if self.log is not None:
            self._tell_if_changed(self.account, self.log.snapshot(self._clock.now(), self._cap))

    def _tell_if_changed(self, account: str, quota: QuotaSnapshot) -> None:
        counted = (account, quota.limit, quota.limit_source, quota.used, quota.doubtful)
        now = self._clock.monotonic()
        if counted != self._told or now - self._told_at >= _AGAIN_SECONDS:
            self._told, self._told_at = counted, now
            self._tell(QuotaCounted(account, quota))
