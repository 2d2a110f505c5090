"""No crash reporter shows a secret, neither in the package's frames nor in those of the libraries that it uses."""

import asyncio
import gc
import inspect
import json
import os
import traceback
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import pytest

from opentrain_async import AsyncOpenTrain, Journal, RedisLedger, SQLiteLedger
from opentrain_async.errors import ConfigurationError

from ..support.credentials import save
from ..support.peers import Then, answer, client_of, live, peer, sends
from ..support.reporters import TOOLS, by_loguru, everything_logged, everything_shown
from ..support.secrets import KINDS, Secrets
from ..support.stores import BrokenStore

LENGTHS = (40, 120)
Situation = Callable[[Secrets], object]


def raised_by(situation: Situation, secrets: Secrets) -> BaseException:
    """What a situation raises."""
    try:
        situation(secrets)
    except BaseException as error:
        return error
    pytest.fail("nothing was raised")


async def raised_in(call: Callable[[], Awaitable[object]]) -> BaseException:
    """What a coroutine raises."""
    try:
        await call()
    except BaseException as error:
        return error
    pytest.fail("nothing was raised")


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "Secret"])
@pytest.mark.parametrize("tool", TOOLS)
def test_each_tool_shows_what_a_frame_holds(tool: str, kind: str, length: int) -> None:
    """Otherwise it would prove nothing that the others show nothing."""
    secrets = Secrets(length, kind)

    def show(value: object) -> None:
        raise ValueError("shown", value is None)

    error = raised_by(lambda secrets: show(secrets.token()), secrets)
    assert secrets.seen_in(TOOLS[tool](error))


# What is refused when it is passed.


made: Any = AsyncOpenTrain
"""Called by itself: a function around it would hold the arguments in its frame."""
ARGUMENTS = [name for name in inspect.signature(AsyncOpenTrain).parameters if name not in {"token", "claim_token"}]


def made_with(name: str, secrets: Secrets) -> object:
    """A client with a token as that argument."""
    return made(token="ot_pat_x", **{name: secrets.token()})


def argument(secrets: Secrets) -> Any:
    """A token in another's place."""
    return secrets.token()


REFUSED: dict[str, Situation] = {
    "a token with a blank": lambda secrets: made(token=secrets.like("{} x", "ot_pat_")),
    "a token of another kind": lambda secrets: made(token=secrets.like("{}", "ot_clm_")),
    "a claim token with a blank": lambda secrets: made(token="ot_pat_x", claim_token=secrets.like("{} x", "ot_clm_")),
    "a good token, and a bad argument": lambda secrets: made(token=secrets.token(), timeout=-1),
    "a good token, and an unknown argument": lambda secrets: made(token=secrets.token(), typo=1),
    "an address with a password": lambda secrets: made(
        token="ot_pat_x", base_url=secrets.like("https://me:{}@x.test", "pw")
    ),
    "an address with a token": lambda secrets: made(token="ot_pat_x", base_url=secrets.like("https://x.test/{}", "pw")),
    "a URL as the ledger": lambda secrets: made(token="ot_pat_x", ledger=secrets.like("redis://:{}@x.test", "pw")),
    "a Redis URL that is none": lambda secrets: RedisLedger(secrets.like("redis://:{}@x.test:port", "pw")),
    "a Redis URL with a slash": lambda secrets: RedisLedger(secrets.like("redis://:a/{}@x.test", "pw")),
    "a Redis URL of another scheme": lambda secrets: RedisLedger(secrets.like("mysql://:{}@x.test", "pw")),
    "a Redis URL, and a bad option": lambda secrets: RedisLedger(secrets.like("redis://:{}@x.test?a=b", "pw")),
    "a Redis URL, and a bad argument": lambda secrets: RedisLedger(secrets.like("redis://:{}@x.test", "pw"), timeout=0),
    "a token as Redis's prefix": lambda secrets: RedisLedger("redis://x.test", prefix=argument(secrets)),
    "a token as SQLite's path": lambda secrets: SQLiteLedger(argument(secrets)),
    "a token as a journal": lambda secrets: Journal.open(argument(secrets)),
    "a password as Redis": lambda secrets: RedisLedger(secrets.like("{}", "pw")),
    **{f"a token as {name}": partial(made_with, name) for name in ARGUMENTS},
}


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("situation", REFUSED)
def test_F71_no_refusal_shows_what_was_passed(situation: str, kind: str, length: int) -> None:
    """Whatever its type is, and for whichever argument."""
    secrets = Secrets(length, kind)
    error = raised_by(REFUSED[situation], secrets)
    assert secrets.seen_in(everything_shown(error)) == []


