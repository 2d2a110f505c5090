"""What is known of limit and window, and when it is old enough to be tried."""

import math

import pytest

from opentrain_async.quota._allowance import CLAIMED_LIMIT, DAY, WINDOW, Allowance

T0 = 1_800_000_000.0
WEEK = 7 * DAY


def said(limit: int | None, window: float = WINDOW, trials: int = 0) -> Allowance:
    """What the server said in a refusal, at T0."""
    return Allowance(limit, None if limit is None else "server", T0, window, trials)


@pytest.mark.parametrize(
    ("limit", "source", "cap", "counts"),
    [
        (None, None, None, None),
        (None, None, 7, 7),
        (20, "server", None, 20),
        (20, "server", 7, 7),
        (20, "server", 50, 20),
        (20, "documented", None, 20),
        (20, "documented", 7, 7),
        (20, "documented", 50, 50),
    ],
)
def test_the_limit_is_the_lower_of_what_the_caller_and_the_server_say(
    limit: int | None, source: str | None, cap: int | None, counts: int | None
) -> None:
    """What is only inferred does not bound what the caller was told."""
    assert Allowance(limit, source).limit_under(cap) == counts  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("known", "cap", "days"),
    [
        (Allowance(), None, math.inf),
        (Allowance(), 5, math.inf),
        (Allowance(20, "documented", T0), None, math.inf),
        (said(20), 20, math.inf),
        (said(20), 7, math.inf),
        (said(3), None, 1),
        (said(19), None, 1),
        (said(3, trials=9), None, 1),
        (said(20), 50, 1),
        (said(30), 50, 1),
        (said(3), 10, 1),
        (said(20), None, 1),
        (said(20, trials=1), None, 2),
        (said(20, trials=2), None, 4),
        (said(20, trials=3), None, 7),
        (said(500, trials=9), None, 7),
        (said(None, WEEK), None, 1),
        (said(None, WEEK, trials=1), 5, 2),
        (said(3, WEEK, trials=2), None, 4),
        (said(3, 3600.0, trials=8), 20, 7),
    ],
)
def test_limit_and_window_are_tried_when_they_are_old(known: Allowance, cap: int | None, days: float) -> None:
    """A low limit each day; any other, and another window, ever less often; what the server has not said, never."""
    assert known.tried_at(cap) == T0 + days * DAY


def test_a_refusal_on_a_trial_puts_the_next_one_off() -> None:
    """One that comes sooner says nothing of how limits change, and a change begins anew."""
    known = said(20)
    known.learn(20, WINDOW, T0 + 60, charged=20, cap=None)
    assert (known.trials, known.learned_at) == (0, T0 + 60)
    now, waited = T0 + 60, []
    for _ in range(5):
        waited.append((known.tried_at(None) - now) / DAY)
        now = known.tried_at(None)
        known.learn(20, WINDOW, now, charged=20, cap=None)
    assert waited == [1, 2, 4, 7, 7]
    known.learn(50, WINDOW, now + 1, charged=20, cap=None)
    assert (known.limit, known.trials, known.learned_at) == (50, 0, now + 1)


def test_a_refusal_that_names_no_limit_leaves_the_known_one() -> None:
    """Also its age, unless the limit was tried by it."""
    known = said(20)
    known.learn(None, None, T0 + 60, charged=20, cap=None)
    assert known == said(20)
    known.learn(None, None, T0 + DAY, charged=20, cap=None)
    assert known == Allowance(20, "server", T0 + DAY, WINDOW, trials=1)


def test_a_limit_that_is_refused_without_a_name_is_at_least_what_was_charged() -> None:
    """Past an old limit drafts are accepted one at a time, until the first refusal says where it ends now."""
    known = said(20)
    known.learn(None, None, T0 + DAY, charged=33, cap=None)
    assert (known.limit, known.source, known.learned_at, known.trials) == (33, "server", T0 + DAY, 0)


def test_a_refusal_may_name_the_window_alone() -> None:
    """Nothing is learned of the limit by that, and a refusal that names neither teaches nothing."""
    known = Allowance()
    known.learn(None, None, T0, charged=4, cap=None)
    assert known == Allowance()
    known.learn(None, 7200.0, T0, charged=4, cap=None)
    assert known == Allowance(None, None, T0, 7200.0)


def test_an_unclaimed_accounts_limit_is_surpassed_by_a_claimed_ones() -> None:
    """What was inferred is not tried; what is forgotten is learned anew, in the same window."""
    known = said(3, 7200.0, trials=2)
    known.infer(T0 + 5)
    assert known == Allowance(CLAIMED_LIMIT, "documented", T0 + 5, 7200.0)
    known.forget()
    assert known == Allowance(window=7200.0)
