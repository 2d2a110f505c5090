"""Convert a log to text and back, for stores outside the process."""

import json
from collections.abc import Container, Mapping
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, get_args

from ..._base.clock import LATEST
from ..._base.found_file import MIB
from ..._base.text import shown
from ...errors import QuotaLedgerError
from ...errors._checks import is_job_id
from .._log import AccountLog
from .._slots import HIGHEST_LIMIT, LONGEST_LEASE, LONGEST_WINDOW, SHORTEST_WINDOW, Before, Reservation, Slot

FORMAT = 2
"""The format that is written. It counts up with each change, so that an older version refuses what it would misread."""
_READABLE = {1, FORMAT}
"""Format 1 has no accepted slots, and calls an expired doubt faded."""
LONGEST_LOG = 2 * MIB
"""Characters of a log: room for the slots of the highest limit, and as many again."""
NOT_A_LOG = (
    "the quota ledger holds something that is not a log. Remove it: the service's next refusal teaches the ledger anew"
)
"""The message of the error for anything else in a log's place."""

_FIXED: Mapping[str | bool | None, str] = {
    value: json.dumps(value)
    for value in (
        None, False, True, "spent", "accepted", "unknown", "elsewhere", "new", "held", "expired",
        "server", "documented",
    )
}  # fmt: skip
"""The text of each field that has only a few values."""


def dump_log(log: AccountLog) -> str:
    """Return the log as one line of JSON in ASCII: lists rather than objects, since it is written twice a publish.

    Raises:
        QuotaLedgerError: It could not be read again: it is too long, or a job's id is not valid.
    """
    facts = (
        f"{log.window!r},{_number(log.limit)},{_FIXED[log.limit_source]},{log.limit_learned_at!r},"
        f"{_number(log.refused_at)},{log.seen!r},{log.ahead!r}"
    )
    jobs = ",".join([slot.written or _write(job, slot) for job, slot in log.jobs.items()])
    others = ",".join([slot.written or _write(None, slot) for slot in log.others])
    expired_doubts = ",".join([slot.written or _write(job, slot) for job, slot in log.expired_doubts.items()])
    text = f"[{FORMAT},[{facts}],[{jobs}],[{others}],[{expired_doubts}]]"
    if len(text) > LONGEST_LOG:
        raise QuotaLedgerError(f"the log of an account is longer than {LONGEST_LOG // MIB} MiB")
    return text


def load_log(text: str | bytes) -> AccountLog:
    """Read a log that `dump_log` wrote, also that of an earlier version.

    Every value is checked: another program may have written it.

    Raises:
        QuotaLedgerError: It is not a log, or a newer version of this library wrote it.
    """
    written: object = None
    try:
        if len(text) <= LONGEST_LOG:
            written, *state = json.loads(text if isinstance(text, str) else text.decode())
            if written in _READABLE and type(written) is int:
                return _log(*state)
    except (ValueError, TypeError, LookupError, RecursionError):
        pass
    if type(written) is int and written > FORMAT:
        raise QuotaLedgerError(
            "the quota ledger holds something that a newer version of opentrain_async wrote: upgrade this one"
        )
    raise QuotaLedgerError(NOT_A_LOG)


def _number(value: float | None) -> str:
    return "null" if value is None else repr(value)


def _word(value: str | None) -> str:
    return "null" if value is None else _quoted(value)


def _write(job: str | None, slot: Slot) -> str:
    """A slot, written once however often its log is."""
    if job is not None and not _is_known_job_id(job):
        raise QuotaLedgerError(f"not a job id, so nothing is counted for it: {shown(job)}")
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


