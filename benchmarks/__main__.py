"""Every figure and picture that this project shows, made again by one command.

    pip install -e '.[bench]'           # what is not installed is left out, and said to be
    python benchmarks                   # half an hour on two cores that have nothing else to do
    python benchmarks --quick           # a minute or two, to see that all of it works; its figures mean nothing
    python benchmarks --only stores     # one part
    python benchmarks --redraw          # tables, pictures and README from the turns that were written down

A part's figures go to `benchmarks/results`: a table (`throughput.md`), a picture (`throughput.png`), and all turns of
all parts in `rounds.json`. The README quotes them between two marks, and is written anew. `--quick`, unless it is told
where to by `--out`, writes to `build/benchmarks`, and leaves the README alone.
"""

import argparse
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from _suite import readme
from _suite.parts import PARTS, has_pictures, write
from _suite.record import Record, load, save

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
README = HERE.parent / "README.md"
TWO_MONTHS = "two_months"


def main() -> int:
    """Measure what is asked for, and write it down."""
    args = _arguments()
    out: Path = args.out or (HERE.parent / "build" / "benchmarks" if args.quick else RESULTS)
    out.mkdir(parents=True, exist_ok=True)
    if not has_pictures():
        print("no pictures without matplotlib", file=sys.stderr)
    records = load(out / "rounds.json")
    wanted: Sequence[str] = args.only or [*PARTS, TWO_MONTHS]
    failed = []
    for name in PARTS:
        if name in wanted and not args.redraw:
            try:
                records[name] = PARTS[name][0](args.quick)
            except Exception:  # which is no reason to lose the others
                traceback.print_exc()
                failed.append(name)
            else:
                _write_down(records, out, [name])  # now: whoever breaks off finds the results in accord
    if args.redraw:
        _write_down(records, out, [*records])
    if TWO_MONTHS in wanted and not args.redraw and _two_months(out, args.quick):
        failed.append(TWO_MONTHS)
    print(f"failed: {', '.join(failed)}" if failed else f"all is written to {out}")
    return bool(failed)


def _write_down(records: Mapping[str, Record], out: Path, names: Sequence[str]) -> None:
    save(records, out / "rounds.json")
    written = load(out / "rounds.json")  # which has fewer digits than what was measured
    write({name: written[name] for name in names}, out)
    if out.resolve() == RESULTS and written.keys() >= PARTS.keys():
        readme.rewrite(README, written)


def _two_months(out: Path, is_quick: bool) -> int:
    command = [sys.executable, str(HERE / "two_months.py"), "--out", str(out), *(["--days", "3"] if is_quick else [])]
    return subprocess.run(command, check=False).returncode


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", choices=[*PARTS, TWO_MONTHS], metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--redraw", action="store_true")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
