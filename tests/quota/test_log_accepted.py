"""Publishes that the service has accepted and not put live yet: the log's part."""

import pytest

from opentrain_async._base.clock import instant
from opentrain_async.quota import AccountLog, QuotaSlot, Saw, Wait, dump_log, load_log
from opentrain_async.quota._allowance import WINDOW
from opentrain_async.quota._log import MOST_REMEMBERED, REMEMBERED
from opentrain_async.quota._log_takeover import take_over

from ..support.account import (
    ACCEPTED,
    ENDED,
    LEASE,
    LIVE,
    LIVE_AFTER_A_LOSS,
    LOST,
    NOT_LIVE,
    NOT_SENT,
    PENDING,
    PUBLISHED,
    REFUSED,
    T0,
    Account,
)

LATER = T0 + WINDOW + 3600


def accepted(cap: int | None = 5, now: float = T0) -> Account:
    """An account with one accepted publish, of job a."""
    account = Account(cap)
    account.settled("a", ACCEPTED, now)
    return account


def test_an_accepted_publish_counts_and_is_not_doubtful() -> None:
    """It is dated at its acceptance."""
    snapshot = accepted().log.snapshot(T0 + 60, 5)
    assert (snapshot.used, snapshot.doubtful) == (1, 0)
    assert snapshot.slots == (QuotaSlot("a", "accepted", instant(T0 + WINDOW)),)


def by_answer(value: object) -> str | None:
    """The name of a parameter: what the service has said."""
    if not isinstance(value, Saw):
        return None
    return value.answer if value.unanswered_for is None else f"{value.answer} after a loss"


@pytest.mark.parametrize("saw", [PENDING, ACCEPTED], ids=by_answer)
def test_a_draft_that_is_still_pending_keeps_its_slot(saw: Saw) -> None:
    """Each run asks for the draft again until it is live, and the server may say each time that it is not published."""
    account = accepted()
    again = account.settled("a", saw, T0 + 60)
    assert (again.before, again.before_at) == ("accepted", T0)
    assert (account.log.jobs["a"].at, account.used(T0 + 60)) == (T0, 1)


def test_a_draft_that_was_pending_before_counts_and_proves_nothing() -> None:
    """It was accepted by other means: neither is a limit learnt by it, nor does a probe take a doubt away."""
    account = Account()
    for job in "abcd":
        account.settled(job, PENDING)
    assert account.log.snapshot(T0, None).limit is None
    account = Account(cap=1)
    account.settled("doubt", LOST)
    account.log.settle(account.reserve("probe", T0 + 3600), PENDING, T0 + 3600)
    assert {job: slot.kind for job, slot in account.log.jobs.items()} == {"doubt": "unknown", "probe": "accepted"}


def test_an_unknown_publish_that_is_pending_is_dated_as_it_was() -> None:
    """The request in doubt was accepted, unless another one in flight was."""
    account = Account(cap=5)
    account.settled("a", LOST)
    account.settled("a", PENDING, T0 + 60)
    assert (account.log.jobs["a"].kind, account.log.jobs["a"].at) == ("accepted", T0)


def test_doubts_are_remembered_before_acceptances() -> None:
    """Of 200 that are remembered an acceptance goes first: of a doubt more depends on it."""
    account = Account(cap=1000)
    account.settled("doubt", LOST)
    for number in range(MOST_REMEMBERED):
        account.settled(f"job_{number}", ACCEPTED)
    account.used(LATER)
    assert len(account.log.expired_doubts) == MOST_REMEMBERED
    assert account.log.expired_doubts["doubt"].kind == "unknown"
    assert "job_0" not in account.log.expired_doubts


@pytest.mark.parametrize("saw", [NOT_LIVE, REFUSED, NOT_SENT, LOST], ids=by_answer)
def test_no_refusal_takes_an_accepted_slot_away(saw: Saw) -> None:
    """The job may be a draft again: its publish was counted all the same."""
    account = accepted()
    account.settled("a", saw, T0 + 60)
    slot = account.log.jobs["a"]
    assert (slot.kind, slot.at, slot.is_doubtful(T0 + 60)) == ("accepted", T0, False)


def test_the_refusal_of_a_quota_leaves_an_accepted_slot() -> None:
    """The server's count stands, and the slot is one of those that it counts."""
    account = accepted()
    account.log.refused(account.reserve("a", T0 + 60), REFUSED, T0 + 60, limit=2)
    assert [slot.state for slot in account.log.snapshot(T0 + 60, 5).slots] == ["accepted", "elsewhere"]