_EARLIEST, _LATEST = -LONGEST_WINDOW, LATEST.timestamp()
"""The bounds of a date, in epoch seconds. A clock that begins at 0 dates what was used elsewhere up to a window ago."""
_LONGEST_ID = 256
"""Characters of a reservation's id."""
_SOURCES = {None, "server", "documented"}
_KINDS_OF_JOBS = {None, "spent", "accepted", "unknown"}
_KINDS_OF_OTHERS = {"spent", "accepted", "elsewhere"}
_KINDS_OF_EXPIRED = {"accepted", "unknown"}
_BEFORE: Mapping[object, Before] = {**{word: word for word in get_args(Before)}, "faded": "expired"}
_is_known_job_id = lru_cache(maxsize=4096)(is_job_id)
"""The jobs of a log that several processes share are the same each time that it is read."""


def _log(facts: list[Any], jobs: list[Any], others: list[Any], expired_doubts: list[Any]) -> AccountLog:
    """Make a log of what JSON says.

    Raises:
        ValueError: A value is not valid. (A `TypeError` or a `LookupError` says the same.)
    """
    window, limit, limit_source, limit_learned_at, refused_at, seen, ahead = facts
    if not (
        type(facts) is list
        and _is_number(seen, _LATEST)
        and _is_number(limit_learned_at, seen)
        and (refused_at is None or _is_number(refused_at, seen))
        and _is_number(ahead, seen - _EARLIEST)
        and ahead >= 0
        and _is_number(window, LONGEST_WINDOW)
        and window >= SHORTEST_WINDOW
        and limit_source in _SOURCES
        and (limit is None or (type(limit) is int and 0 < limit <= HIGHEST_LIMIT))
    ):
        raise ValueError
    return AccountLog(
        _by_job(_slots(jobs, _KINDS_OF_JOBS, seen)),
        [] if others == [] else _without_job(_slots(others, _KINDS_OF_OTHERS, seen)),
        {} if expired_doubts == [] else _by_job(_slots(expired_doubts, _KINDS_OF_EXPIRED, seen)),
        window, limit, limit_source, limit_learned_at, refused_at, seen, ahead,
    )  # fmt: skip


def _slots(rows: list[Any], kinds: Container[object], seen: float) -> list[tuple[Any, Slot]]:
    """Make the slots, each after its job, which is not checked yet."""
    if type(rows) is not list:
        raise ValueError
    slots: list[tuple[Any, Slot]] = []
    for job, kind, at, fresh, charged_by, *holders in rows:
        if not (
            kind in kinds
            and _is_number(at, seen)
            and type(fresh) is bool
            and (charged_by is None or (type(charged_by) is str and len(charged_by) <= _LONGEST_ID))
        ):
            raise ValueError
        at_work = tuple([_reservation(job, seen, *holder) for holder in holders]) if holders else ()
        slots.append((job, Slot(kind, at, fresh, charged_by, at_work)))
    return slots


def _reservation(
    of: object, seen: float, reservation_id: Any, job: Any, before: Any, before_at: Any, made_at: Any, lease: Any,
    probe: Any,
) -> Reservation:  # fmt: skip
    if not (
        type(reservation_id) is str
        and len(reservation_id) <= _LONGEST_ID
        and job == of
        and (before_at is None or _is_number(before_at, seen))
        and _is_number(made_at, seen)
        and _is_number(lease, _LATEST)
        and lease > 0
        and type(probe) is bool
    ):
        raise ValueError
    return Reservation(reservation_id, job, _BEFORE[before], before_at, made_at, min(lease, LONGEST_LEASE), probe)


def _by_job(slots: list[tuple[Any, Slot]]) -> dict[str, Slot]:
    found = dict(slots)
    # One charge of a job that is there twice would not count.
    if len(found) < len(slots) or not all(map(_is_known_job_id, found)):
        raise ValueError
    return found


def _without_job(slots: list[tuple[Any, Slot]]) -> list[Slot]:
    if any(job is not None or slot.holders for job, slot in slots):
        raise ValueError
    return [slot for _, slot in slots]


def _is_number(value: Any, latest: float) -> bool:
    """True for a number that can be a date, or so many seconds. JSON's true, NaN and Infinity are not numbers here."""
    return (type(value) is float or type(value) is int) and _EARLIEST <= value <= latest
