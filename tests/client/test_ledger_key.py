"""Whose day a publish is of: the account's key in the ledger."""

from enum import Enum

import pytest

from opentrain_async import AsyncOpenTrain, MemoryLedger
from opentrain_async._base.secret import Secret
from opentrain_async._client.account.ledger_key import account_in
from opentrain_async._client.core import fingerprint
from opentrain_async.events import Event, QuotaCounted
from opentrain_async.models import Registration
from opentrain_async.sandbox import Sandbox

from ..support.claims import EMAIL
from ..support.clients import Connect
from ..support.peers import TOKEN, Call, answer, client_of, live, peer


class Tenant(str, Enum):  # noqa: UP042 - as users write it, whose str() is not its value
    """An account's name."""

    ACME = "acme"


@pytest.mark.parametrize(
    ("origin", "key"),
    [
        ("https://app.opentrain.ai", "acme"),
        ("https://APP.opentrain.ai:443", "acme"),
        ("https://app.opentrain.ai:8443", "https://app.opentrain.ai:8443 acme"),
        ("https://staging.opentrain.ai", "https://staging.opentrain.ai acme"),
        ("http://LocalHost:8080", "http://localhost:8080 acme"),
        ("http://localhost:80", "http://localhost acme"),
    ],
)
@pytest.mark.parametrize("account", ["acme", Tenant.ACME])
def test_the_key_is_the_account_at_the_services_own_origin_alone(origin: str, key: str, account: str) -> None:
    """Anywhere else the origin is a part of it, in one spelling."""
    client = AsyncOpenTrain(TOKEN, base_url=origin, account=account)
    assert client._ledger.account == key
    assert type(client._ledger.account) is str
    assert account_in(client._base_url, key) == "acme"


@pytest.mark.parametrize("account", ["acme", None])
async def test_at_the_services_own_origin_nothing_has_moved(account: str | None) -> None:
    """By a name, or by a fingerprint of the token, the key is that of earlier versions."""
    async with AsyncOpenTrain(TOKEN, account=account) as client:
        assert client._ledger.account == (account or fingerprint(Secret(TOKEN)))


@pytest.mark.parametrize("account", ["acme", "auto"])
async def test_F60_one_name_at_two_services_is_two_accounts(account: str, sandbox: Sandbox, connect: Connect) -> None:
    """What is published at a sandbox uses up nothing of another service's day."""
    ledger = MemoryLedger()
    async with Sandbox() as other:
        for box in (sandbox, other):
            client = connect(box, ledger=ledger, account=account, daily_limit=3)
            report = await client.publish_many([box.draft() for _ in range(4)])
            assert (len(report.published), len(report.deferred)) == (3, 1)


async def test_the_spelling_of_an_origin_is_no_part_of_the_account(sandbox: Sandbox, connect: Connect) -> None:
    """Two clients that write it differently share the day."""
    ledger = MemoryLedger()
    await connect(sandbox, ledger=ledger, account="acme").publish(sandbox.draft())
    shouted = sandbox.url.replace("http", "HTTP")
    assert (await connect(sandbox, base_url=shouted, ledger=ledger, account="acme").quota()).used == 1


@pytest.mark.parametrize("account", [None, "acme", "auto"])
async def test_a_claim_keeps_the_day_at_an_origin(account: str | None, sandbox: Sandbox, made: Registration) -> None:
    """By the next token's fingerprint, or by the same name, and there alone."""
    ledger = MemoryLedger()
    async with AsyncOpenTrain(ledger=ledger, account=account, clock=sandbox.clock) as client:
        await client.publish(sandbox.draft(token=made.access_token.reveal()))
        sandbox.approve_claim((await client.start_claim(EMAIL)).user_code)
        await client.wait_for_claim()
        assert (await client.quota()).used == 1
        assert client._ledger.account.startswith(f"{sandbox.url} ")
    async with AsyncOpenTrain(ledger=ledger, account=account, clock=sandbox.clock) as later:
        assert (await later.quota()).used == 1


async def test_events_name_the_account_as_its_user_does() -> None:
    """And the service beside it."""

    async def behave(call: Call) -> None:
        call.writer.write(answer(live("job_1")))

    told: list[Event] = []
    async with peer(behave) as server, client_of(server.url, account="my acme", on_event=told.append) as client:
        await client.publish("job_1")
    (counted,) = {(event.account, event.service) for event in told if isinstance(event, QuotaCounted)}
    assert counted == ("my acme", server.url)
