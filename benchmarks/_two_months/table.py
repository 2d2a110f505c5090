"""What was seen, as text."""

from collections.abc import Mapping

from .audit import Audit
from .day import Day

_COLUMNS = (
    "limit", "published", "elsewhere", "pointless 429", "other 429", "unused slots", "lost", "told wrongly",
    "told too late", "waiting at its end", "kills", "hours ill",
)  # fmt: skip


def table(lived: Mapping[str, Audit], command: str) -> str:
    """The figures of all lives, together and by days."""
    together = [_row("", _COLUMNS), _row("---", ["---:"] * len(_COLUMNS))]
    together += [_row(name, _figures(audit.in_all)) for name, audit in lived.items()]
    parts = ["# Two months of an account", f"`{command}`", _EXPLAINED, "\n".join(together)]
    for name, audit in lived.items():
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(audit.in_all.refusals.items())) or "none"
        days = [_row("day", _COLUMNS), _row("---:", ["---:"] * len(_COLUMNS))]
        days += [_row(str(number), _figures(day)) for number, day in enumerate(audit.in_order, 1)]
        parts += [
            f"## {name}",
            f"Publishes that the quota refused, by why they were sent: {why}.",
            *_lies(audit),
            "\n".join(days),
        ]
    return "\n\n".join(parts) + "\n"


_EXPLAINED = """\
A 429 is pointless where what the ledger knew, when it gave the draft its place, had ruled the publish out. Others were
sent to learn the limit, of which nobody had told (once in 24 hours while it is 3: the account may have been claimed);
because the draft itself might have been live, its request having been lost or its process killed (not twice in an hour
for the same draft); to probe slots that the ledger has to count and may be free (not within an hour of a refusal); or
when somebody had published by other means, of which the ledger had not been told (likewise, unless it was since then,
or a slot that the ledger took for one used elsewhere has come of age since then).

A slot is unused where the service was well, and would have accepted a publish, for 65 minutes on end, in which a draft
waited: so long a probe may take; an outage begins them anew, since those who publish have to find out that it is over.
Where all charges are certain there is nothing to probe: then one of which an answer was heard only after hours takes
up its slot for 24 hours from that answer, as nobody could know how much earlier it was made. A draft waits from when
it came, while its process lives; but not until the time that it was told, which is that of the earliest slot that the
ledger knew of: that one became free sooner, as by a probe, is nobody's fault. It is told too late where the ledger had
to know of an earlier slot: a charge that the service has confirmed to a process that lived on leaves 24 hours after
that, and a refusal is good for an hour. A plan that was raised may be found out in two days. A draft is lost of which
it was never said that it is live, or rejected for what it is."""
_LIES_SHOWN = 10


def _lies(audit: Audit) -> list[str]:
    """The first lies, if there are any."""
    shown = [f"- {lie}" for lie in audit.lies[:_LIES_SHOWN]]
    return [f"Told wrongly or too late, the first of {len(audit.lies)}:", "\n".join(shown)] if shown else []


def _figures(day: Day) -> list[str]:
    pointless = day.refusals["pointless"]
    figures = (
        day.limit, day.published, day.elsewhere, pointless, day.refusals.total() - pointless, day.unused, day.lost,
        day.told_wrongly, day.told_too_late, day.waiting, day.kills,
    )  # fmt: skip
    return [*map(str, figures), f"{day.ill:.1f}"]


def _row(first: str, cells: tuple[str, ...] | list[str]) -> str:
    return "| " + " | ".join([first, *cells]) + " |"
