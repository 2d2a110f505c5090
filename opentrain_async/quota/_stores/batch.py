"""Steps that wait for a store, and how their callers are answered."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from math import inf
from typing import Any

from attrs import define

from .._log import AccountLog
from .protocol import Step


class StepFailedError(Exception):
    """A step raised, which is its caller's affair and no fault of the storage. It does not leave the store.

    Args:
        pending: Whose step it was.
        error: What it raised.
    """

    def __init__(self, pending: "PendingStep", error: Exception) -> None:
        super().__init__()
        self.pending = pending
        self.error = error


class RedisError(Exception):
    """A plain copy of what redis-py raised, type name and text: the frames of the original show logins."""


class RedisAwayError(RedisError):
    """One of a connection, which may work again in a moment."""


@define(eq=False)
class PendingStep:
    """One step that somebody waits for, and what came of it.

    The future is what its caller awaits. A caller that leaves cancels it, and the step is carried through all the
    same.
    """

    account: str
    step: Step[Any]
    now: float
    future: "asyncio.Future[Any]"
    give_up_at: float = inf
    """When its caller has no more time, by the event loop's; a store that has such a bound sets it."""
    result: Any = None
    error: Exception | None = None

    @classmethod
    def begin(cls, account: str, step: Step[Any], now: float) -> "PendingStep":
        """One of the running event loop."""
        return cls(account, step, now, asyncio.get_running_loop().create_future())

    def run(self, log: AccountLog, now: float) -> None:
        """Run the step, and keep what it returns.

        Raises:
            StepFailedError: It raised.
        """
        try:
            self.result = self.step(log, now)
        except Exception as error:
            raise StepFailedError(self, error) from error

    def answer(self) -> None:
        """Tell the caller what the step returned, or why it did not take place, if it still waits."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)

    def fail(self, error: Exception) -> None:
        """Tell the caller that the step did not take place, or that nobody knows."""
        self.error = error
        self.answer()


def by_account(steps: Iterable[PendingStep]) -> dict[str, list[PendingStep]]:
    """The steps of each account, in their order."""
    sorted_out: defaultdict[str, list[PendingStep]] = defaultdict(list)
    for pending in steps:
        sorted_out[pending.account].append(pending)
    return dict(sorted_out)
