"""A token in the place of a name is refused, and shown nowhere: a table of all public arguments that take a text."""

import inspect
import pickle
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from opentrain_async import AsyncOpenTrain, Journal
from opentrain_async.errors import ConfigurationError
from opentrain_async.models import Draft
from opentrain_async.outcomes import PublishReport
from opentrain_async.quota import RedisLedger, SQLiteLedger
from opentrain_async.sandbox import Sandbox

from ..support.clients import Connect
from ..support.shown import records_of

pytestmark = pytest.mark.usefixtures("everything_is_logged")

TAIL = "8f2a91cd_S3cretS3cretS3cret"
TOKENS = [f"{prefix}{TAIL}" for prefix in ("ot_pat_", "ot_clm_", "ot_cat_", "ot_ptk_", "whsec_")]
WITHOUT_PREFIX = "S3cretS3cretS3cret-8f2a91cd"
Refused = Callable[[AsyncOpenTrain, str], Awaitable[object]]


def at_once(call: Callable[[str], object]) -> Refused:
    """A call that needs neither a client nor to be awaited."""

    async def made(_client: AsyncOpenTrain, token: str) -> object:
        return call(token)

    return made


async def listed(client: AsyncOpenTrain, token: str) -> object:
    """Ask for the jobs in a state."""
    return [job async for job in client.iter_jobs(token)]


async def streamed(client: AsyncOpenTrain, token: str) -> object:
    """Publish by a stream."""
    async with client.publish_stream([token]) as outcomes:
        return PublishReport(tuple([outcome async for outcome in outcomes]))


async def journalled(client: AsyncOpenTrain, token: str) -> object:
    """Make a stream with a journal."""
    return client.publish_stream([], journal=token)


IDS: Mapping[tuple[str, str], Refused] = {
    ("publish", "job_id"): lambda client, token: client.publish(token),
    ("publish_many", "job_ids"): lambda client, token: client.publish_many([token]),
    ("publish_stream", "job_ids"): streamed,
    ("plan", "job_ids"): lambda client, token: client.plan([token]),
    ("update_draft", "job_id"): lambda client, token: client.update_draft(token, job_title="x"),
    ("fill_gaps", "draft"): lambda client, token: client.fill_gaps(Draft(token), print),
    ("update_job", "job_id"): lambda client, token: client.update_job(token, job_title="x"),
    ("close_job", "job_id"): lambda client, token: client.close_job(token),
}
NAMES: Mapping[tuple[str, str], Refused] = {
    ("AsyncOpenTrain", "account"): at_once(lambda token: AsyncOpenTrain("ot_pat_other", account=token)),
    ("RedisLedger", "prefix"): at_once(lambda token: RedisLedger("redis://127.0.0.1:1", prefix=token)),
    ("RedisLedger", "redis"): at_once(RedisLedger),
    ("SQLiteLedger", "path"): at_once(SQLiteLedger),
    ("open", "path"): at_once(Journal.open),
    ("register", "agent_name"): lambda _, token: AsyncOpenTrain.register(agent_name=token, save=False),
    ("register", "organization_name"): lambda _, token: AsyncOpenTrain.register(organization_name=token, save=False),
    ("register", "base_url"): lambda _, token: AsyncOpenTrain.register(base_url=token, save=False),
    ("AsyncOpenTrain", "base_url"): at_once(lambda token: AsyncOpenTrain("ot_pat_other", base_url=token)),
    ("start_claim", "email"): lambda client, token: client.start_claim(f"{token}@example.com"),
    ("iter_jobs", "status"): listed,
    ("create_draft", "external_id"): lambda client, token: client.create_draft("x", external_id=token),
    ("create_draft", "idempotency_key"): lambda client, token: client.create_draft("x", idempotency_key=token),
    ("post", "external_id"): lambda client, token: client.post("x", external_id=token),
    ("post", "idempotency_key"): lambda client, token: client.post("x", idempotency_key=token),
    ("publish_many", "journal"): lambda client, token: client.publish_many([], journal=token),
    ("publish_stream", "journal"): journalled,
    ("plan", "journal"): lambda client, token: client.plan([], journal=token),
}
NOT_NAMES = {
    ("AsyncOpenTrain", "token"), ("AsyncOpenTrain", "claim_token"),  # where a token belongs
    ("create_draft", "description"), ("create_draft", "indeed_xml"), ("create_draft", "hr_xml"),  # what is published
    ("post", "description"), ("open", "service"),  # compared, and neither shown nor kept
    ("create_draft", "job"), ("create_draft", "json_ld"),
}  # fmt: skip


def arguments_of_text() -> Iterator[tuple[str, str]]:
    """Every argument of the public calls whose annotation has a text in it, by the call's name and its own."""
    calls: dict[str, Callable[..., object]] = {"AsyncOpenTrain": AsyncOpenTrain, "SQLiteLedger": SQLiteLedger}
    calls["open"] = Journal.open
    calls |= {name: call for name, call in inspect.getmembers(AsyncOpenTrain, callable) if not name.startswith("_")}
    for name, call in calls.items():
        for argument in inspect.signature(call).parameters.values():
            if "str" in str(argument.annotation) or "JobIds" in str(argument.annotation):
                yield name, argument.name


