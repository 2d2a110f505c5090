"""Neither the API token nor the claim token goes astray: not to the wrong endpoint, not into what anybody is shown."""

import asyncio
import json
import pickle
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from opentrain_async import AsyncOpenTrain
from opentrain_async._client.account.credentials import path_of_file
from opentrain_async.errors import ConfigurationError, OpenTrainError

from ..support.claims import GIVEN
from ..support.credentials import save as write
from ..support.peers import ONCE, TOKEN, Behaviour, Then, answer, client_of, peer, sends
from ..support.shown import records_of, texts_of
from ..support.virtual import VirtualClock

pytestmark = pytest.mark.usefixtures("everything_is_logged")

CLAIM_TOKEN = "ot_clm_SECRET_held"
NEW_TOKEN = "ot_pat_SECRET_new"
SECRETS = (TOKEN, CLAIM_TOKEN, NEW_TOKEN, str(GIVEN["access_token"]), str(GIVEN["claim_token"]))
STARTED = {"user_code": "123456", "verification_uri": "https://x.test/claim?token=ot_cat_SECRET", "interval": 5}
GRANTED = {"access_token": NEW_TOKEN, "token_type": "bearer", "scopes": ["jobs:write"]}
GIVING: dict[str, Behaviour] = {
    "lost": sends(then=Then.CLOSE),
    "stalled": sends(then=Then.STALL),
    "stalled body": sends(answer(GIVEN | GRANTED, length=999), then=Then.STALL),
    "cut": sends(answer(GIVEN | GRANTED, length=999), then=Then.CLOSE),
    "blank": sends(answer(GIVEN | {"access_token": f"{NEW_TOKEN} x"})),
    "not well": sends(answer(GIVEN | GRANTED | {"ok": False})),
    "no object": sends(answer([GIVEN, GRANTED])),
}
"""Failures in which tokens are given that get lost."""
ECHOING: dict[str, Callable[[str], bytes]] = {
    "request id": lambda sent: answer({"requestId": sent}),
    "redirect": lambda sent: answer(b"", status="307 Away", headers=f"Location: https://{sent}@x.test/{sent}\r\n"),
    "400": lambda sent: answer({"error": sent, "error_description": sent, "requestId": sent}, status="400 Bad"),
    "400 text": lambda sent: answer(sent.encode(), status="400 Bad"),
    "401": lambda sent: answer({"error": sent, "code": sent, "details": {"a": sent}}, status="401 No"),
    "429": lambda sent: answer({"error": "x", "error_description": sent, "code": "x"}, status="429 Slow"),
    "500": lambda sent: answer({"error": "x", "error_description": sent, "code": "x"}, status="500 Oops"),
}
"""Failures in which the server says what it was sent."""


def no_secret_in(text: str) -> None:
    for secret in SECRETS:
        assert secret not in text
    assert "SECRET" not in text


async def call(client: AsyncOpenTrain, what: str, origin: str, seconds: float = 0.03) -> object:
    """Make one of the calls that have to do with accounts."""
    match what:
        case "register":
            return await AsyncOpenTrain.register(base_url=origin, retry=ONCE, timeout=seconds, save=False)
        case "start_claim":
            return await client.start_claim("ada@example.com")
        case "wait_for_claim":
            return await client.wait_for_claim(timeout=1)
        case "capabilities":
            return await client.capabilities()
        case _:
            return await client.whoami()


async def all_that_is_shown(behaviour: Behaviour, what: str, caplog: pytest.LogCaptureFixture) -> str:
    """All that there is to see of a call that fails, but for a pickle, in which it may not be either."""
    async with (
        peer(behaviour) as server,
        client_of(server.url, claim_token=CLAIM_TOKEN, timeout=0.03, clock=VirtualClock()) as client,
    ):
        with pytest.raises(OpenTrainError) as caught:
            await call(client, what, server.url)
        assert server.calls
    assert b"SECRET" not in pickle.dumps(caught.value)
    return "".join(texts_of(caught.value)) + records_of(caplog)


@pytest.mark.parametrize("what", ["register", "start_claim", "wait_for_claim"])
@pytest.mark.parametrize("case", GIVING)
async def test_a_token_that_gets_lost_is_not_shown(case: str, what: str, caplog: pytest.LogCaptureFixture) -> None:
    """Not in text, attributes, causes, frames' locals, pickle or log; nor is the claim token that was sent."""
    no_secret_in(await all_that_is_shown(GIVING[case], what, caplog))