@pytest.mark.parametrize("saw", [LIVE, LIVE_AFTER_A_LOSS, ENDED], ids=by_answer)
def test_an_accepted_job_that_is_found_live_is_spent_as_of_its_acceptance(saw: Saw) -> None:
    """Our publish has put it live, and was charged then, whether or not it has ended since."""
    account = accepted()
    account.settled("a", saw, T0 + 60)
    slot = account.log.jobs["a"]
    assert (slot.kind, slot.at, account.used(T0 + 60)) == ("spent", T0, 1)


def test_a_fresh_charge_counts_beside_an_acceptance() -> None:
    """The job became a draft again and was published anew."""
    account = accepted()
    twice = account.settled("a", PUBLISHED, T0 + 60)
    account.log.settle(twice, PUBLISHED, T0 + 61)
    assert (account.used(T0 + 61), account.log.jobs["a"].kind) == (2, "spent")
    assert [(slot.kind, slot.at) for slot in account.log.others] == [("accepted", T0)]


def test_a_fresh_charge_counts_beside_an_acceptance_that_was_found_live() -> None:
    """A live edit took the job down since."""
    account = accepted()
    account.settled("a", LIVE, T0 + 60)
    account.settled("a", PUBLISHED, T0 + 120)
    assert account.used(T0 + 120) == 2


@pytest.mark.parametrize(("before", "used"), [("spent", 2), ("held", 1)])
def test_an_acceptance_counts_beside_a_charge_of_before(before: str, used: int) -> None:
    """Where two publishes of the job are in flight at once, they are charged once."""
    account = Account(cap=5)
    first = account.reserve("a")
    second = account.reserve("a") if before == "held" else None
    account.log.settle(first, PUBLISHED, T0)
    second = second or account.reserve("a", T0 + 60)
    account.reserve("a", T0 + 60)
    for _ in range(2):
        account.log.settle(second, ACCEPTED, T0 + 60)
    assert account.used(T0 + 60) == used
    assert [slot.holders for slot in account.log.others] == [()] * (used - 1)


def test_an_unknown_publish_that_is_accepted_is_dated_at_the_acceptance() -> None:
    """From then on it is not probed for."""
    account = Account(cap=5)
    account.settled("a", LOST)
    account.settled("a", ACCEPTED, T0 + 60)
    slot = account.log.jobs["a"]
    assert (slot.kind, slot.at, account.log.snapshot(T0 + 60, 5).doubtful) == ("accepted", T0 + 60, 0)


def test_accepted_publishes_are_not_probed_for() -> None:
    """A full window of them leaves nothing to find out."""
    account = accepted(cap=2)
    account.settled("b", ACCEPTED)
    assert account.ask("c", T0 + 7200) == Wait(T0 + WINDOW, WINDOW - 7200, 2, 2)


def test_a_publish_of_an_accepted_job_leaves_no_place() -> None:
    """While it is in flight, another draft need not wait for what comes of it."""
    account = accepted(cap=1)
    account.reserve("a", T0 + 60)
    assert account.ask("b", T0 + 60) == Wait(T0 + WINDOW, WINDOW - 60, 1, 1)
    assert [slot.state for slot in account.log.snapshot(T0 + 60, 1).slots] == ["accepted"]


@pytest.mark.parametrize("saw", [PUBLISHED, ACCEPTED], ids=by_answer)
def test_a_probe_takes_away_a_doubt_and_no_acceptance(saw: Saw) -> None:
    """The service has taken one more, so one doubt was not charged."""
    account = accepted(cap=2)
    account.settled("doubt", LOST)
    probe = account.reserve("probe", T0 + 3600)
    assert isinstance(account.ask("probe", T0 + 3600), Wait)
    assert probe.probe == 2
    account.log.settle(probe, saw, T0 + 3600)
    assert {job: slot.kind for job, slot in account.log.jobs.items()} == {
        "a": "accepted",
        "probe": "spent" if saw == PUBLISHED else "accepted",
    }


def test_four_acceptances_are_more_than_an_unclaimed_account_has() -> None:
    """Then the limit is a claimed account's, and drafts go at once."""
    account = Account()
    for job in "abcd":
        account.settled(job, ACCEPTED)
    snapshot = account.log.snapshot(T0, None)
    assert (snapshot.limit, snapshot.limit_source) == (20, "documented")


