"""`opentrain-async register`, `claim` and `whoami`, as processes against a real service: from zero to 20 a day."""

import asyncio
import json
import os
import signal
import stat
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from opentrain_async.sandbox import Sandbox

from ..support.command import Finished, end, interrupt, run, start

COMPLETE = "Job\nexperienceLevel: EXPERT\ndataVolumeUnit: NUMBER_OF_FILES\npaymentType: FIXED_PRICE\nfixedPrice: 90"


@pytest.fixture
async def service() -> AsyncIterator[Sandbox]:
    """A sandbox that lets itself be asked often whether a claim is done."""
    async with Sandbox(claim_interval=0.02) as running:
        yield running


def at(service: Sandbox) -> dict[str, str]:
    """The environment of somebody who has no token for this service."""
    return {"OT_API_BASE_URL": service.url}


def saved() -> Path:
    """The credentials file of whoever runs these tests' commands."""
    return Path(os.environ["XDG_CONFIG_HOME"]) / "opentrain" / "cli.json"


async def lines(process: Process, count: int) -> list[str]:
    """The first lines of a process's stdout."""
    assert process.stdout is not None
    return [(await process.stdout.readline()).decode().rstrip("\n") for _ in range(count)]


async def publish(service: Sandbox, count: int) -> list[int | None]:
    """Post so many jobs; the exit statuses."""
    return [(await run("post", env=at(service), text=COMPLETE.encode())).status for _ in range(count)]


async def claimed(service: Sandbox) -> Finished:
    """Have the account claimed, by a person who opens the page and types in the code."""
    process = await start("claim", "--email", "me@acme.test", env=at(service))
    opening, code = await lines(process, 2)
    form = {"token": opening.partition("token=")[2], "user_code": code.split()[1]}
    async with aiohttp.ClientSession() as session, session.post(f"{service.url}/claim", data=form) as page:
        assert page.status == 200
    return await end(process)


async def test_from_zero_to_twenty_a_day(service: Sandbox) -> None:
    """Register, 3 publishes, claim, 17 more on the same day, and the 21st is deferred; one answer of 429 at most."""
    registered = await run("register", "--agent-name", "bot", "--org-name", "Acme", env=at(service))
    assert (registered.status, registered.err) == (0, "")
    assert await publish(service, 3) == [0, 0, 0]
    finished = await claimed(service)
    assert finished.status == 0
    assert "Claimed. It may publish 20 drafts a day." in finished.out
    assert await publish(service, 1) == [0]
    token = json.loads(saved().read_text())["apiToken"]
    for _ in range(17):
        service.draft(token=token)
    campaign = await run("publish", "--all-drafts", "--json", env=at(service))
    assert [line["status"] for line in campaign.outcomes].count("published") == 16
    assert [line["status"] for line in campaign.outcomes].count("deferred") == 1
    assert service.refusals <= 1


async def test_a_refusal_before_the_claim_is_forgotten_with_it(service: Sandbox) -> None:
    """The fourth draft was refused at a limit of 3; once claimed it goes at once."""
    await run("register", env=at(service))
    assert await publish(service, 4) == [0, 0, 0, 1]
    assert (await claimed(service)).status == 0
    assert (await run("publish", "--all-drafts", env=at(service))).status == 0
    assert service.refusals == 1


async def test_credentials_are_for_their_owner_only_and_are_not_replaced(service: Sandbox) -> None:
    """The file has mode 0600; a second registration is refused before anything is sent, unless it is forced."""
    await run("register", env=at(service))
    before = saved().read_bytes()
    assert stat.S_IMODE(saved().stat().st_mode) == 0o600
    assert json.loads(before).keys() == {"apiToken", "baseUrl", "claimToken"}
    refused = await run("register", env=at(service))
    assert (refused.status, saved().read_bytes(), len(service.requests)) == (2, before, 1)
    assert "replaced only with force" in refused.err
    assert (await run("register", "--force", env=at(service))).status == 0
    assert saved().read_bytes() != before


