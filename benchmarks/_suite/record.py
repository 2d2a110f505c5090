"""What was measured: every turn of every contender, in one file, from which all tables and pictures are made."""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

_DIGITS = 6


@frozen
class Sample:
    """One turn of one contender.

    Attributes:
        round: Which round, from 0.
        contender: Who.
        case: At what: so many at once, so many drafts, this store.
        figures: What was measured, by name; the unit is in the name.
    """

    round: int
    contender: str
    case: str
    figures: Mapping[str, float]


@frozen
class Spread:
    """One figure over all rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The median with the least and the most."""
        return cls(statistics.median(values), min(values), max(values))


@frozen
class Record:
    """All turns of one part.

    Attributes:
        machine: Where, with what and when.
        settings: How much of it, as one says it to a reader.
        contenders: Those that took part, in the order in which they are shown.
        absent: Those that are not installed.
        samples: The turns, in the order in which they were taken.
    """

    machine: Mapping[str, str]
    settings: Mapping[str, str]
    contenders: tuple[str, ...]
    absent: tuple[str, ...]
    samples: tuple[Sample, ...]

    @property
    def cases(self) -> tuple[str, ...]:
        """What the contenders were measured at, in the order in which that first came."""
        return tuple(dict.fromkeys(sample.case for sample in self.samples if sample.round == 0))

    def spread(self, contender: str, case: str, figure: str) -> Spread | None:
        """One figure over all rounds, or `None` where it was not measured."""
        values = self._by_round(contender, case, figure)
        return Spread.of(list(values.values())) if values else None

    def ratio(self, contender: str, to: str, case: str, figure: str) -> Spread | None:
        """One contender's figure over another's, round by round."""
        above, below = self._by_round(contender, case, figure), self._by_round(to, case, figure)
        ratios = [above[number] / below[number] for number in above if number in below]
        return Spread.of(ratios) if ratios else None

    def of_the(self, contender: str, case: str, figure: str) -> float:
        """The median of what has to have been measured."""
        spread = self.spread(contender, case, figure)
        if spread is None:
            raise LookupError(f"{figure} of {contender} at {case} was not measured")
        return spread.median

    def _by_round(self, contender: str, case: str, figure: str) -> dict[int, float]:
        return {
            sample.round: sample.figures[figure]
            for sample in self.samples
            if sample.contender == contender and sample.case == case and figure in sample.figures
        }


def load(path: Path) -> dict[str, Record]:
    """The records of all parts, by their names; none if there is no file."""
    if not path.exists():
        return {}
    return {name: _read(written) for name, written in json.loads(path.read_text()).items()}


def save(records: Mapping[str, Record], path: Path) -> None:
    """Write them down, each turn in a line of its own."""
    parts = (f"{json.dumps(name)}: {_written(record)}" for name, record in sorted(records.items()))
    whole = path.with_suffix(".new")
    whole.write_text("{\n" + ",\n".join(parts) + "\n}\n")
    whole.replace(path)


def _written(record: Record) -> str:
    head = {
        "machine": dict(record.machine),
        "settings": dict(record.settings),
        "contenders": record.contenders,
        "absent": record.absent,
    }
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
    turns = ",\n".join(f"    {json.dumps(_turn(sample))}" for sample in record.samples)
    return "{\n" + ",\n".join([*lines, f'  "samples": [\n{turns}\n  ]']) + "\n}"


def _turn(sample: Sample) -> list[object]:
    figures = {name: float(f"{value:.{_DIGITS}g}") for name, value in sample.figures.items()}
    return [sample.round, sample.contender, sample.case, figures]


def _read(written: Mapping[str, Any]) -> Record:
    return Record(
        written["machine"],
        written["settings"],
        tuple(written["contenders"]),
        tuple(written["absent"]),
        tuple(Sample(*turn) for turn in written["samples"]),
    )
