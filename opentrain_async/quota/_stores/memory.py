"""The ledger of one process, in memory."""

import threading
from collections import defaultdict
from typing import TypeVar

from .._log import AccountLog
from .protocol import Step

T = TypeVar("T")


class MemoryLedger:
    """A quota ledger that lives as long as the object, for one process and all its threads.

    Clients that share the object share the quota of the accounts they have in common. At a restart it starts
    from nothing: then the first refusal by the server teaches it what was used before.
    """

    def __init__(self) -> None:
        self._logs: defaultdict[str, AccountLog] = defaultdict(AccountLog)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    async def run(self, account: str, step: Step[T], now: float) -> T:
        """Run *step* on the account's log, at once."""
        with self._lock:
            return step(self._logs[account], now)
