"""No text with a secret hangs on an object of the package: it is in closures, which no tool shows."""

import asyncio
import gc
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from opentrain_async import AsyncOpenTrain, RedisLedger
from opentrain_async._base.secret import Secret
from opentrain_async._client.account.settings import resolve
from opentrain_async._service.http.authorization import bearer
from opentrain_async.events import Event

from ..support.claims import GIVEN
from ..support.peers import ONCE, Then, answer, client_of, live, peer, sends
from ..support.secrets import Secrets
from ..support.servers import RedisServer
from ..support.stores import ledger_on, publish
from ..support.virtual import VirtualClock

_NOT_FOLLOWED = (
    types.FunctionType, types.CellType, types.CodeType, types.FrameType, types.TracebackType, types.ModuleType, type,
    types.CoroutineType, types.GeneratorType, types.AsyncGeneratorType, asyncio.AbstractEventLoop,
)  # fmt: skip
"""Code and what it works with, and the event loop, on which everything hangs."""
_HEADER = type(bearer(Secret("x")))
"""The one text with a token: aiohttp takes no other type for the header. It shows nothing."""


def reachable_from(*roots: object) -> Iterator[object]:
    """Each object that hangs on these by attributes, slots and containers of any kind."""
    left, seen = list(roots), set[int]()
    kept: list[object] = []  # so that no id is given away again
    while left:
        item = left.pop()
        if id(item) not in seen and not isinstance(item, _NOT_FOLLOWED):
            seen.add(id(item))
            kept.append(item)
            yield item
            left += gc.get_referents(item)


def texts_with_secrets(secrets: Secrets, *roots: object) -> list[str]:
    """Where there are texts with secrets: their types."""
    texts = (item for item in reachable_from(*roots) if isinstance(item, str | bytes | bytearray))
    plain = ((item, item if isinstance(item, str) else bytes(item).decode("latin-1")) for item in texts)
    return [repr(item)[:100] for item, text in plain if type(item) is not _HEADER and secrets.seen_in(text)]


def test_the_walk_finds_what_is_there() -> None:
    """In attributes, slots, containers and methods; not in a secret."""

    class Slotted:
        __slots__ = ("held",)

        def __init__(self, held: object) -> None:
            self.held = held

        def method(self) -> None:
            """Hold its object."""

    secrets = Secrets(40)
    text = secrets.text("ot_pat_")
    for root in (
        Slotted(text),
        {"a": [(text,)]},
        Slotted([{1: text.encode()}]).method,
        {text},
        bytearray(text.encode()),
    ):
        assert texts_with_secrets(secrets, root)
    assert not texts_with_secrets(secrets, Slotted(Secret(text)), Slotted(lambda: text), bearer(Secret(text)))


@pytest.fixture(params=[40, 120])
def secrets(request: pytest.FixtureRequest) -> Secrets:
    """Short ones and long ones."""
    return Secrets(request.param)


def registering(secrets: Secrets) -> list[bytes]:
    """The answers to a registration, a claim, its poll and whoever asks then."""
    tokens = {"access_token": secrets.text("ot_pat_new"), "claim_token": secrets.text("ot_clm_new")}
    page = f"https://x.test/claim?token={secrets.text('pw')}"
    return [
        answer(GIVEN | tokens),
        answer({"user_code": "123456", "verification_uri": page, "interval": 5}),
        answer(tokens | {"token_type": "bearer", "scopes": ["jobs:write"]}),
        answer({"actor": {}, "token": {}, "account": {}}),
        answer(live("job_1")),
    ]


@pytest.mark.parametrize("borrowed", [False, True])
async def test_F71_nothing_hangs_on_a_client(borrowed: bool, secrets: Secrets, journal_path: Path) -> None:
    """Nor on what it returns, on its events, on its report and on its journal, before it is used and afterwards."""
    events: list[Event] = []
    async with peer(sends(*registering(secrets))) as server, aiohttp.ClientSession() as session:
        options: dict[str, Any] = {"session": session} if borrowed else {}
        client = client_of(
            server.url, token=secrets.token(), claim_token=secrets.claim_token(), clock=VirtualClock(),
            on_event=events.append, **options,
        )  # fmt: skip
        assert texts_with_secrets(secrets, client, vars(client)) == []
        made = await AsyncOpenTrain.register(base_url=server.url, retry=ONCE, save=False, **options)
        begun = await client.start_claim("ada@example.com")
        grant = await client.wait_for_claim()
        identity = await client.whoami()
        report = await client.publish_many(["job_1", secrets.text("ot_clm_")], journal=journal_path)
        assert (made.access_token.reveal(), begun.verification_uri.reveal()[-4:]) == (
            secrets.text("ot_pat_new"), secrets.text("pw")[-4:],
        )  # fmt: skip
        assert texts_with_secrets(secrets, client, vars(client), made, begun, grant, identity, report, events) == []
        assert any(type(item) is _HEADER for item in reachable_from(client)), "the walk has not come far"
        assert len(report.outcomes) == 2
        assert secrets.seen_in(journal_path.read_text()) == []
        await client.close()
    assert texts_with_secrets(secrets, client) == []


async def test_F71_nothing_hangs_on_a_client_in_flight(secrets: Secrets) -> None:
    """While it waits for an answer, and after that was cancelled, too."""
    async with (
        peer(sends(then=Then.STALL)) as server,
        client_of(server.url, token=secrets.token(), claim_token=secrets.claim_token()) as client,
    ):
        for call in (client.publish("job_1"), client.start_claim("ada@example.com")):
            task = asyncio.ensure_future(call)
            await server.arrived(len(server.calls) + 1)
            assert texts_with_secrets(secrets, client) == []
            task.cancel()
            await asyncio.wait({task})
            assert texts_with_secrets(secrets, client) == []


def test_F71_nothing_hangs_on_settings(secrets: Secrets) -> None:
    """The first place to which a token comes."""
    token, claim_token = Secret(secrets.text("ot_pat_")), Secret(secrets.text("ot_clm_"))
    assert texts_with_secrets(secrets, resolve(token, None, claim_token)) == []


async def test_F71_nothing_hangs_on_a_redis_ledger(redis_server: RedisServer, tmp_path: Path, secrets: Secrets) -> None:
    """Before it is used, in use, and closed."""
    with RedisServer(redis_server.binary, tmp_path, password=secrets.text("pw")) as server:
        ledger = RedisLedger(f"redis://:{secrets.text('pw')}@127.0.0.1:{server.port}/0")
        assert texts_with_secrets(secrets, ledger) == []
        quota = ledger_on(ledger)
        await publish(quota, "a")
        assert texts_with_secrets(secrets, ledger, quota) == []
        await ledger.close()
    assert texts_with_secrets(secrets, ledger) == []
