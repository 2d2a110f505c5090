"""Which publishes in flight a draft waits for."""

import pytest

from opentrain_async.quota._in_flight import FIRST_SECONDS, first_of, published_again, those_that_may_tell
from opentrain_async.quota._slots import Reservation, Slot

from ..support.account import LEASE, T0


def held(name: str, *, made_at: float = T0, probe: int | None = None) -> Reservation:
    """A reservation of the process before its dash."""
    return Reservation(name, "job", "new", None, made_at, LEASE, probe)


def test_a_process_waits_for_its_own_first_draft_alone() -> None:
    """Another process's say nothing of when this one may go."""
    ours, theirs = held("ours-1"), held("theirs-1")
    jobs = {"a": Slot(holders=(ours,)), "b": Slot(holders=(theirs,))}
    assert first_of(jobs, "ours", T0) == (ours,)
    assert first_of(jobs, "a third", T0) == ()


@pytest.mark.parametrize("now", [T0 + FIRST_SECONDS, T0 + LEASE, T0 + 10 * LEASE])
def test_a_first_draft_is_not_waited_for_as_long_as_it_takes(now: float) -> None:
    """A service that is slow, or a draft that it cannot process, stops no run."""
    assert first_of({"a": Slot(holders=(held("ours-1"),))}, "ours", now) == ()


def test_once_one_is_accepted_no_draft_is_the_first_for_a_while() -> None:
    """The day is not used up, as far as is known; a publish of hours ago says nothing of that."""
    first = held("ours-1")
    jobs = {"a": Slot("spent", T0 - 59), "b": Slot(holders=(first,))}
    assert (first_of(jobs, "ours", T0), first_of(jobs, "ours", T0 + 1)) == ((), (first,))


def test_a_draft_that_was_charged_before_may_take_a_second_place() -> None:
    """As long as it is in flight."""
    jobs = {"a": Slot("spent", T0 - 60, holders=(held("r-1"),)), "b": Slot(holders=(held("r-2"),))}
    assert (published_again(jobs, T0), published_again(jobs, T0 + LEASE)) == (1, 0)


def test_probes_tell_and_others_may_leave_a_place() -> None:
    """But for those whose charge is certain: they leave none."""
    probe, other, again = held("r-1", probe=20), held("r-2"), held("r-3")
    jobs = {"a": Slot(holders=(probe,)), "b": Slot(holders=(other,)), "c": Slot("spent", T0, holders=(again,))}
    assert those_that_may_tell(jobs, T0, probes=True, others=False) == (probe,)
    assert those_that_may_tell(jobs, T0, probes=False, others=True) == (probe, other)
    assert those_that_may_tell(jobs, T0 + LEASE, probes=True, others=True) == ()
