"""The protocol of a store: one method that runs a step on an account's log."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from .._log import AccountLog

T = TypeVar("T")
Step = Callable[[AccountLog, float], T]
"""Takes an account's log and the time, changes the log, and returns what its caller gets."""


class LedgerStore(Protocol):
    """Keeps one `AccountLog` an account and runs steps on them.

    `MemoryLedger`, `SQLiteLedger` and `RedisLedger` are three. Another storage needs this one method: the rule itself
    is in the log. `opentrain_async.testing` shows whether it keeps the promises made here; a log that has to leave
    the process is text by `dump_log` and `load_log`.

    A store may have two attributes more: `patience`, the seconds after which a caller gives up before its draft is
    sent, and `progress`, a number that grows while steps are run, with which that time begins anew.
    """

    def run(self, account: str, step: Step[T], now: float) -> Awaitable[T]:
        """Run *step* on the account's log, atomically among everyone who shares the storage, and keep the log.

        Steps that one caller begins one after another are run in that order. Once begun, a step is carried through
        although the task that awaits it is cancelled. What a step raises is its caller's affair and nobody else's,
        and it has changed nothing by then. A store that has to begin again because somebody else was faster, or
        because it does not know whether its own write arrived, runs the step again, on a fresh copy of the log.

        Args:
            account: The account's key: a name or a fingerprint, behind an origin if that is not the service's own;
                never a token.
            step: What to run.
            now: The caller's wall clock in epoch seconds; a store with a clock of its own gives the step that.

        Returns:
            What the step returned.

        Raises:
            QuotaLedgerError: The step has not taken place. (Any other error leaves that open.)
        """
        ...
