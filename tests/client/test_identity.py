"""Who calls: asked for, or found out once for the name under which an account's publishes are counted."""

import asyncio

import pytest

from opentrain_async import MemoryLedger
from opentrain_async._base.secret import Secret
from opentrain_async._client.account.identity import KnownIdentity
from opentrain_async._client.account.ledger_key import ledger_key
from opentrain_async._client.core import fingerprint
from opentrain_async.errors import (
    AuthenticationError,
    ClientClosedError,
    NotFoundError,
    QuotaExceededError,
    ServerError,
    UnexpectedResponseError,
)
from opentrain_async.models import Account, Actor, Identity, Token
from opentrain_async.quota import LedgerStore
from opentrain_async.sandbox import Fault, Sandbox

from ..support.clients import Connect
from ..support.peers import ONCE, TOKEN, Behaviour, Call, answer, client_of, envelope, live, peer, sends
from ..support.waiting import until


def asked(sandbox: Sandbox, operation: str = "whoami") -> int:
    """How often something was asked for."""
    return [request.operation for request in sandbox.requests].count(operation)


def names(account: object) -> Behaviour:
    """A service that says whose a token is, and publishes."""

    async def behave(call: Call) -> None:
        path = call.head.split()[1].decode()
        reply = {"actor": {}, "token": {}, "account": account} if path.endswith("/me") else live(path.split("/")[-2])
        call.writer.write(answer(reply))

    return behave


async def test_whoami_is_all_that_the_service_says(sandbox: Sandbox, connect: Connect) -> None:
    """The person, the token and the account; the body as it came is in `raw`, and not in the repr."""
    identity = await connect(sandbox).whoami()
    assert identity.actor == Actor("user_1", "owner1@example.com", "Sandbox", "User 1", "Sandbox User 1", "EMPLOYER")
    assert (identity.token.id, identity.token.label, identity.token.owner_organization_id) == (
        "token_1",
        "Sandbox",
        None,
    )
    assert identity.account == Account("employer_organization", "org_1", "user_1", "OWNER")
    assert set(identity.raw) == {"actor", "token", "account"}
    assert "raw" not in repr(identity)
    assert asked(sandbox) == 1


async def test_whether_an_account_is_claimed_is_told_as_far_as_it_can_be(sandbox: Sandbox, connect: Connect) -> None:
    """By the scopes that only a claimed one gets; or by a key that the pages speak of and do not show."""
    assert (await connect(sandbox).whoami()).is_claimed is True
    token = sandbox.add_account(claimed=False)
    assert (await connect(sandbox, token=token).whoami()).is_claimed is None
    for said, known in ((True, True), (False, False), ("yes", None)):
        assert Identity(Actor(), Token(), Account(), {"claimed": said}).is_claimed is known


@pytest.mark.parametrize("body", [{}, {"actor": {}, "token": {}}, {"actor": [], "token": {}, "account": {}}, b"", []])
async def test_what_says_not_who_calls_is_no_identity(body: object) -> None:
    """All three parts have to be there; what is in them need not be."""
    async with peer(sends(answer(body))) as server, client_of(server.url) as client:
        with pytest.raises(UnexpectedResponseError, match="is not an identity") as caught:
            await client.whoami()
    assert (caught.value.effect, caught.value.operation) == ("none", "whoami")


async def test_a_person_who_is_gone_is_not_found() -> None:
    """So the page of the endpoint has it; asking changes nothing, whatever comes of it."""
    for status, kind in (("404 Gone", NotFoundError), ("401 No", AuthenticationError), ("500 Oops", ServerError)):
        async with peer(sends(answer(envelope(), status=status))) as server, client_of(server.url) as client:
            with pytest.raises(kind) as caught:
                await client.whoami()
        assert caught.value.effect == "none"


