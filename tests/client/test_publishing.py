"""Publishing, as callers see it: what is refused at the call, and the plan."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from opentrain_async import Journal, MemoryLedger, PublishPlan
from opentrain_async.errors import (
    ClientClosedError,
    ConfigurationError,
)
from opentrain_async.sandbox import Sandbox

from ..support.clients import Connect


@pytest.mark.parametrize(
    "options",
    [
        {"concurrency": 0}, {"concurrency": True}, {"concurrency": 1.5}, {"max_wait": -1}, {"max_wait": float("nan")},
        {"max_wait": "1"},
    ],
)  # fmt: skip
async def test_bad_arguments_are_refused_at_the_call(
    sandbox: Sandbox, connect: Connect, options: dict[str, object]
) -> None:
    """Neither a source is read nor a block entered before an argument is refused."""
    client = connect(sandbox)
    with pytest.raises(ConfigurationError):
        await client.publish_many([], **options)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError):
        client.publish_stream([], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("job_ids", ["job_1", b"job_1", None, 7])
async def test_a_string_is_not_a_list_of_ids(sandbox: Sandbox, connect: Connect, job_ids: object) -> None:
    """One id in the place of many is a mistake, not as many ids as it has letters."""
    with pytest.raises(ConfigurationError, match="job_ids has to be an iterable"):
        await connect(sandbox).publish_many(job_ids)  # type: ignore[arg-type]


async def test_what_cannot_be_called_is_refused_before_anything_is_sent(sandbox: Sandbox, connect: Connect) -> None:
    """A callback that could tell nobody anything is no reason to publish first."""
    with pytest.raises(ConfigurationError, match="on_outcome has to be callable, not 5"):
        await connect(sandbox).publish_many([sandbox.draft()], on_outcome=5)  # type: ignore[arg-type]
    assert sandbox.requests == []


async def test_a_run_without_drafts_has_an_empty_report(sandbox: Sandbox, connect: Connect) -> None:
    """Nothing to do is no failure."""
    report = await connect(sandbox).publish_many([])
    report.raise_for_failures()
    assert str(report) == "0 drafts: nothing to do"


async def test_a_plan_is_made_from_the_ledger(sandbox: Sandbox, connect: Connect) -> None:
    """Also a shared one, with what another client has used; nothing is sent, and what is planned comes true."""
    ledger = MemoryLedger()
    ours, other = connect(sandbox, ledger=ledger, daily_limit=5), connect(sandbox, ledger=ledger, daily_limit=5)
    await other.publish_many([sandbox.draft() for _ in range(3)])
    wanted = [sandbox.draft() for _ in range(4)]
    asked = len(sandbox.requests)

    async def source() -> AsyncIterator[str]:
        for job_id in [*wanted, wanted[0]]:
            yield job_id

    made = await ours.plan(source())
    assert isinstance(made, PublishPlan)
    assert len(sandbox.requests) == asked
    assert (len(made.now), len(made.later)) == (2, 2)
    report = await ours.publish_many(wanted)
    assert [outcome.job_id for outcome in report.published] == [draft.job_id for draft in made.now]
    retry_at = report.deferred[0].retry_at
    assert retry_at is not None
    assert abs(retry_at - made.later[0].at) < timedelta(seconds=5)


async def test_a_plan_leaves_out_what_a_run_with_the_journal_would(
    sandbox: Sandbox, connect: Connect, tmp_path: Path
) -> None:
    """What is done at this service, and not what a rehearsal at another one has done; before the first run, nothing."""
    journal, client = tmp_path / "run.jsonl", connect(sandbox)
    ids = [sandbox.draft(), sandbox.draft()]
    assert len((await client.plan(ids, journal=journal)).drafts) == 2
    async with Sandbox() as rehearsal:
        rehearsal.draft(ids[1])
        await connect(rehearsal).publish_many(ids[1:], journal=journal)
    await client.publish_many(ids[:1], journal=journal)
    assert [draft.job_id for draft in (await client.plan(ids, journal=journal)).drafts] == ids[1:]
    assert [outcome.job_id for outcome in Journal.open(journal, service=sandbox.url)] == ids[:1]
    with pytest.raises(ConfigurationError, match="journal has to be the path"):
        await client.plan(ids, journal=".")


async def test_a_plan_of_what_cannot_be_planned_is_refused(sandbox: Sandbox, connect: Connect) -> None:
    """A string is no list of ids; what the source raises is raised; and a closed client plans nothing."""
    client = connect(sandbox)

    with pytest.raises(ConfigurationError):
        await client.plan("job_1")
    with pytest.raises(ZeroDivisionError):
        await client.plan(str(1 / number) for number in (1, 0))
    await client.close()
    with pytest.raises(ClientClosedError):
        await client.plan([])
