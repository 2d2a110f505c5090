"""The retry policy: its ranges and its promises."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrain_async import RetryPolicy
from opentrain_async._retry.engine import Retrier
from opentrain_async.errors import (
    ConfigurationError,
    ConnectError,
)

from ..support.trials import Trial
from ..support.virtual import VirtualClock


@pytest.mark.parametrize(
    "values",
    [
        {"max_attempts": 0}, {"max_attempts": 1.5}, {"max_attempts": True}, {"base_delay": -1}, {"base_delay": 9.0},
        {"max_delay": float("inf")}, {"deadline": 0}, {"deadline": float("nan")}, {"max_retry_after": "60"},
    ],
)  # fmt: skip
def test_a_policy_that_cannot_be_right_is_refused(values: dict[str, object]) -> None:
    """A policy is checked when it is made, and what is wrong is named."""
    (name,) = values
    with pytest.raises(ConfigurationError, match=rf"\b{name}\b"):
        RetryPolicy(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values",
    [
        {"max_attempts": 1},
        {"base_delay": 0.0, "max_delay": 0.0},
        {"base_delay": 3.0, "max_delay": 3.0},
        {"max_retry_after": 0.0},
        {"deadline": 0.001},
    ],
)
def test_a_policy_may_go_to_the_ends_of_its_ranges(values: dict[str, float]) -> None:
    """Not to retry, not to wait, and to be in a hurry, are policies too."""
    policy = RetryPolicy(**values)  # type: ignore[arg-type]
    assert {name: getattr(policy, name) for name in values} == values


@given(st.integers(1, 6), st.floats(0, 3), st.floats(0, 30), st.floats(0.1, 60), st.floats(0, 20))
def test_no_policy_begins_anything_after_its_deadline(
    attempts: int, base: float, more: float, deadline: float, takes: float
) -> None:
    """Whatever the policy, attempts are counted and each begins with time left."""
    clock = VirtualClock()
    policy = RetryPolicy(max_attempts=attempts, base_delay=base, max_delay=base + more, deadline=deadline)
    trial = Trial(clock, [ConnectError("refused") for _ in range(9)], takes)
    with pytest.raises(ConnectError):
        asyncio.run(trial.run(Retrier(policy, clock)))
    assert len(trial.began) <= attempts
    assert all(left > 0 for left in trial.left)
    assert trial.began[-1] - trial.began[0] < deadline
