"""The password of a Redis server shows nowhere: redis-py's frames, which hold it, stay inside the ledger."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from opentrain_async import RedisLedger
from opentrain_async._base.secret import Secret
from opentrain_async.errors import QuotaLedgerError

from ..support.peers import client_of, unused_port
from ..support.reporters import everything_logged, everything_shown
from ..support.secrets import Secrets
from ..support.servers import RedisServer
from ..support.stores import ledger_on, publish, used
from ..support.virtual import in_no_time

pytestmark = pytest.mark.usefixtures("everything_is_logged")


@pytest.fixture(params=[40, 120])
def secrets(request: pytest.FixtureRequest) -> Secrets:
    """The password, short and long."""
    return Secrets(request.param)


@pytest.fixture
def guarded(redis_server: RedisServer, tmp_path: Path, secrets: Secrets) -> Iterator[RedisServer]:
    """A server that asks for the password."""
    with RedisServer(redis_server.binary, tmp_path, password=secrets.text("pw")) as server:
        yield server


URLS: Mapping[str, str] = {
    "without a name": "redis://:{}@127.0.0.1:{}",
    "with a name": "redis://default:{}@127.0.0.1:{}/0",
    "as an option": "redis://127.0.0.1:{1}?password={0}",
    "with the older protocol": "redis://:{}@127.0.0.1:{}?protocol=2",
}


def ledger_at(secrets: Secrets, port: int, url: str = "without a name", **options: Any) -> RedisLedger:
    return RedisLedger(URLS[url].format(secrets.text("pw"), port), **options)


@pytest.mark.parametrize("url", URLS)
async def test_the_right_password_opens_the_server(url: str, guarded: RedisServer, secrets: Secrets) -> None:
    """However the URL has it, and as a `Secret`; when it is asked for, at each connection."""
    async with ledger_at(secrets, guarded.port, url) as ledger:
        await publish(ledger_on(ledger), "a")
    async with RedisLedger(Secret(URLS[url].format(secrets.text("pw"), guarded.port))) as ledger:
        assert await used(ledger) == 1
        assert secrets.seen_in(repr(ledger) + repr(vars(ledger)) + repr(vars(ledger._batcher))) == []


async def raised_with(ledger: RedisLedger) -> BaseException:
    """What a look at the quota raises."""
    with pytest.raises(QuotaLedgerError) as caught:
        async with ledger:
            await used(ledger)
    return caught.value


@pytest.mark.parametrize("url", URLS)
async def test_F71_no_refused_login_shows_the_password(
    url: str, redis_server: RedisServer, tmp_path: Path, secrets: Secrets, caplog: pytest.LogCaptureFixture
) -> None:
    """An own client's and a borrowed one's."""
    with RedisServer(redis_server.binary, tmp_path, password="another") as server:
        own = ledger_at(secrets, server.port, url)
        borrowed = RedisLedger(Redis.from_url(URLS[url].format(secrets.text("pw"), server.port)))
        for ledger in (own, borrowed):
            error = await raised_with(ledger)
            assert "AuthenticationError" in str(error)
            assert secrets.seen_in(everything_shown(error) + everything_logged(caplog.records)) == []


async def test_F71_no_server_that_is_not_there_shows_the_password(secrets: Secrets) -> None:
    """The connection is refused."""
    error = await in_no_time(raised_with(ledger_at(secrets, unused_port(), timeout=1)))
    assert "ConnectionError" in str(error)
    assert secrets.seen_in(everything_shown(error)) == []


@asynccontextmanager
async def answering(answer: Callable[[bytes], bytes]) -> AsyncIterator[int]:
    """The port of a server that answers so what it gets, and keeps that in no frame."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.CancelledError):
            while not reader.at_eof():
                writer.write(answer(await reader.read(65536)))
        writer.transport.abort()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def nothing(_: bytes) -> bytes:
    """No answer."""
    return b""


