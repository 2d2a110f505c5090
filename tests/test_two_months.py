"""The simulation of two months, in days; and that whoever watches it would see what is not so."""

import logging

import pytest
from _two_months.audit import Audit
from _two_months.table import table
from _two_months.world import Story, live_through

from opentrain_async import OutcomeStatus
from opentrain_async.sandbox import Sandbox


@pytest.mark.parametrize("elsewhere", [0.0, 6.0])
def test_some_days_of_an_account_lose_no_draft_and_waste_no_slot(
    elsewhere: float, caplog: pytest.LogCaptureFixture
) -> None:
    """Eight processes, killed at will, in any weather, with a claim in the middle: all that is said is true."""
    caplog.set_level(logging.CRITICAL, "opentrain_async")
    audit = live_through(Story(days=4, seed=1, elsewhere=elsewhere, kills_each=2.0, outages_each=10.0))
    seen = audit.in_all
    assert (seen.lost, audit.lies) == (0, [])
    assert elsewhere or not seen.is_wasteful
    assert (seen.limit, seen.published > 20, seen.kills > 30, seen.ill > 1) == (20, True, True, True)
    assert (seen.elsewhere > 0) == (elsewhere > 0)
    assert "| Days |" in table({"Days": audit}, "command")


async def test_whoever_watches_sees_what_is_not_so(sandbox: Sandbox) -> None:
    """A draft of which nothing was said is lost; one that is not live, and said to be, is told wrongly."""
    audit = Audit(sandbox, sandbox.clock.now())
    for job_id, is_good in {"silent": True, "boasted": True, "denied": True, "bad": False}.items():
        audit.given(sandbox.draft(job_id), is_good=is_good)
    audit.tell("boasted", OutcomeStatus.PUBLISHED)
    audit.tell("denied", OutcomeStatus.REJECTED)
    audit.tell("bad", OutcomeStatus.REJECTED)
    audit.close()
    assert (audit.in_all.lost, audit.in_all.told_wrongly, len(audit.lies)) == (2, 2, 2)
    assert audit.in_all.is_at_fault


async def test_whoever_watches_sees_a_slot_that_stands_idle(sandbox: Sandbox) -> None:
    """While a draft waits for more than an hour; a service that is down has none to give."""
    audit = Audit(sandbox, sandbox.clock.now())
    for is_well in (False, True):
        for _ in range(14):
            sandbox.advance(seconds=300)
            audit.look(20, 1, is_well=is_well)
        assert audit.today.unused == int(is_well)
