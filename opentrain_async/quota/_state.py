"""A log as text, for the stores that keep it outside the process."""

import json
from collections.abc import Iterable
from typing import Any

from ..errors import QuotaLedgerError
from ._log import AccountLog
from ._slots import Reservation, Slot

FORMAT = 1
"""Counts up whenever what is written changes, so that an older version refuses what it would misread."""

_encode = json.JSONEncoder(separators=(",", ":")).encode


def dump_log(log: AccountLog) -> str:
    """The log as one line of JSON in ASCII: lists rather than objects, since it is written twice a publish."""
    return _encode([
        FORMAT,
        [log.window, log.limit, log.limit_source, log.limit_learned_at, log.refused_at, log.seen, log.ahead],
        [[job, *_fields(slot)] for job, slot in log.jobs.items()],
        [_fields(slot) for slot in log.others],
    ])


def load_log(text: str | bytes) -> AccountLog:
    """The log that `dump_log` wrote.

    Raises:
        QuotaLedgerError: It is not one, or a newer version of this library wrote it.
    """
    try:
        written, *state = json.loads(text)
        if written == FORMAT:
            return _log(*state)
        is_newer = written > FORMAT
    except (ValueError, TypeError):
        is_newer = False
    what = "something that a newer version of opentrain_async wrote" if is_newer else "something that is no log"
    raise QuotaLedgerError(f"the quota ledger holds {what}")


def _fields(slot: Slot) -> list[object]:
    return [slot.kind, slot.at, slot.fresh, slot.charged_by, *(_holder(holder) for holder in slot.holders)]


def _holder(who: Reservation) -> list[object]:
    return [who.id, who.job, who.before, who.before_at, who.made_at, who.lease, who.probe]


def _log(facts: list[Any], jobs: Iterable[list[Any]], others: Iterable[list[Any]]) -> AccountLog:
    window, limit, limit_source, limit_learned_at, refused_at, seen, ahead = facts
    return AccountLog(
        {job: _slot(*fields) for job, *fields in jobs},
        [_slot(*fields) for fields in others],
        window, limit, limit_source, limit_learned_at, refused_at, seen, ahead,
    )  # fmt: skip


def _slot(kind: Any, at: float, fresh: bool, charged_by: str | None, *holders: list[Any]) -> Slot:
    return Slot(kind, at, fresh, charged_by, tuple([Reservation(*holder) for holder in holders]))
