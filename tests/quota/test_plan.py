"""When each draft of a run can go: the plan, and what comes of it."""

import copy
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrain_async._base.clock import instant
from opentrain_async.quota import Reservation, Saw
from opentrain_async.quota._allowance import WINDOW
from opentrain_async.quota._plan import PlannedPublish, PublishPlan, plan
from opentrain_async.quota._probes import PROBE_INTERVAL

from ..support.account import ACCEPTED, LEASE, LOST, NOT_LIVE, PUBLISHED, REFUSED, T0, Account

NOW = instant(T0)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def account_of(limit: int | None, *ages: float, name: str = "used") -> Account:
    """An account whose slots are so many hours old."""
    account = Account(limit)
    for number, age in enumerate(sorted(ages, reverse=True)):
        at = T0 - age * 3600
        # With a place for each: who has used up more than the limit has had a higher one before.
        answer = account.log.reserve(f"{name}_{number}", at, reservation_id=str(number), lease=LEASE, cap=10_000)
        assert isinstance(answer, Reservation)
        account.log.settle(answer, PUBLISHED, at)
    return account


def plan_for(items: list[object] | list[str], account: Account, now: float = T0) -> PublishPlan:
    """The plan for this account, which stays as it is."""
    return plan(items, copy.deepcopy(account.log), now, account.cap)


def ids(count: int) -> list[str]:
    return [f"job_{number}" for number in range(count)]


def test_what_there_is_room_for_goes_now_and_the_rest_day_by_day() -> None:
    """45 drafts, 20 a day: 20, 20 and 5."""
    made = plan_for(ids(45), account_of(20))
    assert made.times == {NOW: 20, NOW + DAY: 20, NOW + 2 * DAY: 5}
    assert (len(made.now), len(made.later), made.ends_at) == (20, 25, NOW + 2 * DAY)
    assert str(made) == "45 drafts: 20 now, 25 later, the last one at 2027-01-17 08:00:00 UTC"
    assert [draft.job_id for draft in made.drafts] == ids(45)


def test_a_draft_waits_for_the_slot_that_comes_back_first() -> None:
    """Each slot comes back a day after it was used, and is used again then."""
    made = plan_for(ids(4), account_of(3, 23, 12))
    assert [(draft.at - NOW) / HOUR for draft in made.drafts] == [0, 1, 12, 24]


@pytest.mark.parametrize("saw", [PUBLISHED, ACCEPTED, LOST], ids=lambda saw: saw.answer)
def test_a_draft_that_has_a_slot_goes_in_it(saw: Saw) -> None:
    """A run that goes on waits for nothing that it has had already, also behind one that waits."""
    account = Account(cap=1)
    account.settled("mine", saw, T0 - 20 * 3600)
    made = plan_for(["other", "mine", "last"], account)
    times = [NOW + 4 * HOUR, NOW, NOW + 4 * HOUR + DAY]
    assert [draft.at for draft in made.drafts] == times
    assert made.drafts[1] == PlannedPublish("mine", NOW)


@pytest.mark.parametrize("saw", [ACCEPTED, LOST], ids=lambda saw: saw.answer)
def test_a_draft_whose_slot_has_left_the_window_takes_another(saw: Saw) -> None:
    """It may be charged once more, for all that is known."""
    account = Account(cap=1)
    account.settled("mine", saw, T0 - WINDOW)
    assert [draft.at for draft in plan_for(["mine", "other"], account).drafts] == [NOW, NOW + DAY]


def test_a_log_that_is_more_than_full_lets_nobody_in_until_there_is_room() -> None:
    """As after the limit was lowered."""
    assert plan_for(ids(1), account_of(3, 20, 21, 22, 23)).ends_at == NOW + 2 * HOUR


def test_a_limit_that_nobody_has_told_is_assumed() -> None:
    """And the plan says so."""
    made = plan_for(ids(21), account_of(None))
    assert (made.limit, made.limit_is_assumed, len(made.now)) == (20, True, 20)


def test_the_limit_is_the_one_that_counts() -> None:
    """The server's, under the caller's."""
    account = Account(cap=10)
    account.refuse("a", T0 - WINDOW, limit=5)
    made = plan_for(ids(6), account)
    assert (made.limit, made.limit_is_assumed) == (5, False)


def test_what_is_no_id_is_named() -> None:
    """It waits for nothing and takes no place."""
    made = plan_for(["a", "../evil", 7], account_of(1))
    assert (made.invalid, [draft.job_id for draft in made.drafts]) == (("../evil", "7"), ["a"])
    assert str(made) == "1 draft: 1 now, 0 later"
    nothing = plan_for([], account_of(1))
    assert (nothing.ends_at, str(nothing)) == (None, "0 drafts: 0 now, 0 later")