async def test_no_token_is_shown(service: Sandbox) -> None:
    """Neither in what the commands write nor in what they say goes wrong."""
    shown = await run("register", env=at(service))
    tokens = [str(token) for name, token in json.loads(saved().read_text()).items() if name != "baseUrl"]
    finished = [shown, await claimed(service), await run("whoami", env=at(service))]
    tokens += [str(json.loads(saved().read_text())["apiToken"])]
    for token in tokens:
        assert not any(token in one.out + one.err for one in finished)


async def test_a_variable_that_goes_before_the_saved_token_is_told(service: Sandbox) -> None:
    """Otherwise the account that was just made would not be the one that is used."""
    finished = await run("register", sandbox=service)
    assert finished.status == 0
    assert "OT_API_TOKEN is set, and goes before the saved credentials" in finished.err


async def test_registrations_can_be_refused(service: Sandbox) -> None:
    """The service's reason is told in one line."""
    service.agents_may_register = False
    finished = await run("register", env=at(service))
    assert finished.status == 3
    assert finished.err.startswith("Error: ")
    assert not saved().exists()


async def test_a_claim_can_be_begun_and_waited_for_later(service: Sandbox) -> None:
    """Ctrl-C while it is waited for ends nothing but the waiting."""
    await run("register", env=at(service))
    begun = await run("claim", "--email", "me@acme.test", "--no-wait", env=at(service))
    assert (begun.status, len(begun.out.splitlines())) == (0, 3)
    process = await start("claim", env=at(service))
    while not any(request.operation == "token" for request in service.requests):
        await asyncio.sleep(0.01)
    interrupted = await interrupt(process, signal.SIGINT)
    assert interrupted.status == 130
    assert "Interrupted. The claim goes on" in interrupted.err
    service.approve_claim()
    assert (await run("claim", env=at(service))).status == 0
    who = json.loads((await run("whoami", "--json", env=at(service))).out)
    assert (who["actor"]["email"], who["is_claimed"]) == ("me@acme.test", True)


async def test_a_claim_that_nobody_ends_is_over_at_its_time(service: Sandbox) -> None:
    """The status is 1, and it can be waited for again."""
    await run("register", env=at(service))
    finished = await run("claim", "--email", "me@acme.test", "--timeout", "0.01", env=at(service))
    assert finished.status == 1
    assert "nobody has ended the claim yet" in finished.err
    assert "Wait for it again." in finished.err


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["claim", "--email", "me@acme.test"], 3, "register one first"),
        (["claim", "--no-wait"], 2, "needs an --email"),
        (["whoami"], 3, "no API token"),
        (["register", "--agent-name", ""], 2, "agent_name has to be a name"),
    ],
)
async def test_what_cannot_be_done_is_told(service: Sandbox, arguments: list[str], status: int, told: str) -> None:
    """In one line, and nothing is sent."""
    finished = await run(*arguments, env=at(service))
    assert (finished.status, service.requests) == (status, [])
    assert told in finished.err


async def test_a_claimed_account_has_nothing_to_wait_for(service: Sandbox) -> None:
    """It is not told to register again, which would cost it its credentials."""
    await run("register", env=at(service))
    assert (await claimed(service)).status == 0
    again = await run("claim", env=at(service))
    assert (again.status, "it is claimed" in again.err) == (3, True)


async def test_an_address_that_has_an_account_is_refused(service: Sandbox) -> None:
    """The service's reason is told; an address that cannot be one is refused here."""
    await run("register", env=at(service))
    assert (await claimed(service)).status == 0
    await run("register", "--force", env=at(service))
    taken = await run("claim", "--email", "me@acme.test", env=at(service))
    assert taken.status == 3
    assert "email_already_registered" in taken.err
    assert (await run("claim", "--email", "nobody", env=at(service))).status == 2


async def test_whoami_shows_the_account(sandbox: Sandbox) -> None:
    """For the eye a line a fact, for programs the service's own names."""
    shown = await run("whoami", sandbox=sandbox)
    assert (shown.status, shown.err) == (0, "")
    assert "Organization  org_1\n" in shown.out
    assert "Claimed       yes\n" in shown.out
    facts = json.loads((await run("whoami", "--json", sandbox=sandbox)).out)
    assert facts["account"]["organization_id"] == "org_1"
    assert "jobs:write" in facts["token"]["scopes"]
