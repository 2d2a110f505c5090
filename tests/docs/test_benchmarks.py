"""The benchmarks, in small: that they measure what they say, and that what is written is what was measured."""

import os
import random
import shutil
from pathlib import Path

import pytest
from _suite import accounts, latency, memory, readme, throughput, worst_day
from _suite.arrivals import DAY, PATTERNS, most_in_a_day
from _suite.parts import PARTS
from _suite.record import Record, Sample, Spread, load, save
from _suite.turns import OURS, in_turns

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
RECORDS = load(RESULTS / "rounds.json")


def test_each_client_has_its_turn_at_each_concurrency() -> None:
    """Ours, a bare loop and one with retry publish what they take, and both figures of each turn are kept."""
    size = throughput.Size(rounds=2, seconds=0.01, at_once=((1,), (3, 1)))
    names = (OURS, throughput.BARE, "aiohttp + tenacity")
    record = throughput.measured(size, names)
    turns = {(sample.round, sample.contender, sample.case) for sample in record.samples}
    assert turns == {(number, name, case) for number in range(2) for name in names for case in ("1", "3", "1, after 3")}
    assert all(figure > 0 for sample in record.samples for figure in sample.figures.values())
    assert f"| {throughput.BARE} |" in PARTS["throughput"][1](record)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the certificate is made by openssl")
def test_latency_is_measured_over_https_and_beside_plain_http() -> None:
    """Both publish over TLS with a certificate of the run's own; the environment is as it was afterwards."""
    record = latency.measured(throughput.Size(rounds=1, seconds=0.01, at_once=((2,),)), ((1,),))
    turns = {(sample.contender, sample.case) for sample in record.samples}
    assert turns == {(name, case) for name in (OURS, throughput.BARE) for case in ("2", "plain http, 1")}
    assert "SSL_CERT_FILE" not in os.environ
    assert "Bounds that were missed: none." in PARTS["latency"][1](record)


def test_a_bound_that_is_missed_is_named() -> None:
    """A pace that is too low, and too much of the processor's time; what keeps to its bound is not."""
    figures = {OURS: (0.96, 1.31), throughput.BARE: (1.0, 1.0)}
    samples = tuple(
        Sample(0, name, case, {throughput.RATE: pace, throughput.PROCESSOR: processor})
        for name, (pace, processor) in figures.items()
        for case in ("20", "100")
    )
    assert latency.misses(Record({}, {}, tuple(figures), (), samples)) == [
        "drafts a second at 20: 0.96, the bound is 0.97",
        "CPU seconds per 1,000 at 20: 1.31, the bound is 1.3",
    ]


def test_no_arrivals_bring_the_ledger_to_let_more_through_than_a_day_has() -> None:
    """Of many who want to publish, twenty do in the worst of all 24 hours."""
    record = worst_day.measured(1)
    assert {sample.figures[worst_day.MOST] for sample in record.samples if sample.contender == OURS} == {20}


def test_a_long_run_is_weighed_by_each_way_to_publish_it() -> None:
    """Each way has a process of its own, and what that took over rest is told."""
    record = memory.measured(memory.Size(rounds=1, drafts=(200,)))
    assert [sample.contender for sample in record.samples] == [memory.STREAM, memory.MANY, memory.GATHER]
    assert "| 200 |" in PARTS["memory"][1](record)


def test_of_accounts_with_more_drafts_than_their_day_each_has_its_day() -> None:
    """Twenty of each are live, the rest is deferred, and nothing was sent to be refused."""
    record = accounts.measured(accounts.Size(rounds=1, accounts=3, many=2), [accounts.IN_MEMORY])
    became = record.samples[-1].figures
    figures = (accounts.LIVE, accounts.DEFERRED, accounts.OTHERWISE, accounts.REFUSED)
    assert [became[figure] for figure in figures] == [40, 10, 0, 0]
    assert "| 40 | 10 | 0 | 0 |" in PARTS["accounts"][1](record)


def test_in_each_round_everybody_has_one_turn() -> None:
    """In an order of that round's own: nobody always comes after the same one."""
    turns = list(in_turns(20, "abcd"))
    assert turns == list(in_turns(20, "abcd"))
    rounds = ["".join(one for number, one in turns if number == wanted) for wanted in range(20)]
    assert rounds[0] == "abcd"
    assert {"".join(sorted(order)) for order in rounds} == {"abcd"}
    assert len(set(rounds)) > 10


def test_a_window_of_a_day_does_not_hold_its_own_end() -> None:
    """What happens a day later to the second is in another 24 hours."""
    assert most_in_a_day([0, 1, DAY, DAY + 1]) == 2
    assert most_in_a_day([0, 1, DAY - 1]) == 3
    assert most_in_a_day([]) == 0


@pytest.mark.parametrize("pattern", PATTERNS)
def test_arrivals_are_in_order_and_of_their_seed(pattern: str) -> None:
    """The same seed has the same arrivals, more of them in some 24 hours than an account may publish."""
    arrivals = PATTERNS[pattern](random.Random(1))
    assert arrivals == sorted(PATTERNS[pattern](random.Random(1)))
    assert most_in_a_day(arrivals) > worst_day.LIMIT


def test_a_ratio_is_that_of_the_same_round() -> None:
    """A round in which one of both had no turn has none, and neither has a figure that nobody measured."""
    turns = [(0, "a", 2.0), (0, "b", 1.0), (1, "b", 5.0), (2, "a", 9.0), (2, "b", 3.0)]
    samples = tuple(Sample(number, name, "x", {"speed": speed}) for number, name, speed in turns)
    record = Record({}, {}, ("a", "b"), (), samples)
    assert record.ratio("a", "b", "x", "speed") == Spread(2.5, 2.0, 3.0)
    assert record.ratio("a", "c", "x", "speed") is None
    assert record.spread("a", "x", "weight") is None
    with pytest.raises(LookupError, match="weight of a at x"):
        record.of_the("a", "x", "weight")


def test_what_was_measured_is_read_as_it_was_written(tmp_path: Path) -> None:
    """The file of all turns is complete: all else can be made of it."""
    save(RECORDS, tmp_path / "rounds.json")
    assert load(tmp_path / "rounds.json") == RECORDS
    assert (tmp_path / "rounds.json").read_text() == (RESULTS / "rounds.json").read_text()
    assert load(tmp_path / "none.json") == {}


@pytest.mark.parametrize("name", PARTS)
def test_each_table_shows_what_was_measured(name: str) -> None:
    """The results that are shown are those of the turns that were written down."""
    assert (RESULTS / f"{name}.md").read_text() == PARTS[name][1](RECORDS[name])
    assert (RESULTS / f"{name}.png").exists()


def test_the_readme_quotes_what_was_measured() -> None:
    """No figure of its section on speed is older, or better, than the results."""
    written = (ROOT / "README.md").read_text()
    assert readme.rewritten(written, RECORDS) == written
    assert readme.BEGIN in written


@pytest.mark.parametrize("name", PARTS)
def test_each_picture_is_drawn_of_what_was_measured(name: str, tmp_path: Path) -> None:
    """Where there is matplotlib, all turns that were written down are enough for the pictures."""
    pytest.importorskip("matplotlib")
    from _suite.pictures import DRAW

    DRAW[name](RECORDS[name], tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
