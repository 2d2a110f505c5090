"""Accounts and tokens, and what each may do."""

import secrets
from collections.abc import Iterable

from attrs import Factory, define

from .refusals import RefusedError

PRE_CLAIM = ("jobs:read", "jobs:write", "proposals:read", "messages:read", "payments:read", "team:read")
POST_CLAIM = (*PRE_CLAIM, "proposals:write", "messages:write", "team:write")
CAPABILITIES = (
    "draftImport",
    "draftCreate",
    "draftUpdate",
    "draftUrlRead",
    "publish",
    "hiring",
    "messagingWrites",
    "team",
    "paymentsWrite",
    "credits",
    "webhooks",
)


@define(eq=False)
class Account:
    """An account, and when it published.

    Attributes:
        number: Which it is, from 1.
        claimed: Somebody has claimed it.
        email: Of who has claimed it; `None` while nobody has.
        published_at: When it published, in epoch seconds, in any order.
        capabilities: What is switched on.
        keyed: The ids of the drafts that were created with an idempotency key, by the key.
    """

    number: int
    claimed: bool = False
    email: str | None = None
    published_at: list[float] = Factory(list[float])
    capabilities: set[str] = Factory(lambda: set(CAPABILITIES))
    keyed: dict[str, str] = Factory(dict[str, str])


@define(eq=False)
class Token:
    """An API token, without its secret."""

    number: int
    account: Account
    scopes: tuple[str, ...]
    label: str
    revoked: bool = False

    def covers(self, scope: str) -> bool:
        """Whether it has a scope: writing a resource implies reading it."""
        return scope in self.scopes or scope.replace(":read", ":write") in self.scopes


@define
class Registry:
    """All accounts, and all tokens by their secrets. A token that is revoked stays: it still tells its account."""

    accounts: list[Account] = Factory(list[Account])
    tokens: dict[str, Token] = Factory(dict[str, Token])

    def add_account(self, *, claimed: bool) -> Account:
        """Make an account."""
        account = Account(len(self.accounts) + 1)
        self.accounts.append(account)
        if claimed:
            self.claim(account)
        return account

    def mint(self, account: Account, scopes: Iterable[str] | None = None, label: str = "Sandbox") -> str:
        """Make a token of an account, by default with the scopes that the account's state gives."""
        chosen = (POST_CLAIM if account.claimed else PRE_CLAIM) if scopes is None else tuple(scopes)
        number = len(self.tokens) + 1
        # No two sandboxes have a token in common: the ledgers of clients outlive sandboxes.
        secret = f"ot_pat_sandbox{number}_{secrets.token_hex(8)}"
        self.tokens[secret] = Token(number, account, chosen, label)
        return secret

    def claim(self, account: Account, email: str | None = None) -> None:
        """Let somebody have claimed an account; its ordinary tokens get the scopes of a claimed one."""
        account.claimed = True
        account.email = email or f"owner{account.number}@example.com"
        for token in self._of(account):
            if token.scopes == PRE_CLAIM:
                token.scopes = POST_CLAIM

    def revoke_all(self, account: Account) -> None:
        """Make all tokens of an account invalid."""
        for token in self._of(account):
            token.revoked = True

    def admit(self, authorization: str | None, scope: str | None, capability: str | None) -> Token:
        """The token of a call, if it and its account may make it.

        Raises:
            RefusedError: There is no valid token, it lacks the scope, or the account lacks the capability.
        """
        scheme, _, secret = (authorization or "").partition(" ")
        token = self.tokens.get(secret) if scheme.lower() == "bearer" else None
        if token is None or token.revoked:
            raise RefusedError(401, "UNAUTHORIZED", "The token is missing, invalid, expired or revoked.")
        if scope is not None and not token.covers(scope):
            raise RefusedError(403, "FORBIDDEN", "The token lacks a scope.", {"requiredScopes": [scope]})
        if capability is not None and capability not in token.account.capabilities:
            raise RefusedError(403, "FORBIDDEN", "This is not enabled for the account.")
        return token

    def _of(self, account: Account) -> list[Token]:
        return [token for token in self.tokens.values() if token.account is account]
