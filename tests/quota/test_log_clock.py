"""The time of a log, which never goes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrain_async.quota._log_clock import LogClock

T0 = 1_800_000_000.0
DAY = 24 * 3600.0


def test_time_goes_on_from_where_it_was_while_the_clock_is_behind() -> None:
    """At the clock's pace, until the clock has caught up."""
    clock = LogClock()
    told = [T0, T0 - DAY, T0 - DAY + 60, T0 + 30, T0 + 90]
    assert [clock.advance(at) - T0 for at in told] == [0, 0, 60, 60, 90]
    assert clock == LogClock(T0 + 90, 0.0)


def test_a_step_that_is_late_moves_nothing() -> None:
    """Another read the clock after it and was faster."""
    clock = LogClock()
    assert [clock.advance(T0 + late) - T0 for late in (0, -60, 1)] == [0, 0, 1]


def test_a_clock_that_is_set_back_once_more_goes_on_from_there() -> None:
    """However far the second leap is."""
    clock = LogClock()
    told = [T0, T0 - DAY, T0 - DAY + 10, T0 - 9 * DAY, T0 - 9 * DAY + 5]
    assert [clock.advance(at) - T0 for at in told] == [0, 0, 10, 10, 15]


def test_an_instant_is_told_by_the_clock_of_who_asks() -> None:
    """Ten seconds after a clock was set back by a day, what is due in twenty seconds is due in twenty by it, too."""
    clock = LogClock()
    for at in (T0, T0 - DAY, T0 - DAY + 10):
        now = clock.advance(at)
    assert clock.as_told(now) == T0 - DAY + 10
    assert clock.as_told(now + 20) == T0 - DAY + 30


@given(st.lists(st.floats(-3 * DAY, 3 * DAY), min_size=1))
def test_whatever_the_clock_says_time_does_not_go_back(leaps: list[float]) -> None:
    """The time is never before the one that was told, and never before what was seen."""
    clock, seen = LogClock(), 0.0
    for leap in leaps:
        now = clock.advance(T0 + leap)
        assert now >= max(seen, T0 + leap)
        assert clock.lead >= 0
        assert clock.as_told(now) == pytest.approx(T0 + leap, abs=60.001)
        seen = now


@given(st.floats(1, 10 * DAY), st.lists(st.floats(0, 3600), max_size=20))
def test_what_passes_by_the_clock_passes_by_the_log(back: float, pauses: list[float]) -> None:
    """After a leap back of more than a step may be late, each pause is as long as the clock says."""
    clock = LogClock()
    clock.advance(T0)
    told, now = T0 - back, clock.advance(T0 - back)
    for pause in pauses:
        told += pause
        before, now = now, clock.advance(told)
        assert now - before <= pause + 1e-6
    assert now >= T0
