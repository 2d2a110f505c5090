"""The figures as pictures: bars from 0 with the least and the most of all rounds, ours in colour."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import matplotlib.pyplot as plt

from . import accounts, imports, memory, stores, throughput, worst_day
from .record import Record, Spread
from .tables import shown, worst
from .turns import OURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_OURS, _THE_YARDSTICK, _OTHERS, _MARK = "#0072b2", "#4d4d4d", "#b3b3b3", "#d55e00"
_CUT_OFF_AT = 6.0
"""How many times as long as ours a bar is at the most, so that ours is still to be seen; longer ones say how long."""
_WIDTH, _DPI = 10.0, 130


def of_throughput(record: Record, path: Path) -> None:
    """Both figures, by concurrency."""
    figure, axes = _figure(2, len(record.cases), 6.0)
    for column, case in enumerate(record.cases):
        for row, what in enumerate((throughput.RATE, throughput.PROCESSOR)):
            _bars(axes[row][column], {name: record.spread(name, case, what) for name in record.contenders})
            axes[row][column].set_xlabel(what, fontsize=8)
        axes[0][column].set_title(f"at once: {case}", fontsize=10)
    _save(figure, path)


def of_accounts(record: Record, path: Path) -> None:
    """The speed of those that share a ledger."""
    figure, axes = _figure(1, 1, 2.4)
    names = [name for name in record.contenders if name != OURS]
    _bars(axes[0][0], {name: record.spread(name, accounts.SHARED, throughput.RATE) for name in names})
    axes[0][0].set_xlabel(f"{throughput.RATE}, of {record.settings['accounts that share a ledger']} accounts in all")
    _save(figure, path)


def of_stores(record: Record, path: Path) -> None:
    """What a place costs, alone and crowded, by store."""
    figure, axes = _figure(1, len(record.cases), 3.4, is_labelled_once=False)
    for panel, case in zip(axes[0], record.cases, strict=True):
        bars = {
            f"{name},\n{what.removeprefix('microseconds a pair ')}": record.spread(name, case, what)
            for name in record.contenders
            for what in (stores.ALONE, stores.CROWDED)
        }
        _bars(panel, {name: spread for name, spread in bars.items() if spread})
        panel.set_title(case, fontsize=10)
        panel.set_xlabel("microseconds a place, settled", fontsize=8)
    _save(figure, path)


def of_memory(record: Record, path: Path) -> None:
    """By the number of drafts."""
    figure, axes = _figure(1, 1, 4.0)
    panel, drafts = axes[0][0], [int(case) for case in record.cases]
    styles = {memory.STREAM: (_OURS, "-", 3), memory.MANY: (_OURS, "--", 2), memory.GATHER: (_THE_YARDSTICK, "-", 2)}
    for name, (colour, style, width) in styles.items():
        spreads = [spread for case in record.cases if (spread := record.spread(name, case, memory.PEAK))]
        medians = [spread.median for spread in spreads]
        panel.plot(drafts, medians, style, color=colour, linewidth=width, marker="o", clip_on=False)
        panel.fill_between(
            drafts, [each.low for each in spreads], [each.high for each in spreads], color=colour, alpha=0.2
        )
        panel.annotate(
            f"{name}: {shown(medians[-1])} MiB", (drafts[-1], medians[-1]), (8, 0), textcoords="offset points",
            va="center", color=colour, fontsize=9, annotation_clip=False,
        )  # fmt: skip
    panel.set_xscale("log")
    panel.set_xticks(drafts, [f"{count:,}" for count in drafts])
    panel.set_xticks([], minor=True)
    panel.set_xlabel("drafts of a run")
    panel.set_ylabel("peak of memory over rest, MiB")
    panel.set_ylim(bottom=0)
    _save(figure, path)


def of_imports(record: Record, path: Path) -> None:
    """Each library."""
    figure, axes = _figure(1, 1, 2.8)
    (case,) = record.cases
    _bars(axes[0][0], {name: record.spread(name, case, imports.MILLISECONDS) for name in record.contenders})
    axes[0][0].set_xlabel("milliseconds to import, in a fresh process")
    _save(figure, path)


def of_worst_day(record: Record, path: Path) -> None:
    """The worst that each let through."""
    figure, axes = _figure(1, 1, 3.2)
    panel, limit = axes[0][0], int(record.settings["limit"])
    most = {name: worst(record, name, record.cases) for name in record.contenders}
    _bars(panel, {name: Spread(count, count, count) for name, count in most.items()})
    panel.axvline(limit, color=_MARK, linewidth=1.5, linestyle="--")
    panel.annotate(
        f"the account's {limit} a day", (limit, 1.0), (0, 3), xycoords=panel.get_xaxis_transform(),
        textcoords="offset points", ha="center", color=_MARK, fontsize=9,
    )  # fmt: skip
    panel.set_xlabel(f"{worst_day.MOST.replace('most', 'most publishes let through')}")
    _save(figure, path)


def _bars(axes: "Axes", spreads: Mapping[str, Spread | None]) -> None:
    """A bar for each, the first on top, with its median and a line from the least to the most."""
    shown_ones = {name: spread for name, spread in spreads.items() if spread}
    end = _end_of_axis(shown_ones)
    for place, (name, spread) in enumerate(shown_ones.items()):
        is_cut = spread.median > end
        axes.barh(place, min(spread.median, end), color=_colour_of(name), height=0.75)
        if not is_cut:
            axes.plot([spread.low, min(spread.high, end)], [place, place], color="black", linewidth=0.9)
        label, at = (f"{shown(spread.median)} →", end) if is_cut else (shown(spread.median), min(spread.high, end))
        axes.annotate(
            label, (at, place), (-3 if is_cut else 3, 0), textcoords="offset points", va="center",
            ha="right" if is_cut else "left", fontsize=8, fontweight="bold" if name.startswith(OURS) else "normal",
        )  # fmt: skip
    axes.set_yticks(range(len(shown_ones)), list(shown_ones), fontsize=9)
    axes.set_xlim(0, end * (1.0 if any(spread.median > end for spread in shown_ones.values()) else 1.22))
    axes.locator_params(axis="x", nbins=4)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_ylim(len(shown_ones) - 0.5, -0.5)  # set, not inverted: panels of a row share it


def _end_of_axis(spreads: Mapping[str, Spread]) -> float:
    ours = max((spread.high for name, spread in spreads.items() if name.startswith(OURS)), default=0.0)
    longest = max(spread.high for spread in spreads.values())
    return min(longest, _CUT_OFF_AT * ours) if ours else longest


def _colour_of(name: str) -> str:
    if name.startswith(OURS):
        return _OURS
    return _THE_YARDSTICK if name == throughput.BARE else _OTHERS


def _figure(
    rows: int, columns: int, height: float, *, is_labelled_once: bool = True
) -> "tuple[Figure, Sequence[Sequence[Axes]]]":
    mpl.use("Agg")
    figure, axes = plt.subplots(
        rows, columns, figsize=(_WIDTH, height), squeeze=False, layout="constrained",
        sharey="row" if is_labelled_once else "none",
    )  # fmt: skip
    for panel in axes.flat:
        panel.spines[["top", "right"]].set_visible(False)
    return figure, [list(row) for row in axes]


def _save(figure: "Figure", path: Path) -> None:
    figure.savefig(path, dpi=_DPI, facecolor="white", metadata={"Software": None})
    plt.close(figure)


DRAW: Mapping[str, Callable[[Record, Path], None]] = {
    "throughput": of_throughput,
    "latency": of_throughput,
    "worst_day": of_worst_day,
    "stores": of_stores,
    "accounts": of_accounts,
    "memory": of_memory,
    "imports": of_imports,
}
"""By the part's name."""
