"""The environment of a test from which no way leads to the service itself, or to what its user has there."""

import pytest

from .._settings import BASE_URL_VARIABLES, TOKEN_VARIABLES

_TOKEN_OF_MCP = "OPENTRAIN_PERSONAL_API_TOKEN"  # noqa: S105 - a name
"""By which the service's own MCP server finds a token (…/docs/developers/mcp/overview/)."""


def seclude(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, *, token: str, base_url: str
) -> None:
    """Lead whoever looks for an account to this one, and whoever looks for files of the user's to empty folders.

    A token has one name from then on, so that a test which takes it away has none. Both names of the origin are set, as
    some of the service's own tools know one of them, and without it the service itself. The ledger is secluded too:
    under a name of the user's, as by ``account="acme"``, a test's publishes would count against the true account's day.
    """
    first, *others = TOKEN_VARIABLES
    monkeypatch.setenv(first, token)
    for name in (*others, _TOKEN_OF_MCP, "OPENTRAIN_ASYNC_LEDGER"):
        monkeypatch.delenv(name, raising=False)
    for name in BASE_URL_VARIABLES:
        monkeypatch.setenv(name, base_url)
    folder = tmp_path_factory.mktemp("opentrain")
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(folder / name))
