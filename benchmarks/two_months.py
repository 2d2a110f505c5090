"""Two months of an account in a minute: eight processes on one ledger, and everything that can befall them.

    python benchmarks/two_months.py [--days 60] [--seed 0] [--elsewhere 1.0] [--out benchmarks/results]

An account is registered, and claimed in the middle. Drafts come at any time, to any of eight processes: four publish
each as it comes, four in runs with a journal; they share a ledger in a file. Processes are killed, often in the middle
of a publish; the service is down for hours, throttles, and loses answers. That is lived through three times, on virtual
time but over real sockets and files: by nobody but these processes; with somebody who publishes by other means too, as
often as `--elsewhere` says, in publishes a day; and with a website that uses up the day or a part of it, behind a
gateway that says Retry-After as it likes, where the plan is raised to 50 a day after two thirds of the days. The
figures of each day and a picture go to the folder `--out`.

It exits with 1 if a draft was lost or something was said of one that was not so; or if, with nobody else, a publish was
sent to be refused although what the ledger knew had ruled it out, or a slot was left unused though a draft waited.
"""

import argparse
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

from _two_months.audit import Audit
from _two_months.table import table
from _two_months.world import Story, live_through, weather


def main() -> None:
    """Live through them, and write down what was seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--elsewhere", type=float, default=1.0)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results"))
    args = parser.parse_args()
    logging.getLogger("opentrain_async").setLevel(logging.CRITICAL)  # it has much to say of what befalls it
    with tempfile.TemporaryDirectory() as nobody:
        os.environ["XDG_CONFIG_HOME"] = nobody  # and none of the credentials of this machine
        lived = {
            "Nobody else publishes": lived_through(Story(args.days, args.seed)),
            "Somebody publishes by other means too": lived_through(Story(args.days, args.seed, args.elsewhere)),
            "A website, a gateway, a plan that is raised": lived_through(weather(args.days, args.seed)),
        }
    args.out.mkdir(parents=True, exist_ok=True)
    arguments = f"--days {args.days} --seed {args.seed} --elsewhere {args.elsewhere:g}"
    written = table(lived, f"python benchmarks/two_months.py {arguments}")
    (args.out / "two_months.md").write_text(written)
    from _two_months.picture import draw

    draw(lived, args.out / "two_months.png")
    print(written[: written.index("\n## ")])
    for name, audit in lived.items():
        print(*(f"{name}: {lie}" for lie in audit.lies[:10]), sep="\n")
    alone, *with_others = (audit.in_all for audit in lived.values())
    sys.exit(alone.is_wasteful or any(seen.is_at_fault for seen in (alone, *with_others)))


def lived_through(story: Story) -> Audit:
    """What was seen, with how long it took on stderr."""
    began = time.perf_counter()
    audit = live_through(story)
    print(f"{story.days} days in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    return audit


if __name__ == "__main__":
    main()
