"""The account that calls: its identity, its capabilities, its registration and its claim.

Sources: https://www.opentrain.ai/docs/developers/api-reference/auth/me/, …/job-drafts/capabilities/,
…/api-reference/agent-auth/register/, …/claim/ and …/token/.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import attrs

from .._base.secret import Secret
from .._base.value import frozen

_no_raw: Mapping[str, object] = {}
_SCOPES_OF_A_CLAIM = frozenset({"proposals:write", "messages:write", "team:write"})


@frozen
class Actor:
    """The person for whom the token was made.

    Attributes:
        user_id: The person's id, or `None`.
        email: The address; `None` where the account has none yet.
        first_name: The first name, or `None`.
        last_name: The last name, or `None`.
        full_name: Both, or `None`.
        user_type: ``"EMPLOYER"`` is documented.
    """

    user_id: str | None = None
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    full_name: str | None = None
    user_type: str | None = None


@frozen
class Token:
    """The token itself, without its secret.

    Attributes:
        id: Its id, or `None`.
        label: Its name, or `None`.
        scopes: What it may do.
        owner_organization_id: The organisation that owns it, or `None`.
    """

    id: str | None = None
    label: str | None = None
    scopes: tuple[str, ...] = ()
    owner_organization_id: str | None = None


@frozen
class Account:
    """The account on whose behalf the token acts.

    Attributes:
        kind: ``"employer_organization"`` is documented.
        organization_id: The organisation's id, or `None`. All its tokens share one quota.
        owner_user_id: Whose it is, or `None`.
        member_role: The caller's part in it, such as ``"OWNER"``, or `None`.
    """

    kind: str | None = None
    organization_id: str | None = None
    owner_user_id: str | None = None
    member_role: str | None = None


@frozen
class Identity:
    """Who calls.

    Attributes:
        actor: The person.
        token: The token.
        account: The account.
        raw: The whole body as it came.
    """

    actor: Actor
    token: Token
    account: Account
    raw: Mapping[str, object] = attrs.field(default=_no_raw, repr=False, eq=False)

    @property
    def is_claimed(self) -> bool | None:
        """Whether the account is claimed, as far as can be told.

        The pages say that this answer tells, and show no key that would. A token with the scopes that only a claimed
        account gets says that it is; that an account is not claimed cannot be told, as a token may have fewer scopes:
        then it is `None`.
        """
        claimed = self.raw.get("claimed")
        if isinstance(claimed, bool):
            return claimed
        return True if set(self.token.scopes) >= _SCOPES_OF_A_CLAIM else None


@frozen
class DraftCapabilities:
    """What drafts can be made of.

    Attributes:
        import_formats: The formats in which a draft can be described.
        update_keys: The keys of a draft update, as the service spells them.
        enums: The values of those that are enumerations, by their keys.
    """

    import_formats: tuple[str, ...] = ()
    update_keys: tuple[str, ...] = ()
    enums: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict[str, tuple[str, ...]], hash=False)


@frozen
class Capabilities:
    """What is switched on for the account.

    Attributes:
        capabilities: Each feature's state by the service's name for it, such as ``publish`` and ``draftCreate``.
        enabled: Whether drafting is, or `None`.
        draft: What drafts can be made of.
        feature_key: The name of the feature as a whole, or `None`.
        rollout_mode: ``"ALL"`` is documented.
        raw: The whole body as it came.
    """

    capabilities: Mapping[str, bool] = attrs.field(hash=False)
    enabled: bool | None = None
    draft: DraftCapabilities = DraftCapabilities()
    feature_key: str | None = None
    rollout_mode: str | None = None
    raw: Mapping[str, object] = attrs.field(default=_no_raw, repr=False, eq=False)


@frozen
class Registration:
    """A new account, which nobody has claimed yet. The tokens do not show themselves in a `repr`.

    Attributes:
        access_token: The API token. It is shown this once.
        claim_token: What starts the claim and ends it; never sent as the bearer.
        registration_id: The registration's id, or `None`.
        scopes: What the token may do.
        claim_token_expires_at: Until when the account can be claimed, about a day; `None` where that cannot be read.
        saved_to: The file in which both tokens were saved; `None` where they were not.
    """

    access_token: Secret
    claim_token: Secret
    registration_id: str | None = None
    scopes: tuple[str, ...] = ()
    claim_token_expires_at: datetime | None = None
    saved_to: Path | None = None


@frozen
class Claim:
    """A claim that has begun: what a person needs to end it.

    Attributes:
        user_code: The code to type in, six digits.
        verification_uri: The page to open. It holds a token: whoever has it can claim the account.
        expires_in: Seconds for which both are valid; half an hour is documented.
        interval: Seconds between two questions whether it is done.
        email_sent: Whether the service has sent both to the address, or `None`.
    """

    user_code: str
    verification_uri: Secret
    expires_in: float = 1800.0
    interval: float = 5.0
    email_sent: bool | None = None


@frozen
class TokenGrant:
    """The token of an account that was claimed. The earlier ones are revoked.

    Attributes:
        access_token: The API token. It is delivered this once, and does not show itself in a `repr`.
        scopes: What it may do.
        saved_to: The file in which it was saved, in the place of the earlier one; `None` where that was not there.
    """

    access_token: Secret
    scopes: tuple[str, ...] = ()
    saved_to: Path | None = None
