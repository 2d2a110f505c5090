"""Connections that are lost, refused or never made, with a real service behind them: what the client finds out."""

import asyncio
import math
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from opentrain_async import AsyncOpenTrain, OutcomeStatus, RetryPolicy
from opentrain_async.errors import ConnectError, ConnectionLostError, ServerError, TLSError
from opentrain_async.sandbox import Fault, Sandbox

from ..support.clients import Connect
from ..support.peers import AT_ONCE, CERTIFICATE, TOKEN, answer, client_of, live, peer, sends, server_tls, unused_port
from ..support.proxy import FAULTS, Proxy, proxied
from ..support.stores import accept_one
from ..support.virtual import LoopTime, VirtualClock, changeable_loop
from ..support.waiting import until

LOSSES = ["closed", "reset", "half-closed"]
LATE_LOSSES = ["reset after the head", "closed in the body"]


async def with_kept_connections(proxy: Proxy, client: AsyncOpenTrain, sandbox: Sandbox) -> None:
    """Leave the client with three connections that it keeps, and three publishes and one more counted."""
    await accept_one(client)
    async with asyncio.TaskGroup() as publishes:
        for _ in range(3):
            publishes.create_task(client.publish(sandbox.draft()))
    assert proxy.connections == 3


async def asks(client: AsyncOpenTrain, job_id: str) -> None:
    await client.whoami()


