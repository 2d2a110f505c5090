"""A bot in a test with one of the fixtures: wherever it looks for an account or a file of the user's, it finds none."""

import json
import os
from pathlib import Path

import pytest
from aioresponses import CallbackResult, aioresponses

from opentrain_async import AsyncOpenTrain, RetryPolicy, SQLiteLedger
from opentrain_async._client.account.settings import BASE_URL_VARIABLES, DEFAULT_BASE_URL
from opentrain_async.errors import ConnectionLostError, NotFoundError
from opentrain_async.sandbox import Sandbox
from opentrain_async.testing import make_result

from ..support.command import run


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The files of a user who has an account, under all the names by which it may be found, and a ledger."""
    for name in ("OT_API_TOKEN", "OPENTRAIN_API_TOKEN", "OPENTRAIN_PERSONAL_API_TOKEN"):
        monkeypatch.setenv(name, "ot_pat_of_the_user")
    for name in BASE_URL_VARIABLES:
        monkeypatch.setenv(name, "https://app.opentrain.ai")
    monkeypatch.setenv("OPENTRAIN_ASYNC_LEDGER", str(tmp_path / "ledger.sqlite3"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    credentials = tmp_path / "opentrain" / "cli.json"
    credentials.parent.mkdir()
    credentials.write_text(json.dumps({"apiToken": "ot_pat_of_the_user", "baseUrl": "https://app.opentrain.ai"}))
    return tmp_path


@pytest.fixture
def secluded(home: Path, opentrain_sandbox: Sandbox) -> Sandbox:
    """A sandbox in the test of such a user."""
    return opentrain_sandbox


def files_in(folder: Path) -> dict[str, bytes]:
    """All files there, with what is in them."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_no_variable_leads_to_the_service(secluded: Sandbox) -> None:
    """Each that names an account names the sandbox's or is gone, those of the service's own tools as well."""
    ours = {name: value for name, value in os.environ.items() if name.startswith(("OT_", "OPENTRAIN_"))}
    assert ours == {
        "OT_API_TOKEN": secluded.token,
        "OT_API_BASE_URL": secluded.url,
        "OPENTRAIN_API_BASE_URL": secluded.url,
        "OPENTRAIN_BASE_URL": secluded.url,
    }


async def test_a_test_may_undo_what_it_has_set(home: Path, secluded: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that is made then is the sandbox's, in its time, and finds the same empty folders."""
    folder = os.environ["XDG_STATE_HOME"]
    monkeypatch.setenv("OT_API_TOKEN", "another")
    for _ in range(2):
        monkeypatch.undo()
        await test_no_variable_leads_to_the_service(secluded)
        async with AsyncOpenTrain() as client:
            assert (await client.publish(secluded.draft())).newly_published
            secluded.advance(hours=1)
            at = (await client.quota()).at
        assert at is not None
        assert abs(at.timestamp() - secluded.clock.now()) < 60
    assert os.environ["XDG_STATE_HOME"] == folder


async def test_whose_requests_are_replaced_may_undo_it_too(
    home: Path, opentrain_aioresponses: aioresponses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token stays nobody's, and aioresponses works with this aiohttp."""
    monkeypatch.undo()
    opentrain_aioresponses.post(f"{DEFAULT_BASE_URL}/api/public/v1/jobs/job_1/publish", payload=dict(make_result().raw))
    async with AsyncOpenTrain() as client:
        assert (await client.publish("job_1")).newly_published
    assert os.environ["OT_API_TOKEN"] == "ot_pat_of_a_test"


async def test_a_bot_leaves_the_user_s_files_alone(home: Path, secluded: Sandbox) -> None:
    """Though it registers by force, and counts in the usual file under the name of the user's own account."""
    before = files_in(home)
    await AsyncOpenTrain.register(force=True)
    async with SQLiteLedger() as ledger, AsyncOpenTrain(ledger=ledger, account="acme") as client:
        assert (await client.publish(secluded.draft())).newly_published
    assert files_in(home) == before
    assert len(files_in(Path(os.environ["XDG_CONFIG_HOME"]))) == len(files_in(Path(os.environ["XDG_STATE_HOME"]))) == 1


async def test_a_bot_that_has_registered_finds_that_account(secluded: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the sandbox's own is out of the environment, as it is where bots register."""
    made = await AsyncOpenTrain.register()
    monkeypatch.delenv("OT_API_TOKEN")
    job_id = secluded.draft(token=made.access_token.reveal())
    async with AsyncOpenTrain() as client:
        assert [job.id async for job in client.iter_jobs()] == [job_id]


async def test_a_bot_that_is_a_process_of_its_own_reaches_the_sandbox(home: Path, secluded: Sandbox) -> None:
    """With the command line as with any other that has the test's environment."""
    before, job_id = files_in(home), secluded.draft()
    finished = await run("publish", job_id)
    assert (finished.status, finished.err, secluded.live) == (0, "", (job_id,))
    assert files_in(home) == before


async def test_a_bot_that_makes_a_client_a_day_lives_in_the_sandbox_s_time(secluded: Sandbox) -> None:
    """A virtual day later its ledger, too, knows that the slots have come back."""
    for day in range(3):
        async with SQLiteLedger() as ledger, AsyncOpenTrain(ledger=ledger, daily_limit=2) as client:
            report = await client.publish_many([secluded.draft() for _ in range(3)])
        assert (len(report.published), len(report.deferred), secluded.refusals) == (2, 1, 0), day
        secluded.advance(hours=24)


async def test_a_bot_whose_requests_are_replaced_has_nobody_s_token(
    home: Path, opentrain_aioresponses: aioresponses
) -> None:
    """It asks the service's own origin, nothing of that leaves the test, and what was not foreseen is no connection."""
    publish = f"{DEFAULT_BASE_URL}/api/public/v1/jobs/job_1/publish"
    opentrain_aioresponses.post(publish, payload=dict(make_result("job_1").raw))
    opentrain_aioresponses.post(
        publish, callback=lambda *_, **__: CallbackResult(status=404, payload={"error": "No.", "code": "NOT_FOUND"})
    )
    before, once = files_in(home), RetryPolicy(max_attempts=1)
    async with AsyncOpenTrain(retry=once) as client:
        assert (await client.publish("job_1")).newly_published
        with pytest.raises(NotFoundError):
            await client.publish("job_1")
        with pytest.raises(ConnectionLostError):
            await client.publish("job_2")
    assert (os.environ["OT_API_TOKEN"], files_in(home)) == ("ot_pat_of_a_test", before)


async def test_a_client_s_own_clock_stays_its_own(secluded: Sandbox, opentrain_client: AsyncOpenTrain) -> None:
    """The fixture's client has the sandbox's; of one that is made outside of such a test it is the machine's."""
    await opentrain_client.publish(secluded.draft())
    before = (await opentrain_client.quota()).at
    secluded.advance(hours=30)
    after = (await opentrain_client.quota()).at
    assert before is not None
    assert after is not None
    assert (after - before).total_seconds() >= 30 * 3600
