"""The agent endpoints, outside the public API: agents register accounts, and people claim them."""

import re
import secrets
from typing import NoReturn

from attrs import Factory, define

from .._time import instant
from .accounts import Account, Registry
from .refusals import AgentRefusedError, Body, Call, RefusedError, form, json_object

IDENTITY = "/api/agent/identity"
CLAIM = "/api/agent/identity/claim"
TOKEN = "/api/agent/oauth/token"  # noqa: S105 - a path
REVOKE = "/api/agent/oauth/revoke"
PAGE = "/claim"
GRANT = "urn:opentrain:agent-auth:grant-type:claim"
_ATTEMPT_SECONDS = 1800
_SLOWER_SECONDS = 5
_HOUR = 3600.0
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


@define(eq=False)
class Attempt:
    """An attempt at claiming an account: a code that its owner is to type into the page of that token."""

    email: str
    user_code: str
    token: str
    expires_at: float
    approved: bool = False


@define(eq=False)
class Claim:
    """An account that can be claimed.

    Attributes:
        account: The account.
        label: The name of the agent that made it.
        expires_at: Until when, in epoch seconds.
        interval: The seconds that have to lie between two polls.
        polled_at: When the last poll came, or `None`.
        attempt: The attempt that runs, or `None`.
    """

    account: Account
    label: str
    expires_at: float
    interval: float
    polled_at: float | None = None
    attempt: Attempt | None = None


