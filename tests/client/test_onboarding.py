"""An account comes into being: an agent registers itself, and its tokens are kept where they are looked for."""

import asyncio
import json
import stat
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from opentrain_async import AsyncOpenTrain, RetryPolicy
from opentrain_async._base.clock import instant
from opentrain_async._client.account.credentials import path_of_file
from opentrain_async.errors import (
    APIError,
    BadRequestError,
    ConfigurationError,
    ConnectError,
    OpenTrainError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    UnexpectedResponseError,
)
from opentrain_async.models import Registration
from opentrain_async.sandbox import Fault, Sandbox

from ..support.claims import GIVEN
from ..support.credentials import save as write
from ..support.peers import AT_ONCE, ONCE, Then, answer, peer, sends, unused_port
from ..support.virtual import VirtualClock


async def register(sandbox: Sandbox, **options: object) -> Registration:
    settings: dict[str, object] = {"base_url": sandbox.url, "clock": sandbox.clock}
    return await AsyncOpenTrain.register(**(settings | options))  # type: ignore[arg-type]


def saved() -> dict[str, str]:
    """What is in the credentials file."""
    found: dict[str, str] = json.loads(path_of_file().read_bytes())
    return found


async def test_who_has_registered_can_publish_at_once(sandbox: Sandbox) -> None:
    """The tokens are saved where the next client looks for them, and the account may publish three drafts a day."""
    made = await register(sandbox, agent_name="Bot", organization_name="Cats")
    assert made.saved_to == path_of_file()
    assert saved() == {
        "apiToken": made.access_token.reveal(),
        "baseUrl": sandbox.url,
        "claimToken": made.claim_token.reveal(),
    }
    assert stat.S_IMODE(path_of_file().stat().st_mode) == 0o600
    assert made.registration_id == "registration_2"
    assert set(made.scopes) > {"jobs:write"}
    assert made.claim_token_expires_at is not None
    left = made.claim_token_expires_at - instant(sandbox.clock.now())
    assert timedelta(hours=23.9) < left <= timedelta(hours=24)
    async with AsyncOpenTrain(clock=sandbox.clock) as client:
        report = await client.publish_many([sandbox.draft(token=made.access_token.reveal()) for _ in range(4)])
        assert (len(report.published), len(report.deferred)) == (3, 1)
        assert (await client.whoami()).token.label == "Bot"


@pytest.mark.parametrize("names", [{}, {"agent_name": "Bot"}, {"organization_name": "Cats é \ud800"}])
async def test_what_is_sent_is_what_was_said(names: dict[str, str]) -> None:
    """An account needs no name; what is left out is not in the body."""
    bodies: list[object] = []

    async def identity(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        return web.json_response(GIVEN)

    app = web.Application()
    app.router.add_post("/api/agent/identity", identity)
    async with TestServer(app) as server:
        await AsyncOpenTrain.register(**names, base_url=str(server.make_url("")), save=False)  # type: ignore[arg-type]
    assert bodies == [names]


async def test_tokens_that_are_not_to_be_saved_are_not(sandbox: Sandbox) -> None:
    """Then they are the caller's to keep, and whatever is saved there does not matter."""
    write(b"{")
    made = await register(sandbox, save=False)
    assert made.saved_to is None
    assert path_of_file().read_bytes() == b"{"
    assert made.claim_token.reveal().startswith("ot_clm_")


async def test_saved_credentials_are_replaced_by_force_only(sandbox: Sandbox) -> None:
    """Without it nothing is sent, so no account is made whose token would be nowhere."""
    first = await register(sandbox)
    with pytest.raises(ConfigurationError, match="replaced only with force"):
        await register(sandbox)
    assert len(sandbox.requests) == 1
    second = await register(sandbox, force=True)
    assert saved()["apiToken"] == second.access_token.reveal() != first.access_token.reveal()


async def test_credentials_that_cannot_be_saved_are_not_asked_for(sandbox: Sandbox) -> None:
    """A file in the way of the directory is found out before anything is sent."""
    path_of_file().parent.parent.mkdir(exist_ok=True)
    path_of_file().parent.touch()
    for force in (False, True):
        with pytest.raises(ConfigurationError, match=r"credentials.*cannot be"):
            await register(sandbox, force=force)
    assert sandbox.requests == []


async def test_credentials_that_others_have_saved_meanwhile_stay(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """The new tokens are returned, and are for the caller to keep; that they were not saved is logged."""
    sandbox.fault(Fault.STATUS, on="register", status=429, retry_after="5")
    registering = asyncio.create_task(register(sandbox))
    while not sandbox.requests:
        await asyncio.sleep(0.001)
    write({"apiToken": "ot_pat_theirs"})
    while len(sandbox.requests) < 2:
        await asyncio.sleep(0.001)
        sandbox.advance(seconds=5)
    made = await registering
    assert made.saved_to is None
    assert made.access_token.reveal().startswith("ot_pat_")
    assert saved() == {"apiToken": "ot_pat_theirs"}
    assert "others have saved credentials meanwhile" in caplog.text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"agent_name": ""}, "agent_name has to be a name, not ''"),
        ({"agent_name": 5}, "agent_name has to be a name, not 5"),
        ({"organization_name": ""}, "organization_name has to be a name, not ''"),
        ({"organization_name": b"x"}, "organization_name has to be a name, not b'x'"),
        ({"base_url": "http://example.org"}, "use https"),
        ({"base_url": ""}, "base_url must begin with https://, or http:// on this machine, and name a host"),
        ({"retry": None}, "retry has to be a RetryPolicy, not None"),
        ({"timeout": 0}, "timeout has to be a finite number above 0, not 0"),
        ({"connect_timeout": "1"}, "connect_timeout has to be a number, not '1'"),
        ({"session": 5}, "session has to be a ClientSession, not 5"),
        ({"clock": 5}, "clock has to have a method now(), unlike 5"),
    ],
)
async def test_what_cannot_be_right_is_refused_before_anything_is_sent(
    sandbox: Sandbox, options: dict[str, object], text: str
) -> None:
    """The argument is named, and the reason; nothing is written either."""
    with pytest.raises(ConfigurationError) as caught:
        await register(sandbox, **options)
    assert text in str(caught.value)
    assert sandbox.requests == []
    assert not path_of_file().parent.exists()