@pytest.mark.parametrize("what", ["start_claim", "wait_for_claim", "whoami", "capabilities"])
@pytest.mark.parametrize("case", ECHOING)
async def test_a_token_that_the_server_echoes_is_not_shown(
    case: str, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Wherever in its answer it does so."""
    sent = CLAIM_TOKEN if "claim" in what else TOKEN
    no_secret_in(await all_that_is_shown(sends(ECHOING[case](sent)), what, caplog))


@pytest.mark.parametrize("what", ["register", "start_claim", "wait_for_claim"])
@pytest.mark.parametrize("answered", [b"", answer(GIVEN | GRANTED, length=999)], ids=["waiting", "reading"])
async def test_no_cancellation_shows_a_token(what: str, answered: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what was being sent nor what had arrived of the answer is in a frame."""
    monkeypatch.setattr("opentrain_async._client.account.claim.SETTLE_SECONDS", 0.01)
    async with (
        peer(sends(answered, then=Then.STALL)) as server,
        client_of(server.url, claim_token=CLAIM_TOKEN) as client,
    ):
        task = asyncio.create_task(call(client, what, server.url, 30.0))
        await server.arrived(1)
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    no_secret_in("".join(texts_of(caught.value)))


@asynccontextmanager
async def recorder(*answers: bytes) -> AsyncIterator[tuple[str, list[tuple[str, bytes]]]]:
    """A server that answers one request a connection, and keeps the head and the body of each."""
    seen: list[tuple[str, bytes]] = []
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"(?i)content-length: (\d+)", head)
        seen.append((head, await reader.readexactly(int(length[1]) if length else 0)))
        writer.write(left.pop(0))
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("borrowed", [False, True])
async def test_each_token_goes_to_its_endpoints_only(borrowed: bool) -> None:
    """Agent endpoints get no Authorization header, and the claim token is in their bodies or nowhere."""
    me, pending = answer({"actor": {}, "token": {}, "account": {}}), answer({"error": "authorization_pending"})
    pending = pending.replace(b"200 OK", b"400 Bad")
    answers = [me, answer(STARTED), pending, answer(GRANTED), me]
    answers = [each.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) for each in answers]
    async with recorder(*answers) as (url, seen), aiohttp.ClientSession() as session:
        options: dict[str, object] = {"session": session} if borrowed else {}
        async with client_of(url, claim_token=CLAIM_TOKEN, clock=VirtualClock(), **options) as client:
            await client.whoami()
            await client.start_claim("ada@example.com")
            grant = await client.wait_for_claim()
            await client.whoami()
    assert grant.access_token.reveal() == NEW_TOKEN
    heads = [(head.split()[1], re.findall(r"(?i)authorization: (.*)\r", head)) for head, _ in seen]
    assert heads == [
        ("/api/public/v1/auth/me", [f"Bearer {TOKEN}"]),
        ("/api/agent/identity/claim", []),
        ("/api/agent/oauth/token", []),
        ("/api/agent/oauth/token", []),
        ("/api/public/v1/auth/me", [f"Bearer {NEW_TOKEN}"]),
    ]
    form = f"grant_type=urn%3Aopentrain%3Aagent-auth%3Agrant-type%3Aclaim&claim_token={CLAIM_TOKEN}".encode()
    started = json.dumps({"claim_token": CLAIM_TOKEN, "email": "ada@example.com"}).encode()
    assert [body for _, body in seen] == [b"", started, form, form, b""]
    assert not any(CLAIM_TOKEN in head for head, _ in seen)


async def test_what_is_known_of_an_account_does_not_show_its_tokens() -> None:
    """Neither the client nor what it returns, before the claim and after it."""
    answers = sends(answer(STARTED), answer(GRANTED))
    made = sends(answer(GIVEN))
    async with peer(made) as server:
        registration = await AsyncOpenTrain.register(base_url=server.url, save=False)
    async with peer(answers) as server, client_of(server.url, claim_token=CLAIM_TOKEN) as client:
        shown = [registration, client, vars(client), vars(client._transport), vars(client._tokenless)]
        shown += [await client.start_claim("ada@example.com"), await client.wait_for_claim(), vars(client)]
        shown += [vars(client._transport), vars(client._tokenless)]
    no_secret_in("".join(map(repr, shown)))
    assert "123456" in repr(shown[5])


@pytest.mark.parametrize("where", ["argument", "file"])
@pytest.mark.parametrize(
    "token", [f"{CLAIM_TOKEN} ", f"{CLAIM_TOKEN}\n", f"{CLAIM_TOKEN}é", "ot_pat_SECRET", "SECRET", "", 5]
)
async def test_a_claim_token_that_cannot_be_one_is_refused_unseen(token: object, where: str) -> None:
    """As an argument it is; a saved one is nobody's concern but a claim's, for which there is none then."""
    if where == "argument":
        with pytest.raises(ConfigurationError, match=r"^claim_token (must|holds) ") as caught:
            AsyncOpenTrain(TOKEN, claim_token=token)  # type: ignore[arg-type]
        no_secret_in("".join(texts_of(caught.value)))
        return
    write({"apiToken": TOKEN, "claimToken": token})
    async with AsyncOpenTrain() as client:
        for claiming in (client.start_claim("ada@example.com"), client.wait_for_claim()):
            with pytest.raises(ConfigurationError, match=r"^no claim token: pass claim_token="):
                await claiming
        assert client._transport._session is None
    assert path_of_file().exists()
