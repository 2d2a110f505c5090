"""What nobody foresaw: a fault of the library's own, or of what it was given, hangs nobody."""

import asyncio

import pytest

from opentrain_async import OutcomeStatus, PublishOutcome
from opentrain_async.errors import ClientClosedError
from opentrain_async.sandbox import Sandbox

from ..support.clients import Connect
from ..support.virtual import VirtualClock


class BrokenClock(VirtualClock):
    """A clock that fails in the middle of a publish: once it has been asked a few times."""

    def __init__(self, works_for: int = 0) -> None:
        super().__init__()
        self._left = works_for

    def monotonic(self) -> float:
        self._left -= 1
        if self._left < 0:
            raise ZeroDivisionError("no time")
        return super().monotonic()


async def test_a_fault_of_ours_reaches_every_caller(sandbox: Sandbox, connect: Connect) -> None:
    """An error that no one translated is raised as it is; its slot is given back, for nothing was sent."""
    client, job_id = connect(sandbox, clock=BrokenClock()), sandbox.draft()
    errors = await asyncio.gather(*(client.publish(job_id) for _ in range(2)), return_exceptions=True)
    assert [type(error) for error in errors] == [ZeroDivisionError] * 2
    assert (await client.quota()).used == 0


async def test_a_fault_of_ours_ends_a_run(sandbox: Sandbox, connect: Connect) -> None:
    """A run does not go on over a fault of the library's own, and says how far it came."""
    client = connect(sandbox, clock=BrokenClock(works_for=1))
    with pytest.raises(ExceptionGroup) as raised:
        await client.publish_many([sandbox.draft() for _ in range(3)])
    assert raised.group_contains(ZeroDivisionError)
    assert "0 drafts" in raised.value.__notes__[0]


async def test_F17_an_id_that_is_under_way_twice_in_a_stream_is_one_request(sandbox: Sandbox, connect: Connect) -> None:
    """Two of the same at once share a publish, and have an outcome each."""
    job_id = sandbox.draft()
    async with connect(sandbox).publish_stream([job_id, job_id], concurrency=2) as outcomes:
        assert [outcome.status async for outcome in outcomes] == [OutcomeStatus.PUBLISHED] * 2
    assert len(sandbox.requests) == 1


async def test_a_run_whose_client_is_closed_between_two_drafts_sends_no_more(
    sandbox: Sandbox, connect: Connect
) -> None:
    """The draft after the closing is not sent, and the run says why it stopped."""
    client = connect(sandbox)

    async def close(outcome: PublishOutcome) -> None:
        await client.close()

    report = await client.publish_many([sandbox.draft() for _ in range(3)], concurrency=1, on_outcome=close)
    assert (len(report.published), len(report.not_sent)) == (1, 2)
    assert isinstance(report.stopped_by, ClientClosedError)
