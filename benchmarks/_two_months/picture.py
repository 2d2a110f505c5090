"""What was seen, as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import matplotlib as mpl
import matplotlib.pyplot as plt

from .audit import Audit
from .day import Day, Refusal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS: Mapping[Refusal, str] = {
    "learning": "#9ecae1",
    "in doubt": "#c6dbef",
    "probing": "#6baed6",
    "elsewhere": "#fdae6b",
    "pointless": "#d62728",
}


def draw(lived: Mapping[str, Audit], path: Path) -> None:
    """The lives side by side: what was published, what was refused, and who waited, day by day."""
    mpl.use("Agg")
    figure, axes = plt.subplots(
        3, len(lived), figsize=(7 * len(lived), 8), sharex="col", squeeze=False, height_ratios=[3, 2, 2],
        layout="constrained",
    )  # fmt: skip
    for column, (name, audit) in enumerate(lived.items()):
        published, refused, waiting = axes[:, column]
        everything = audit.in_all
        published.set_title(
            f"{name}: {everything.published} published, {everything.kills} kills, {everything.ill:.0f} hours ill\n"
            f"{everything.refusals['pointless']} pointless 429, {everything.unused} unused slots, "
            f"{everything.lost} lost, {everything.told_wrongly} told wrongly, {everything.told_too_late} too late",
            fontsize=10,
        )
        days = audit.in_order
        numbers = range(1, len(days) + 1)
        _draw_published(published, numbers, days)
        _draw_refused(refused, numbers, days)
        _draw_waiting(waiting, numbers, days)
    for row, label in enumerate(["publishes", "refused by the quota (429)", "drafts, kills"]):
        axes[row, 0].set_ylabel(label)
        axes[row, -1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw_published(axes: "Axes", numbers: Sequence[int], days: Sequence[Day]) -> None:
    ours = [day.published for day in days]
    axes.bar(numbers, ours, color="#2ca02c", label="published by us", width=0.9)
    axes.bar(numbers, [day.elsewhere for day in days], bottom=ours, color="#bcbd22", label="by other means", width=0.9)
    axes.step(
        numbers, [day.limit for day in days], where="mid", color="black", linewidth=1, label="the account's limit"
    )
    for number, day in zip(numbers, days, strict=True):
        axes.axvspan(number - 0.5, number + 0.5, color="grey", alpha=min(0.6, day.ill / 8), linewidth=0, zorder=0)
    axes.set_ylim(0, max(day.limit for day in days) * 1.1)


def _draw_refused(axes: "Axes", numbers: Sequence[int], days: Sequence[Day]) -> None:
    below = [0] * len(days)
    for why in get_args(Refusal):
        counts = [day.refusals[why] for day in days]
        axes.bar(numbers, counts, bottom=below, color=_COLOURS[why], label=why, width=0.9)
        below = [under + count for under, count in zip(below, counts, strict=True)]


def _draw_waiting(axes: "Axes", numbers: Sequence[int], days: Sequence[Day]) -> None:
    axes.fill_between(numbers, [day.waiting for day in days], step="mid", color="#c7c7c7", label="waiting at its end")
    axes.bar(numbers, [day.unused for day in days], color="#d62728", label="unused slots", width=0.9)
    wrong = [day.lost + day.told_wrongly + day.told_too_late for day in days]
    axes.bar(numbers, wrong, color="black", label="lost, told wrongly or too late", width=0.9)
    axes.plot(numbers, [day.kills for day in days], "x", color="#9467bd", markersize=4, label="processes killed")
    axes.set_xlabel("day (grey: hours in which the service was down or throttled)")
