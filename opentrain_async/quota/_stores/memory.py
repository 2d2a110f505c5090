"""The ledger of one process, in memory."""

from typing import TypeVar

from .._log import AccountLog
from .protocol import Step

T = TypeVar("T")


class MemoryLedger:
    """A quota ledger that lives as long as the object, for one process.

    Clients that share the object share the quota of the accounts they have in common. At a restart it starts
    from nothing: then the first refusal by the server teaches it what was used before.
    """

    def __init__(self) -> None:
        self._logs: dict[str, AccountLog] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    async def run(self, account: str, step: Step[T], now: float) -> T:
        """Run *step* on the account's log."""
        return step(self.log_of(account), now)

    def log_of(self, account: str) -> AccountLog:
        """The account's log itself. As long as nothing is awaited, steps on it are atomic within one event loop."""
        log = self._logs.get(account)
        if log is None:
            log = self._logs[account] = AccountLog()
        return log
