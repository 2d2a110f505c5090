"""Print a plan, as a table or as JSON."""

from ..._base.clock import iso
from ...quota._plan import PublishPlan
from . import output

_NAMED = 3
"""So many drafts of a row are named."""


def show(plan: PublishPlan) -> None:
    """Print it on stdout, for the eye: the whole, and which drafts go when, those of the same minute together."""
    console = output.stdout()
    console.print(str(plan))
    assumed = ", assumed, as nobody has said yet" if plan.limit_is_assumed else ""
    console.print(f"Limit: {plan.limit} a day{assumed}")
    if plan.invalid:
        console.print(f"No ids of drafts: {', '.join(plan.invalid)}")
    if not plan.drafts:
        return
    together: dict[str, list[str]] = {}
    for draft in sorted(plan.drafts, key=lambda draft: draft.at):
        at = "now" if draft.at <= plan.made_at else f"{draft.at:%d %b %Y %H:%M} UTC"
        together.setdefault(at, []).append(draft.job_id)
    rows = output.empty_table()
    rows.add_column("When", no_wrap=True)
    rows.add_column("Drafts", justify="right")
    rows.add_column("Which", overflow="fold")
    for at, ids in together.items():
        more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
        rows.add_row(at, str(len(ids)), ", ".join(ids[:_NAMED]) + more)
    output.print_rows(rows)


def facts_of(plan: PublishPlan) -> dict[str, object]:
    """The same as JSON has it, with the time of each draft."""
    return {
        "made_at": iso(plan.made_at),
        "limit": plan.limit,
        "limit_is_assumed": plan.limit_is_assumed,
        "now": len(plan.now),
        "later": len(plan.later),
        "ends_at": iso(plan.ends_at),
        "invalid": list(plan.invalid),
        "drafts": [{"job_id": draft.job_id, "at": iso(draft.at)} for draft in plan.drafts],
    }
