"""What would refuse every draft of a run is found out before it, and told once."""

import asyncio
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from opentrain_async import AsyncOpenTrain
from opentrain_async._client.account.preflight import check_feature, check_scope
from opentrain_async.errors import (
    AuthenticationError,
    ClientClosedError,
    JournalError,
    PreflightError,
    ServerError,
    UnexpectedResponseError,
)
from opentrain_async.models import Account, Actor, Capabilities, Identity, Token
from opentrain_async.outcomes import PublishOutcome
from opentrain_async.sandbox import Fault, Sandbox

from ..support.clients import Connect
from ..support.peers import ONCE, answer, client_of, peer, sends
from ..support.waiting import until

Run = Callable[..., "asyncio.Future[list[PublishOutcome]]"]


async def many(client: AsyncOpenTrain, jobs: list[str], **options: object) -> list[PublishOutcome]:
    report = await client.publish_many(jobs, preflight=True, **options)  # type: ignore[arg-type]
    return list(report.outcomes)


async def stream(client: AsyncOpenTrain, jobs: list[str], **options: object) -> list[PublishOutcome]:
    async with client.publish_stream(jobs, preflight=True, **options) as outcomes:  # type: ignore[arg-type]
        return [outcome async for outcome in outcomes]


@pytest.fixture(params=[many, stream], ids=["many", "stream"])
def run(request: pytest.FixtureRequest) -> Run:
    """Either form of a run."""
    found: Run = request.param
    return found


def asked(sandbox: Sandbox) -> list[str | None]:
    """What was asked for, in its order."""
    return [request.operation for request in sandbox.requests]


async def test_a_run_that_may_begin_asks_twice_and_goes(sandbox: Sandbox, connect: Connect, run: Run) -> None:
    """Once what is switched on, and once what the token may do; the second is kept for the next run."""
    client = connect(sandbox)
    assert len(await run(client, [sandbox.draft() for _ in range(3)])) == 3
    assert asked(sandbox) == ["capabilities", "whoami", "publish", "publish", "publish"]
    await run(client, [sandbox.draft()])
    assert asked(sandbox)[5:] == ["capabilities", "publish"]


async def test_a_run_asks_nothing_unless_it_is_told_to(sandbox: Sandbox, connect: Connect) -> None:
    """Two requests are two requests."""
    await connect(sandbox).publish_many([sandbox.draft()])
    assert asked(sandbox) == ["publish"]


async def test_a_feature_that_is_off_is_told_once(sandbox: Sandbox, connect: Connect, run: Run) -> None:
    """And not by a refusal for each draft; switched on again, the next run goes."""
    client, jobs = connect(sandbox), [sandbox.draft() for _ in range(3)]
    sandbox.switch_off("publish")
    with pytest.raises(PreflightError) as caught:
        await run(client, jobs)
    error = caught.value
    assert (error.feature, error.required_scopes, error.effect, error.status) == (
        "public_api_job_publishing", (), "none", 0,
    )  # fmt: skip
    assert str(error) == (
        "publishing is switched off for this account (public_api_job_publishing), so no draft was sent. "
        "The server changed nothing. Ask OpenTrain for the feature."
    )
    assert asked(sandbox) == ["capabilities"]
    assert pickle.loads(pickle.dumps(error)).feature == error.feature  # noqa: S301 - our own
    sandbox.switch_on("publish")
    assert len(await run(client, jobs)) == 3


async def test_a_scope_that_is_missing_is_told_once(sandbox: Sandbox, connect: Connect, run: Run) -> None:
    """With its name, where the service's own refusal has it too."""
    client = connect(sandbox, token=sandbox.add_token(scopes=["jobs:read"]))
    with pytest.raises(PreflightError) as caught:
        await run(client, [sandbox.draft()])
    assert (caught.value.required_scopes, caught.value.feature) == (("jobs:write",), None)
    assert str(caught.value) == (
        "the token may not publish, as it lacks the scope jobs:write; no draft was sent. "
        "The server changed nothing. Make a token that has the scope."
    )
    assert asked(sandbox) == ["capabilities", "whoami"]


async def test_a_service_that_cannot_be_asked_ends_the_run_there(
    sandbox: Sandbox, connect: Connect, run: Run, tmp_path: Path
) -> None:
    """As its own error, with nothing sent and no journal begun."""
    client = connect(sandbox, retry=ONCE)
    for operation in ("capabilities", "whoami"):
        sandbox.fault(Fault.STATUS, on=operation)
        with pytest.raises(ServerError) as caught:
            await run(client, [sandbox.draft()], journal=tmp_path / "run.jsonl")
        assert (caught.value.operation, caught.value.effect) == (operation, "none")
    sandbox.revoke()
    with pytest.raises(AuthenticationError):
        await run(client, [sandbox.draft()])
    assert "publish" not in asked(sandbox)
    assert not (tmp_path / "run.jsonl").exists()


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_service_that_does_not_tell_who_calls_ends_no_run(
    status: int, sandbox: Sandbox, connect: Connect, run: Run
) -> None:
    """What the token may do is then for the publishes to find out."""
    sandbox.fault(Fault.STATUS, on="whoami", status=status)
    assert len(await run(connect(sandbox), [sandbox.draft()])) == 1


