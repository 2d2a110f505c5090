"""Every fault of the proxy, met before or after the draft went live: each draft has one outcome, and it is true."""

import pytest

from opentrain_async import OutcomeStatus, PublishOutcome
from opentrain_async.sandbox import Sandbox

from ..support.clients import Connect
from ..support.peers import AT_ONCE, ONCE
from ..support.proxy import FAULTS, TIMEOUT, nth, proxied, through

LIVE = {OutcomeStatus.PUBLISHED, OutcomeStatus.ALREADY_PUBLISHED}
NOT_LIVE = {OutcomeStatus.REJECTED, OutcomeStatus.DEFERRED, OutcomeStatus.NOT_SENT}


def lies(outcomes: tuple[PublishOutcome, ...], sandbox: Sandbox) -> list[PublishOutcome]:
    """The outcomes that say something else than the service knows."""
    return [
        outcome
        for outcome in outcomes
        if (outcome.status in LIVE and outcome.job_id not in sandbox.live)
        or (outcome.status in NOT_LIVE and outcome.job_id in sandbox.live)
    ]


def drafts(sandbox: Sandbox) -> list[str]:
    """Five that can go live, one that lacks something, one that is blocked, and one that is live already."""
    good = [sandbox.draft() for _ in range(5)]
    bad = [sandbox.draft(missing=["experienceLevel"]), sandbox.draft(blocked=True), sandbox.draft(status="OPEN")]
    return [bad[0], good[0], bad[1], *good[1:4], bad[2], good[4]]


@pytest.mark.parametrize("reaches", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_F02_F03_F35_whatever_becomes_of_a_reply_each_outcome_is_true(
    sandbox: Sandbox, connect: Connect, fault: str, reaches: bool
) -> None:
    """With retries each draft's fate is found out, and what is used up is what was charged."""
    ids = drafts(sandbox)
    async with proxied(sandbox.url) as proxy:
        proxy.spoil(FAULTS[fault], reaches=reaches, which=nth(1, 2, 5), times=3)
        client = connect(sandbox, base_url=proxy.url, retry=AT_ONCE, timeout=TIMEOUT)
        report = await through(fault, client.publish_many(ids, concurrency=3))
        quota = await client.quota()
        await client.close()
    assert sorted(outcome.job_id for outcome in report.outcomes) == sorted(ids)
    assert lies(report.outcomes, sandbox) == []
    assert (len(report.published) + len(report.already_published), len(report.rejected)) == (6, 2), report
    assert quota.used == len(report.published) >= 5


@pytest.mark.parametrize("reaches", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_F02_F03_F35_without_retries_what_may_be_live_is_unknown(
    sandbox: Sandbox, connect: Connect, fault: str, reaches: bool
) -> None:
    """Of the drafts that met a fault nobody knows; the ledger counts no less than was charged."""
    ids = drafts(sandbox)
    async with proxied(sandbox.url) as proxy:
        proxy.spoil(FAULTS[fault], reaches=reaches, which=nth(2, 5), times=2)
        client = connect(sandbox, base_url=proxy.url, retry=ONCE, timeout=TIMEOUT)
        report = await through(fault, client.publish_many(ids, concurrency=3, outage_patience=0))
        quota = await client.quota()
        await client.close()
    assert sorted(outcome.job_id for outcome in report.outcomes) == sorted(ids)
    assert lies(report.outcomes, sandbox) == []
    assert {outcome.attempts for outcome in report.outcomes} == {1}
    assert len(report.unknown) <= 2
    assert quota.used >= len(sandbox.live) - 1