ANSWERS: Mapping[str, Callable[[bytes], bytes]] = {
    "nothing": nothing,
    "an old version": lambda got: (
        b"-ERR unknown command `HELLO`, with args beginning with: " + b" ".join(got.split()) + b"\r\n"
    ),
    "an echo": lambda got: b"-" + b" ".join(got.split()) + b"\r\n",
    "not Redis": lambda got: b"HTTP/1.1 400 " + b" ".join(got.split()) + b"\r\n",
}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("url", URLS)
async def test_F71_no_server_that_echoes_shows_the_password(
    url: str, answer: str, secrets: Secrets, caplog: pytest.LogCaptureFixture
) -> None:
    """A version that does not know a command quotes what came with it, also of a borrowed client's login."""
    async with answering(ANSWERS[answer]) as port:
        errors = [await raised_with(ledger_at(secrets, port, url, timeout=0.04))]
        if answer in {"nothing", "an old version"}:
            client = Redis.from_url(URLS[url].format(secrets.text("pw"), port))
            errors.append(await raised_with(RedisLedger(client, timeout=0.04)))
            await client.aclose()
    assert secrets.seen_in("".join(map(everything_shown, errors)) + everything_logged(caplog.records)) == []


@pytest.mark.parametrize("borrowed", [False, True])
async def test_F71_no_caller_that_leaves_shows_the_password(borrowed: bool, secrets: Secrets) -> None:
    """Cancelled, or after a timeout of its own, while the ledger connects."""
    async with answering(nothing) as port:
        client = Redis.from_url(URLS["without a name"].format(secrets.text("pw"), port)) if borrowed else None
        async with (
            ledger_at(secrets, port, timeout=0.04) if client is None else RedisLedger(client, timeout=0.04) as ledger,
            client_of("http://127.0.0.1:9", ledger=ledger) as caller,
        ):
            with pytest.raises(TimeoutError) as late:
                async with asyncio.timeout(0.01):
                    await caller.quota()
            task = asyncio.create_task(caller.publish("job_1"))
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as cancelled:
                await task
        if client is not None:
            await client.aclose()
    for error in (late.value, cancelled.value):
        assert secrets.seen_in(everything_shown(error)) == []


def test_F71_no_loop_that_ends_meanwhile_shows_the_password(secrets: Secrets, caplog: pytest.LogCaptureFixture) -> None:
    """What asyncio's debug mode and its exception handler tell of the tasks that are cancelled then, too."""
    contexts: list[Mapping[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: contexts.append(context))
        async with answering(nothing) as port:
            ledger = ledger_at(secrets, port)
            asyncio.ensure_future(used(ledger)).add_done_callback(lambda _: None)
            await asyncio.sleep(0.01)
            raise LookupError

    with pytest.raises(LookupError) as caught:
        asyncio.run(main(), debug=True)
    errors = [caught.value, *(context["exception"] for context in contexts if "exception" in context)]
    assert secrets.seen_in(repr(contexts) + "".join(map(everything_shown, errors))) == []
    assert secrets.seen_in(everything_logged(caplog.records)) == []


async def test_F71_no_error_of_closing_shows_the_password(guarded: RedisServer, secrets: Secrets) -> None:
    """It is a ledger's own, and what was begun is finished by then; the ledger can be closed again."""
    ledger = ledger_at(secrets, guarded.port)
    await publish(ledger_on(ledger), "a")
    assert ledger._batcher is not None
    client, close = ledger._batcher.client, ledger._batcher.client.aclose

    async def fail() -> None:
        await close()
        raise OSError(f"the connection {client} as {secrets.text('pw')} is lost")

    client.aclose = fail
    with pytest.raises(QuotaLedgerError, match="cannot be closed: OSError: the connection") as caught:
        await ledger.close()
    assert secrets.seen_in(everything_shown(caught.value)) == []
    await ledger.close()


async def test_F71_no_second_loop_shows_the_password(guarded: RedisServer, secrets: Secrets) -> None:
    """A ledger in use refuses it."""
    async with ledger_at(secrets, guarded.port) as ledger:
        await publish(ledger_on(ledger), "a")
        with pytest.raises(QuotaLedgerError, match="another event loop") as caught:
            await asyncio.to_thread(asyncio.run, used(ledger))
    assert secrets.seen_in(everything_shown(caught.value)) == []
