"""When a draft may be sent to find out more."""

import pytest

from opentrain_async.quota._probes import LONGEST_PROBE_INTERVAL, PROBE_INTERVAL, SOONEST_SLOT, Probes

T0 = 1_800_000_000.0
HOUR = 3600.0


def test_nothing_speaks_against_a_probe_before_the_first_refusal() -> None:
    """A place that a slot leaves may be tried at that time."""
    probes = Probes()
    assert (probes.are_careful, probes.next_at) == (False, 0.0)
    assert probes.may_try(T0) == T0
    probes.accepted(T0)
    assert probes == Probes()


def test_probes_in_vain_back_off() -> None:
    """An hour, and once more; then 2, 4, 8 hours, and no longer."""
    probes, now, pauses = Probes(), T0, []
    for _ in range(7):
        probes.refused(now, now, None)
        pauses.append(probes.next_at - now)
        now = probes.next_at
    assert pauses == [HOUR, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 8 * HOUR, 8 * HOUR]
    assert (probes.in_a_row, LONGEST_PROBE_INTERVAL) == (7, 8 * HOUR)


def test_after_a_year_in_vain_the_interval_is_still_the_longest() -> None:
    """However often it would have doubled."""
    probes = Probes(T0, in_a_row=10**9)
    probes.refused(T0 + 1, T0 + 2, None)
    assert probes.next_at == T0 + 2 + LONGEST_PROBE_INTERVAL


@pytest.mark.parametrize(
    ("retry_after", "pauses"),
    [
        (60.0, [60, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR]),
        (1e-9, [SOONEST_SLOT, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR]),
        (3 * HOUR, [3 * HOUR, 3 * HOUR, 3 * HOUR, 4 * HOUR, 8 * HOUR]),
    ],
)
def test_retry_after_is_believed_until_it_was_found_false(retry_after: float, pauses: list[float]) -> None:
    """A second refusal in a row is never dated sooner than the interval, which grows from then on."""
    probes, now, seen = Probes(), T0, []
    for _ in pauses:
        probes.refused(now, now, retry_after)
        seen.append(probes.next_at - now)
        now = probes.next_at
    assert seen == pauses


def test_drafts_that_were_in_flight_together_are_refused_twice_at_the_most() -> None:
    """Each was sent before the first refusal came; the latest of their dates stands."""
    probes = Probes()
    probes.refused(T0, T0 + 1, 7200.0)
    probes.refused(T0, T0 + 2, None)
    probes.refused(T0 + 1, T0 + 3, 60.0)
    assert (probes.in_a_row, probes.refused_at, probes.next_at) == (2, T0 + 3, T0 + 1 + 7200)
    probes.refused(T0 + 2, T0 + 9000, 60.0)
    assert (probes.in_a_row, probes.next_at) == (2, T0 + 9000 + PROBE_INTERVAL)
    probes.refused(T0 + 9001, T0 + 9002, 60.0)
    assert (probes.in_a_row, probes.next_at) == (3, T0 + 9002 + 2 * PROBE_INTERVAL)


@pytest.mark.parametrize(("made_at", "is_careful"), [(T0, True), (T0 + 5, True), (T0 + 5.1, False)])
def test_only_a_publish_that_began_after_the_refusal_ends_the_row(made_at: float, is_careful: bool) -> None:
    """One of before says nothing of the day's end."""
    probes = Probes()
    probes.refused(T0, T0 + 5, None)
    probes.accepted(made_at)
    assert probes.are_careful is is_careful
    assert probes.next_at == (T0 + 5 + PROBE_INTERVAL if is_careful else 0.0)


def test_a_refusal_after_an_accepted_publish_is_the_first_again() -> None:
    """Also that of a draft which was in flight beside the accepted one."""
    probes = Probes()
    for at in (T0, T0 + HOUR):
        probes.refused(at, at, None)
    probes.accepted(T0 + 3 * HOUR)
    probes.refused(T0 + HOUR - 1, T0 + 3 * HOUR + 1, None)
    assert (probes.in_a_row, probes.next_at) == (1, T0 + 3 * HOUR + 1 + PROBE_INTERVAL)


def test_a_probe_that_finds_out_nothing_delays_the_next_by_a_minute() -> None:
    """It takes nothing away from a longer delay."""
    probes = Probes()
    probes.found_out_nothing(T0)
    assert probes.next_at == T0 + 60
    probes.refused(T0, T0, None)
    probes.found_out_nothing(T0 + 5)
    assert probes.next_at == T0 + PROBE_INTERVAL


def test_a_slot_that_leaves_may_be_tried_at_once_after_one_refusal() -> None:
    """However long probing is put off; nothing is put off by it."""
    probes = Probes()
    probes.refused(T0, T0, None)
    assert probes.may_try(T0 + 60) == T0 + 60
    probes.a_slot_left(T0 + 60)
    assert probes.next_at == T0 + 60
    probes.a_slot_left(T0 + 120)
    assert probes.next_at == T0 + 60


def test_after_two_refusals_in_a_row_no_slot_is_tried_within_the_interval() -> None:
    """The first one's place was tried in vain: the service counts otherwise."""
    probes = Probes()
    for at in (T0, T0 + 60):
        probes.refused(at, at, None)
    assert probes.may_try(T0 + 120) == T0 + 60 + PROBE_INTERVAL
    probes.a_slot_left(T0 + 120)
    assert probes.next_at == T0 + 60 + PROBE_INTERVAL
    assert probes.may_try(T0 + 9000) == T0 + 9000


def test_a_refusal_ends_what_came_back_from_elsewhere() -> None:
    """The server's count stands, and is filled up anew."""
    probes = Probes(returning=7)
    probes.refused(T0, T0, None)
    assert probes.returning == 0
