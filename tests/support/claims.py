"""Claims of an account, for tests."""

import asyncio
from collections.abc import Callable

from opentrain_async.sandbox import Sandbox

from .peers import answer

CLAIM_TOKEN = "ot_clm_held"
EMAIL = "ada@example.com"
PENDING = answer({"error": "authorization_pending"}, status="400 Bad")
GRANTED = answer({"access_token": "ot_pat_new", "token_type": "bearer", "scopes": ["jobs:write"]})


def polls(sandbox: Sandbox) -> list[float]:
    """When the service was asked for the token."""
    return [request.at for request in sandbox.requests if request.operation == "token"]


async def passing(sandbox: Sandbox, fact: Callable[[], object], seconds: float = 1.0) -> None:
    """Let the sandbox's time go by until something is so."""
    async with asyncio.timeout(30):
        while not fact():
            await asyncio.sleep(0.002)
            sandbox.advance(seconds=seconds)


GIVEN = {
    "identity_type": "anonymous",
    "registration_id": "registration_1",
    "access_token": "ot_pat_given_SECRET",
    "token_type": "bearer",
    "scopes": ["jobs:read", "jobs:write"],
    "claim_token": "ot_clm_given_SECRET",
    "claim_token_expires_at": "2026-11-26T00:00:00.000Z",
}
