"""What was seen, as text."""

from collections.abc import Mapping

from .audit import Audit, Day

_COLUMNS = (
    "limit", "published", "elsewhere", "pointless 429", "other 429", "unused slots", "lost", "told wrongly",
    "waiting at its end", "kills", "hours ill",
)  # fmt: skip


def table(lived: Mapping[str, Audit], command: str) -> str:
    """The figures of both lives, together and by days."""
    together = [_row("", _COLUMNS), _row("---", ["---:"] * len(_COLUMNS))]
    together += [_row(name, _figures(audit.in_all)) for name, audit in lived.items()]
    parts = ["# Two months of an account", f"`{command}`", _EXPLAINED, "\n".join(together)]
    for name, audit in lived.items():
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(audit.in_all.refusals.items())) or "none"
        days = [_row("day", _COLUMNS), _row("---:", ["---:"] * len(_COLUMNS))]
        days += [_row(str(number + 1), _figures(audit.days[number])) for number in sorted(audit.days)]
        parts += [f"## {name}", f"Publishes that the quota refused, by why they were sent: {why}.", "\n".join(days)]
    return "\n\n".join(parts) + "\n"


_EXPLAINED = """\
A 429 is pointless where what the ledger knew had ruled the publish out. Others were sent to learn the limit, of which
nobody had told (once a day while it is 3: the account may have been claimed); because the draft itself might have been
live, its request having been lost or its process killed; to probe slots that the ledger has to count and may be free;
or when somebody had published by other means, of which the ledger had not been told. A slot is unused where the service
was well, and would have accepted a publish, for 65 minutes on end, in which a draft waited. A draft is lost of which it
was never said that it is live, or rejected for what it is."""


def _figures(day: Day) -> list[str]:
    pointless = day.refusals["pointless"]
    figures = (
        day.limit, day.published, day.elsewhere, pointless, day.refusals.total() - pointless, day.unused, day.lost,
        day.told_wrongly, day.waiting, day.kills,
    )  # fmt: skip
    return [*map(str, figures), f"{day.ill:.1f}"]


def _row(first: str, cells: tuple[str, ...] | list[str]) -> str:
    return "| " + " | ".join([first, *cells]) + " |"
