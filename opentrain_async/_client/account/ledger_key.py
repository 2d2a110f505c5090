"""Name an account in the ledger."""

from ..._base.origin import normalised
from .settings import DEFAULT_BASE_URL


def ledger_key(origin: str, account: str) -> str:
    """Return the key that an account at this origin has in the ledger.

    At the service's own origin it is the account alone, as in earlier versions, so that nothing moves at an upgrade.
    Elsewhere, as at a sandbox, the origin stands before it: an account of the same name there is another one.

    Args:
        origin: The origin of the service.
        account: The account's name, or a fingerprint of its token.
    """
    return _prefix(origin) + str.__str__(account)  # the plain value of an enum's member, too


def account_in(origin: str, key: str) -> str:
    """Return the account in a key at this origin."""
    return key.removeprefix(_prefix(origin))


def _prefix(origin: str) -> str:
    at = normalised(origin)
    return "" if at == normalised(DEFAULT_BASE_URL) else f"{at} "
