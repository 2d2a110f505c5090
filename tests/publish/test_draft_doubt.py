"""A draft in doubt: when it was charged, and that nobody says that it is not live while it may be."""

import asyncio
import math

import pytest

from opentrain_async import AsyncOpenTrain, OutcomeStatus, PublishOutcome
from opentrain_async.errors import ClientClosedError, QuotaExceededError
from opentrain_async.quota import dump_log, load_log
from opentrain_async.quota._allowance import WINDOW
from opentrain_async.quota._log import MOST_REMEMBERED, REMEMBERED, AccountLog
from opentrain_async.quota._log_takeover import take_over
from opentrain_async.quota._probes import _UNANSWERED
from opentrain_async.quota._slots import Reservation, Saw, Wait
from opentrain_async.sandbox import Fault, Sandbox

from ..support.account import LEASE, LIVE, LIVE_AFTER_A_LOSS, LOST, NOT_LIVE, NOT_SENT, PUBLISHED, REFUSED, T0, Account
from ..support.clients import Connect
from ..support.peers import AT_ONCE, ONCE
from ..support.waiting import until


async def publish(client: AsyncOpenTrain, job_id: str) -> PublishOutcome:
    """Publish one draft, without a word of an outage."""
    (outcome,) = (await client.publish_many([job_id], outage_patience=0)).outcomes
    return outcome


async def test_what_a_later_request_has_charged_is_not_dated_as_the_doubt_before_it(
    unclaimed: Sandbox, connect: Connect
) -> None:
    """A publish that came to nothing, and was made a day later with its answer lost, counts from then."""
    late, *others, last = [unclaimed.draft() for _ in range(4)]
    client = connect(unclaimed, retry=AT_ONCE, daily_limit=3)
    unclaimed.fault(Fault.CLOSE, job_id=late, times=4)
    assert (await publish(client, late)).status is OutcomeStatus.UNKNOWN
    unclaimed.advance(hours=23)
    unclaimed.fault(Fault.CLOSE, job_id=late, published=True)
    assert (await publish(client, late)).status is OutcomeStatus.PUBLISHED
    for job_id in others:
        assert (await publish(client, job_id)).status is OutcomeStatus.PUBLISHED
    unclaimed.advance(hours=2)
    outcome = await publish(client, last)
    assert (outcome.status, outcome.attempts, unclaimed.refusals) == (OutcomeStatus.DEFERRED, 0, 0)
    unclaimed.advance(hours=22)
    assert (await publish(client, last)).status is OutcomeStatus.PUBLISHED


async def test_a_draft_whose_doubt_no_longer_counts_is_still_not_said_to_be_no_job(
    unclaimed: Sandbox, connect: Connect
) -> None:
    """After probes have shown that some of the doubts were none, nobody knows which: UNKNOWN, until it can be sent."""
    doubtful, *others = [unclaimed.draft() for _ in range(6)]
    client = connect(unclaimed, retry=ONCE, daily_limit=3)
    unclaimed.fault(Fault.CLOSE, job_id=doubtful, published=True)
    for job_id in others[:2]:
        unclaimed.fault(Fault.CLOSE, job_id=job_id)
    for job_id in (doubtful, *others):
        await publish(client, job_id)
    assert doubtful not in {slot.job_id for slot in (await client.quota()).slots}
    outcome = await publish(client, doubtful)
    assert (outcome.status, outcome.attempts) == (OutcomeStatus.UNKNOWN, 0)
    assert isinstance(outcome.error, QuotaExceededError)
    assert (outcome.error.effect, outcome.retry_at) == ("unknown", outcome.error.retry_at)
    unclaimed.advance(hours=24)
    outcome = await publish(client, doubtful)
    assert (outcome.status, (await client.quota()).used) == (OutcomeStatus.PUBLISHED, 0)


