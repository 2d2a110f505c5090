"""A token learns from the sandbox who it is and what it may do, as the service's documentation says."""

from collections.abc import Callable

import aiohttp
import pytest

from opentrain_async.sandbox import Sandbox

from ..support.plain_http import ask

PRE_CLAIM = ["jobs:read", "jobs:write", "proposals:read", "messages:read", "payments:read", "team:read"]
POST_CLAIM = [*PRE_CLAIM, "proposals:write", "messages:write", "team:write"]


async def test_a_token_learns_whose_it_is(unclaimed: Sandbox) -> None:
    """An unclaimed account has no e-mail address, and no field tells whether it is claimed."""
    status, body = await ask(unclaimed, "GET /auth/me")
    assert (status, body) == (
        200,
        {
            "actor": {
                "userId": "user_1",
                "email": None,
                "firstName": "Sandbox",
                "lastName": "User 1",
                "fullName": "Sandbox User 1",
                "userType": "EMPLOYER",
            },
            "token": {"id": "token_1", "label": "Sandbox", "scopes": PRE_CLAIM, "ownerOrganizationId": None},
            "account": {
                "kind": "employer_organization",
                "organizationId": "org_1",
                "ownerUserId": "user_1",
                "memberRole": "OWNER",
            },
        },
    )


async def test_a_claim_gives_an_account_its_address_and_its_token_more_scopes(unclaimed: Sandbox) -> None:
    """The token stays; one that was made with scopes of its own keeps them."""
    reader = unclaimed.add_token(scopes=["jobs:read"])
    unclaimed.claim()
    _, body = await ask(unclaimed, "GET /auth/me")
    assert body["actor"] == {**body["actor"], "email": "owner1@example.com"}  # type: ignore[dict-item]
    assert body["token"]["scopes"] == POST_CLAIM  # type: ignore[index]
    _, body = await ask(unclaimed, "GET /auth/me", token=reader)
    assert body["token"]["scopes"] == ["jobs:read"]  # type: ignore[index]


async def test_the_tokens_of_one_account_name_the_same_organization(sandbox: Sandbox) -> None:
    """They share its jobs and its quota; another account's are apart."""
    second, other = sandbox.add_token(), sandbox.add_account()
    names = [
        (await ask(sandbox, "GET /auth/me", token=token))[1]["account"] for token in (sandbox.token, second, other)
    ]
    assert [name["organizationId"] for name in names] == ["org_1", "org_1", "org_2"]  # type: ignore[index]
    assert (await ask(sandbox, f"POST /jobs/{sandbox.draft()}/publish", token=second))[0] == 200
    sandbox.revoke(second)
    assert (await ask(sandbox, "GET /auth/me", token=second))[0] == 401
    assert (await ask(sandbox, "GET /auth/me"))[0] == 200


@pytest.mark.parametrize("authorization", ["", "{token}", "Basic {token}", "Bearer ot_pat_wrong"])
async def test_what_is_no_valid_token_learns_nothing(sandbox: Sandbox, authorization: str) -> None:
    """The scheme is needed as well as the token."""
    headers = {"Authorization": authorization.format(token=sandbox.token)}
    async with aiohttp.request("GET", f"{sandbox.url}/api/public/v1/auth/me", headers=headers) as response:
        assert response.status == 401


async def test_an_account_learns_what_it_can_do(sandbox: Sandbox) -> None:
    """The formats, the keys of an update and the printed enums are told, besides the flags."""
    status, body = await ask(sandbox, "GET /job-drafts/capabilities")
    draft = body.pop("draft")
    flags = body.pop("capabilities")
    assert (status, body) == (
        200,
        {
            "featureKey": "public_api_job_drafting",
            "namespace": "job-drafts",
            "rolloutMode": "ALL",
            "actorIsAdmin": False,
            "authBootstrap": "token",
            "enabled": True,
        },
    )
    assert isinstance(flags, dict)
    assert isinstance(draft, dict)
    assert all(flags.values())
    assert set(flags) > {"draftCreate", "draftUpdate", "publish", "hiring", "webhooks"}
    assert draft["importFormats"] == ["text", "opentrain_canonical", "schema_org_job_posting", "indeed_xml", "hr_xml"]
    assert {"jobTitle", "headcount", "countries", "visibility", "projectScope"} < set(draft["updateKeys"])
    assert draft["enums"]["paymentType"] == ["PAY_PER_LABEL", "PAY_PER_HOUR", "FIXED_PRICE"]
    assert set(draft["enums"]) == {"paymentType", "experienceLevel", "dataVolumeUnit"}


@pytest.mark.parametrize(
    ("capability", "refused"),
    [
        ("draftCreate", ["POST /job-drafts"]),
        ("draftUpdate", ["PATCH /job-drafts/{id}"]),
        ("publish", ["POST /jobs/{id}/publish", "PATCH /jobs/{id}", "POST /jobs/{id}/close"]),
    ],
)
async def test_what_is_switched_off_is_refused_without_details(
    sandbox: Sandbox, capability: str, refused: list[str]
) -> None:
    """The flag is false, other accounts are not concerned, and it can be switched on again."""
    other, job_id = sandbox.add_account(), sandbox.draft()
    sandbox.switch_off(capability)
    flags = (await ask(sandbox, "GET /job-drafts/capabilities"))[1]["capabilities"]
    assert isinstance(flags, dict)
    assert [name for name, is_on in flags.items() if not is_on] == [capability]
    for request in refused:
        status, body = await ask(sandbox, request.format(id=job_id), {})
        assert (status, body["code"], body["details"]) == (403, "FORBIDDEN", {})
        assert (await ask(sandbox, request.format(id=job_id), {}, other))[0] in {400, 404}
    sandbox.switch_on(capability)
    assert (await ask(sandbox, refused[0].format(id=job_id), {}))[0] != 403


async def test_without_drafting_the_feature_is_off(sandbox: Sandbox) -> None:
    """`enabled` says so."""
    sandbox.switch_off("draftCreate")
    sandbox.switch_off("draftUpdate")
    assert (await ask(sandbox, "GET /job-drafts/capabilities"))[1]["enabled"] is False


@pytest.mark.parametrize("switch", [Sandbox.switch_off, Sandbox.switch_on])
def test_a_capability_that_does_not_exist_is_a_mistake(switch: Callable[[Sandbox, str], None]) -> None:
    """The error names those there are."""
    with pytest.raises(ValueError, match="no such capability: 'publsh'; there are draftImport"):
        switch(Sandbox(), "publsh")


async def test_to_write_a_resource_implies_to_read_it(sandbox: Sandbox) -> None:
    """A token of `jobs:write` lists jobs; one of another resource is told which scope it lacks."""
    assert (await ask(sandbox, "GET /jobs/mine", token=sandbox.add_token(scopes=["jobs:write"])))[0] == 200
    status, body = await ask(sandbox, "GET /jobs/mine", token=sandbox.add_token(scopes=["team:read"]))
    assert (status, body["details"]) == (403, {"requiredScopes": ["jobs:read"]})