async def test_a_session_that_logs_in_by_itself_is_not_for_registering(sandbox: Sandbox) -> None:
    """Whatever it would send as Authorization is not for the endpoints of agents."""
    with pytest.warns(DeprecationWarning, match="auth"):
        session = aiohttp.ClientSession(auth=aiohttp.BasicAuth("a", "b"))
    async with session:
        with pytest.raises(ConfigurationError, match="logs in by itself"):
            await register(sandbox, session=session)
    async with aiohttp.ClientSession(headers={"authorization": "Bearer ot_pat_SECRET"}) as session:
        with pytest.raises(ConfigurationError, match="sends an Authorization header by itself") as caught:
            await register(sandbox, session=session)
    assert "SECRET" not in str(caught.value)
    assert sandbox.requests == []
    assert not path_of_file().exists()


@pytest.mark.parametrize("borrowed", [False, True])
async def test_nobody_s_token_goes_along(monkeypatch: pytest.MonkeyPatch, borrowed: bool) -> None:
    """Also where there is one, in the environment or in the file."""
    monkeypatch.setenv("OT_API_TOKEN", "ot_pat_environment")
    write({"apiToken": "ot_pat_file", "baseUrl": "http://127.0.0.1:1"})
    async with peer(sends(answer(GIVEN))) as server, aiohttp.ClientSession() as session:
        monkeypatch.setenv("OT_API_BASE_URL", server.url)
        made = await AsyncOpenTrain.register(force=True, session=session if borrowed else None)
        assert session.closed is False
    assert made.access_token.reveal() == "ot_pat_given_SECRET"
    assert saved() == {
        "apiToken": made.access_token.reveal(),
        "baseUrl": server.url,
        "claimToken": made.claim_token.reveal(),
    }
    assert "authorization" not in server.calls[0].headers
    assert b"ot_pat" not in server.calls[0].head
    assert server.calls[0].head.startswith(b"POST /api/agent/identity HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("status", "code", "kind", "effect"),
    [
        ("400 Bad", "unsupported_identity_type", BadRequestError, "none"),
        ("403 No", "anonymous_not_enabled", PermissionDeniedError, "none"),
        ("429 Slow", "rate_limit_exceeded", RateLimitedError, "none"),
        ("500 Oops", "server_error", ServerError, "unknown"),
        ("418 Tea", "teapot", APIError, "none"),
    ],
)
async def test_errors_have_the_shape_of_oauth(status: str, code: str, kind: type[APIError], effect: str) -> None:
    """The code is in `error`, the text in its description; the error says whether there may be an account."""
    failing = answer({"error": code, "error_description": "This is why."}, status=status)
    async with peer(sends(failing)) as server:
        with pytest.raises(APIError) as caught:
            await AsyncOpenTrain.register(base_url=server.url, retry=ONCE)
    assert (type(caught.value), caught.value.code, caught.value.message) == (kind, code, "This is why.")
    assert (caught.value.effect, caught.value.operation) == (effect, "register")
    assert not path_of_file().exists()