def test_no_draft_goes_only_to_find_out() -> None:
    """What is in doubt, in flight or used elsewhere counts as charged until its window ends."""
    account = Account(cap=3)
    account.settled("lost", LOST, T0 - 3600)
    account.reserve("held", T0 - 60)
    account.log.others.extend(_elsewhere(T0 - 7200))
    made = plan_for(ids(3), account)
    leaves = T0 - 60 + LEASE + WINDOW
    assert [draft.at for draft in made.drafts] == [NOW + DAY - 2 * HOUR, NOW + DAY - HOUR, instant(leaves)]


def _elsewhere(at: float) -> list:  # type: ignore[type-arg]
    account = Account(cap=1)
    account.refuse("a", at, limit=1)
    return account.log.others


def test_an_old_limit_is_not_tried_by_a_plan() -> None:
    """It is not known whether more would go."""
    account = Account()
    account.refuse("a", T0 - 5 * WINDOW, limit=20)
    assert plan_for(ids(21), account).times == {NOW: 20, NOW + DAY: 1}


def test_after_a_refusal_nothing_goes_before_the_next_slot_or_probe() -> None:
    """Also a draft that has a slot."""
    account = Account(cap=2)
    account.publish(2, T0 - 3600)
    account.refuse("job_0", T0 - 60, limit=2)
    made = plan_for(["job_1", "new"], account)
    assert [draft.at for draft in made.drafts] == [instant(T0 - 60 + PROBE_INTERVAL), NOW + DAY - HOUR]


def test_a_plan_is_told_by_the_clock_of_who_asks() -> None:
    """Also where that was set back since the slots were used."""
    account = account_of(1, 0)
    made = plan_for(ids(2), account, T0 - 3 * 3600)
    assert (made.made_at, made.ends_at) == (NOW - 3 * HOUR, NOW - 3 * HOUR + 2 * DAY)


def test_a_plan_leaves_the_log_of_the_ledger_alone() -> None:
    """It plays a copy forward."""
    account = account_of(3, 5)
    before = copy.deepcopy(account.log)
    plan_for(ids(9), account)
    assert account.log == before


@given(st.integers(1, 30), st.lists(st.floats(0, 23.9), max_size=30), st.integers(0, 100))
def test_a_plan_never_has_more_than_the_limit_in_a_window(limit: int, ages: list[float], count: int) -> None:
    """Whatever was used before; and once there is room, no place in a window is left unused."""
    account = account_of(limit, *ages)
    used = [slot.frees_at - DAY for slot in account.log.snapshot(T0, limit).slots]
    planned = sorted(draft.at for draft in plan_for(ids(count), account).drafts)
    for at in planned:
        in_window = [other for other in [*planned, *used] if at - DAY < other <= at]
        assert len(in_window) <= limit
    for earlier, later in pairwise(planned):
        if later > earlier:
            assert len([other for other in [*planned, *used] if later - DAY <= other < later]) >= limit


_SEEN = st.sampled_from([PUBLISHED, ACCEPTED, LOST, NOT_LIVE, None])


@given(st.lists(st.tuples(st.floats(0, 3 * 3600), _SEEN), max_size=8), st.integers(1, 5), st.booleans())
def test_a_plan_is_exact_where_nothing_is_left_to_find_out(
    past: list[tuple[float, Saw | None]], limit: int, is_refused: bool
) -> None:
    """Each draft that comes at its time and is published is let in, and none is let in as a certain one before."""
    account, now = Account(cap=limit), T0 - WINDOW
    for number, (pause, saw) in enumerate(past):
        now += pause
        answer = account.ask(f"past_{number}", now)
        if isinstance(answer, Reservation) and saw is not None:
            account.log.settle(answer, saw, now)
        elif isinstance(answer, Reservation) and is_refused:
            account.log.refused(answer, REFUSED, now, limit=limit)
    for draft in sorted(plan_for(ids(7), account).drafts, key=lambda draft: draft.at):
        at = max(T0, draft.at.timestamp())
        answer = account.ask(draft.job_id, at)
        assert isinstance(answer, Reservation), (draft, answer)
        account.log.settle(answer, PUBLISHED, at)


def test_a_plan_that_comes_to_the_calendars_end_ends_there() -> None:
    """One slot a year is a window that a server may have."""
    account = Account(cap=1)
    account.log.allowance.window = 366 * WINDOW
    made = plan_for(ids(9000), account)
    assert made.drafts[1].at == NOW + 366 * DAY
    assert made.ends_at == datetime.max.replace(tzinfo=UTC)
