"""The clock of an attempt: it needs no transport, and takes no cancellation for its own that is not."""

import asyncio
from contextlib import suppress

import aiohttp
import pytest

from opentrain_async._base.alarm import Alarm
from opentrain_async._service.http import watch as watch_module
from opentrain_async._service.http.messages import Request
from opentrain_async._service.http.watch import AttemptWatch
from opentrain_async.errors import ConnectError, OpenTrainError, PoolTimeoutError, RequestTimeoutError

from ..support.peers import Then, client_of, peer, sends, stranger, unused_port


async def never() -> None:
    await asyncio.Event().wait()


async def test_an_attempt_that_does_not_connect_in_time_is_cancelled() -> None:
    """The cancellation becomes a `TimeoutError`, and the task is no longer being cancelled."""
    watch = AttemptWatch(Alarm(), connecting=0.005, sending=3600)
    with pytest.raises(TimeoutError), watch:
        await never()
    task = asyncio.current_task()
    assert task is not None
    assert (watch.is_overdue, watch.has_begun, task.cancelling()) == (True, False, 0)
    await asyncio.sleep(0)


async def test_the_time_for_sending_begins_with_the_connection() -> None:
    """From then on the bound of connecting no longer counts; a second connection of a GET adds nothing."""
    watch = AttemptWatch(Alarm(), connecting=0.005, sending=0.04)
    outlived_connecting = False

    async def attempt() -> None:
        nonlocal outlived_connecting
        with watch:
            watch.begin()
            await asyncio.sleep(0.01)
            outlived_connecting = True
            watch.begin()
            await never()

    with pytest.raises(TimeoutError):
        await attempt()
    assert outlived_connecting
    assert watch.wants_fresh


@pytest.mark.parametrize("begins", [False, True])
async def test_the_time_that_is_left_bounds_both_phases_together(begins: bool) -> None:
    """However long the timeouts are."""

    async def attempt() -> None:
        with AttemptWatch(Alarm(), connecting=3600, sending=3600, total=0.005) as watch:
            if begins:
                watch.begin()
            await never()

    with pytest.raises(TimeoutError):
        await attempt()


async def test_an_attempt_that_ends_in_time_is_left_alone() -> None:
    """Nothing rings afterwards."""
    with AttemptWatch(Alarm(), connecting=0.005) as watch:
        pass
    await asyncio.sleep(0.01)
    assert not watch.is_overdue


async def test_a_cancellation_from_outside_at_the_same_time_is_not_taken_for_the_watch_s() -> None:
    """The task is cancelled twice, and one of them is its owner's: it ends cancelled."""
    watch = AttemptWatch(Alarm(), connecting=3600)

    async def attempt() -> None:
        with watch:
            await never()

    task = asyncio.create_task(attempt())
    await asyncio.sleep(0)
    watch.ring()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (watch.is_overdue, task.cancelling()) == (True, 1)


async def test_an_attempt_that_swallows_the_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a middleware may that catches everything; all of the cancellations are taken back."""
    monkeypatch.setattr(watch_module, "_AGAIN_SECONDS", 0.005)

    async def attempt() -> None:
        with AttemptWatch(Alarm(), connecting=0.005):
            with suppress(asyncio.CancelledError):
                await never()
            await never()

    with pytest.raises(TimeoutError):
        await attempt()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_what_came_in_spite_of_the_cancellation_is_used() -> None:
    """The result is there: the bound was for the wait."""
    with AttemptWatch(Alarm(), connecting=0.005) as watch:
        with suppress(asyncio.CancelledError):
            await never()
        result = "published"
    assert (watch.is_overdue, result) == (True, "published")


async def every_timeout_holds() -> list[tuple[type[OpenTrainError], str]]:
    """How attempts end against a server that keeps silent: sending, waiting for the pool, in the handshake."""
    ended: list[tuple[type[OpenTrainError], str]] = []
    async with peer(sends(then=Then.STALL)) as server:
        async with client_of(server.url, timeout=0.05) as client:
            ended.append(await ending(client._transport.send(Request("POST", "/"), 60)))
        async with client_of(server.url, timeout=60, connect_timeout=0.05, max_connections=1) as client:
            first = asyncio.create_task(client._transport.send(Request("POST", "/"), 60))
            await server.arrived(2)
            ended.append(await ending(client._transport.send(Request("POST", "/"), 60)))
            first.cancel()
            await asyncio.wait({first})
        async with (
            aiohttp.ClientSession() as session,
            client_of(server.url, session=session, timeout=0.02, connect_timeout=0.03) as client,
        ):
            ended.append(await ending(client._transport.send(Request("POST", "/"), 60)))
    async with stranger(None) as silent, client_of(f"https://127.0.0.1:{silent.port}", connect_timeout=0.05) as client:
        ended.append(await ending(client._transport.send(Request("POST", "/"), 60)))
    async with client_of(f"http://127.0.0.1:{unused_port()}") as client:
        ended.append(await ending(client._transport.send(Request("POST", "/"), 60)))
    return ended


async def ending(attempt: object) -> tuple[type[OpenTrainError], str]:
    """The class and the effect of its error, which comes in time."""
    async with asyncio.timeout(10):
        with pytest.raises(OpenTrainError) as caught:
            await attempt  # type: ignore[misc]
    return type(caught.value), caught.value.effect


ENDINGS = [
    (RequestTimeoutError, "unknown"),
    (PoolTimeoutError, "none"),
    (RequestTimeoutError, "unknown"),
    (ConnectError, "none"),
    (ConnectError, "none"),
]


async def test_F61_every_timeout_holds() -> None:
    """In each phase, over a session of the client's own and a borrowed one."""
    assert await every_timeout_holds() == ENDINGS


def test_F61_every_timeout_holds_on_uvloop() -> None:
    """Its transports are of no class of asyncio's."""
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(every_timeout_holds()) == ENDINGS
