"""Convert a log to text and back, for stores outside the process."""

import json
from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any

from ...errors import QuotaLedgerError
from .._log import AccountLog
from .._slots import Reservation, Slot

FORMAT = 2
"""The format that is written. It counts up with each change, so that an older version refuses what it would misread."""
_READABLE = {1, FORMAT}
"""Format 1 has no accepted slots, and calls an expired doubt faded."""

_FIXED: Mapping[str | bool | None, str] = {
    value: json.dumps(value)
    for value in (
        None, False, True, "spent", "accepted", "unknown", "elsewhere", "new", "held", "expired",
        "server", "documented",
    )
}  # fmt: skip
"""The text of each field that has only a few values."""


def dump_log(log: AccountLog) -> str:
    """The log as one line of JSON in ASCII: lists rather than objects, since it is written twice a publish."""
    facts = (
        f"{log.window!r},{_number(log.limit)},{_FIXED[log.limit_source]},{log.limit_learned_at!r},"
        f"{_number(log.refused_at)},{log.seen!r},{log.ahead!r}"
    )
    jobs = ",".join([slot.written or _write(job, slot) for job, slot in log.jobs.items()])
    others = ",".join([slot.written or _write(None, slot) for slot in log.others])
    expired_doubts = ",".join([slot.written or _write(job, slot) for job, slot in log.expired_doubts.items()])
    return f"[{FORMAT},[{facts}],[{jobs}],[{others}],[{expired_doubts}]]"


def load_log(text: str | bytes) -> AccountLog:
    """Read a log that `dump_log` wrote, also that of an earlier version.

    Raises:
        QuotaLedgerError: It is not a log, or a newer version of this library wrote it.
    """
    try:
        written, *state = json.loads(text)
        if written in _READABLE:
            return _log(*state)
        is_newer = written > FORMAT
    except (ValueError, TypeError):
        is_newer = False
    what = "something that a newer version of opentrain_async wrote" if is_newer else "something that is no log"
    raise QuotaLedgerError(f"the quota ledger holds {what}")


def _number(value: float | None) -> str:
    return "null" if value is None else repr(value)


def _word(value: str | None) -> str:
    return "null" if value is None else _quoted(value)


def _write(job: str | None, slot: Slot) -> str:
    """A slot, written once however often its log is."""
    holders = "".join([_holder(who) for who in slot.holders]) if slot.holders else ""
    slot.written = (
        f"[{_word(job)},{_FIXED[slot.kind]},{slot.at!r},{_FIXED[slot.fresh]},{_word(slot.charged_by)}{holders}]"
    )
    return slot.written


def _holder(who: Reservation) -> str:
    return (
        f",[{_quoted(who.id)},{_quoted(who.job)},{_FIXED[who.before]},{_number(who.before_at)},{who.made_at!r},"
        f"{who.lease!r},{_FIXED[who.probe]}]"
    )


def _log(
    facts: list[Any], jobs: Iterable[list[Any]], others: Iterable[list[Any]], expired_doubts: Iterable[list[Any]]
) -> AccountLog:
    window, limit, limit_source, limit_learned_at, refused_at, seen, ahead = facts
    return AccountLog(
        {job: _slot(*fields) for job, *fields in jobs},
        [_slot(*fields) for _, *fields in others],
        {job: _slot(*fields) for job, *fields in expired_doubts},
        window, limit, limit_source, limit_learned_at, refused_at, seen, ahead,
    )  # fmt: skip


def _slot(kind: Any, at: float, fresh: bool, charged_by: str | None, *holders: list[Any]) -> Slot:
    return Slot(kind, at, fresh, charged_by, tuple([_reservation(*holder) for holder in holders]))


def _reservation(reservation_id: str, job: str, before: Any, *rest: Any) -> Reservation:
    return Reservation(reservation_id, job, "expired" if before == "faded" else before, *rest)