@pytest.mark.parametrize("reaches", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("how", LOSSES + LATE_LOSSES)
async def test_F01_a_kept_connection_that_is_lost_costs_one_retry_on_a_fresh_one(
    sandbox: Sandbox, connect: Connect, clock: VirtualClock, how: str, reaches: bool
) -> None:
    """Also where all those kept are as dead: in the same slot, and the reply to it tells how it ended.

    At once, but where an answer had begun.
    """
    async with proxied(sandbox.url) as proxy:
        client = connect(sandbox, base_url=proxy.url, clock=clock, daily_limit=20)
        await with_kept_connections(proxy, client, sandbox)
        proxy.spoil(FAULTS[how], reaches=reaches, which=proxy.is_over_a_kept_connection, times=math.inf)
        job_id = sandbox.draft()
        (outcome,) = (await client.publish_many([job_id])).outcomes
        assert (outcome.status, outcome.attempts) == (OutcomeStatus.PUBLISHED, 2)
        assert clock.slept == [] or how in LATE_LOSSES
        assert outcome.result is not None
        assert (outcome.result.newly_published, outcome.result.already_published) == (True, reaches)
        quota = await client.quota()
        assert (quota.used, quota.doubtful, len(sandbox.live)) == (5, 0, 4)
        assert proxy.calls[-1].connection == proxy.connections == 4
        await client.close()


async def test_F01_a_run_over_dead_connections_gives_each_draft_its_outcome(
    sandbox: Sandbox, connect: Connect, clock: VirtualClock
) -> None:
    """All that were kept are lost at once, which is no outage to speak of: no draft of the run is in doubt."""
    async with proxied(sandbox.url) as proxy:
        client = connect(sandbox, base_url=proxy.url, clock=clock, daily_limit=20)
        await with_kept_connections(proxy, client, sandbox)
        kept = {call.connection for call in proxy.calls}
        proxy.spoil(FAULTS["reset"], reaches=True, which=lambda call: call.connection in kept, times=math.inf)
        report = await client.publish_many([sandbox.draft() for _ in range(8)], concurrency=3)
        assert len(report.published) == 8
        assert max(outcome.attempts for outcome in report.outcomes) == 2
        assert (await client.quota()).used - 1 == len(sandbox.live) == 11
        await client.close()


async def test_F01_only_the_retry_goes_over_a_fresh_connection(sandbox: Sandbox, connect: Connect) -> None:
    """What the same task asks for later goes over those that are kept: by the same client, or by another one."""
    job_id = sandbox.draft()
    async with proxied(sandbox.url) as proxy, proxied(sandbox.url) as elsewhere:
        client = connect(sandbox, base_url=proxy.url, retry=AT_ONCE)
        other = connect(sandbox, base_url=elsewhere.url)
        proxy.spoil(FAULTS["reset"], reaches=False, times=4)
        with pytest.raises(ConnectionLostError):
            await client.close_job(job_id)
        for _ in range(3):
            await client.publish(sandbox.draft())
            await other.publish(sandbox.draft())
        assert [call.connection for call in proxy.calls] == [1, 2, 3, 4, 5, 5, 5]
        assert elsewhere.connections == 1
        await client.close()
        await other.close()


async def test_a_retry_after_a_timeout_goes_over_a_kept_connection(sandbox: Sandbox, connect: Connect) -> None:
    """Only a connection that was lost speaks against those that are as old."""
    time = LoopTime()
    async with proxied(sandbox.url) as proxy:
        client = connect(sandbox, base_url=proxy.url, retry=AT_ONCE, timeout=5.0, daily_limit=20)
        await with_kept_connections(proxy, client, sandbox)
        proxy.spoil(FAULTS["stalled"], reaches=False)
        publish = asyncio.create_task(client.publish(sandbox.draft()))
        await until(lambda: len(proxy.calls) == 4)
        time.block(6.0)
        assert (await publish).newly_published
        assert proxy.connections == 3
        await client.close()


@pytest.mark.parametrize("call", [AsyncOpenTrain.close_job, asks], ids=["POST", "GET"])
@pytest.mark.parametrize("how", LOSSES)
async def test_F01_the_retry_of_any_call_goes_over_a_fresh_connection(
    sandbox: Sandbox, connect: Connect, how: str, call: Callable[[AsyncOpenTrain, str], Awaitable[object]]
) -> None:
    """However many dead ones are kept it is made once; that of a GET aiohttp makes by itself."""
    async with proxied(sandbox.url) as proxy:
        client = connect(sandbox, base_url=proxy.url, daily_limit=20)
        await with_kept_connections(proxy, client, sandbox)
        proxy.spoil(FAULTS[how], reaches=True, which=proxy.is_over_a_kept_connection, times=math.inf)
        await call(client, next(iter(sandbox.live)))
        assert (len(proxy.calls), proxy.connections) == (5, 4)
        await client.close()


async def test_F01_a_loss_does_not_widen_the_backoff(sandbox: Sandbox, connect: Connect, clock: VirtualClock) -> None:
    """The failure that follows upon it is waited for as if it were the first."""
    async with proxied(sandbox.url) as proxy:
        client = connect(sandbox, base_url=proxy.url, clock=clock, retry=RetryPolicy(base_delay=1.0))
        proxy.spoil(FAULTS["closed"], reaches=False)
        job_id = sandbox.draft()
        sandbox.fault(Fault.STATUS, job_id=job_id, times=2)
        await client.publish(job_id)
        assert len(proxy.calls) == 4
        assert len(clock.slept) == 2
        assert clock.slept[0] <= 1.0
        assert clock.slept[1] <= 2.0
        await client.close()


@pytest.mark.parametrize("draft", [{}, {"missing": ["experienceLevel"]}], ids=["live", "refused"])
async def test_an_answer_that_comes_once_more_is_not_the_next_drafts(
    sandbox: Sandbox, connect: Connect, draft: dict[str, object]
) -> None:
    """Said again over the kept connection, it lies ready when the next request goes out, and nobody takes it."""
    async with proxied(sandbox.url) as proxy:
        client = connect(sandbox, base_url=proxy.url)
        said: list[bytes] = []

        async def note(call: object, reply: bytes) -> None:
            said.append(reply)
            proxy.calls[-1].writer.write(reply)

        proxy.spoil(note, reaches=True)
        first, second = sandbox.draft(**draft), sandbox.draft()  # type: ignore[arg-type]
        await client.publish_many([first])
        proxy.calls[0].writer.write(said[0])
        await asyncio.sleep(0.01)
        (outcome,) = (await client.publish_many([second])).outcomes
        assert (outcome.status, outcome.attempts) == (OutcomeStatus.PUBLISHED, 1)
        assert second in sandbox.live
        assert [call.connection for call in proxy.calls] == [1, 2]
        await client.close()


async def test_F02_a_connection_that_is_accepted_and_closed_at_once_costs_a_retry(
    sandbox: Sandbox, connect: Connect, clock: VirtualClock
) -> None:
    """Whether the request was under way by then nobody knows: it is sent again, and each draft is published once."""
    ids = [sandbox.draft() for _ in range(4)]
    async with proxied(sandbox.url) as proxy:
        proxy.hangs_up_on = 3
        client = connect(sandbox, base_url=proxy.url, clock=clock)
        report = await client.publish_many(ids, concurrency=2)
        assert sorted(outcome.job_id for outcome in report.published) == ids
        assert sum(outcome.attempts for outcome in report.outcomes) == len(ids) + 3
        assert ((await client.quota()).used, len(sandbox.requests)) == (4, 4)
        await client.close()


async def test_one_bad_connection_among_many_is_one_drafts(sandbox: Sandbox, connect: Connect) -> None:
    """Whose draft it was is in doubt, and nobody else's is."""
    ids = [sandbox.draft() for _ in range(8)]
    async with proxied(sandbox.url) as proxy:
        client = connect(sandbox, base_url=proxy.url, retry=RetryPolicy(max_attempts=1), daily_limit=20)
        bad = f"/jobs/{ids[2]}/".encode()
        proxy.spoil(FAULTS["reset in the body"], reaches=True, which=lambda call: bad in call.head)
        report = await client.publish_many(ids, concurrency=4)
        assert [outcome.job_id for outcome in report.unknown] == [ids[2]]
        assert len(report.published) == 7
        assert (await client.quota()).doubtful == 1
        await client.close()


async def test_a_service_that_comes_back_gets_every_draft(
    sandbox: Sandbox, connect: Connect, clock: VirtualClock
) -> None:
    """While nobody listens nothing is sent and no attempt is lost; then the run goes on where it was."""
    ids = [sandbox.draft() for _ in range(6)]
    async with proxied(sandbox.url) as proxy:
        client = connect(sandbox, base_url=proxy.url, clock=clock, daily_limit=20)
        await client.publish(ids[0])
        await proxy.stop()
        run = asyncio.create_task(client.publish_many(ids, concurrency=3, outage_patience=math.inf))
        await until(lambda: len(clock.slept) > 20)
        await proxy.start()
        report = await run
        assert (len(report.published), len(report.already_published)) == (5, 1)
        assert (await client.quota()).used == len(sandbox.live) == 6
        await client.close()


async def test_where_nobody_listens_nothing_is_sent(sandbox: Sandbox, connect: Connect, clock: VirtualClock) -> None:
    """Each draft is NOT_SENT, by its own failure or by the run's, and no slot is used up."""
    async with proxied(sandbox.url) as proxy:
        await proxy.stop()
        client = connect(sandbox, base_url=proxy.url, clock=clock)
        report = await client.publish_many([sandbox.draft() for _ in range(5)], outage_patience=0)
        assert [(outcome.status, type(outcome.error)) for outcome in report.outcomes] == (
            [(OutcomeStatus.NOT_SENT, ConnectError)] * 5
        )
        assert (await client.quota()).used == 0
        await proxy.start()
        await client.close()


@pytest.mark.parametrize("how", ["closed", "a TLS alert", "closed in the body", "huge"])
async def test_F04_a_draft_that_stays_in_doubt_is_unknown_until_it_is_tried_again(
    sandbox: Sandbox, connect: Connect, how: str
) -> None:
    """Its slot goes on counting; a later publish finds it live, in that slot, charged once."""
    async with proxied(sandbox.url) as proxy:
        client = connect(sandbox, base_url=proxy.url, retry=AT_ONCE, daily_limit=20)
        proxy.spoil(FAULTS[how], reaches=True, times=math.inf)
        job_id = sandbox.draft()
        (outcome,) = (await client.publish_many([job_id])).outcomes
        assert (outcome.status, outcome.attempts, len(proxy.calls)) == (OutcomeStatus.UNKNOWN, 4, 4)
        assert outcome.error is not None
        assert (outcome.error.effect, outcome.error.job_id) == ("unknown", job_id)
        assert "may have published it" in str(outcome.error)
        quota = await client.quota()
        assert (quota.used, quota.doubtful, [slot.state for slot in quota.slots]) == (1, 1, ["unknown"])
        proxy.relent()
        result = await client.publish(job_id)
        assert (result.newly_published, result.already_published) == (True, True)
        quota = await client.quota()
        assert (quota.used, quota.doubtful, [slot.state for slot in quota.slots]) == (1, 0, ["spent"])
        await client.close()


async def test_F04_a_doubt_that_is_never_settled_leaves_with_the_window(
    sandbox: Sandbox, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """What the server last said of it is on the error; the request id of each attempt is in the log, or there."""
    client, job_id = connect(sandbox, retry=AT_ONCE), sandbox.draft()
    sandbox.fault(Fault.STATUS, job_id=job_id, times=4)
    (outcome,) = (await client.publish_many([job_id])).outcomes
    assert outcome.status is OutcomeStatus.UNKNOWN
    assert isinstance(outcome.error, ServerError)
    assert (outcome.error.status, outcome.error.code) == (503, "INTERNAL_ERROR")
    assert len({*re.findall(r"request ([0-9a-f-]{36})", caplog.text), outcome.error.request_id}) == 4
    sandbox.advance(hours=24, seconds=-1)
    assert (await client.quota()).doubtful == 1
    sandbox.advance(seconds=2)
    assert (await client.quota()).used == 0


@contextmanager
def no_thread_left() -> Iterator[None]:
    """The loop's one thread for resolving names is busy, for the length of the block."""
    loop = changeable_loop()
    over = Event()
    pool = ThreadPoolExecutor(1)
    loop.set_default_executor(pool)
    pool.submit(over.wait)
    try:
        yield
    finally:
        over.set()


async def test_F32_a_resolver_that_stalls_is_waited_for_no_longer_than_a_connection(clock: VirtualClock) -> None:
    """With all its threads taken each attempt ends in time, says DNS, and has changed nothing."""
    origin = f"http://localhost:{unused_port()}"
    with no_thread_left():
        async with client_of(origin, connect_timeout=0.02, clock=clock, retry=RetryPolicy()) as client:
            (outcome,) = (await client.publish_many(["job_1"], outage_patience=0)).outcomes
            assert (outcome.status, outcome.attempts) == (OutcomeStatus.NOT_SENT, 4)
            assert isinstance(outcome.error, ConnectError)
            assert "DNS" in outcome.error.message
            assert outcome.error.effect == "none"
            assert (await client.quota()).used == 0


async def test_F32_a_name_is_resolved_once_for_many_connections(
    sandbox: Sandbox, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its addresses are kept, and the one where nobody listens, as of a broken IPv6, does not matter."""
    loop, asked = changeable_loop(), []
    real = loop.getaddrinfo

    async def getaddrinfo(host: str, port: int, **hints: int) -> object:
        asked.append(host)
        found = await real("127.0.0.1", port, **hints)
        return [(10, *found[0][1:4], ("::1", port, 0, 0)), *found]

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    async with proxied(sandbox.url) as proxy:
        client = connect(sandbox, base_url=proxy.url.replace("127.0.0.1", "localhost"), retry=AT_ONCE)
        proxy.spoil(FAULTS["closed"], reaches=True, times=3)
        assert (await client.publish(sandbox.draft())).newly_published
        assert (proxy.connections, asked) == (4, ["localhost"])
        await client.close()


async def test_F32_an_address_that_swallows_everything_does_not_keep_a_call(
    sandbox: Sandbox, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where half of a name's addresses are dead without a word, the next one is tried long before time is up."""
    loop, time = asyncio.get_running_loop(), LoopTime()
    async with proxied(sandbox.url) as proxy:
        real, dead = loop.sock_connect, list[object]()

        async def sock_connect(sock: socket.socket, address: tuple[str, int]) -> None:
            if not dead:
                dead.append(address)
                await asyncio.Event().wait()
            await real(sock, address)

        async def getaddrinfo(host: str, port: int, **hints: int) -> object:
            return [(2, 1, 6, "", (address, port)) for address in ("127.0.0.1", "127.0.0.1")]

        monkeypatch.setattr(loop, "sock_connect", sock_connect)
        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
        client = connect(sandbox, base_url=proxy.url.replace("127.0.0.1", "localhost"))
        publishing = asyncio.create_task(client.publish(sandbox.draft()))
        assert await time.passed_until(publishing.done, breath=0.001) < 8
        assert (await publishing).newly_published
        assert (len(dead), proxy.connections) == (1, 1)
        await client.close()


class Misdirecting(AbstractResolver):
    """A resolver for which every name is this machine's."""

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=2, proto=0, flags=0)]

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("trusted", [True, False], ids=["wrong host", "unknown"])
async def test_F33_a_certificate_that_is_not_right_stops_a_run_before_the_token_is_sent(
    tmp_path: Path, clock: VirtualClock, trusted: bool
) -> None:
    """One that is another host's or nobody's, as of a captive portal, is met once: no retry, and nothing was sent."""
    context = ssl.create_default_context(cadata=CERTIFICATE) if trusted else ssl.create_default_context()
    async with (
        peer(sends(answer(live("job_1"))), tls=server_tls(tmp_path)) as server,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, resolver=Misdirecting())) as session,
        client_of(f"https://wrong.test:{server.port}", session=session, clock=clock, retry=RetryPolicy()) as client,
    ):
        report = await client.publish_many([f"job_{number}" for number in range(5)], concurrency=1)
        assert [(outcome.status, outcome.attempts) for outcome in report.outcomes] == (
            [(OutcomeStatus.NOT_SENT, 1)] + [(OutcomeStatus.NOT_SENT, 0)] * 4
        )
        assert isinstance(report.stopped_by, TLSError)
        assert report.stopped_by.effect == "none"
        assert "certificate" in report.stopped_by.message.lower()
        assert TOKEN not in str(report.stopped_by)
        assert (server.calls, clock.slept, (await client.quota()).used) == ([], [], 0)
