"""Name an account in the ledger."""

from .settings import DEFAULT_BASE_URL


def ledger_key(origin: str, account: str) -> str:
    """Return the key that an account at this origin has in the ledger.

    At the service's own origin it is the account alone, as in earlier versions, so that nothing moves at an upgrade.
    Elsewhere, as at a sandbox, the origin stands before it: an account of the same name there is another one.

    Args:
        origin: The origin of the service, as the settings have it.
        account: The account's name, or a fingerprint of its token.
    """
    return _prefix(origin) + account


def account_in(origin: str, key: str) -> str:
    """Return the account in a key at this origin."""
    return key.removeprefix(_prefix(origin))


def _prefix(origin: str) -> str:
    return "" if origin == DEFAULT_BASE_URL else f"{origin} "