@define
class Agents:
    """All claims, by claim token; the one whose attempt was started last is the last.

    Attributes:
        registry: The accounts.
        interval: The seconds that have to lie between two polls, to begin with.
        limit: How many accounts can be made in any hour; `None` is any number.
        claimable_for: The seconds for which one that was made can be claimed.
        enabled: Agents can make and claim accounts.
        origin: The address of the sandbox.
    """

    registry: Registry
    interval: float
    limit: int | None
    claimable_for: float
    enabled: bool = True
    origin: str = ""
    _registered_at: list[float] = Factory(list[float])
    _claims: dict[str, Claim] = Factory(dict[str, Claim])

    def register(self, call: Call) -> Body:
        """`POST /api/agent/identity`."""
        agent = self._identity(call)
        if self.limit is not None and sum(call.now < at + _HOUR for at in self._registered_at) >= self.limit:
            raise AgentRefusedError(429, "rate_limit_exceeded", "Too many registrations.")
        self._registered_at.append(call.now)
        account = self.registry.add_account(claimed=False)
        access_token = self.registry.mint(account, label=agent)
        claim_token = f"ot_clm_sandbox_{secrets.token_hex(16)}"
        claim = Claim(account, agent, call.now + self.claimable_for, self.interval)
        self._claims[claim_token] = claim
        return {
            "identity_type": "anonymous",
            "registration_id": f"registration_{account.number}",
            "access_token": access_token,
            "token_type": "bearer",
            "scopes": list(self.registry.tokens[access_token].scopes),
            "claim_token": claim_token,
            "claim_token_expires_at": instant(claim.expires_at),
            "claim_endpoint": self.origin + CLAIM,
            "token_endpoint": self.origin + TOKEN,
            "grant_type": GRANT,
        }

    def start_claim(self, call: Call) -> Body:
        """`POST /api/agent/identity/claim`. A second one restarts it, with a new code."""
        given = self._body(call)
        claim_token, email = str(given.get("claim_token")), given.get("email")
        claim = self._claims.get(claim_token)
        if claim is None or claim.account.claimed or call.now >= claim.expires_at:
            _refuse("invalid_request", "The claim token is missing, unknown, expired or used.")
        if not isinstance(email, str) or not _EMAIL.fullmatch(email):
            _refuse("invalid_request", "The e-mail address is missing or is none.")
        if any((account.email or "").lower() == email.lower() for account in self.registry.accounts):
            _refuse("invalid_request", "email_already_registered: that address has an account.")
        code, token = f"{secrets.randbelow(10**6):06d}", f"ot_cat_{secrets.token_hex(16)}"
        claim.attempt = Attempt(email, code, token, call.now + _ATTEMPT_SECONDS)
        claim.interval, claim.polled_at = self.interval, None
        self._claims[claim_token] = self._claims.pop(claim_token)
        return {
            "user_code": code,
            "verification_uri": f"{self.origin}{PAGE}?token={token}",
            "expires_in": _ATTEMPT_SECONDS,
            "interval": self.interval,
            "email_sent": False,
        }

    def exchange(self, call: Call) -> Body:
        """`POST /api/agent/oauth/token`: the poll, and at last the new token, once."""
        given = form(call.content)
        if "grant_type" not in given or "claim_token" not in given:
            _refuse("invalid_request", "grant_type and claim_token are needed, form-encoded.")
        if given["grant_type"] != GRANT:
            _refuse("unsupported_grant_type", f"Only {GRANT} is supported.")
        claim = self._claims.get(given["claim_token"])
        if claim is None or claim.account.claimed:
            _refuse("invalid_grant", "The claim token is unknown or used.")
        email = _approved(claim, call.now)
        self.registry.revoke_all(claim.account)
        self.registry.claim(claim.account, email)
        access_token = self.registry.mint(claim.account, label=claim.label)
        scopes = list(self.registry.tokens[access_token].scopes)
        return {"access_token": access_token, "token_type": "bearer", "scopes": scopes}

    def revoke(self, call: Call) -> Body:
        """`POST /api/agent/oauth/revoke`. Whether there was such a token is not told."""
        given = form(call.content)
        if "token" not in given:
            _refuse("invalid_request", "token is needed, form-encoded.")
        if token := self.registry.tokens.get(given["token"]):
            token.revoked = True
        return {}

    def open_attempts(self, now: float) -> list[Attempt]:
        """The attempts that can be approved, the latest first."""
        claims = [claim for claim in self._claims.values() if not claim.account.claimed]
        attempts = [claim.attempt for claim in reversed(claims) if claim.attempt is not None]
        return [attempt for attempt in attempts if now < attempt.expires_at]

    def _body(self, call: Call) -> Body:
        if not self.enabled:
            raise AgentRefusedError(403, "anonymous_not_enabled", "Agents cannot make accounts of their own here.")
        try:
            return json_object(call.content or b"{}")
        except RefusedError:
            raise AgentRefusedError(400, "invalid_request", "The body is no JSON object.") from None

    def _identity(self, call: Call) -> str:
        """The name of the agent that registers."""
        given = self._body(call)
        if given.get("identity_type", "anonymous") != "anonymous":
            _refuse("unsupported_identity_type", "Only anonymous is supported.")
        names = [given.get(name, "Agent") for name in ("agent_name", "organization_name")]
        if not all(isinstance(name, str) for name in names):
            _refuse("invalid_request", "agent_name and organization_name are texts.")
        return str(names[0])


def _approved(claim: Claim, now: float) -> str:
    """The e-mail address of who has approved a claim.

    Raises:
        AgentRefusedError: Nobody has yet, or it is too late or too soon to ask.
    """
    expires_at = claim.attempt.expires_at if claim.attempt else claim.expires_at
    if now >= expires_at:
        raise AgentRefusedError(400, "expired_token", "Nobody approved the claim in time.")
    last, claim.polled_at = claim.polled_at, now
    if last is not None and now - last < claim.interval:
        claim.interval += _SLOWER_SECONDS
        raise AgentRefusedError(400, "slow_down", f"Wait {claim.interval:g} seconds between two polls.")
    if claim.attempt is None or not claim.attempt.approved:
        raise AgentRefusedError(400, "authorization_pending", "Nobody has approved the claim yet.")
    return claim.attempt.email


def _refuse(code: str, text: str) -> NoReturn:
    raise AgentRefusedError(400, code, text)
