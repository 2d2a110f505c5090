"""What a quota ledger is kept in."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from ._log import AccountLog

T = TypeVar("T")


class LedgerStore(Protocol):
    """Keeps one `AccountLog` an account and runs steps on them.

    `MemoryLedger` is one. Another storage needs this one method: the rule itself is in the log.
    """

    async def run(self, account: str, step: Callable[[AccountLog, float], T], now: float) -> T:
        """Run *step* on the account's log, atomically among everyone who shares the storage, and keep the log.

        Once begun, a step is carried through although the task that awaits it is cancelled. A store that has to
        begin again because somebody else was faster runs the step again, on a fresh copy of the log.

        Args:
            account: The account's key: a name or a fingerprint, never a token.
            step: Takes the log and the time, changes the log, and returns what the caller gets.
            now: The caller's wall clock in epoch seconds; a store with a clock of its own gives the step that.

        Returns:
            What the step returned.
        """
        ...
