"""No crash reporter shows a secret of a request in flight, be it in aiohttp's frames or in the package's own."""

import asyncio
import gc
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import CoroutineType, FrameType
from typing import Any
from urllib.parse import quote

import aiohttp
import aiohttp.http_writer
import pytest

from opentrain_async import AsyncOpenTrain, PublishReport
from opentrain_async.errors import ClientClosedError, OpenTrainError, TLSError

from ..support.claims import GIVEN
from ..support.peers import ONCE, Behaviour, Peer, Then, answer, client_of, peer, sends, server_tls
from ..support.peers import Call as ServerCall
from ..support.reporters import everything_logged, everything_shown
from ..support.secrets import Secrets
from ..support.virtual import VirtualClock

pytestmark = pytest.mark.usefixtures("everything_is_logged")

Call = Callable[[AsyncOpenTrain, str, Any], Awaitable[object]]


def register(client: AsyncOpenTrain, url: str, session: Any) -> Awaitable[object]:
    return AsyncOpenTrain.register(
        base_url=url, retry=ONCE, timeout=0.03, connect_timeout=0.02, save=False, session=session
    )


CALLS: Mapping[str, Call] = {
    "whoami": lambda client, *_: client.whoami(),
    "publish": lambda client, *_: client.publish("job_1"),
    "publish_many": lambda client, *_: client.publish_many(["job_1"]),
    "register": register,
    "start_claim": lambda client, *_: client.start_claim("ada@example.com"),
    "wait_for_claim": lambda client, *_: client.wait_for_claim(timeout=1),
}


def given(secrets: Secrets, status: str = "200 OK", **others: object) -> bytes:
    """An answer with new tokens, cut off unless it has more than those."""
    tokens = {"access_token": secrets.text("ot_pat_new"), "claim_token": secrets.text("ot_clm_new")}
    return answer(GIVEN | tokens | others, status=status, length=9_999 if not others else None)


def echoes(status: str) -> Behaviour:
    """Say what was sent, in the body of the answer and in its headers."""

    async def behave(call: ServerCall) -> None:
        sent = f"{call.headers.get('authorization')} {call.body.decode()}"
        body = {"error": sent, "code": "X", "requestId": sent, "details": {"sent": [sent], sent: 1}}
        headers = f"Location: https://{quote(sent)}@x.test/{quote(sent)}\r\nX-Sent: {sent}\r\n"
        call.writer.write(answer(body, status=status, headers=headers))

    return behave


async def echoes_without_http(call: ServerCall) -> None:
    """Say what was sent, and hang up."""
    call.writer.write(b"HTTP/1.1 abc " + call.headers.get("authorization", "").encode() + call.body + b"\r\n\r\n")
    call.writer.close()


FAILURES: Mapping[str, Callable[[Secrets], Behaviour]] = {
    "hung up": lambda _: sends(then=Then.CLOSE),
    "reset": lambda _: sends(then=Then.RESET),
    "stalled": lambda _: sends(then=Then.STALL),
    "cut off": lambda secrets: sends(given(secrets), then=Then.CLOSE),
    "stalled in the answer": lambda secrets: sends(given(secrets), then=Then.STALL),
    "not JSON": lambda secrets: sends(answer(b"<html>" + secrets.text("ot_pat_").encode())),
    "another shape": lambda secrets: sends(given(secrets, access_token=[secrets.text("ot_pat_new")])),
    "200 in doubt": lambda secrets: sends(given(secrets, ok=False)),
    "400 with tokens": lambda secrets: sends(given(secrets, "400 Bad", error="invalid_request", code="X")),
    "500 with tokens": lambda secrets: sends(given(secrets, "500 Oops", error=secrets.text("ot_pat_new"), code="X")),
    "400": lambda _: echoes("400 Bad"),
    "401": lambda _: echoes("401 No"),
    "redirect": lambda _: echoes("307 Away"),
    "500": lambda _: echoes("500 Oops"),
    "not HTTP": lambda _: echoes_without_http,
}


@asynccontextmanager
async def session_of(kind: str) -> AsyncIterator[Any]:
    """A session to borrow, or none."""
    if kind == "own":
        yield None
    else:
        async with aiohttp.ClientSession() as session:
            yield session


@asynccontextmanager
async def calling(
    what: str, secrets: Secrets, behaviour: Behaviour, session_kind: str, **options: Any
) -> AsyncIterator[tuple[Peer, Callable[[], Awaitable[object]]]]:
    """A server, and the call of it."""
    async with (
        session_of(session_kind) as session,
        peer(behaviour) as server,
        client_of(
            server.url, token=secrets.token(), claim_token=secrets.claim_token(), session=session, **options
        ) as client,
    ):
        yield server, lambda: CALLS[what](client, server.url, session)


