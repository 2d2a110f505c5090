"""One account's steps on their way to Redis, and its log as Redis last had it; without I/O."""

import re
from math import inf
from typing import Any

from attrs import Factory, define

from ...errors import QuotaLedgerError
from .._log import AccountLog
from .batch import PendingStep, StepFailedError
from .redis_scripts import NONE
from .serialized import NOT_A_LOG, dump_log, load_log

_KEPT_SECONDS = 7 * 24 * 3600.0
"""How long beyond its window a log is kept that nobody writes to: what it knows of the limit is worth something."""
_VERSION = re.compile(r"[!-~]{1,100}", re.ASCII)
"""A version as it is written: without the blanks and newlines by which a script tells it from what follows."""


@define(eq=False)
class Draft:
    """What an account's first *count* steps have made of its log. Without a log, the script is only asked."""

    line: str
    version: str
    log: AccountLog | None = None
    count: int = 0


@define(eq=False)
class RedisAccount:
    """One account's steps, in their order, and its log as it was when the ledger last heard of it.

    Attributes:
        name: The account.
        steps: What waits to be run or written.
        version: The log's version in Redis; `NONE` if it has none, or none is known.
        log: The log of that version; `None` is an empty one.
        is_certain: Redis has just sent the log. Otherwise what a step makes of it is a guess until it is written.
        losses: How often others were faster since its last write.
        resume_at: When the account's next steps are run, by the event loop's time.
    """

    name: str
    steps: list[PendingStep] = Factory(list[PendingStep])
    version: str = NONE
    log: AccountLog | None = None
    is_certain: bool = False
    losses: int = 0
    resume_at: float = 0.0

    def fail(self, error: Exception, *, until: float = inf) -> None:
        """Tell the callers that have no more time after that moment why their steps did not take place."""
        for pending in self.steps:
            if pending.give_up_at <= until:
                pending.fail(error)
        self.steps = [pending for pending in self.steps if pending.give_up_at > until]

    def is_late(self, now: float) -> bool:
        """True if a caller has no more time."""
        return any(pending.give_up_at <= now for pending in self.steps)

    def draft(self, version: str, now: float) -> Draft:
        """Run the steps on the log, for the script to write. The log is forgotten until it is known to be written.

        A step may raise because the log was a guess: then it is run again on the log that stands.
        """
        known, log, is_certain = self.version, self.log or AccountLog(), self.is_certain
        # To guess that there is no log costs no more than to ask: where there is one, the answer brings it.
        self.version, self.log, self.is_certain = NONE, None, False
        try:
            for pending in self.steps:
                pending.run(log, now)
            milliseconds = int((log.allowance.window + _KEPT_SECONDS) * 1000)
            return Draft(f"{known} {version} {milliseconds} {dump_log(log)}", version, log, len(self.steps))
        except StepFailedError as failed:
            if is_certain:
                failed.pending.fail(failed.error)
                self.steps.remove(failed.pending)
        except QuotaLedgerError as error:
            if is_certain:
                self.fail(error)
        return Draft(f"{NONE} {version} 0 ", version)

    def take(self, draft: Draft, entry: Any) -> float:
        """Take in what the script says, and return after how many writes of others the account's turn comes again.

        Raises:
            QuotaLedgerError: What stands in Redis is not a log with its version.
        """
        # Of several that write to one log only one is in time. If each tried again at once, most commands would be in
        # vain, and whoever writes without a pause would always win. So the script counts who has lost: they go one
        # after another, then the one that has won; and the sooner, the more often they have lost.
        if type(entry) is int and draft.log is not None:
            self.version, self.log, self.losses = draft.version, draft.log, 0
            for pending in self.steps[: draft.count]:
                pending.answer()
            del self.steps[: draft.count]
            return max(0.0, entry)
        self.version, self.log, place = _standing(entry)
        self.losses += place > 0
        turns = max(0.0, (place - 1) / max(1, self.losses))
        self.is_certain = turns == 0
        return turns


def _standing(entry: Any) -> tuple[str, AccountLog | None, int]:
    """Return the version and the log that stand in Redis, and the caller's place among those that have lost.

    Raises:
        QuotaLedgerError: It is not a log with its version.
    """
    match entry:
        case [None, None, int() as place]:
            return NONE, None, place
        case [bytes() | str() as version, bytes() | str() as text, int() as place]:
            log = load_log(text)
            version = version.decode(errors="replace") if isinstance(version, bytes) else version
            if _VERSION.fullmatch(version) and version != NONE:
                return version, log, place
        case _:
            pass
    raise QuotaLedgerError(NOT_A_LOG)
