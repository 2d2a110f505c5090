"""A read-only snapshot of an account's quota."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from attrs import field

from .._base.clock import instant
from .._base.value import frozen


@frozen
class QuotaSlot:
    """One place in the window.

    Attributes:
        job_id: The draft that takes it; `None` for one that was used elsewhere, or by a publish before the job's last.
        state: ``"held"``: its publish is in flight; ``"spent"``: the server confirmed it; ``"accepted"``: the server
            has accepted it, and it was not live yet; ``"unknown"``: it was sent and not decided, or begun by a process
            that died; ``"elsewhere"``: the server counts it, and it is not ours.
        frees_at: When it leaves the window; of one that is held at the latest.
    """

    job_id: str | None
    state: Literal["held", "spent", "accepted", "unknown", "elsewhere"]
    frees_at: datetime


@frozen
class QuotaSnapshot:
    """An account's publish quota at one moment, as the ledger knows it. Reading it sends nothing.

    Attributes:
        limit: Publishes per window; `None` while it is unknown.
        used: Slots in the window: publishes that were charged, that are in flight, or whose outcome is unknown.
        remaining: How many more may go now; `None` while the limit is unknown.
        next_slot_at: When the oldest slot leaves the window; `None` when there is none.
        doubtful: How many of *used* may turn out not to have been charged.
        limit_source: Where the limit comes from: ``"configured"`` (`daily_limit`), ``"server"`` (it said so when
            it refused), ``"documented"`` (inferred: more was accepted than an unclaimed account has), or `None`.
        limit_learned_at: When it was learned; `None` where it is unknown or configured.
        slots: The slots in the window, in the order in which they leave it.
        window: The length of the window in seconds: a day, unless the server has said otherwise.
        at: When it was taken, by the clock of the ledger.
    """

    limit: int | None
    used: int
    remaining: int | None
    next_slot_at: datetime | None
    doubtful: int = 0
    limit_source: Literal["configured", "server", "documented"] | None = None
    limit_learned_at: datetime | None = None
    slots: tuple[QuotaSlot, ...] = field(default=(), repr=lambda slots: f"<{len(slots)}>")
    window: float = 86_400.0
    at: datetime | None = None

    @classmethod
    def of(
        cls,
        *,
        limit: int | None,
        used: int,
        doubtful: int,
        limit_source: Literal["configured", "server", "documented"] | None,
        limit_learned_at: float | None,
        slots: Iterable[QuotaSlot],
        window: float,
        at: float,
    ) -> "QuotaSnapshot":
        """The snapshot of a log, whose times are epoch seconds and whose slots come in the order of their leaving."""
        shown = tuple(slots)
        return cls(
            limit=limit,
            used=used,
            remaining=None if limit is None else max(0, limit - used),
            next_slot_at=shown[0].frees_at if shown else None,
            doubtful=doubtful,
            limit_source=limit_source,
            limit_learned_at=None if limit_learned_at is None else instant(limit_learned_at),
            slots=shown,
            window=window,
            at=instant(at),
        )