async def raised_by(call: Callable[[], Awaitable[object]]) -> BaseException | None:
    """What a call raises; of a run, what its one draft failed with."""
    try:
        report = await call()
    except BaseException as error:
        return error
    assert isinstance(report, PublishReport)
    return report.outcomes[0].error


@pytest.mark.parametrize("session", ["own", "borrowed"])
@pytest.mark.parametrize("what", [what for what in CALLS if what != "publish_many"])  # a run fails as its publishes do
@pytest.mark.parametrize("failure", FAILURES)
async def test_F71_no_failure_shows_a_secret(
    failure: str, what: str, session: str, length: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor does what is logged meanwhile."""
    secrets = Secrets(length)
    async with calling(
        what, secrets, FAILURES[failure](secrets), session, timeout=0.03, connect_timeout=0.02, clock=VirtualClock()
    ) as (_, call):
        error = await raised_by(call)
    assert isinstance(error, OpenTrainError)
    assert secrets.seen_in(everything_shown(error)) == []
    assert secrets.seen_in(everything_logged(caplog.records)) == []


ANSWERED: Mapping[str, Callable[[Secrets], Behaviour]] = {
    "waiting": lambda _: sends(then=Then.STALL),
    "reading": lambda secrets: sends(given(secrets), then=Then.STALL),
}


@pytest.fixture(params=[40, 120])
def length(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How long the secrets are; the long ones are written in Python, as where aiohttp has no extensions."""
    writer = aiohttp.http_writer
    in_python = writer._py_serialize_headers
    monkeypatch.setattr(writer, "_serialize_headers", in_python if request.param == 120 else writer._serialize_headers)
    return int(request.param)


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim that is left waits no two seconds for its answer."""
    monkeypatch.setattr("opentrain_async._client.account.claim.SETTLE_SECONDS", 0.01)


@pytest.mark.parametrize("session", ["own", "borrowed"])
@pytest.mark.parametrize("what", CALLS)
@pytest.mark.parametrize("answered", ANSWERED)
async def test_F71_no_cancellation_shows_a_secret(answered: str, what: str, session: str, length: int) -> None:
    """The frames in which it was waiting are aiohttp's too; a timeout around it carries them as well."""
    secrets = Secrets(length)
    async with calling(what, secrets, ANSWERED[answered](secrets), session) as (server, call):
        task = asyncio.ensure_future(call())
        await server.arrived(1)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await task
        with pytest.raises(TimeoutError) as late:
            async with asyncio.timeout(0.01):
                await call()
    assert "opentrain_async" in everything_shown(cancelled.value)
    for error in (cancelled.value, late.value):
        assert secrets.seen_in(everything_shown(error)) == []


def frames_of_tasks() -> Iterator[FrameType]:
    """The frames of the package and of aiohttp in which tasks wait."""
    for task in asyncio.all_tasks():
        awaited: Any = task.get_coro()
        while isinstance(awaited, CoroutineType):
            frame = awaited.cr_frame
            if frame is not None and re.search("opentrain_async/(?!.*tests)|aiohttp/", frame.f_code.co_filename):
                yield frame
            awaited = awaited.cr_await
            if not isinstance(awaited, CoroutineType):  # what aiohttp returns wraps one
                awaited = next((item for item in gc.get_referents(awaited) if isinstance(item, CoroutineType)), None)


@pytest.mark.parametrize("session", ["own", "borrowed"])
@pytest.mark.parametrize("what", CALLS)
@pytest.mark.parametrize("answered", ANSWERED)
async def test_F71_no_task_in_flight_holds_a_secret_in_its_frames(answered: str, what: str, session: str) -> None:
    """A publish has a task of its own, of whose frames no traceback tells its caller. A debugger shows them."""
    secrets = Secrets(40)
    async with calling(what, secrets, ANSWERED[answered](secrets), session) as (server, call):
        task = asyncio.ensure_future(raised_by(call))
        await server.arrived(1)
        await asyncio.sleep(0)
        shown = [f"{frame.f_code.co_filename} {frame.f_locals!r}" for frame in frames_of_tasks()]
        task.cancel()
        await asyncio.wait({task})
    assert "aiohttp" in "".join(text.split()[0] for text in shown)
    assert [text[:200] for text in shown if secrets.seen_in(text)] == []


@pytest.mark.parametrize(
    ("what", "session"),
    # Over a borrowed session the other calls end by their timeouts.
    [*((what, "own") for what in CALLS if what != "register"), ("publish", "borrowed"), ("publish_many", "borrowed")],
)
async def test_F71_no_client_that_is_closed_meanwhile_shows_a_secret(what: str, session: str) -> None:
    """Its calls end with an error each."""
    secrets = Secrets(40)
    async with (
        session_of(session) as borrowed,
        peer(sends(then=Then.STALL)) as server,
        client_of(server.url, token=secrets.token(), claim_token=secrets.claim_token(), session=borrowed) as client,
    ):
        task = asyncio.ensure_future(raised_by(lambda: CALLS[what](client, server.url, borrowed)))
        await server.arrived(1)
        await client.close()
        error = await task
    assert isinstance(error, ClientClosedError)
    assert secrets.seen_in(everything_shown(error)) == []


@pytest.mark.parametrize("how", ["signal", "in the loop"])
@pytest.mark.parametrize("session", ["own", "borrowed"])
@pytest.mark.parametrize("what", CALLS)
def test_F71_no_interrupt_shows_a_secret(what: str, session: str, how: str) -> None:
    """Ctrl-C cancels the main task, or ends the event loop in the middle of a callback."""
    secrets = Secrets(40)

    def interrupt() -> None:
        if how == "signal":
            signal.raise_signal(signal.SIGINT)
        raise KeyboardInterrupt

    async def main() -> None:
        async with calling(what, secrets, sends(then=Then.STALL), session) as (server, call):
            asyncio.ensure_future(server.arrived(1)).add_done_callback(lambda _: interrupt())
            await call()

    with pytest.raises(KeyboardInterrupt) as caught:
        asyncio.run(main())
    assert secrets.seen_in(everything_shown(caught.value)) == []


async def test_F71_a_group_of_failures_shows_no_secret() -> None:
    """Each of its members has frames of its own."""
    secrets = Secrets(40)

    async def publish_three(client: AsyncOpenTrain) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(client.publish(f"job_{number}"))

    async with peer(sends(then=Then.CLOSE)) as server, client_of(server.url, token=secrets.token()) as client:
        with pytest.raises(ExceptionGroup) as caught:
            await publish_three(client)
    assert secrets.seen_in(everything_shown(caught.value)) == []


async def test_F71_no_tls_error_shows_a_secret(tmp_path: Path) -> None:
    """A certificate that is not trusted, with an own session and with a borrowed one."""
    for kind in ("own", "borrowed"):
        secrets = Secrets(40)
        async with (
            session_of(kind) as session,
            peer(sends(), tls=server_tls(tmp_path)) as server,
            client_of(server.url, token=secrets.token(), session=session) as client,
        ):
            with pytest.raises(TLSError) as caught:
                await client.whoami()
        assert secrets.seen_in(everything_shown(caught.value)) == []


HOOKS = [
    "on_request_start",
    "on_request_chunk_sent",
    "on_request_headers_sent",
    "on_request_end",
    "on_request_exception",
]
RAISED: Mapping[str, Callable[[str], BaseException]] = {
    "error": RuntimeError,
    "error with attributes": lambda text: HookError(text),
    "cancellation": asyncio.CancelledError,
    "exit": SystemExit,
}


class HookError(Exception):
    """Keeps what it was given, as many do."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@pytest.mark.parametrize("raised", RAISED)
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("what", ["whoami", "publish", "start_claim"])
def test_F71_no_tracer_s_error_shows_a_secret(what: str, hook: str, raised: str) -> None:
    """Although it quotes all that it was given: headers and body."""
    secrets = Secrets(40)

    async def raise_what_it_was_told(_session: object, _context: object, told: Any) -> None:
        facts = [repr(told), *(repr(dict(told.headers)) for _ in "x" if hasattr(told, "headers"))]
        del told
        raise RAISED[raised](" ".join(facts))

    tracer = aiohttp.TraceConfig()
    getattr(tracer, hook).append(raise_what_it_was_told)

    async def main() -> BaseException | None:
        behaviour = sends(then=Then.CLOSE) if hook == "on_request_exception" else sends(answer({}))
        async with (
            aiohttp.ClientSession(trace_configs=[tracer]) as session,
            peer(behaviour) as server,
            client_of(server.url, token=secrets.token(), claim_token=secrets.claim_token(), session=session) as client,
        ):
            return await raised_by(lambda: CALLS[what](client, server.url, session))

    try:
        error = asyncio.run(main())
    except SystemExit as caught:
        error = caught
    assert error is not None
    assert secrets.seen_in(everything_shown(error)) == []
