"""Answers that are none: what arrives is cut, garbled, too large or about something else."""

import asyncio
import gzip
import json
import socket
import sys
import tracemalloc
from collections.abc import Callable

import aiohttp
import pytest

from opentrain_async import OutcomeStatus
from opentrain_async._service.http import pool
from opentrain_async.errors import (
    ConnectionLostError,
    OpenTrainError,
    ServerError,
    UnexpectedResponseError,
)

from ..support.peers import TOKEN, Behaviour, Call, Then, answer, client_of, floods, job_of, live, peer, sends

MIB = 1024 * 1024
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
BEFORE_THE_ANSWER: dict[str, tuple[Behaviour, type[OpenTrainError]]] = {
    "closed": (sends(then=Then.CLOSE), ConnectionLostError),
    "reset": (sends(then=Then.RESET), ConnectionLostError),
    "closed in the headers": (sends(b"HTTP/1.1 200 OK\r\nContent-", then=Then.CLOSE), ConnectionLostError),
    "reset in the headers": (sends(b"HTTP/1.1 200 OK\r\nContent-", then=Then.RESET), ConnectionLostError),
    "another protocol": (sends(b"220 mail.example ESMTP ready\r\n", then=Then.CLOSE), UnexpectedResponseError),
    "noise": (sends(bytes(range(256)) * 8, then=Then.CLOSE), UnexpectedResponseError),
    "a status of four digits": (sends(b"HTTP/1.1 2000 OK\r\n\r\n"), UnexpectedResponseError),
    "two lengths": (
        sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
        UnexpectedResponseError,
    ),
    "a length that is none": (sends(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"), UnexpectedResponseError),
    "a chunk that is none": (sends(CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n"), UnexpectedResponseError),
    "a long header": (sends(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n"), UnexpectedResponseError),
}
IN_THE_BODY: dict[str, Behaviour] = {
    "cut": sends(answer(b'{"ok": true', length=999), then=Then.CLOSE),
    "reset": sends(answer(b'{"ok": true', length=999), then=Then.RESET),
    "chunks cut off": sends(CHUNKED + b"5\r\n{", then=Then.CLOSE),
    "html": sends(answer(b"<html>Please log in.</html>")),
    "an array": sends(answer([live("job_1")])),
    "empty": sends(answer(b"")),
    "no utf-8": sends(answer(b'{"jobId": "\xff"}')),
    "nested without end": sends(answer(b"[" * 200_000)),
    "another job": sends(answer(live("job_2"))),
    "two answers in one body": sends(answer(b'{"ok": true}{"ok": true}')),
    "no gzip": sends(answer(b"{}", headers="Content-Encoding: gzip\r\n")),
    "gzip cut off": sends(answer(gzip.compress(b"x" * 5000)[:20], headers="Content-Encoding: gzip\r\n")),
}
TOO_LARGE: dict[str, Behaviour] = {
    "of a known length": sends(answer(b'{"padding": "' + b"x" * (4 * MIB) + b'"}')),
    "of a length it lies about": floods(answer(b"", length=10**15), b"x" * 65536),
    "without end": floods(CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n"),
    "without end or length": floods(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536),
    "a gzip bomb": sends(answer(gzip.compress(bytes(256 * MIB), 1), headers="Content-Encoding: gzip\r\n")),
}


@pytest.mark.parametrize("case", BEFORE_THE_ANSWER)
async def test_a_connection_that_ends_without_a_readable_head_leaves_doubt(case: str) -> None:
    """The request was sent, so it may have been done, whatever came back."""
    behave, kind = BEFORE_THE_ANSWER[case]
    async with peer(behave) as server, client_of(server.url) as client:
        with pytest.raises(kind) as caught:
            await client.publish("job_1")
        assert (type(caught.value), caught.value.effect, caught.value.job_id) == (kind, "unknown", "job_1")
        assert len(server.calls) == 1


@pytest.mark.parametrize("case", IN_THE_BODY)
async def test_F03_a_200_that_is_no_publish_result_leaves_doubt(case: str) -> None:
    """Somebody answered 200, and nobody said that the job is live."""
    async with peer(IN_THE_BODY[case]) as server, client_of(server.url) as client:
        with pytest.raises(UnexpectedResponseError) as caught:
            await client.publish("job_1")
        assert (caught.value.effect, caught.value.status) == ("unknown", 200)


@pytest.mark.parametrize("case", ["two lengths", "a length that is none", "a long header", "noise"])
async def test_an_answer_with_malformed_headers_says_where_they_come_from(case: str) -> None:
    """A proxy writes them more often than the service: so the error says what to look for."""
    async with peer(BEFORE_THE_ANSWER[case][0]) as server, client_of(server.url) as client:
        with pytest.raises(UnexpectedResponseError, match="sends a header twice, malformed or too long"):
            await client.publish("job_1")


_STRICT = """
import asyncio, sys
from opentrain_async import AsyncOpenTrain, RetryPolicy
from opentrain_async.errors import UnexpectedResponseError

async def main(url):
    async with AsyncOpenTrain("ot_pat_x", base_url=url, retry=RetryPolicy(max_attempts=1)) as client:
        try:
            await client.publish("job_1")
        except UnexpectedResponseError as error:
            print(error.effect, "sends a header twice" in str(error))

asyncio.run(main(sys.argv[1]))
"""


async def test_a_header_that_comes_twice_is_named_where_aiohttp_is_strict() -> None:
    """In Python's development mode it refuses what it otherwise lets pass."""
    twice = answer(live("job_1"), headers="Server: one\r\nServer: two\r\n")
    async with peer(sends(twice)) as server:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-X", "dev", "-W", "error", "-c", _STRICT, server.url, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
    assert out == b"unknown True\n"


@pytest.mark.parametrize("is_borrowed", [False, True], ids=["own", "borrowed"])
@pytest.mark.parametrize(
    "headers",
    ["X-Policy: " + "x" * 65_000 + "\r\n", "".join(f"X-{number}: {'y' * 30}\r\n" for number in range(200))],
    ids=["one of 64 KiB", "200"],
)
async def test_F65_long_and_many_headers_are_read(headers: str, is_borrowed: bool) -> None:
    """As a proxy adds them, of a policy or of what it measures."""
    async with (
        peer(sends(answer(live("job_1"), headers=headers))) as server,
        aiohttp.ClientSession() as session,
        client_of(server.url, session=session if is_borrowed else None) as client,
    ):
        assert (await client.publish("job_1")).newly_published


@pytest.mark.parametrize("is_borrowed", [False, True], ids=["own", "borrowed"])
async def test_F35_ten_thousand_headers_are_refused(is_borrowed: bool) -> None:
    """They are no answer, over whatever session."""
    headers = "".join(f"X-{number}: y\r\n" for number in range(10_000))
    async with (
        peer(sends(answer(live("job_1"), headers=headers))) as server,
        aiohttp.ClientSession() as session,
        client_of(server.url, session=session if is_borrowed else None) as client,
    ):
        with pytest.raises(UnexpectedResponseError) as caught:
            await client.publish("job_1")
    assert caught.value.effect == "unknown"


async def test_a_token_that_a_server_echoes_in_a_header_is_not_shown() -> None:
    """Nor in the body: the error quotes both."""
    echo = answer(f"<{TOKEN}>".encode(), headers=f"Location: https://{TOKEN}.test/\r\n", status="302 Found")
    async with peer(sends(echo)) as server, client_of(server.url) as client:
        with pytest.raises(UnexpectedResponseError) as caught:
            await client.publish("job_1")
    assert TOKEN not in str(caught.value)
    assert "***" in str(caught.value)


@pytest.mark.parametrize("case", TOO_LARGE)
async def test_F35_a_body_over_the_cap_is_given_up_in_bounded_memory(case: str) -> None:
    """Nothing past the cap is read or inflated, however much a server has to send."""
    async with peer(TOO_LARGE[case]) as server, client_of(server.url) as client:
        tracemalloc.start()
        with pytest.raises(UnexpectedResponseError, match="over 1024 KiB") as caught:
            await client.publish("job_1")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert caught.value.effect == "unknown"
        assert peak < 16 * MIB


async def test_F35_a_body_of_exactly_the_cap_is_read() -> None:
    """The cap is the first size that is still read."""
    body = b'{"jobId": "job_1", "alreadyPublished": false}'
    async with peer(sends(answer(body.ljust(MIB)))) as server, client_of(server.url) as client:
        assert (await client.publish("job_1")).newly_published


async def test_gzip_that_was_not_asked_for_is_understood() -> None:
    """A proxy that compresses on its own account does no harm, and none is asked to."""
    body = gzip.compress(b'{"jobId": "job_1", "alreadyPublished": true}')
    async with (
        peer(sends(answer(body, headers="Content-Encoding: gzip\r\n"))) as server,
        client_of(server.url) as client,
    ):
        assert (await client.publish("job_1")).already_published
        assert server.calls[0].headers["accept-encoding"] == "identity"


async def test_an_answer_sent_twice_is_not_the_answer_to_the_next_request() -> None:
    """What is left over of one answer never ends up with another draft, and the next publish is a clean one."""
    async with peer(sends(answer(live("job_1")) * 2, answer(live("job_2")))) as server, client_of(server.url) as client:
        assert (await client.publish("job_1")).job_id == "job_1"
        assert (await client.publish("job_2")).job_id == "job_2"


@pytest.mark.parametrize("size", [16_384, 32_300, 32_768, 65_536, 262_144, 524_288])
async def test_nor_is_one_that_fills_what_is_read_at_a_time(size: int) -> None:
    """Its double is still with the system when the next request takes the connection, and nobody has read of it."""
    missing = {"error": "No such job.", "code": "NOT_FOUND"}
    head = len(answer(json.dumps(missing).ljust(size - 100).encode(), status="404 Not Found")) - (size - 100)
    refusal = answer(json.dumps(missing).ljust(size - head).encode(), status="404 Not Found")
    assert len(refusal) == size

    async def behave(call: Call) -> None:
        call.writer.write(refusal * 2 if job_of(call) == "job_1" else answer(live("job_2")))

    async with peer(behave) as server, client_of(server.url, max_connections=1) as client:
        report = await client.publish_many(["job_1", "job_2"])
    assert {outcome.job_id: outcome.status for outcome in report.outcomes} == {
        "job_1": OutcomeStatus.REJECTED,
        "job_2": OutcomeStatus.PUBLISHED,
    }


@pytest.mark.parametrize("asked", [pool.has_unread_by_poll, pool.has_unread_by_select])
def test_what_nobody_has_read_is_found_in_either_way(asked: Callable[[int], bool]) -> None:
    """Also the end of the connection, and not everywhere is there a poll."""
    here, there = socket.socketpair()
    with here, there:
        assert not asked(here.fileno())
        there.send(b"HTTP/1.1 200 OK")
        assert asked(here.fileno())
        here.recv(100)
        assert not asked(here.fileno())
        there.close()
        assert asked(here.fileno())


@pytest.mark.parametrize("then", [Then.CLOSE, Then.RESET])
async def test_F45_a_404_cut_in_its_body_is_not_the_service_s_word(then: Then) -> None:
    """The envelope did not come, so that a proxy may have said it."""
    cut = sends(answer(b'{"error": "No su', status="404 Not Found", length=400), then=then)
    async with peer(cut) as server, client_of(server.url) as client:
        with pytest.raises(UnexpectedResponseError) as caught:
            await client.publish("job_1")
        assert (caught.value.effect, caught.value.status) == ("unknown", 404)


async def test_F45_a_404_whose_body_stalls_is_not_the_service_s_word() -> None:
    """No more than one that is cut."""
    stalls = sends(answer(b'{"error": "No su', status="404 Not Found", length=400), then=Then.STALL)
    async with peer(stalls) as server, client_of(server.url, timeout=0.05) as client:
        with pytest.raises(UnexpectedResponseError) as caught:
            await client.publish("job_1")
        assert caught.value.effect == "unknown"


async def test_a_503_in_html_is_a_server_error() -> None:
    """A proxy's error page has the status, and no envelope is needed to believe it."""
    page = answer(b"<html>Bad gateway</html>", status="503 Service Unavailable", headers="Retry-After: 7\r\n")
    async with peer(sends(page)) as server, client_of(server.url) as client:
        with pytest.raises(ServerError) as caught:
            await client.publish("job_1")
        assert (caught.value.effect, caught.value.status, caught.value.retry_after) == ("unknown", 503, 7.0)
        assert (caught.value.code, caught.value.raw) == (None, "<html>Bad gateway</html>")