@pytest.mark.parametrize("body", [{"error": "server_error"}, {"error": "No.", "code": "FORBIDDEN"}])
async def test_an_error_may_lack_its_description_or_have_the_api_s_shape(body: object) -> None:
    """The code, or the text, is the message then."""
    async with peer(sends(answer(body, status="403 No"))) as server:
        with pytest.raises(PermissionDeniedError, match=r"^(server_error|No)\."):
            await AsyncOpenTrain.register(base_url=server.url, retry=ONCE)


@pytest.mark.parametrize("body", [{"error": 5}, {}, b"<html>", {"error": "Forbidden"}])
async def test_F45_a_strangers_403_leaves_a_registration_in_doubt(body: object) -> None:
    """A proxy may have answered after the account was made, so that it is not made twice."""
    async with peer(sends(answer(body, status="403 No"))) as server:
        with pytest.raises(UnexpectedResponseError, match="looks like a proxy's") as caught:
            await AsyncOpenTrain.register(base_url=server.url, retry=ONCE)
        assert (caught.value.effect, caught.value.status, len(server.calls)) == ("unknown", 403, 1)


@pytest.mark.parametrize("then", [Then.CLOSE, Then.RESET])
async def test_a_registration_whose_answer_is_lost_is_not_repeated(then: Then) -> None:
    """It may have been done: to do it twice makes two accounts. The error says so."""
    async with peer(sends(then=then)) as server:
        with pytest.raises(OpenTrainError) as caught:
            await AsyncOpenTrain.register(base_url=server.url, retry=AT_ONCE)
    assert caught.value.effect == "unknown"
    assert "An account may have been made whose token is lost" in str(caught.value)
    assert len(server.calls) == 1


async def test_a_registration_that_was_not_done_is_tried_again(sandbox: Sandbox) -> None:
    """After too many of them by anybody, as the server says; and where there was no connection."""
    sandbox.fault(Fault.STATUS, on="register", status=429, retry_after="30")
    registering = asyncio.create_task(register(sandbox))
    while not registering.done():
        await asyncio.sleep(0.001)
        sandbox.advance(seconds=1)
    assert (await registering).saved_to is not None
    assert sandbox.requests[1].at - sandbox.requests[0].at >= 30
    clock = VirtualClock()
    with pytest.raises(ConnectError) as caught:
        await AsyncOpenTrain.register(base_url=f"http://127.0.0.1:{unused_port()}", clock=clock, save=False)
    assert caught.value.effect == "none"
    assert len(clock.slept) == RetryPolicy().max_attempts - 1


@pytest.mark.parametrize("missing", ["access_token", "claim_token"])
async def test_an_answer_without_a_token_is_none(missing: str) -> None:
    """Also one whose token could not be sent; nothing is saved then."""
    for token in (None, 5, "", "ot_pat x", "ot_pat_é"):
        async with peer(sends(answer(GIVEN | {missing: token}))) as server:
            with pytest.raises(UnexpectedResponseError, match="is not a registration"):
                await AsyncOpenTrain.register(base_url=server.url, retry=ONCE)
    assert not path_of_file().exists()


async def test_what_does_not_decide_may_be_missing() -> None:
    """An account with its tokens is one."""
    tokens = {key: GIVEN[key] for key in ("access_token", "claim_token")}
    for rest in ({}, {"scopes": "jobs", "registration_id": 5, "claim_token_expires_at": "soon"}):
        async with peer(sends(answer(tokens | rest))) as server:
            made = await AsyncOpenTrain.register(base_url=server.url, save=False)
        assert made == Registration(made.access_token, made.claim_token)


async def test_a_registration_that_was_answered_is_kept_whoever_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tokens come once: they are saved before anything else is waited for."""
    closing = asyncio.Event()

    async def never_closes(_: object) -> None:
        closing.set()
        await asyncio.Event().wait()

    async with peer(sends(answer(GIVEN))) as server:
        monkeypatch.setattr("opentrain_async._service.http.transport.Transport.close", never_closes)
        async with aiohttp.ClientSession() as session:
            registering = asyncio.create_task(AsyncOpenTrain.register(base_url=server.url, session=session))
            await closing.wait()
            registering.cancel()
            await asyncio.wait({registering})
    assert registering.cancelled()
    assert saved()["apiToken"] == "ot_pat_given_SECRET"
