"""What time a server has, between its answers."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrain_async.quota._stores import redis_clock
from opentrain_async.quota._stores.redis_clock import ServerClock

SECONDS = st.floats(0.0, 2.0)
Pass = Callable[[float], float]


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Pass:
    """Lets seconds pass on the process's monotonic clock; returns what it shows then."""
    now = 1000.0

    def some(seconds: float) -> float:
        nonlocal now
        now += seconds
        return now

    monkeypatch.setattr(redis_clock, "time", SimpleNamespace(monotonic=lambda: now))
    return some


def test_before_the_first_answer_it_is_the_callers_wall_clock(passes: Pass) -> None:
    """And goes on as time passes."""
    clock = ServerClock.by_wall_clock(5_000.0)
    assert clock.now() == 5_000.0
    passes(7.0)
    assert clock.now() == 5_007.0


@pytest.mark.parametrize(("wall", "expected"), [(0.0, 5_000.0), (9_999.0, 5_002.0), (5_001.5, 5_001.5)])
def test_an_answer_bounds_the_estimate_from_both_sides(passes: Pass, wall: float, expected: float) -> None:
    """What the wall clock said stays where the answer permits it."""
    clock = ServerClock.by_wall_clock(wall)
    clock.heard(5_000.0, sent_at=998.0, received_at=1000.0)
    assert clock.now() == expected


def test_the_shortest_round_trip_decides(passes: Pass) -> None:
    """One that took long, such as the first of a connection, takes nothing back."""
    clock = ServerClock.by_wall_clock(0.0)
    clock.heard(5_000.0, sent_at=999.0, received_at=1000.0)
    clock.heard(5_000.0, sent_at=999.99, received_at=1000.0)
    assert clock.now() == pytest.approx(5_000.0)
    clock.heard(5_000.9, sent_at=1000.0, received_at=1002.0)
    assert clock.ahead == pytest.approx(4_000.0)


def test_it_does_not_go_back_for_jitter(passes: Pass) -> None:
    """Until time has caught up; a server's clock that was set back is followed."""
    clock = ServerClock.by_wall_clock(5_000.0)
    assert clock.now() == 5_000.0
    clock.heard(4_999.98, sent_at=1000.0, received_at=1000.0)
    assert clock.now() == 5_000.0
    passes(0.03)
    assert clock.now() == pytest.approx(5_000.01)
    clock.heard(1_000.0, sent_at=1000.0, received_at=1000.0)
    assert clock.now() == pytest.approx(1_000.03)


@given(st.lists(st.tuples(SECONDS, SECONDS, SECONDS), min_size=1), st.floats(-1e6, 1e6))
def test_once_it_has_heard_a_server_it_is_off_by_less_than_the_last_round_trip(
    trips: list[tuple[float, float, float]], off_at_first: float
) -> None:
    """And is ahead of it by no more than the shortest way there took: so a write that is no faster comes in time."""
    now, ahead = 1000.0, 1_700_000_000.0
    clock = ServerClock(ahead + off_at_first)
    shortest = 2.0
    for pause, there, back in trips:
        sent, received = now + pause, now + pause + there + back
        clock.heard(ahead + sent + there, sent, received)
        shortest, now = min(shortest, there), received
        assert -back - 1e-6 <= clock.ahead - ahead <= there + 1e-6
        assert clock.ahead - ahead <= shortest + 1e-6
