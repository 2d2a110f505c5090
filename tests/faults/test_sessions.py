"""Borrowed sessions that cannot send, in a run: what was not sent is told so, stops the run, and uses up nothing."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from opentrain_async import OutcomeStatus, PublishReport
from opentrain_async.errors import SessionError, SessionHookError

from ..support.outages import ids
from ..support.peers import AT_ONCE, Call, Peer, answer, client_of, job_of, live, peer

NOT_SENT = OutcomeStatus.NOT_SENT


async def accept(call: Call) -> None:
    call.writer.write(answer(live(job_of(call))))


async def run_over(session: aiohttp.ClientSession, server: Peer, count: int = 6) -> PublishReport:
    """Publish over a session, one draft after the other; nothing must be in doubt, or used up by what was not sent."""
    async with client_of(server.url, session=session, retry=AT_ONCE, daily_limit=20) as client:
        report = await client.publish_many(ids(count), concurrency=1)
        quota = await client.quota()
    assert (quota.used, quota.doubtful) == (len(report.published), 0)
    assert len(server.calls) == len(report.published)
    return report


async def test_F63_a_session_with_a_login_of_its_own_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its first draft, and the error names the session."""
    (tmp_path / "netrc").write_text("default login me password x\n")
    Path(tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with peer(accept) as server, aiohttp.ClientSession(trust_env=True) as session:
        report = await run_over(session, server)
    assert {outcome.status for outcome in report.outcomes} == {NOT_SENT}
    assert isinstance(report.stopped_by, SessionError)
    assert "the borrowed session logs in by itself" in str(report.stopped_by)
    assert [outcome.attempts for outcome in report.outcomes] == [1, 0, 0, 0, 0, 0]


async def test_F63_a_session_of_another_loop_stops_the_run() -> None:
    """Also where that loop is closed by then."""
    session = await asyncio.to_thread(lambda: asyncio.run(_make_session()))
    async with peer(accept) as server:
        report = await run_over(session, server)
    assert isinstance(report.stopped_by, SessionError)
    assert "another event loop" in str(report.stopped_by)
    await session.close()


async def _make_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession()


def _raises(when: Callable[[int], bool]) -> aiohttp.ClientSession:
    """A session whose middleware raises at these requests, before it sends them."""
    asked = 0

    async def sign(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        nonlocal asked
        asked += 1
        if when(asked):
            raise LookupError("no key to sign with")
        return await handler(request)

    return aiohttp.ClientSession(middlewares=[sign])


async def test_F63_a_hook_that_raises_each_time_stops_the_run_at_the_third_draft() -> None:
    """Each is asked for once: the same code would raise again."""
    async with peer(accept) as server, _raises(lambda _: True) as session:
        report = await run_over(session, server)
    assert [outcome.attempts for outcome in report.outcomes] == [1, 1, 1, 0, 0, 0]
    assert {outcome.status for outcome in report.outcomes} == {NOT_SENT}
    assert isinstance(report.stopped_by, SessionHookError)
    assert (report.stopped_by.raised, report.stopped_by.effect) == ("LookupError", "none")


async def test_F63_a_hook_that_lets_cancellations_out_loses_no_draft() -> None:
    """Each draft has its outcome: the run's worker is not cancelled by it."""

    async def leaky(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        if "job_1/" in str(request.url):
            raise asyncio.CancelledError
        return await handler(request)

    async with peer(accept) as server, aiohttp.ClientSession(middlewares=[leaky]) as session:
        report = await run_over(session, server)
    assert [outcome.job_id for outcome in report.not_sent] == ["job_1"]
    assert len(report.published) == 5


async def test_F63_a_hook_that_raises_after_each_answer_stops_the_run_at_the_third_draft() -> None:
    """The service is not taken to be down, and the drafts are UNKNOWN."""

    async def spoil(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        await handler(request)
        raise ValueError("a bug of the hook")

    async with (
        peer(accept) as server,
        aiohttp.ClientSession(middlewares=[spoil]) as session,
        client_of(server.url, session=session, retry=AT_ONCE, daily_limit=20) as client,
    ):
        report = await client.publish_many(ids(6), concurrency=1)
        assert (len(report.unknown), len(report.not_sent)) == (3, 3)
        assert (await client.quota()).doubtful == 3
    assert isinstance(report.stopped_by, SessionHookError)
    assert report.stopped_by.was_sent


async def test_F63_a_hook_that_raises_now_and_then_is_the_drafts_own_trouble() -> None:
    """The others are published."""
    async with peer(accept) as server, _raises(lambda number: number in {1, 2, 4}) as session:
        report = await run_over(session, server)
    assert (len(report.published), len(report.not_sent), report.stopped_by) == (3, 3, None)