async def test_a_source_is_not_touched_before_the_run_may_begin(sandbox: Sandbox, connect: Connect, run: Run) -> None:
    """So the same one can be given to the next run."""
    client, jobs = connect(sandbox), iter([sandbox.draft()])
    sandbox.switch_off("publish")
    with pytest.raises(PreflightError):
        await run(client, jobs)
    sandbox.switch_on("publish")
    assert len(await run(client, jobs)) == 1


async def test_a_stream_that_could_not_begin_leaves_nothing_behind(sandbox: Sandbox, connect: Connect) -> None:
    """It can neither be iterated nor does it hold anything; its block can be tried again."""
    client = connect(sandbox)
    sandbox.switch_off("publish")
    outcomes = client.publish_stream([sandbox.draft()], preflight=True)
    with pytest.raises(PreflightError):
        async with outcomes:
            pytest.fail("the block began")
    with pytest.raises(RuntimeError, match="iterate inside the block"):
        await anext(outcomes)
    sandbox.switch_on("publish")
    async with outcomes:
        assert [outcome.status async for outcome in outcomes] == ["published"]


async def test_a_journal_that_is_none_is_told_after_what_was_asked(
    sandbox: Sandbox, connect: Connect, run: Run, tmp_path: Path
) -> None:
    """No draft is sent."""
    (tmp_path / "run.jsonl").write_text("what is this")
    with pytest.raises(JournalError):
        await run(connect(sandbox), [sandbox.draft()], journal=tmp_path / "run.jsonl")
    assert "publish" not in asked(sandbox)


@pytest.mark.parametrize("operation", ["capabilities", "whoami"])
async def test_a_client_that_is_closed_while_it_asks_ends_the_run(
    operation: str, sandbox: Sandbox, connect: Connect, run: Run
) -> None:
    """Nothing is left under way."""
    client = connect(sandbox, retry=ONCE)
    sandbox.fault(Fault.STALL, on=operation)
    running = asyncio.ensure_future(run(client, [sandbox.draft()]))
    await until(lambda: operation in asked(sandbox))
    await client.close()
    with pytest.raises(ClientClosedError):
        await running
    assert "publish" not in asked(sandbox)


async def test_a_run_can_be_cancelled_while_it_asks(sandbox: Sandbox, connect: Connect, run: Run) -> None:
    """And the client goes on."""
    client = connect(sandbox)
    sandbox.fault(Fault.STALL, on="capabilities")
    running = asyncio.ensure_future(run(client, [sandbox.draft()]))
    await until(lambda: asked(sandbox))
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
    assert len(await run(client, [sandbox.draft()])) == 1


def test_what_the_service_does_not_say_is_for_the_publishes_to_find_out() -> None:
    """A flag that is missing is none that is off, and a token whose scopes are not told may have them."""
    check_feature(Capabilities({}))
    check_feature(Capabilities({"publish": True, "hiring": False}))
    check_scope(Identity(Actor(), Token(), Account()))
    check_scope(Identity(Actor(), Token(scopes=("jobs:write",)), Account()))
    with pytest.raises(PreflightError):
        check_feature(Capabilities({"publish": False}))


async def test_capabilities_are_what_the_service_says(sandbox: Sandbox, connect: Connect) -> None:
    """Each flag by its name there, and what drafts can be made of."""
    found = await connect(sandbox).capabilities()
    assert (found.capabilities["publish"], found.enabled, found.rollout_mode) == (True, True, "ALL")
    assert found.feature_key == "public_api_job_drafting"
    assert "opentrain_canonical" in found.draft.import_formats
    assert {"jobTitle", "fixedPrice"} < set(found.draft.update_keys)
    assert set(found.draft.enums) == {"paymentType", "experienceLevel", "dataVolumeUnit"}
    assert "raw" not in repr(found)
    assert hash(found.draft) == hash(found.draft)


@pytest.mark.parametrize("body", [{}, {"capabilities": []}, {"capabilities": None}, b"<html>"])
async def test_an_answer_without_flags_is_none(body: object) -> None:
    """Of all else there may be nothing, or something else than is documented."""
    async with peer(sends(answer(body))) as server, client_of(server.url) as client:
        with pytest.raises(UnexpectedResponseError, match="is not capabilities"):
            await client.capabilities()
    odd = {"capabilities": {"publish": "yes", "hiring": True}, "draft": {"updateKeys": [5], "enums": {"a": "b"}}}
    async with peer(sends(answer(odd))) as server, client_of(server.url) as client:
        found = await client.capabilities()
    assert (found.capabilities, found.draft.update_keys, found.enabled) == ({"hiring": True}, (), None)
