"""The fixture `opentrain_aioresponses`, for tests that replace aiohttp's requests."""

from collections.abc import Iterator
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from aioresponses import aioresponses

_TOKEN = "ot_pat_of_a_test"  # noqa: S105 - nobody's


@pytest.fixture
def opentrain_aioresponses(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[aioresponses]":
    """An ``aioresponses()``, for as long as the test lasts, that works with this library's aiohttp.

    ``AsyncOpenTrain()`` has a token that is nobody's, and asks the service's own origin, which only the answers given
    here stand for. Needs the package aioresponses.

    Yields:
        What the answers are added to, as by ``.post(url, payload=…)``.
    """
    try:
        core = import_module("aioresponses.core")
    except ModuleNotFoundError:
        pytest.fail("opentrain_aioresponses needs aioresponses: pip install aioresponses", pytrace=False)
    from unittest.mock import Mock

    from .._client.account.settings import DEFAULT_BASE_URL
    from .seclusion import check_is_only_one, secluded

    check_is_only_one(request)
    # Since 3.14 a response of aiohttp's has to be given the writer of its request, of which aioresponses does not know.
    with_writer = partial(core.ClientResponse, stream_writer=Mock(output_size=0))
    response = {"aioresponses.core.ClientResponse": with_writer}
    with (
        secluded(monkeypatch, tmp_path_factory, token=_TOKEN, base_url=DEFAULT_BASE_URL, replaced=response),
        core.aioresponses() as responses,
    ):
        yield responses
