"""Convert a log to text and back, for stores outside the process."""

import json
from collections.abc import Container, Mapping
from functools import lru_cache
from typing import Any, get_args

from ..._base.clock import LATEST
from ..._base.found_file import MIB
from ..._base.text import shown
from ...errors import QuotaLedgerError
from ...errors._checks import is_job_id
from .._allowance import Allowance
from .._log import AccountLog
from .._log_clock import LogClock
from .._probes import LONGEST_PROBE_INTERVAL, Probes
from .._slots import HIGHEST_LIMIT, LONGEST_LEASE, LONGEST_WINDOW, SHORTEST_WINDOW, Before, Reservation, Slot

FORMAT = 2
"""The format that is written. It counts up with each change, so that an older version refuses what it would misread."""
_READABLE = {1, FORMAT}
"""Format 1 has no accepted slots, calls an expired doubt faded, and knows less of refusals."""
LONGEST_LOG = 2 * MIB
"""Characters of a log: room for the slots of the highest limit, and as many again."""
NOT_A_LOG = (
    "the quota ledger holds something that is not a log. Remove it: the service's next refusal teaches the ledger anew"
)
"""The message of the error for anything else in a log's place."""


def dump_log(log: AccountLog) -> str:
    """Return the log as one line of JSON in ASCII.

    Raises:
        QuotaLedgerError: It could not be read again: it is too long, or a job's id is not valid.
    """
    allowance, probes, clock = log.allowance, log.probes, log.clock
    facts = [
        allowance.window, allowance.limit, allowance.source, allowance.learned_at, probes.refused_at, clock.seen,
        clock.lead, allowance.trials, probes.in_a_row, probes.next_at, probes.returning,
    ]  # fmt: skip
    jobs = [_row(job, slot) for job, slot in log.jobs.items()]
    others = [_row(None, slot) for slot in log.others]
    expired_doubts = [_row(job, slot) for job, slot in log.expired_doubts.items()]
    text = _encode([FORMAT, facts, jobs, others, expired_doubts])
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


def _row(job: str | None, slot: Slot) -> list[object]:
    if job is not None and not _is_known_job_id(job):
        raise QuotaLedgerError(f"not a job id, so nothing is counted for it: {shown(job)}")
    holders = [[who.id, who.job, who.before, who.before_at, who.made_at, who.lease, who.probe] for who in slot.holders]
    return [job, slot.kind, slot.at, slot.fresh, slot.charged_by, *holders]


_EARLIEST, _LATEST = -LONGEST_WINDOW, LATEST.timestamp()
"""The bounds of a date, in epoch seconds. A clock that begins at 0 dates what was used elsewhere up to a window ago."""
_LONGEST_ID = 256
"""Characters of a reservation's id."""
_MOST_IN_A_ROW = 10**9
_encode = json.JSONEncoder(separators=(",", ":")).encode
_SOURCES = {None, "server", "documented"}
_KINDS_OF_JOBS = {None, "spent", "accepted", "unknown", "charged"}
_KINDS_OF_OTHERS = {"spent", "accepted", "charged", "elsewhere"}
_KINDS_OF_EXPIRED = {"accepted", "unknown"}
_BEFORE: Mapping[object, Before] = {**{word: word for word in get_args(Before)}, "faded": "expired"}
_FACTS_OF_FORMAT_1 = 7
"""It knows nothing of trials, of refusals in a row, and of what follows from them."""
_is_known_job_id = lru_cache(maxsize=4096)(is_job_id)
"""The jobs of a log that several processes share are the same each time that it is read."""


def _log(facts: list[Any], jobs: list[Any], others: list[Any], expired_doubts: list[Any]) -> AccountLog:
    """Make a log of what JSON says.

    Raises:
        ValueError: A value is not valid. (A `TypeError` or a `LookupError` says the same.)
    """
    if len(facts) == _FACTS_OF_FORMAT_1:
        facts = [*facts, 0, 0, 0.0, 0]
    (
        window, limit, limit_source, limit_learned_at, refused_at, seen, lead, trials, in_a_row, next_at, returning,
    ) = facts  # fmt: skip
    if not (
        type(facts) is list
        and _is_number(seen, _LATEST)
        and _is_number(limit_learned_at, seen)
        and (refused_at is None or _is_number(refused_at, seen))
        and _is_number(lead, seen - _EARLIEST)
        and lead >= 0
        and _is_count(trials, _MOST_IN_A_ROW)
        and _is_count(in_a_row, _MOST_IN_A_ROW)
        and _is_count(returning, HIGHEST_LIMIT)
        and _is_number(next_at, _LATEST)
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
        Allowance(limit, limit_source, limit_learned_at, window, trials),
        # A date far ahead would put every probe off for ever.
        Probes(refused_at, in_a_row, min(next_at, seen + max(window, LONGEST_PROBE_INTERVAL)), returning),
        LogClock(seen, lead),
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
        and (probe is None or type(probe) is bool or _is_count(probe, HIGHEST_LIMIT))
    ):
        raise ValueError
    lease = min(lease, LONGEST_LEASE)
    return Reservation(reservation_id, job, _BEFORE[before], before_at, made_at, lease, _places(probe))


def _places(probe: Any) -> int | None:
    """The places of a probe. Format 1 says only whether it is one: then none count against it."""
    return (0 if probe else None) if type(probe) is bool else probe


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


def _is_count(value: Any, most: int) -> bool:
    return type(value) is int and 0 <= value <= most
