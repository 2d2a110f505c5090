"""The section of the README that quotes the figures: written from them, between two marks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from . import accounts, imports, memory, stores, throughput
from .record import Record
from .tables import shown, table, worst
from .turns import OURS

BEGIN, END = "<!-- written by `python benchmarks`: begin -->", "<!-- written by `python benchmarks`: end -->"


def section(records: Mapping[str, Record]) -> str:
    """What stands between the marks; of the records of all parts."""
    rates = records["throughput"]
    parts = [
        _SPEED,
        _ratios(rates),
        "![Drafts a second and CPU time of each client](benchmarks/results/throughput.png)",
        _worst_day(records["worst_day"]),
        "![The most publishes in any 24 hours](benchmarks/results/worst_day.png)",
        _others(records),
        _measured_on([record.machine for record in records.values()]),
    ]
    return "\n\n".join(parts)


def _measured_on(machines: Sequence[Mapping[str, str]]) -> str:
    where, dates = (" and ".join(sorted({told(machine) for machine in machines})) for told in (_place, _date))
    load = max(float(machine["load before"]) for machine in machines)
    return (
        f"Medians, measured on {where}, on {dates}; the machine's load was {load:g} at the most before a part. {_MORE}"
    )


def _place(machine: Mapping[str, str]) -> str:
    return f"{machine['processor']}, {machine['Python']}"


def _date(machine: Mapping[str, str]) -> str:
    return machine["date"]


def rewritten(readme: str, records: Mapping[str, Record]) -> str:
    """The README with that section as the records have it."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{section(records)}\n\n{END}{after}"


def rewrite(path: Path, records: Mapping[str, Record]) -> None:
    """Bring the file up to date."""
    path.write_text(rewritten(path.read_text(), records))


_SPEED = """\
`publish_many` with a ledger in memory, retry and typed results, beside the leanest loop of `session.post` and
`json.loads`: in turns, each in a new process, by one server on loopback that accepts every draft. The ratios are those
of rounds, in which both had their turns. A session of aiohttp is faster in some processes than in others, and always in
those that have had many connections, as in the last row: [why](benchmarks/results/throughput.md)."""
_MORE = """\
The least and the most of all
rounds, and who else was measured, are in [benchmarks/results](benchmarks/results)."""


def _ratios(record: Record) -> str:
    rows = [
        [
            case,
            *(shown(record.of_the(name, case, throughput.RATE)) for name in (OURS, throughput.BARE)),
            *(
                f"{ratio.median:.2f}" if (ratio := record.ratio(OURS, throughput.BARE, case, figure)) else ""
                for figure in (throughput.RATE, throughput.PROCESSOR)
            ),
        ]
        for case in record.cases
    ]
    head = ["drafts at once", "`publish_many`, drafts/s", "bare loop, drafts/s", "ours / bare", "CPU time, ours / bare"]
    return table(head, rows)


def _worst_day(record: Record) -> str:
    limit = record.settings["limit"]
    most = {name: worst(record, name, record.cases) for name in record.contenders}
    return (
        f"A daily quota is not a rate limit. Where an account may do {limit}, a window that begins anew, a bucket or\n"
        f"a weighted counter lets up to {max(most.values())} through in some 24 hours; an exact log, such as the "
        f"ledger, {most[OURS]}:"
    )


def _others(records: Mapping[str, Record]) -> str:
    rows = [[f"[{what}](benchmarks/results/{part}.md)", figures(records[part])] for what, part, figures in _OTHERS]
    return "\n".join(["| | |", "|---|---|", *(f"| {what} | {told} |" for what, told in rows)])


def _of_memory(record: Record) -> str:
    case = record.cases[-1]
    peaks = [f"{shown(record.of_the(name, case, memory.PEAK))} MiB by `{name}`" for name in record.contenders]
    return f"over a client at rest, {int(case):,} drafts take " + ", ".join(peaks)


def _of_accounts(record: Record) -> str:
    shared = [
        f"{ratio.median:.2f} on {name.rpartition(', ')[2]}"
        for name in record.contenders
        if name.startswith(f"{OURS}, ")
        if (ratio := record.ratio(name, throughput.BARE, accounts.SHARED, throughput.RATE))
    ]
    return f"{record.settings['accounts that share a ledger']} on one ledger: ours / bare {', '.join(shared)}"


def _of_the_quota(record: Record) -> str:
    live, deferred, otherwise, refused, peak = (
        shown(record.of_the(OURS, accounts.OVER_THE_QUOTA, figure))
        for figure in (accounts.LIVE, accounts.DEFERRED, accounts.OTHERWISE, accounts.REFUSED, accounts.PEAK)
    )
    many = f"{int(record.settings['accounts over the quota']):,} with {record.settings['drafts of each']} drafts each"
    became = f"{live} live, {deferred} deferred, {otherwise} otherwise"
    return f"{many}: {became}, {refused} answers of 429, {peak} MiB in all"


def _of_stores(record: Record) -> str:
    costs = [f"{shown(record.of_the(OURS, case, stores.ALONE))} microseconds in {case}" for case in record.cases]
    return "to reserve a slot and settle it: " + ", ".join(costs)


def _of_imports(record: Record) -> str:
    (case,) = record.cases
    return ", ".join(
        f"`{name}` {shown(record.of_the(name, case, imports.MILLISECONDS))} ms" for name in record.contenders
    )


_OTHERS = (
    ("a long run", "memory", _of_memory),
    ("many accounts", "accounts", _of_accounts),
    ("over the quota", "accounts", _of_the_quota),
    ("the ledger", "stores", _of_stores),
    ("import", "imports", _of_imports),
)