async def test_a_draft_whose_doubt_is_a_day_old_is_still_not_said_to_be_no_job(
    unclaimed: Sandbox, connect: Connect
) -> None:
    """Its slot has left the window; what became of it nobody has found out yet."""
    doubtful, *others = [unclaimed.draft() for _ in range(4)]
    client = connect(unclaimed, retry=ONCE, daily_limit=3)
    unclaimed.fault(Fault.CLOSE, job_id=doubtful, published=True)
    await publish(client, doubtful)
    unclaimed.advance(hours=25)
    for job_id in others:
        await publish(client, job_id)
    assert (await publish(client, doubtful)).status is OutcomeStatus.UNKNOWN
    with pytest.raises(QuotaExceededError, match="may have") as caught:
        await client.publish(doubtful)
    assert caught.value.effect == "unknown"


async def test_a_draft_whose_doubt_is_a_day_old_stays_in_doubt_if_it_is_refused(
    unclaimed: Sandbox, connect: Connect
) -> None:
    """An answer that does not say what has become of it, such as 404, leaves open whether it is live."""
    doubtful = unclaimed.draft()
    client = connect(unclaimed, retry=ONCE, daily_limit=3)
    unclaimed.fault(Fault.CLOSE, job_id=doubtful, published=True)
    await publish(client, doubtful)
    unclaimed.advance(hours=25)
    unclaimed.fault(Fault.STATUS, status=404, job_id=doubtful)
    assert (await publish(client, doubtful)).status is OutcomeStatus.UNKNOWN


async def test_a_client_that_is_closed_does_not_say_that_a_draft_in_doubt_is_not_live(
    unclaimed: Sandbox, connect: Connect
) -> None:
    """Nor while that waits for a slot, with its old one gone; of one that nobody ever sent it does."""
    doubtful, *others = [unclaimed.draft() for _ in range(5)]
    client = connect(unclaimed, retry=ONCE, daily_limit=3)
    unclaimed.fault(Fault.CLOSE, job_id=doubtful)
    await publish(client, doubtful)
    unclaimed.advance(hours=25)
    for job_id in others[:3]:
        await publish(client, job_id)
    waiting = [asyncio.create_task(client.publish(job_id, max_wait=math.inf)) for job_id in (doubtful, others[3])]
    await until(lambda: sum(flight.denial is not None for flight in client._single_flight._joinable.values()) == 2)
    await client.close()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert [(type(error), getattr(error, "effect", None)) for error in ended] == [
        (ClientClosedError, "unknown"),
        (ClientClosedError, "none"),
    ]


def test_a_doubt_is_remembered_for_a_month() -> None:
    """Also by whoever has the log from elsewhere, and under another name."""
    account, another = Account(cap=1), AccountLog()
    account.settled("a", LOST)
    for now in (T0 + WINDOW, T0 + REMEMBERED - 1):
        account.publish(1, now, name=f"at_{now}")
        wait = account.ask("a", now)
        assert isinstance(wait, Wait)
        assert wait.may_be_live
    assert load_log(dump_log(account.log)) == account.log
    take_over(another, account.log, T0 + REMEMBERED - 1)
    assert another.expired_doubts == account.log.expired_doubts
    assert account.used(T0 + REMEMBERED) == 1
    again = account.ask("a", T0 + REMEMBERED)
    assert isinstance(again, Wait)
    assert not again.may_be_live


@pytest.mark.parametrize(("saw", "used", "expired"), [(LIVE, 0, 0), (LIVE_AFTER_A_LOSS, 1, 0), (NOT_SENT, 0, 1)])
def test_a_doubt_that_had_expired_is_settled_by_the_same_job(saw: Saw, used: int, expired: int) -> None:
    """What is found now was charged then; what is charged now counts now; of what was not sent nothing is known."""
    account = Account(cap=1)
    account.settled("a", LOST)
    again = account.reserve("a", T0 + WINDOW)
    assert (again.id, again.before, again.before_at) == ("2-2", "expired", T0)
    assert account.used(T0 + WINDOW) == 1
    account.log.settle(again, saw, T0 + WINDOW + 1)
    assert (account.used(T0 + WINDOW + 1), len(account.log.expired_doubts)) == (used, expired)