CALLS: Mapping[str, Callable[[Any, Secrets], Awaitable[object]]] = {
    "publish": lambda client, secrets: client.publish(secrets.token()),
    "publish, with an argument too many": lambda client, secrets: client.publish(secrets.token(), 1, 2),
    "publish, waiting for a token": lambda client, secrets: client.publish("job_1", max_wait=secrets.token()),
    "close_job": lambda client, secrets: client.close_job(secrets.token()),
    "update_draft": lambda client, secrets: client.update_draft(secrets.token(), title="x"),
    "update_job": lambda client, secrets: client.update_job(secrets.token(), title="x"),
    "iter_jobs": lambda client, secrets: first_of(client.iter_jobs(secrets.token())),
    "start_claim": lambda client, secrets: client.start_claim(secrets.token()),
    "wait_for_claim": lambda client, secrets: client.wait_for_claim(timeout=secrets.token()),
    "fill_gaps": lambda client, secrets: client.fill_gaps(secrets.token(), print),
    "post, answered by a token": lambda client, secrets: client.post("cats", answer=secrets.token()),
    "publish_many": lambda client, secrets: client.publish_many(["job_1"], concurrency=secrets.token()),
    "publish_stream": lambda client, secrets: client.publish_stream(["job_1"], on_progress=secrets.token()),
    "register": lambda _, secrets: AsyncOpenTrain.register(retry=secrets.token()),  # type: ignore[arg-type]
}


async def first_of(items: AsyncIterator[object]) -> object:
    """The first of these."""
    return await anext(items)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", CALLS)
async def test_F71_no_call_shows_what_was_passed(what: str, kind: str, length: int) -> None:
    """A token in the place of an id, an address, a number or a function."""
    secrets = Secrets(length, kind)
    async with client_of("http://127.0.0.1:9", claim_token="ot_clm_x") as client:
        error = await raised_in(lambda: CALLS[what](client, secrets))
    assert isinstance(error, ConfigurationError | TypeError)
    assert secrets.seen_in(everything_shown(error)) == []


RUNS: Mapping[str, Callable[[Any, Secrets], Awaitable[object]]] = {
    "plan": lambda client, secrets: client.plan(["job_1", secrets.token()]),
    "publish_many": lambda client, secrets: asyncio.wait_for(
        client.publish_many(["job_1", secrets.token()], concurrency=1), 0.02
    ),
    "publish_many, with a source that fails": lambda client, secrets: client.publish_many(failing(secrets)),
}


def ids_with(secrets: Secrets) -> Any:
    """An id, and a token."""
    return ["job_1", secrets.token()]


