"""The quota as a value to look at."""

from datetime import datetime
from typing import Literal

from attrs import frozen

from .._clock import instant


@frozen
class QuotaSnapshot:
    """An account's publish quota at one moment, as the ledger knows it. Reading it sends nothing.

    Attributes:
        limit: Publishes per window; `None` while it is unknown.
        used: Slots in the window: publishes that were charged, that are under way, and that are in doubt.
        remaining: How many more may go now; `None` while the limit is unknown.
        next_slot_at: When the oldest slot leaves the window; `None` when there is none.
        doubtful: How many of *used* may turn out not to have been charged.
        limit_source: Where the limit comes from: ``"configured"`` (`daily_limit`), ``"server"`` (it said so when
            it refused), ``"documented"`` (inferred: more was accepted than an unclaimed account has), or `None`.
        limit_learned_at: When it was learned; `None` where it is unknown or configured.
    """

    limit: int | None
    used: int
    remaining: int | None
    next_slot_at: datetime | None
    doubtful: int = 0
    limit_source: Literal["configured", "server", "documented"] | None = None
    limit_learned_at: datetime | None = None

    @classmethod
    def of(
        cls,
        *,
        limit: int | None,
        used: int,
        doubtful: int,
        next_slot_at: float | None,
        limit_source: Literal["configured", "server", "documented"] | None,
        limit_learned_at: float | None,
    ) -> "QuotaSnapshot":
        """The snapshot of a log, whose times are epoch seconds."""
        return cls(
            limit=limit,
            used=used,
            remaining=None if limit is None else max(0, limit - used),
            next_slot_at=None if next_slot_at is None else instant(next_slot_at),
            doubtful=doubtful,
            limit_source=limit_source,
            limit_learned_at=None if limit_learned_at is None else instant(limit_learned_at),
        )
