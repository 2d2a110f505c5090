"""Agents make accounts in the sandbox by themselves, and people claim them, as the service's documentation says."""

from datetime import datetime
from urllib.parse import urlsplit

import aiohttp
import pytest

from opentrain_async.sandbox import Fault, Sandbox

from ..support.plain_http import Answered, ask
from ..support.raw import assert_harmless

GRANT = "urn:opentrain:agent-auth:grant-type:claim"


async def post(sandbox: Sandbox, path: str, *, json: object = None, form: object = None) -> Answered:
    """Post to one of the endpoints of agents, without any token."""
    url = f"{sandbox.url}/api/agent/{path}"
    async with aiohttp.request("POST", url, json=json, data=form) as response:
        payload: dict[str, object] = await response.json()
        return response.status, payload


async def register(sandbox: Sandbox, **names: object) -> dict[str, str]:
    status, body = await post(sandbox, "identity", json=names)
    assert status == 200, body
    return {name: str(value) for name, value in body.items()}


async def start(sandbox: Sandbox, claim_token: object, email: object = "ada@example.com") -> Answered:
    return await post(sandbox, "identity/claim", json={"claim_token": claim_token, "email": email})


async def poll(sandbox: Sandbox, claim_token: object) -> Answered:
    return await post(sandbox, "oauth/token", form={"grant_type": GRANT, "claim_token": claim_token})


def error(answer: Answered) -> tuple[int, object]:
    """The status and the code of a refusal."""
    status, body = answer
    assert set(body) == {"error", "error_description"}
    return status, body["error"]


async def human(uri: object, **filled: str) -> tuple[int, str]:
    """Open a page, or fill its form in."""
    method = "POST" if filled else "GET"
    url = str(uri).partition("?")[0] if filled else str(uri)
    async with aiohttp.request(method, url, data=filled or None) as response:
        return response.status, await response.text()


async def test_an_agent_makes_an_account_that_can_publish_three_drafts(sandbox: Sandbox) -> None:
    """The reply has everything that is documented; a name is optional."""
    body = await register(sandbox)
    assert body["identity_type"] == "anonymous"
    assert body["token_type"] == "bearer"
    assert body["grant_type"] == GRANT
    assert body["claim_endpoint"] == sandbox.url + "/api/agent/identity/claim"
    assert body["token_endpoint"] == sandbox.url + "/api/agent/oauth/token"
    assert set(body) > {"registration_id", "scopes"}
    assert body["claim_token"].startswith("ot_clm_")
    left = datetime.fromisoformat(body["claim_token_expires_at"]).timestamp() - sandbox.clock.now()
    assert 86_300 < left <= 86_401
    token = body["access_token"]
    assert token.startswith("ot_pat_")
    drafts = [sandbox.draft(token=token) for _ in range(4)]
    assert [(await ask(sandbox, f"POST /jobs/{d}/publish", token=token))[0] for d in drafts] == [200, 200, 200, 429]
    assert (await ask(sandbox, "GET /auth/me", token=token))[1]["actor"]["email"] is None  # type: ignore[index]


async def test_F70_the_page_of_a_claim_shows_an_address_as_text(sandbox: Sandbox) -> None:
    """Its markup stays text, and what does not print is escaped."""
    address = '<b>"\x1b[2J\u202e\ufe0f@x.example'
    _, started = await start(sandbox, (await register(sandbox))["claim_token"], address)
    page = (await human(started["verification_uri"]))[1]
    assert "shows to &lt;b&gt;&quot;\\x1b[2J\\u202e\\ufe0f@x.example:" in page
    assert_harmless(page)


async def test_an_account_is_claimed_from_the_first_code_to_the_new_token(sandbox: Sandbox) -> None:
    """Its old tokens end, its scopes and its limit grow, and what it has published still counts."""
    registered = await register(sandbox, agent_name="Bot", organization_name="Cats")
    old, claim_token = registered["access_token"], registered["claim_token"]
    second = sandbox.add_token(old)
    sandbox.publish_elsewhere(3, token=old)
    status, started = await start(sandbox, claim_token)
    assert (status, started["expires_in"], started["interval"], started["email_sent"]) == (200, 1800, 5, False)
    assert len(str(started["user_code"])) == 6
    assert error(await poll(sandbox, claim_token)) == (400, "authorization_pending")
    uri = str(started["verification_uri"])
    assert uri.startswith(sandbox.url + "/claim?token=ot_cat_")
    status, text = await human(uri)
    assert (status, "<form" in text, "ada@example.com" in text) == (200, True, True)
    token = urlsplit(uri).query.removeprefix("token=")
    assert (await human(uri, token=token, user_code="x"))[0] == 400
    assert (await human(uri, token=token, user_code=f" {started['user_code']} "))[0] == 200
    assert (await ask(sandbox, "GET /auth/me", token=old))[0] == 200
    sandbox.advance(seconds=5)
    status, body = await poll(sandbox, claim_token)
    assert (status, set(body), body["token_type"]) == (200, {"access_token", "token_type", "scopes"}, "bearer")
    assert set(body["scopes"]) > {"jobs:write", "proposals:write", "team:write"}  # type: ignore[call-overload]
    new = str(body["access_token"])
    assert [(await ask(sandbox, "GET /auth/me", token=each))[0] for each in (old, second)] == [401, 401]
    me = (await ask(sandbox, "GET /auth/me", token=new))[1]
    assert me["actor"]["email"] == "ada@example.com"  # type: ignore[index]
    assert me["token"]["label"] == "Bot"  # type: ignore[index]
    drafts = [sandbox.draft(token=new) for _ in range(18)]
    assert [(await ask(sandbox, f"POST /jobs/{d}/publish", token=new))[0] for d in drafts] == [200] * 17 + [429]
    assert error(await poll(sandbox, claim_token)) == (400, "invalid_grant")
    assert error(await start(sandbox, claim_token)) == (400, "invalid_request")
    assert (await human(uri))[0] == 404