async def test_tokens_of_one_account_share_its_quota(sandbox: Sandbox, store: LedgerStore, connect: Connect) -> None:
    """By its organisation's id, which is asked for once a client; another account has its own."""
    tokens = [sandbox.token, sandbox.add_token(), sandbox.add_account()]
    clients = [connect(sandbox, token=token, ledger=store, account="auto", daily_limit=5) for token in tokens]
    for client, token in zip(clients, tokens, strict=True):
        await client.publish_many([sandbox.draft(token=token) for _ in range(2)])
    assert [(await client.quota()).used for client in clients] == [4, 4, 2]
    report = await clients[0].publish_many([sandbox.draft() for _ in range(2)])
    assert (len(report.published), len(report.deferred), sandbox.refusals) == (1, 1, 0)
    assert asked(sandbox) == 3


async def test_the_name_is_the_organisation_s_id(sandbox: Sandbox, connect: Connect) -> None:
    """So another program can be given it."""
    ledger = MemoryLedger()
    await connect(sandbox, ledger=ledger, account="auto").publish(sandbox.draft())
    assert (await connect(sandbox, ledger=ledger, account="org_1").quota()).used == 1


@pytest.mark.parametrize(
    ("account", "name"),
    [
        ({"organizationId": "org_7", "ownerUserId": "user_7"}, "org_7"),
        ({"organizationId": None, "ownerUserId": "user_7"}, "user_7"),
        ({"organizationId": 7, "ownerUserId": "user_7"}, "user_7"),
        ({}, fingerprint(Secret(TOKEN))),
    ],
)
async def test_an_account_without_an_organisation_goes_by_what_there_is(
    account: object, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its owner's id, or, as ever, a fingerprint of the token, which is logged once."""
    async with peer(names(account)) as server, client_of(server.url, account="auto") as client:
        await asyncio.gather(*(client.publish(f"job_{number}") for number in range(3)))
        assert client._ledger.account == ledger_key(server.url, name)
        assert (await client.quota()).used == 3
    assert caplog.text.count("the service names no organisation") == (name == fingerprint(Secret(TOKEN)))


async def test_many_at_once_ask_once(sandbox: Sandbox, connect: Connect) -> None:
    """Publishes, a run, a stream and the quota itself: none counts under another name meanwhile."""
    ledger = MemoryLedger()
    client = connect(sandbox, ledger=ledger, account="auto")
    publishes = [client.publish(sandbox.draft()) for _ in range(5)]
    run = client.publish_many([sandbox.draft() for _ in range(5)], preflight=True)
    await asyncio.gather(*publishes, run, client.quota())
    async with client.publish_stream([sandbox.draft()]) as outcomes:
        assert [outcome.status async for outcome in outcomes] == ["published"]
    assert (await client.quota()).used == 11
    assert asked(sandbox) == 1
    assert [log.used for log in ledger._logs.values() if log.used] == [11]


async def test_who_asks_first_may_leave(sandbox: Sandbox, connect: Connect) -> None:
    """The others get the answer to his question."""
    client = connect(sandbox, account="auto")
    sandbox.fault(Fault.DRIP, on="whoami", published=True)
    first = asyncio.create_task(client.publish(sandbox.draft()))
    await until(lambda: asked(sandbox))
    second = asyncio.create_task(client.publish(sandbox.draft()))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    assert first.cancelled()
    assert (await second).newly_published
    assert (asked(sandbox), asked(sandbox, "publish")) == (1, 1)


async def test_a_failure_is_told_to_all_with_nothing_sent(
    sandbox: Sandbox, store: LedgerStore, connect: Connect
) -> None:
    """To each with an error of its own; and whoever comes then asks again."""
    client = connect(sandbox, ledger=store, account="auto", retry=ONCE)
    sandbox.fault(Fault.STATUS, on="whoami", times=2)
    calls = [client.publish(sandbox.draft()) for _ in range(3)]
    errors = await asyncio.gather(*calls, client.publish_many([sandbox.draft()]), return_exceptions=True)
    assert [type(error) for error in errors] == [ServerError] * 4
    assert len({id(error) for error in errors}) == 4
    assert {getattr(error, "operation", None) for error in errors} == {"whoami"}
    assert (asked(sandbox), asked(sandbox, "publish")) == (1, 0)
    with pytest.raises(ServerError):
        await client.quota()
    assert (await client.publish(sandbox.draft())).newly_published
    assert asked(sandbox) == 3
    assert (await client.quota()).used == 1


async def test_a_failure_that_nobody_waits_for_is_no_noise(sandbox: Sandbox, connect: Connect) -> None:
    """The one who asked has left."""
    client = connect(sandbox, account="auto", retry=ONCE)
    sandbox.fault(Fault.DRIP, on="whoami")
    publishing = asyncio.create_task(client.publish(sandbox.draft()))
    await until(lambda: asked(sandbox))
    publishing.cancel()
    await asyncio.wait({publishing})
    question = client._identity._question
    assert question is not None
    await until(lambda: not question.is_running)
    assert (await client.publish(sandbox.draft())).newly_published


@pytest.mark.parametrize("what", ["publish", "publish_many", "quota"])
async def test_a_client_that_is_closed_meanwhile_says_so(what: str, sandbox: Sandbox, connect: Connect) -> None:
    """With nothing sent but the question; closing does not wait for its answer."""
    client = connect(sandbox, account="auto")
    sandbox.fault(Fault.STALL, on="whoami")
    call = {
        "publish": lambda: client.publish(sandbox.draft()),
        "publish_many": lambda: client.publish_many([sandbox.draft()]),
        "quota": client.quota,
    }[what]()
    calling: asyncio.Future[object] = asyncio.ensure_future(call)
    await until(lambda: asked(sandbox))
    await client.close()
    with pytest.raises(ClientClosedError) as caught:
        await calling
    assert caught.value.effect == "none"
    assert asked(sandbox, "publish") == 0
    with pytest.raises(ClientClosedError):
        await client.publish(sandbox.draft())


async def test_a_question_under_way_is_not_forgotten() -> None:
    """Its answer is new enough; what was answered before is asked again."""
    go_on, asked = asyncio.Event(), list[int]()

    async def ask() -> Identity:
        asked.append(1)
        await go_on.wait()
        return Identity(Actor(f"user_{len(asked)}"), Token(), Account())

    known = KnownIdentity(ask)
    first = asyncio.create_task(known.get())
    await asyncio.sleep(0)
    known.forget()
    go_on.set()
    assert ((await known.get()).actor.user_id, (await first).actor.user_id) == ("user_1", "user_1")
    known.forget()
    assert (await known.get()).actor.user_id == "user_2"


async def test_a_question_ends_with_the_last_who_waits_for_it() -> None:
    """No task is left behind, and the next one asks anew."""
    asked = list[asyncio.Task[object] | None]()

    async def ask() -> Identity:
        asked.append(asyncio.current_task())
        if len(asked) == 1:
            await asyncio.Event().wait()
        return Identity(Actor(), Token(), Account())

    known = KnownIdentity(ask)
    waiting = [asyncio.create_task(known.get()) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    assert asked[0] is not None
    assert not asked[0].cancelling()
    waiting[1].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await known.get()
    assert asked[0].cancelled()
    assert len(asked) == 2


async def test_an_identity_that_is_forgotten_is_asked_for_anew(sandbox: Sandbox, connect: Connect) -> None:
    """As after a claim, by which it becomes another one."""
    client = connect(sandbox, account="auto")
    await client.publish_many([], preflight=True)
    await client.publish_many([], preflight=True)
    assert asked(sandbox) == 1
    client._identity.forget()
    await client.publish_many([], preflight=True)
    assert asked(sandbox) == 2


async def test_the_quota_of_others_counts_once_it_is_known_whose_it_is(sandbox: Sandbox, connect: Connect) -> None:
    """A client that comes later with another token of the account sends nothing that would be refused."""
    ledger = MemoryLedger()
    await connect(sandbox, ledger=ledger, account="auto", daily_limit=1).publish(sandbox.draft())
    late = connect(sandbox, token=sandbox.add_token(), ledger=ledger, account="auto", daily_limit=1)
    with pytest.raises(QuotaExceededError) as caught:
        await late.publish(sandbox.draft())
    assert (caught.value.source, asked(sandbox, "publish")) == ("ledger", 1)