def test_the_table_has_each_argument_that_takes_a_text() -> None:
    """One that is new is tried here, or named among those in whose place a token belongs."""
    tried = IDS.keys() | NAMES.keys()
    assert {*arguments_of_text()} - tried - NOT_NAMES == set()
    assert NOT_NAMES.issubset(arguments_of_text())


async def said_of(call: Awaitable[object], case: tuple[str, str]) -> str:
    """All that is said of a call that is refused, be it in an error or, of many ids, in what it returns."""
    if case[1] != "job_ids":
        with pytest.raises(ConfigurationError) as caught:
            await call
        return f"{caught.value} {caught.value!r} {vars(caught.value)} {pickle.dumps(caught.value)!r}"
    result = await call
    shown = [repr(result), str(result), str(pickle.dumps(result))]
    if isinstance(result, PublishReport):
        shown += [f"{outcome} {outcome.error} {vars(outcome.error or Exception())}" for outcome in result.outcomes]
    return " ".join(shown)


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("case", [*IDS, *NAMES], ids=".".join)
async def test_a_token_is_no_name(
    case: tuple[str, str], token: str, connect: Connect, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """It is refused by the name of the argument, without being sent, shown, logged or written down."""
    shown = await said_of({**IDS, **NAMES}[case](connect(sandbox, claim_token="ot_clm_other"), token), case)
    assert TAIL not in shown + records_of(caplog)
    assert sandbox.requests == []
    assert not [path for path in Path.cwd().iterdir() if TAIL in path.name]


@pytest.mark.parametrize("case", IDS, ids=".".join)
async def test_a_client_s_own_token_is_no_id_whatever_it_begins_with(
    case: tuple[str, str], connect: Connect, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """A token without a known prefix looks like an id, and would go into a URL."""
    shown = await said_of(IDS[case](connect(sandbox, token=WITHOUT_PREFIX), WITHOUT_PREFIX), case)
    assert ("this client's own token" in shown) == (case != ("plan", "job_ids"))
    assert WITHOUT_PREFIX not in shown + records_of(caplog)
    assert sandbox.requests == []


async def test_a_client_s_own_token_is_no_account(connect: Connect, sandbox: Sandbox) -> None:
    """It would stand in the ledger; another text is a name like any other."""
    with pytest.raises(ConfigurationError, match=r"^account holds this client's own token; it is not shown$") as caught:
        connect(sandbox, token=WITHOUT_PREFIX, account=WITHOUT_PREFIX)
    assert WITHOUT_PREFIX not in f"{caught.value!r} {vars(caught.value)}"
    connect(sandbox, token=WITHOUT_PREFIX, account=WITHOUT_PREFIX[:-1])


@pytest.mark.parametrize(
    "value",
    [
        f" {WITHOUT_PREFIX}", f"Bearer {WITHOUT_PREFIX}", f"https://x/{WITHOUT_PREFIX}", WITHOUT_PREFIX.upper(),
        WITHOUT_PREFIX.encode(), [WITHOUT_PREFIX], {"token": WITHOUT_PREFIX},
    ],
    ids=str,
)  # fmt: skip
async def test_what_holds_a_client_s_own_token_is_refused_unseen(
    value: Any, connect: Connect, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither as an account nor as an id, in whatever it is."""
    with pytest.raises(ConfigurationError) as caught:
        connect(sandbox, token=WITHOUT_PREFIX, account=value)
    client = connect(sandbox, token=WITHOUT_PREFIX)
    with pytest.raises(ConfigurationError) as refused:
        await client.publish(value)
    report = await client.publish_many([value])
    seen = f"{caught.value!r} {refused.value!r} {vars(refused.value)} {report.outcomes} {records_of(caplog)}"
    assert WITHOUT_PREFIX.lower() not in seen.lower()
    assert sandbox.requests == []


@pytest.mark.parametrize(
    "text", ["ot_pat", "acme-ot_pat_x", "whsec", "my whsec_", "OT_PAT_8F2A91CD1234", "robot_cat_pictures"]
)
async def test_a_name_that_resembles_a_token_is_a_name(connect: Connect, sandbox: Sandbox, text: str) -> None:
    """Too little stands behind the prefix, or it is none, or a part of a word."""
    connect(sandbox, account=text)


async def test_an_id_that_resembles_a_token_is_an_id(connect: Connect, sandbox: Sandbox) -> None:
    """A prefix within a word begins no token."""
    report = await connect(sandbox).publish_many(["pilot_pat_20240101", "robot_cat_pictures"])
    assert [type(outcome.error).__name__ for outcome in report.outcomes] == ["NotFoundError"] * 2


@pytest.mark.parametrize("text", [f"acme {TOKENS[0]}", f"Bearer {TOKENS[0]}", f"x/{TOKENS[4]}/y"])
async def test_a_name_that_holds_a_token_is_none(connect: Connect, sandbox: Sandbox, text: str) -> None:
    """Nor is an id."""
    with pytest.raises(ConfigurationError, match=r"^account holds what looks like a token; it is not shown$"):
        connect(sandbox, account=text)
    with pytest.raises(ConfigurationError, match=r"^not a job id: it holds what looks like a token, and is not shown$"):
        await connect(sandbox).publish(text)