async def test_who_polls_too_soon_is_slowed_down(sandbox: Sandbox) -> None:
    """The interval grows by five seconds each time, until the claim is started anew."""
    claim_token = (await register(sandbox))["claim_token"]
    await start(sandbox, claim_token)
    assert error(await poll(sandbox, claim_token)) == (400, "authorization_pending")
    sandbox.advance(seconds=4)
    assert error(await poll(sandbox, claim_token)) == (400, "slow_down")
    sandbox.advance(seconds=9)
    assert error(await poll(sandbox, claim_token)) == (400, "slow_down")
    sandbox.advance(seconds=15)
    assert error(await poll(sandbox, claim_token)) == (400, "authorization_pending")
    await start(sandbox, claim_token)
    assert error(await poll(sandbox, claim_token)) == (400, "authorization_pending")
    sandbox.advance(seconds=5)
    assert error(await poll(sandbox, claim_token)) == (400, "authorization_pending")


async def test_for_how_long_an_account_can_be_claimed_is_for_the_test_to_say() -> None:
    """A month, say, where the service's pages say a day."""
    async with Sandbox(claimable_for=30 * 86_400) as sandbox:
        claim_token = (await register(sandbox))["claim_token"]
        sandbox.advance(hours=29 * 24)
        assert (await start(sandbox, claim_token))[0] == 200
        sandbox.advance(hours=24)
        assert error(await start(sandbox, claim_token)) == (400, "invalid_request")


async def test_a_poll_before_any_claim_waits(sandbox: Sandbox) -> None:
    """Nobody can have approved it yet."""
    claim_token = (await register(sandbox))["claim_token"]
    assert error(await poll(sandbox, claim_token)) == (400, "authorization_pending")
    sandbox.advance(hours=24)
    assert error(await poll(sandbox, claim_token)) == (400, "expired_token")
    assert error(await start(sandbox, claim_token)) == (400, "invalid_request")


async def test_the_interval_can_be_short() -> None:
    """So a test need not wait."""
    async with Sandbox(claim_interval=0.01) as sandbox:
        claim_token = (await register(sandbox))["claim_token"]
        assert (await start(sandbox, claim_token))[1]["interval"] == 0.01


async def test_a_code_ends_after_half_an_hour(sandbox: Sandbox) -> None:
    """The claim can be started again, with another code."""
    claim_token = (await register(sandbox))["claim_token"]
    started = (await start(sandbox, claim_token))[1]
    sandbox.advance(seconds=1800)
    assert error(await poll(sandbox, claim_token)) == (400, "expired_token")
    with pytest.raises(LookupError, match="no claim under way"):
        sandbox.approve_claim()
    again = (await start(sandbox, claim_token))[1]
    assert again["verification_uri"] != started["verification_uri"]
    assert [(await human(one["verification_uri"]))[0] for one in (started, again)] == [404, 200]
    assert (await human(started["verification_uri"], token="ot_cat_x", user_code="1"))[0] == 404
    sandbox.approve_claim()
    assert (await poll(sandbox, claim_token))[0] == 200


async def test_the_claim_that_was_started_last_is_approved(sandbox: Sandbox) -> None:
    """Or that of a code."""
    first, second, third = [(await register(sandbox))["claim_token"] for _ in range(3)]
    await start(sandbox, second, "two@example.com")
    code = (await start(sandbox, third, "three@example.com"))[1]["user_code"]
    await start(sandbox, first, "one@example.com")
    sandbox.approve_claim()
    assert (await poll(sandbox, first))[0] == 200
    sandbox.approve_claim(str(code))
    assert (await poll(sandbox, third))[0] == 200
    assert error(await poll(sandbox, second)) == (400, "authorization_pending")
    with pytest.raises(LookupError):
        sandbox.approve_claim("none")


