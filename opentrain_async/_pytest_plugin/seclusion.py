"""Seclude a test: its environment leads neither to the service nor to the user's own files."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

import pytest

from .._client.account.settings import BASE_URL_VARIABLES, TOKEN_VARIABLES

_TOKEN_OF_MCP = "OPENTRAIN_PERSONAL_API_TOKEN"  # noqa: S105 - a name
"""By which the service's own MCP server finds a token (…/docs/developers/mcp/overview/)."""
_EITHER = ("opentrain_sandbox", "opentrain_aioresponses")


def check_is_only_one(request: pytest.FixtureRequest) -> None:
    """Fail a test that has both fixtures: the origin can be only one, and no request would come to the sandbox."""
    if set(_EITHER) <= set(request.fixturenames):
        pytest.fail(
            "choose one: opentrain_sandbox answers requests, and opentrain_aioresponses replaces them, so that none "
            "comes to the sandbox",
            pytrace=False,
        )


@contextmanager
def secluded(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    *,
    token: str,
    base_url: str,
    replaced: Mapping[str, object],
) -> Generator[None, None, None]:
    """Lead whoever looks for an account to this one, also after a ``monkeypatch.undo()`` of the test.

    It is the test's own `monkeypatch` that all this is set by, since only that restores in one order what it set
    before, here and later: undone beside it, a variable of both would keep a value of one of them.

    Args:
        monkeypatch: The test's own.
        tmp_path_factory: Makes the folder for what would be the user's files.
        token: The account's.
        base_url: Where it is.
        replaced: What is to stand where, by the dotted names of what it replaces.

    Yields:
        For as long as an undoing does not end it.
    """
    folder = str(tmp_path_factory.mktemp("opentrain"))
    undo = monkeypatch.undo

    def lead() -> None:
        _lead(monkeypatch, folder, token, base_url)
        for name, value in replaced.items():
            monkeypatch.setattr(name, value)

    def undo_the_rest() -> None:
        undo()
        lead()

    lead()
    with pytest.MonkeyPatch.context() as own:
        own.setattr(monkeypatch, "undo", undo_the_rest)
        yield


def _lead(monkeypatch: pytest.MonkeyPatch, folder: str, token: str, base_url: str) -> None:
    """Name this account, and empty folders in place of the user's.

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
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, f"{folder}/{name}")
