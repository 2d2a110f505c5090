"""Find what would refuse every draft of a run, before the run begins.

https://www.opentrain.ai/docs/developers/api-reference/jobs/publish/ names the scope, and the feature that is behind
the capability ``publish``.
"""

from ...errors import PreflightError
from ...models import Capabilities, Identity

_CAPABILITY = "publish"
_FEATURE = "public_api_job_publishing"
_SCOPE = "jobs:write"


def check_feature(capabilities: Capabilities) -> None:
    """See that publishing is switched on for the account.

    Raises:
        PreflightError: It is off. Where the service does not say, it is for the publishes to find out.
    """
    if capabilities.capabilities.get(_CAPABILITY) is False:
        raise PreflightError(
            f"publishing is switched off for this account ({_FEATURE}), so no draft was sent", feature=_FEATURE
        )


def check_scope(identity: Identity) -> None:
    """See that the token may publish.

    Raises:
        PreflightError: It lacks the scope.
    """
    scopes = identity.token.scopes
    if scopes and _SCOPE not in scopes:
        raise PreflightError(
            f"the token may not publish, as it lacks the scope {_SCOPE}; no draft was sent",
            details={"requiredScopes": [_SCOPE]},
        )