async def test_an_address_has_one_account(sandbox: Sandbox) -> None:
    """The description says so, whatever the case of its letters."""
    claim_token = (await register(sandbox))["claim_token"]
    status, body = await start(sandbox, claim_token, "OWNER1@example.com")
    assert (status, body["error"]) == (400, "invalid_request")
    assert "email_already_registered" in str(body["error_description"])
    for email in (None, "", "ada", 7):
        assert error(await start(sandbox, claim_token, email)) == (400, "invalid_request")
    assert error(await start(sandbox, "ot_clm_x")) == (400, "invalid_request")
    assert error(await start(sandbox, None)) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"identity_type": "google"}, "unsupported_identity_type"),
        ({"agent_name": 7}, "invalid_request"),
        ([], "invalid_request"),
    ],
)
async def test_a_registration_that_makes_no_sense_is_refused(sandbox: Sandbox, body: object, code: str) -> None:
    """In the shape of OAuth's errors."""
    assert error(await post(sandbox, "identity", json=body)) == (400, code)


async def test_a_registration_needs_no_body(sandbox: Sandbox) -> None:
    """All of it is optional."""
    assert (await post(sandbox, "identity"))[0] == 200


async def test_registrations_are_limited_by_the_hour() -> None:
    """The next one goes when the first is an hour old; one that is refused does not count."""
    async with Sandbox(registrations=2) as sandbox:
        answers = [await post(sandbox, "identity") for _ in range(4)]
        assert [status for status, _ in answers] == [200, 200, 429, 429]
        assert error(answers[-1]) == (429, "rate_limit_exceeded")
        sandbox.advance(hours=1)
        assert (await post(sandbox, "identity"))[0] == 200


async def test_registration_can_be_switched_off(sandbox: Sandbox) -> None:
    """Then accounts can be neither made nor claimed by agents."""
    claim_token = (await register(sandbox))["claim_token"]
    assert sandbox.agents_may_register
    sandbox.agents_may_register = False
    assert error(await post(sandbox, "identity")) == (403, "anonymous_not_enabled")
    assert error(await start(sandbox, claim_token)) == (403, "anonymous_not_enabled")


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"claim_token": "x"}, "invalid_request"),
        ({"grant_type": GRANT}, "invalid_request"),
        (b'{"grant_type": "x", "claim_token": "x"}', "invalid_request"),
        ({"grant_type": "password", "claim_token": "x"}, "unsupported_grant_type"),
        ({"grant_type": GRANT, "claim_token": "ot_clm_x"}, "invalid_grant"),
    ],
)
async def test_a_poll_that_makes_no_sense_is_refused(sandbox: Sandbox, form: object, code: str) -> None:
    """Each mistake has its code."""
    assert error(await post(sandbox, "oauth/token", form=form)) == (400, code)


async def test_a_token_is_revoked_without_a_word(sandbox: Sandbox) -> None:
    """Whether it was one is not told; that none was given is."""
    token = sandbox.add_token()
    for revoked in (token, token, "ot_pat_x"):
        assert await post(sandbox, "oauth/revoke", form={"token": revoked}) == (200, {})
    assert (await ask(sandbox, "GET /auth/me", token=token))[0] == 401
    assert (await ask(sandbox, "GET /auth/me"))[0] == 200
    assert error(await post(sandbox, "oauth/revoke", form={})) == (400, "invalid_request")


@pytest.mark.parametrize(("status", "code"), [(429, "rate_limit_exceeded"), (500, "server_error")])
async def test_endpoints_of_agents_fail_as_oauth_does(sandbox: Sandbox, status: int, code: str) -> None:
    """Not with the envelope of the public API."""
    for on, path in (("register", "identity"), ("start_claim", "identity/claim"), ("token", "oauth/token")):
        sandbox.fault(Fault.STATUS, on=on, status=status)
        assert error(await post(sandbox, path)) == (status, code)


async def test_a_token_may_be_delivered_although_its_answer_is_lost(sandbox: Sandbox) -> None:
    """It is delivered once: who has lost it has lost it."""
    registered = await register(sandbox)
    await start(sandbox, registered["claim_token"])
    sandbox.approve_claim()
    sandbox.fault(Fault.RESET, on="token", published=True)
    with pytest.raises(aiohttp.ClientError):
        await poll(sandbox, registered["claim_token"])
    assert error(await poll(sandbox, registered["claim_token"])) == (400, "invalid_grant")
    assert (await ask(sandbox, "GET /auth/me", token=registered["access_token"]))[0] == 401


async def test_the_request_log_keeps_no_secret_of_a_claim(sandbox: Sandbox) -> None:
    """Neither the tokens nor the code, nor the address of the page."""
    registered = await register(sandbox)
    started = (await start(sandbox, registered["claim_token"]))[1]
    await human(started["verification_uri"])
    assert [(seen.method, seen.path, seen.operation) for seen in sandbox.requests] == [
        ("POST", "/api/agent/identity", "register"),
        ("POST", "/api/agent/identity/claim", "start_claim"),
        ("GET", "/claim", None),
    ]
    assert "ot_" not in repr(sandbox.requests)


async def test_a_page_shows_an_address_as_text(sandbox: Sandbox) -> None:
    """Markup in it does nothing."""
    registered = await register(sandbox)
    started = (await start(sandbox, registered["claim_token"], "<b>@example.com"))[1]
    assert "&lt;b&gt;@example.com" in (await human(started["verification_uri"]))[1]
