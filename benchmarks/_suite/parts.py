"""The parts of the benchmarks by their names, and their records as files."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

from . import accounts, imports, latency, memory, stores, tables, throughput, worst_day
from .record import Record

PARTS: dict[str, tuple[Callable[[bool], Record], Callable[[Record], str]]] = {
    "throughput": (throughput.measure, tables.of_throughput),
    "latency": (latency.measure, tables.of_latency),
    "worst_day": (worst_day.measure, tables.of_worst_day),
    "stores": (stores.measure, tables.of_stores),
    "accounts": (accounts.measure, tables.of_accounts),
    "memory": (memory.measure, tables.of_memory),
    "imports": (imports.measure, tables.of_imports),
}
"""How a part is measured, told whether a smoke test is enough; and its record as a table."""


def has_pictures() -> bool:
    """Whether they can be drawn."""
    return find_spec("matplotlib") is not None


def write(records: Mapping[str, Record], out: Path) -> None:
    """The tables and, where there is matplotlib, the pictures of these records."""
    for name, record in records.items():
        (out / f"{name}.md").write_text(PARTS[name][1](record))
    if not has_pictures():
        return
    from .pictures import DRAW

    for name, record in records.items():
        DRAW[name](record, out / f"{name}.png")
