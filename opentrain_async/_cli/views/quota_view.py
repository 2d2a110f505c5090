"""Print the quota, as a table or as JSON."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from rich.progress_bar import ProgressBar
from rich.text import Text

from ..._base.clock import iso
from ...quota import LedgerStore, QuotaSlot, QuotaSnapshot
from . import output

_WIDTH = 24
"""Columns of the bar that shows how much of a slot's day is left: an hour each."""
_ROOMY = 80
"""Columns of a terminal that has room for that bar."""
_DAY = timedelta(days=1)
_STATES: Mapping[str, tuple[str, str]] = {
    "held": ("under way", "cyan"),
    "spent": ("published", "green"),
    "accepted": ("accepted", "yellow"),
    "unknown": ("in doubt", "magenta"),
    "elsewhere": ("elsewhere", "bright_black"),
}
_UNSURE: tuple[Literal["unknown", "elsewhere"], ...] = ("unknown", "elsewhere")
_SOURCES: Mapping[str | None, str] = {
    "configured": "as this client was told",
    "server": "as the service said on {at}",
    "documented": "a claimed account's, since more was accepted than an unclaimed one has, on {at}",
    None: "nobody has said yet, and it is learned on the way",
}


def show(quota: QuotaSnapshot, ledger: LedgerStore, now: datetime) -> None:
    """Print it on stdout, for the eye: the whole, where that is from, and each slot in the order of their return."""
    console = output.stdout()
    at = output.when(quota.limit_learned_at) if quota.limit_learned_at else ""
    console.print(Text(f"{quota.used} of {quota.limit or 'an unknown limit'} used", "bold"), end="")
    counted = Counter(slot.state for slot in quota.slots)
    unsure = [f"{counted[state]} {_STATES[state][0]}" for state in _UNSURE if counted[state]]
    console.print(f" ({', '.join(unsure)})" if unsure else "", end="")
    console.print("" if quota.remaining is None else f", {quota.remaining} free")
    console.print(f"Limit: {_SOURCES[quota.limit_source].format(at=at)}")
    console.print(f"Ledger: {ledger}")
    if not quota.slots:
        return
    rows = output.table_of_jobs()
    rows.add_column("State", no_wrap=True)
    rows.add_column("Comes back", no_wrap=True)
    rows.add_column("In", justify="right", no_wrap=True)
    has_room = console.is_terminal and console.width >= _ROOMY
    if has_room:
        rows.add_column("now" + "24 h".rjust(_WIDTH - 3), no_wrap=True)
    for slot in quota.slots:
        rows.add_row(*_row(slot, now), *([_bar(slot, now)] if has_room else []))
    output.print_rows(rows)


def facts_of(quota: QuotaSnapshot) -> dict[str, object]:
    """The same as JSON has it."""
    return {
        "limit": quota.limit,
        "limit_source": quota.limit_source,
        "limit_learned_at": iso(quota.limit_learned_at),
        "used": quota.used,
        "remaining": quota.remaining,
        "doubtful": quota.doubtful,
        "next_slot_at": iso(quota.next_slot_at),
        "slots": [{"job_id": slot.job_id, "state": slot.state, "frees_at": iso(slot.frees_at)} for slot in quota.slots],
    }


def _row(slot: QuotaSlot, now: datetime) -> tuple[Text | str, ...]:
    words, style = _STATES[slot.state]
    minutes = max(0, int((slot.frees_at - now).total_seconds())) // 60
    left = f"{minutes // 60} h {minutes % 60:02} min"
    return slot.job_id or "-", Text(words, style), output.when(slot.frees_at), left


def _bar(slot: QuotaSlot, now: datetime) -> ProgressBar:
    left = max(timedelta(), slot.frees_at - now) / _DAY
    return ProgressBar(1.0, min(1.0, left), _WIDTH, complete_style=_STATES[slot.state][1], finished_style="green")
