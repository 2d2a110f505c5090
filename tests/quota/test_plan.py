"""When each draft of a run can go: the plan, and what comes of it."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from opentrain_async import QuotaSnapshot
from opentrain_async.quota import QuotaSlot
from opentrain_async.quota._plan import PlannedPublish, plan

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def quota_of(limit: int | None, *ages: float, job: str | None = None) -> QuotaSnapshot:
    """A quota whose slots are so many hours old."""
    slots = [QuotaSlot(job, "spent", NOW + DAY - timedelta(hours=age)) for age in sorted(ages, reverse=True)]
    return QuotaSnapshot(limit, len(slots), None, None, slots=tuple(slots))


def ids(count: int) -> list[str]:
    return [f"job_{number}" for number in range(count)]


def test_what_there_is_room_for_goes_now_and_the_rest_day_by_day() -> None:
    """45 drafts, 20 a day: 20, 20 and 5."""
    made = plan(ids(45), quota_of(20), NOW)
    assert made.times == {NOW: 20, NOW + DAY: 20, NOW + 2 * DAY: 5}
    assert (len(made.now), len(made.later), made.ends_at) == (20, 25, NOW + 2 * DAY)
    assert str(made) == "45 drafts: 20 now, 25 later, the last one at 2026-11-27 12:00:00 UTC"
    assert [draft.job_id for draft in made.drafts] == ids(45)


def test_a_draft_waits_for_the_slot_that_comes_back_first() -> None:
    """Each slot comes back a day after it was used, and is used again then."""
    made = plan(ids(4), quota_of(3, 23, 12), NOW)
    hours = [(draft.at - NOW).total_seconds() / 3600 for draft in made.drafts]
    assert hours == [0, 1, 12, 24]


def test_a_draft_that_has_a_slot_goes_in_it() -> None:
    """A run that goes on waits for nothing that it has had already."""
    made = plan(["job_1", "job_2"], quota_of(1, 20, job="job_1"), NOW)
    assert made.drafts == (PlannedPublish("job_1", NOW), PlannedPublish("job_2", NOW + timedelta(hours=4)))


def test_a_log_that_is_more_than_full_lets_nobody_in_until_there_is_room() -> None:
    """As after the limit was lowered."""
    assert plan(ids(1), quota_of(3, 20, 21, 22, 23), NOW).ends_at == NOW + timedelta(hours=2)


def test_a_limit_that_nobody_has_told_is_assumed() -> None:
    """And the plan says so."""
    made = plan(ids(21), quota_of(None), NOW)
    assert (made.limit, made.limit_is_assumed, len(made.now)) == (20, True, 20)


def test_what_is_no_id_is_named() -> None:
    """It waits for nothing and takes no place."""
    made = plan(["a", "../evil", 7], quota_of(1), NOW)
    assert (made.invalid, [draft.job_id for draft in made.drafts]) == (("../evil", "7"), ["a"])
    assert str(made) == "1 draft: 1 now, 0 later"
    assert (plan([], quota_of(1), NOW).ends_at, str(plan([], quota_of(1), NOW))) == (None, "0 drafts: 0 now, 0 later")


@given(st.integers(1, 30), st.lists(st.floats(0, 23.9), max_size=30), st.integers(0, 100))
def test_a_plan_never_has_more_than_the_limit_in_a_window(limit: int, ages: list[float], count: int) -> None:
    """Whatever was used before; and once there is room, no place in a window is left unused."""
    quota = quota_of(limit, *ages)
    planned = sorted(draft.at for draft in plan(ids(count), quota, NOW).drafts)
    used = [slot.frees_at - DAY for slot in quota.slots]
    for at in planned:
        in_window = [other for other in [*planned, *used] if at - DAY < other <= at]
        assert len(in_window) <= limit
    for earlier, later in pairwise(planned):
        if later > earlier:
            assert len([other for other in [*planned, *used] if later - DAY <= other < later]) >= limit


def test_a_plan_that_comes_to_the_calendars_end_ends_there() -> None:
    """One slot a year is a window that a server may have."""
    quota = evolve(quota_of(1), window=366 * DAY.total_seconds())
    made = plan(ids(9000), quota, NOW)
    assert made.drafts[1].at == NOW + 366 * DAY
    assert made.ends_at == datetime.max.replace(tzinfo=UTC)