def test_a_doubt_that_a_probe_has_cleared_up_counts_no_more_than_before_if_it_is_refused_itself() -> None:
    """It was tried again as a probe; the next slot comes back when it would have without that."""
    account = Account(cap=3)
    account.settled("sure", PUBLISHED)
    account.settled("a", LOST, T0 + 3600)
    account.settled("b", LOST, T0 + 7200)
    account.settled("probe", PUBLISHED, T0 + 14400)
    again = account.reserve("a", T0 + 14460)
    assert (again.before, again.probe) == ("expired", 3)
    wait = account.log.refused(again, REFUSED, T0 + 14460, limit=3, window=WINDOW, cap=3)
    assert (wait.used, wait.until, list(account.log.expired_doubts)) == (3, T0 + WINDOW, ["a"])


def test_probes_that_nobody_answers_are_a_minute_apart() -> None:
    """In an outage each would be one more doubt, and find out nothing."""
    account = Account(cap=2)
    for job in ("a", "b", "c"):
        account.settled(job, LOST)
    assert isinstance(account.ask("d", T0 + _UNANSWERED - 1), Wait)
    assert isinstance(account.ask("d", T0 + _UNANSWERED), Reservation)


def test_of_the_doubts_that_no_longer_count_the_newest_are_remembered() -> None:
    """So many that a log that is written down with every step stays small."""
    account = Account(cap=MOST_REMEMBERED + 50)
    for number in range(MOST_REMEMBERED + 50):
        account.settled(f"job_{number}", LOST, T0 + number)
    account.used(T0 + 1000 + WINDOW)
    assert list(account.log.expired_doubts) == [f"job_{number}" for number in range(50, MOST_REMEMBERED + 50)]


def test_a_doubt_from_an_earlier_window_costs_the_other_steps_nothing_while_it_is_tried_again() -> None:
    """The log need not be looked through until that try is over; then the slot leaves at once."""
    account = Account(cap=5)
    account.settled("a", LOST)
    account.used(T0 + WINDOW)
    again = account.reserve("a", T0 + WINDOW + 1)
    account.settled("b", PUBLISHED, T0 + WINDOW + 10)
    account.used(T0 + WINDOW + 11)
    assert account.log.tidy_until > T0 + WINDOW + LEASE
    account.log.settle(again, LIVE, T0 + WINDOW + 12)
    account.settled("c", PUBLISHED, T0 + WINDOW + 13)
    assert list(account.log.jobs) == ["b", "c"]


def test_who_comes_after_one_that_died_in_a_doubtful_slot_counts_its_charge_from_now() -> None:
    """It may have been made at any time since: the doubt's own date would let the slot go too early."""
    account = Account(cap=3)
    account.settled("a", LOST)
    account.reserve("a", T0 + 3600)  # and dies
    after = account.reserve("a", T0 + 3660)
    account.log.settle(after, LIVE, T0 + 3661)
    assert account.log.jobs["a"].at == T0 + 3661


def test_a_doubt_that_had_expired_counts_for_as_long_as_somebody_is_at_work_on_it() -> None:
    """Who has not sent it leaves the slot to the other one."""
    account = Account(cap=1)
    account.settled("a", LOST)
    first, _second = account.reserve("a", T0 + WINDOW), account.reserve("a", T0 + WINDOW)
    account.log.settle(first, NOT_SENT, T0 + WINDOW + 1)
    assert (account.used(T0 + WINDOW + 1), account.log.expired_doubts) == (1, {})


@pytest.mark.parametrize("saw", [NOT_LIVE, REFUSED])
def test_a_settlement_that_comes_after_its_slot_has_expired_takes_the_doubt_along(saw: Saw) -> None:
    """If the job is charged: then it has one slot again, and not a doubt besides."""
    account = Account(cap=1)
    late = account.reserve("a")
    account.used(T0 + LEASE + WINDOW)
    assert list(account.log.expired_doubts) == ["a"]
    account.log.settle(late, saw, T0 + LEASE + WINDOW)
    assert list(account.log.expired_doubts) == ["a"]
    account.log.settle(late, PUBLISHED, T0 + LEASE + WINDOW)
    assert (list(account.log.jobs), account.log.expired_doubts) == (["a"], {})
    assert isinstance(account.reserve("a", T0 + LEASE + WINDOW), Reservation)
