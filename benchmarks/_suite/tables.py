"""The figures as Markdown, with how they were come by and on what machine."""

from collections.abc import Iterable, Sequence
from inspect import cleandoc

from . import accounts, imports, latency, memory, stores, throughput, worst_day
from .record import Record, Spread
from .turns import OURS

_NONE = "-"


def of_throughput(record: Record) -> str:
    """By concurrency, everybody; and ours over the bare loop, round by round."""
    return page("Throughput", "throughput", throughput.__doc__, record, _by_concurrency(record))


def of_latency(record: Record) -> str:
    """The same over https, and the bounds that were missed."""
    missed = "; ".join(latency.misses(record)) or "none"
    parts = [f"Bounds that were missed: {missed}.", *_by_concurrency(record)]
    return page("Latency", "latency", latency.__doc__, record, parts)


def _by_concurrency(record: Record) -> list[str]:
    ratios = [
        [case, *(_cell(record.ratio(OURS, throughput.BARE, case, figure)) for figure in _BOTH)] for case in record.cases
    ]
    parts = [
        f"{OURS} over {throughput.BARE}, round by round:",
        table(["at once", "drafts a second", "CPU seconds"], ratios),
    ]
    for case in record.cases:
        parts += [f"## At once: {case}", table(["", *_BOTH, "of bare, round by round"], _everybody(record, case))]
    return parts


_BOTH = (throughput.RATE, throughput.PROCESSOR)


def _everybody(record: Record, case: str) -> list[list[str]]:
    return [
        [
            name,
            *(_cell(record.spread(name, case, figure)) for figure in _BOTH),
            _cell(record.ratio(name, throughput.BARE, case, throughput.RATE)),
        ]
        for name in record.contenders
    ]


def of_accounts(record: Record) -> str:
    """Those that share a ledger, and what became of the thousand."""
    speeds = [
        [
            name,
            _cell(record.spread(name, accounts.SHARED, throughput.RATE)),
            _cell(record.ratio(name, throughput.BARE, accounts.SHARED, throughput.RATE)),
        ]
        for name in record.contenders
        if name != OURS
    ]
    figures = (
        accounts.LIVE, accounts.DEFERRED, accounts.OTHERWISE, accounts.REFUSED, accounts.SECONDS, accounts.PEAK,
    )  # fmt: skip
    became = [[shown(record.of_the(OURS, accounts.OVER_THE_QUOTA, figure)) for figure in figures]]
    each = f"{record.settings['accounts over the quota']} accounts, {record.settings['drafts of each']} drafts each"
    parts = [
        table(["", throughput.RATE, "of bare, round by round"], speeds),
        f"{each}:",
        table(figures, became),
    ]
    return page("Many accounts", "accounts", accounts.__doc__, record, parts)


def of_stores(record: Record) -> str:
    """By store, each library that knows it."""
    everything = (stores.ALONE, stores.CROWDED, stores.LAST_PERCENT, stores.AT_ONCE, stores.CLOCK_AHEAD)
    parts = []
    for case in record.cases:
        figures = [figure for figure in everything if record.spread(OURS, case, figure)]
        rows = [
            [name, *(_cell(record.spread(name, case, figure)) for figure in figures)]
            for name in record.contenders
            if record.spread(name, case, stores.ALONE)
        ]
        parts += [f"## {case}", table(["", *figures], rows)]
    return page("Stores", "stores", stores.__doc__, record, parts)


def of_memory(record: Record) -> str:
    """By number of drafts, each way."""
    rows = [
        [name, *(_cell(record.spread(name, case, memory.PEAK)) for case in record.cases)] for name in record.contenders
    ]
    pace = [
        [case, _cell(record.spread(memory.STREAM, case, memory.PACE))] for case in record.cases if int(case) >= 10_000
    ]
    parts = [f"{memory.PEAK}, by drafts:", table(["", *(f"{int(case):,}" for case in record.cases)], rows)]
    if pace:
        parts += [f"Of {memory.STREAM}:", table(["drafts", memory.PACE], pace)]
    return page("Memory of a long run", "memory", memory.__doc__, record, parts)


def of_imports(record: Record) -> str:
    """Each library."""
    (case,) = record.cases
    figures = (imports.MILLISECONDS, imports.MODULES)
    rows = [[name, *(_cell(record.spread(name, case, figure)) for figure in figures)] for name in record.contenders]
    return page("Import", "imports", imports.__doc__, record, [table(["", *figures], rows)])


def of_worst_day(record: Record) -> str:
    """Everybody, at each pattern and at the worst of them."""
    rows = [[name, *(_most(record, name, [case]) for case in record.cases)] for name in record.contenders]
    for row in rows:
        row.append(f"**{_most(record, row[0], record.cases)}**")
    wanted = [_most(record, OURS, [case], worst_day.WANTED) for case in [*record.cases]]
    rows.append(["*wanted by those who came*", *wanted, _most(record, OURS, record.cases, worst_day.WANTED)])
    parts = [f"The {worst_day.MOST}, of all seeds:", table(["", *record.cases, "the worst"], rows)]
    return page("The worst day", "worst_day", worst_day.__doc__, record, parts)


def _most(record: Record, name: str, cases: Sequence[str], figure: str = worst_day.MOST) -> str:
    return str(worst(record, name, cases, figure))


def worst(record: Record, name: str, cases: Sequence[str], figure: str = worst_day.MOST) -> int:
    """The most of all seeds at these patterns."""
    spreads = [spread for case in cases if (spread := record.spread(name, case, figure))]
    return int(max(spread.high for spread in spreads))


def page(title: str, name: str, method: str | None, record: Record, parts: Iterable[str]) -> str:
    """A page of results."""
    settings = ", ".join(f"{key}: {value}" for key, value in record.settings.items())
    told = [f"# {title}", f"`python benchmarks --only {name}`", cleandoc(method or ""), f"{settings}."]
    if record.absent:
        told.append(f"Not installed, and so left out: {', '.join(record.absent)}.")
    told += [*parts, "## Measured on", table(["", ""], [[key, value] for key, value in record.machine.items()])]
    return "\n\n".join(told) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, its first column to the left and the others to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def shown(value: float) -> str:
    """A figure with as many digits as it deserves."""
    if value == int(value) or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _cell(spread: Spread | None) -> str:
    """The median, with the least and the most where they differ from it."""
    if spread is None:
        return _NONE
    if spread.low == spread.high:
        return shown(spread.median)
    return f"{shown(spread.median)} ({shown(spread.low)} to {shown(spread.high)})"
