"""A server that is slow or silent is waited for no longer than the timeout says."""

import pytest

from opentrain_async._service.http.messages import Request
from opentrain_async.errors import RequestTimeoutError, UnexpectedResponseError

from ..support.peers import Then, answer, client_of, drips, live, peer, sends


async def test_an_answer_that_does_not_begin_in_time_leaves_doubt() -> None:
    """Silence after the request was sent may follow a publish that was done."""
    async with peer(sends(then=Then.STALL)) as server, client_of(server.url, timeout=0.05) as client:
        with pytest.raises(RequestTimeoutError) as caught:
            await client.publish("job_1")
        assert caught.value.effect == "unknown"
        assert isinstance(caught.value, TimeoutError)
        assert len(server.calls) == 1


async def test_headers_that_stop_in_the_middle_are_a_timeout() -> None:
    """Half a head is no answer."""
    half = sends(b"HTTP/1.1 200 OK\r\nContent-Type: appl", then=Then.STALL)
    async with peer(half) as server, client_of(server.url, timeout=0.05) as client:
        with pytest.raises(RequestTimeoutError) as caught:
            await client.publish("job_1")
        assert caught.value.effect == "unknown"


async def test_a_body_that_stops_in_the_middle_is_an_answer_cut_off() -> None:
    """A 200 whose body does not end in time cannot be read, and what it did is unknown."""
    stalls = sends(answer(b'{"ok": true', length=999), then=Then.STALL)
    async with peer(stalls) as server, client_of(server.url, timeout=0.05) as client:
        with pytest.raises(UnexpectedResponseError, match="time is up") as caught:
            await client.publish("job_1")
        assert (caught.value.effect, caught.value.status) == ("unknown", 200)


async def test_a_chunked_body_that_never_ends_is_an_answer_cut_off() -> None:
    """A body without its last chunk does not end, however complete its JSON looks."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    unended = sends(head + b"2\r\n{}\r\n", then=Then.STALL)
    async with peer(unended) as server, client_of(server.url, timeout=0.05) as client:
        with pytest.raises(UnexpectedResponseError, match="time is up") as caught:
            await client.publish("job_1")
        assert caught.value.effect == "unknown"


@pytest.mark.parametrize("data", [b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 500, b"HTTP/1.1 102 Wait\r\n\r\n" * 50])
async def test_F35_a_drip_of_headers_does_not_extend_the_timeout(data: bytes) -> None:
    """Each byte that comes in proves that the server lives, and yet the attempt ends on time."""
    async with peer(drips(data)) as server, client_of(server.url, timeout=0.05) as client:
        with pytest.raises(RequestTimeoutError) as caught:
            await client.publish("job_1")
        assert caught.value.effect == "unknown"


async def test_F35_a_drip_of_a_body_does_not_extend_the_timeout() -> None:
    """The timeout is for the whole attempt, not for the gap between two bytes."""
    drip = drips(b" " * 1000, head=answer(b"", length=1000))
    async with peer(drip) as server, client_of(server.url, timeout=0.05) as client:
        with pytest.raises(UnexpectedResponseError, match="time is up") as caught:
            await client.publish("job_1")
        assert caught.value.effect == "unknown"


async def test_a_connection_that_timed_out_is_not_used_again() -> None:
    """The late answer to one request must not be taken for the answer to the next."""
    async with peer(sends(b"", answer(live("job_2")))) as server, client_of(server.url) as client:
        with pytest.raises(RequestTimeoutError):
            await client._transport.send(Request("POST", "/first"), 0.05)
        server.calls[0].writer.write(answer(live("job_1")))
        assert (await client.publish("job_2")).job_id == "job_2"
        assert [call.connection for call in server.calls] == [1, 2]


async def test_the_time_that_is_left_bounds_an_attempt_below_its_timeout() -> None:
    """An attempt gets no more time than its caller has left, whatever the timeouts are."""
    async with peer(sends(then=Then.STALL)) as server, client_of(server.url, timeout=3600) as client:
        with pytest.raises(RequestTimeoutError):
            await client._transport.send(Request("POST", "/"), 0.05)
