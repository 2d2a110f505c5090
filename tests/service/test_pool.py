"""The pool: which connection an attempt gets."""

import asyncio

import pytest
from aiohttp.client_proto import ResponseHandler

from opentrain_async._base.alarm import Alarm
from opentrain_async._service.http.pool import AttemptWatch
from opentrain_async.errors import NotFoundError

from ..support.peers import AT_ONCE, Call, Then, answer, client_of, envelope, live, peer, sends


async def test_publishes_one_after_the_other_share_a_connection() -> None:
    """A connection that was left in order serves the next request."""
    answers = sends(answer(live("job_1")), answer(live("job_2")), answer(live("job_3")))
    async with peer(answers) as server, client_of(server.url) as client:
        for job_id in ("job_1", "job_2", "job_3"):
            assert (await client.publish(job_id)).job_id == job_id
        assert (server.connections, len(server.calls)) == (1, 3)


async def test_a_connection_that_the_server_closed_when_idle_is_replaced() -> None:
    """A server may close a kept connection after its answer; the next publish uses a fresh one, without a retry."""
    async with peer(sends(answer(live("job_1")), answer(live("job_2")), then=Then.CLOSE)) as server:
        async with client_of(server.url, retry=AT_ONCE) as client:
            await client.publish("job_1")
            assert (await client.publish("job_2")).newly_published
        assert server.connections == 2


async def test_a_question_whose_new_connection_is_lost_is_asked_again_over_another_new_one() -> None:
    """A GET is repeated by aiohttp itself: not over one that was kept meanwhile, which is likely lost as well."""
    first_is_answered, missing = asyncio.Event(), answer(envelope(), status="404 Not Found")

    async def behave(call: Call) -> None:
        if call.number == 2:
            server.calls[0].writer.write(missing)
            await first_is_answered.wait()
            call.writer.close()
        elif call.number == 3:
            call.writer.write(missing)

    async with peer(behave) as server, client_of(server.url) as client:
        first = asyncio.create_task(client.whoami())
        await server.arrived(1)
        second = asyncio.create_task(client.whoami())
        first.add_done_callback(lambda _: first_is_answered.set())
        await asyncio.wait({first, second})
        assert [type(asked.exception()) for asked in (first, second)] == [NotFoundError, NotFoundError]
        assert [call.connection for call in server.calls] == [1, 2, 3]


async def test_time_that_is_up_without_a_connection_breaks_nothing_off() -> None:
    """A watch whose attempt has no connection notes that it is overdue, and that is all."""
    watch = AttemptWatch(Alarm(), 1.0)
    watch.ring()
    assert watch.is_overdue


async def test_answers_are_read_in_pieces_that_memory_is_kept_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much has arrived, a read takes no more than 16 KiB."""
    read: list[int] = []
    as_ever = ResponseHandler.data_received

    def noted(handler: ResponseHandler, data: bytes) -> None:
        read.append(len(data))
        as_ever(handler, data)

    monkeypatch.setattr(ResponseHandler, "data_received", noted)
    async with peer(sends(answer(live("job_1") | {"more": "x" * 200_000}))) as server, client_of(server.url) as client:
        await client.publish("job_1")
    assert sum(read) > 200_000
    assert max(read) == 16 * 1024
