"""The async fixtures `opentrain_sandbox` and `opentrain_client`, run by pytest-asyncio in either mode."""

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from .._client.client import AsyncOpenTrain
    from ..sandbox import Sandbox


@pytest_asyncio.fixture
async def opentrain_sandbox(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> "AsyncIterator[Sandbox]":
    """A local OpenTrain with a claimed account, to which all that the test calls is led.

    A client that it makes by ``AsyncOpenTrain()`` reaches the sandbox and lives in its time; credentials and the quota
    ledger of whoever runs the test are neither read nor written, also after ``monkeypatch.undo()``. What a bot is given
    itself (an origin, a session, a journal's path, a Redis) is not led anywhere. Not together with
    `opentrain_aioresponses`.

    Yields:
        The sandbox, running.
    """
    from ..sandbox import Sandbox
    from .seclusion import check_is_only_one, secluded

    check_is_only_one(request)
    _check_loop(request)
    async with Sandbox() as sandbox:
        clock = {"opentrain_async._client.core.SystemClock": lambda: sandbox.clock}
        with secluded(monkeypatch, tmp_path_factory, token=sandbox.token, base_url=sandbox.url, replaced=clock):
            yield sandbox


@pytest_asyncio.fixture
async def opentrain_client(opentrain_sandbox: "Sandbox") -> "AsyncIterator[AsyncOpenTrain]":
    """A client of `opentrain_sandbox`, which lives in its time: ``opentrain_sandbox.advance(hours=24)`` moves both.

    Yields:
        The client; closed after the test.
    """
    from .._client.client import AsyncOpenTrain

    sandbox = opentrain_sandbox
    async with AsyncOpenTrain(sandbox.token, base_url=sandbox.url, clock=sandbox.clock) as client:
        yield client


def _check_loop(request: pytest.FixtureRequest) -> None:
    """Fail a test that does not run in the sandbox's event loop: it would wait for answers, and not know for what."""
    test: pytest.Item = request.node
    ours = _loop_scope_of_fixtures(request.config)
    theirs = _loop_scope_of(test) if pytest_asyncio.is_async_test(test) else None
    if theirs is None:
        pytest.fail(
            "opentrain_sandbox answers while an async test runs: write this one as 'async def', and mark it with "
            "@pytest.mark.asyncio (or run pytest-asyncio in its mode 'auto')",
            pytrace=False,
        )
    if theirs != ours:
        pytest.fail(
            f"opentrain_sandbox answers in the event loop of fixtures, of scope {ours!r}, and this test runs in one of "
            f"scope {theirs!r}: give both the same, as by asyncio_default_fixture_loop_scope = {theirs!r}",
            pytrace=False,
        )


def _loop_scope_of_fixtures(config: pytest.Config) -> str:
    scope = str(config.getini("asyncio_default_fixture_loop_scope") or "function")
    return "function" if scope == "fixture-scope" else scope  # "as the fixture's", which is that


def _loop_scope_of(test: pytest.Item) -> str:
    marker = test.get_closest_marker("asyncio")
    marked: Mapping[str, object] = {} if marker is None else marker.kwargs
    return str(marked.get("loop_scope") or marked.get("scope") or test.config.getini("asyncio_default_test_loop_scope"))