def test_an_acceptance_is_remembered_after_its_window() -> None:
    """The job may be approved later. Until then a full window tells that it may be live."""
    account = accepted(cap=1)
    account.settled("b", PUBLISHED, LATER)
    wait = account.ask("a", LATER)
    assert isinstance(wait, Wait)
    assert wait.may_be_live
    assert account.used(LATER) == 1


def test_a_job_that_was_accepted_before_the_window_may_be_a_probe() -> None:
    """Past a window that is full of doubt it is sent to find out, as any other draft."""
    account = accepted(cap=1)
    account.settled("doubt", LOST, LATER)
    probe = account.reserve("a", LATER + 3600)
    assert (probe.before, probe.probe) == ("accepted", 1)


def test_an_acceptance_is_forgotten_after_a_month() -> None:
    """As a doubt is."""
    account = accepted()
    assert account.reserve("a", T0 + REMEMBERED).before == "new"


@pytest.mark.parametrize(
    ("saw", "used", "kind"),
    [
        (LIVE, 0, None),
        (ENDED, 0, None),
        (PENDING, 0, None),
        (ACCEPTED, 0, None),
        (NOT_LIVE, 0, None),
        (REFUSED, 0, None),
        (NOT_SENT, 0, None),
        (PUBLISHED, 1, "spent"),
        (LIVE_AFTER_A_LOSS, 1, "spent"),
        (LOST, 1, "unknown"),
    ],
    ids=by_answer,
)
def test_a_publish_after_the_window_of_an_acceptance(saw: Saw, used: int, kind: str | None) -> None:
    """Only a request of its own can have been charged in this window."""
    account = accepted()
    again = account.reserve("a", LATER)
    assert (again.before, again.before_at, account.used(LATER)) == ("accepted", T0, 1)
    assert load_log(dump_log(account.log)) == account.log
    account.log.settle(again, saw, LATER)
    assert account.used(LATER) == used
    assert (account.log.jobs["a"].kind if used else None) == kind
    is_remembered = saw in {PENDING, ACCEPTED, NOT_LIVE, REFUSED, NOT_SENT}
    assert {job: slot.kind for job, slot in account.log.expired_doubts.items()} == (
        {"a": "accepted"} if is_remembered else {}
    )
    assert account.reserve("a", LATER + 60).before == ("accepted" if is_remembered else kind or "new")


@pytest.mark.parametrize(("saw", "kind"), [(LIVE, "spent"), (ACCEPTED, "accepted")], ids=by_answer)
def test_after_the_window_another_publish_in_flight_may_have_been_charged(saw: Saw, kind: str) -> None:
    """Then nothing is dated back."""
    account = accepted()
    first, second = account.reserve("a", LATER), account.reserve("a", LATER)
    assert (second.before, second.before_at) == ("accepted", T0)
    account.log.settle(first, saw, LATER)
    account.log.settle(second, LOST, LATER + 1)
    assert (account.used(LATER + 1), account.log.jobs["a"].kind) == (1, kind)


def test_a_process_that_dies_after_the_window_of_an_acceptance_leaves_a_doubt() -> None:
    """Its request may have been charged, and an answer to a later one settles that."""
    account = accepted()
    account.reserve("a", LATER)
    dead = LATER + LEASE
    assert [slot.state for slot in account.log.snapshot(dead, 5).slots] == ["unknown"]
    again = account.reserve("a", dead)
    assert again.before == "unknown"
    account.log.settle(again, LIVE, dead)
    assert (account.used(dead), account.log.jobs["a"].kind, account.log.expired_doubts) == (1, "spent", {})


def test_a_late_answer_finds_an_acceptance_whose_window_has_ended_meanwhile() -> None:
    """The job is known to be charged, and as of when."""
    account = accepted()
    late = account.reserve("a", T0 + WINDOW - 1)
    assert [slot.state for slot in account.log.snapshot(T0 + WINDOW, 5).slots] == ["held"]
    account.log.settle(late, LIVE, T0 + WINDOW + 1)
    assert (account.used(T0 + WINDOW + 1), account.log.expired_doubts) == (0, {})


def test_a_log_takes_over_acceptances() -> None:
    """Those in the window, and those that are remembered while another publish is in flight."""
    before, after = accepted(), AccountLog()
    before.settled("b", ACCEPTED, LATER)
    before.reserve("a", LATER)
    take_over(after, before.log, LATER)
    assert [slot.state for slot in after.snapshot(LATER, None).slots] == ["accepted", "held"]
    assert {job: slot.kind for job, slot in after.expired_doubts.items()} == {"a": "accepted"}