async def failing(secrets: Secrets) -> AsyncIterator[object]:
    """An item, and a failure."""
    yield secrets.token()
    raise LookupError


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", RUNS)
async def test_F71_no_run_shows_a_token_among_its_drafts(what: str, kind: str, length: int) -> None:
    """Whatever ends it."""
    secrets = Secrets(length, kind)
    async with (
        peer(sends(then=Then.STALL)) as server,
        client_of(server.url, ledger=BrokenStore() if what == "plan" else None) as client,
    ):
        error = await raised_in(lambda: RUNS[what](client, secrets))
    assert secrets.seen_in(everything_shown(error)) == []


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", ["OT_API_TOKEN", "OPENTRAIN_API_TOKEN", "OT_API_BASE_URL", "OPENTRAIN_BASE_URL"])
def test_F71_no_variable_is_shown(name: str, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor the environment as a whole, where a line of the package names it."""
    secrets = Secrets(length)
    for variable in os.environ:
        monkeypatch.delenv(variable)  # so that a tool that shows the beginning of it shows this
    monkeypatch.setenv(name, f"https://{secrets.text('ot_pat_')}@x.test")
    error = raised_by(lambda _: AsyncOpenTrain(), secrets)
    assert isinstance(error, ConfigurationError)
    assert secrets.seen_in(everything_shown(error)) == []


FILES: Mapping[str, Callable[[Secrets], bytes]] = {
    "cut off": lambda secrets: json.dumps({"apiToken": secrets.text("ot_pat_")}).encode()[:-1],
    "a token alone": lambda secrets: secrets.text("ot_pat_").encode(),
    "a string": lambda secrets: json.dumps(secrets.text("ot_pat_")).encode(),
    "a list": lambda secrets: json.dumps([secrets.text("ot_pat_")]).encode(),
    "tokens in a list": lambda secrets: json.dumps({"apiToken": [secrets.text("ot_pat_")]}).encode(),
    "a token with a blank": lambda secrets: json.dumps({"apiToken": secrets.text("ot_pat_") + " x"}).encode(),
    "an address with a password": lambda secrets: json.dumps({
        "apiToken": secrets.text("ot_pat_"),
        "baseUrl": f"https://me:{secrets.text('pw')}@x.test",
    }).encode(),
    "not UTF-8": lambda secrets: b"{" + secrets.text("ot_pat_").encode() + b"\xff",
    "nested without end": lambda secrets: b'{"a":' * 100_000 + secrets.text("ot_pat_").encode(),
}


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("file", FILES)
def test_F71_no_credentials_file_is_shown(file: str, length: int) -> None:
    """However it is broken."""
    secrets = Secrets(length)
    save(FILES[file](secrets))
    error = raised_by(lambda _: AsyncOpenTrain(), secrets)
    assert isinstance(error, ConfigurationError)
    assert secrets.seen_in(everything_shown(error)) == []


@pytest.mark.parametrize("callback", ["on_event", "on_outcome", "on_progress"])
async def test_F71_no_callback_s_error_shows_a_secret(callback: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with its frames; a callback that logs by itself shows the frames outside of it, too."""
    secrets, shown = Secrets(40), list[str]()

    def fail(*_: object) -> None:
        try:
            raise LookupError
        except LookupError as error:
            shown.append(by_loguru(error, backtrace=True))
            shown.extend(traceback.format_stack())
            for frame, _line in traceback.walk_stack(inspect.currentframe()):
                if "opentrain_async" in frame.f_code.co_filename:
                    shown.append(repr(frame.f_locals))
            raise

    async with peer(sends(answer(live("job_1")), then=Then.KEEP)) as server:
        options: dict[str, Any] = {"on_event": fail} if callback == "on_event" else {}
        arguments: dict[str, Any] = {} if callback == "on_event" else {callback: fail}
        async with client_of(server.url, token=secrets.token(), **options) as client:
            await client.publish_many(ids_with(secrets), **arguments)
    assert any("opentrain_async" in text for text in shown)
    assert secrets.seen_in("".join(shown)) == []
    assert f"{callback} raised" in caplog.text
    assert secrets.seen_in(everything_logged(caplog.records)) == []


def test_F71_no_warning_of_what_was_left_open_shows_a_secret() -> None:
    """Of a client that is never closed Python warns, and asyncio's exception handler is told."""
    secrets = Secrets(40)
    contexts: list[Mapping[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: contexts.append(context))
        async with peer(sends(answer(live("job_1")))) as server:
            await client_of(server.url, token=secrets.token(), claim_token=secrets.claim_token()).publish("job_1")

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        asyncio.run(main(), debug=True)
        gc.collect()
    assert "Unclosed" in repr(contexts)
    assert "Unclosed" in "".join(str(warning.message) for warning in warned)
    assert secrets.seen_in(repr(contexts) + "".join(f"{warning.message} {vars(warning)}" for warning in warned)) == []
