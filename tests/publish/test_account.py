"""Which lines of a journal count for an account."""

import json
from pathlib import Path

import pytest

from opentrain_async import AsyncOpenTrain, Journal
from opentrain_async._publish.journal.account import JournalAccount
from opentrain_async.sandbox import Sandbox

from ..support.clients import Connect
from ..support.journals import lines

SERVICE = "https://app.opentrain.ai"
SANDBOX = "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        (JournalAccount(SERVICE, "acme"), True),
        (JournalAccount("HTTPS://App.OpenTrain.AI:443/", "acme"), True),
        (JournalAccount(SERVICE), True),
        (JournalAccount(None), True),
        (JournalAccount(SERVICE, "other"), False),
        (JournalAccount("https://staging.opentrain.ai", "acme"), False),
        (JournalAccount(SANDBOX, "acme"), False),
        (JournalAccount(SERVICE, "acme", "another token"), True),
    ],
)
def test_a_line_counts_if_nothing_that_both_say_differs(line: JournalAccount, counts: bool) -> None:
    """A token may be renewed at the service itself."""
    assert JournalAccount(SERVICE, "acme", "a token").covers(line) is counts


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        (JournalAccount(SANDBOX, None, "f1"), True),
        (JournalAccount(SANDBOX), True),
        (JournalAccount(SANDBOX, "acme", "f2"), False),
        (JournalAccount(SANDBOX, "other", "f1"), False),
    ],
)
def test_on_this_machine_tokens_are_compared_too(line: JournalAccount, counts: bool) -> None:
    """A sandbox has another one after each start."""
    assert JournalAccount(SANDBOX, "acme", "f1").covers(line) is counts


def test_a_reader_that_names_no_service_reads_all() -> None:
    """As `Journal.open` does by default."""
    assert JournalAccount(None).covers(JournalAccount(SANDBOX, "acme", "f1"))


@pytest.mark.parametrize("account", ["acme", "auto", None])
async def test_F60_a_sandbox_that_was_started_anew_on_its_port_is_another_service(
    account: str | None, connect: Connect, journal_path: Path
) -> None:
    """Neither a run nor a plan takes its lines for those of the earlier one."""
    async with Sandbox() as earlier:
        await connect(earlier, account=account).publish_many([earlier.draft("job_1")], journal=journal_path)
        port = int(earlier.url.rpartition(":")[2])
    async with Sandbox(port=port) as sandbox:
        assert sandbox.url == earlier.url
        client = connect(sandbox, account=account)
        sandbox.draft("job_1")
        assert [draft.job_id for draft in (await client.plan(["job_1"], journal=journal_path)).drafts] == ["job_1"]
        report = await client.publish_many(["job_1"], journal=journal_path)
        assert [outcome.job_id for outcome in report.published] == list(sandbox.live) == ["job_1"]
        assert (await client.plan(["job_1"], journal=journal_path)).drafts == ()


@pytest.mark.parametrize("account", ["auto", "other"])
async def test_lines_of_an_account_of_another_name_do_not_count(
    account: str, sandbox: Sandbox, connect: Connect, journal_path: Path
) -> None:
    """A run and a plan know the name before they look into the journal."""
    await connect(sandbox, account="acme").publish_many([sandbox.draft("job_1")], journal=journal_path)
    planning, running, unnamed = (connect(sandbox, account=name) for name in (account, account, None))
    assert len((await planning.plan(["job_1"], journal=journal_path)).drafts) == 1
    await running.publish_many(["job_1"], journal=journal_path)
    assert [line["account"] for line in lines(journal_path)] == ["acme", "org_1" if account == "auto" else account]
    assert len((await unnamed.plan(["job_1"], journal=journal_path)).drafts) == 0


async def test_lines_of_earlier_versions_count(sandbox: Sandbox, connect: Connect, journal_path: Path) -> None:
    """They name the service alone, in whatever spelling."""
    client = connect(sandbox, account="acme")
    await client.publish_many([sandbox.draft("job_1")], journal=journal_path)
    (line,) = lines(journal_path)
    del line["account"], line["token"]
    line["service"] = sandbox.url.upper()
    journal_path.write_text(json.dumps(line) + "\n")
    assert (await client.plan(["job_1"], journal=journal_path)).drafts == ()
    assert len(await _left_out(client, journal_path)) == 1
    assert len(Journal.open(journal_path, service=sandbox.url)) == 1
    assert len(sandbox.requests) == 1


async def _left_out(client: AsyncOpenTrain, journal_path: Path) -> list[str]:
    report = await client.publish_many(["job_1"], journal=journal_path)
    return [outcome.job_id for outcome in report.published]


async def test_a_token_is_written_as_a_fingerprint_and_at_a_sandbox_alone(
    sandbox: Sandbox, connect: Connect, journal_path: Path
) -> None:
    """At the service itself nothing is written that comes of the token."""
    client = connect(sandbox)
    await client.publish_many([sandbox.draft()], journal=journal_path)
    (line,) = lines(journal_path)
    assert line["account"] is None
    assert client._ledger.account == f"{sandbox.url} {line['token']}"
    assert sandbox.token not in journal_path.read_text()
    async with AsyncOpenTrain("ot_pat_elsewhere") as elsewhere:
        assert elsewhere._journal_account() == JournalAccount(SERVICE)
