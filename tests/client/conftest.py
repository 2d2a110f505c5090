"""An account that was registered and waits to be claimed."""

from collections.abc import AsyncIterator

import pytest

from opentrain_async import AsyncOpenTrain
from opentrain_async.models import Registration
from opentrain_async.sandbox import Sandbox

from ..support.peers import AT_ONCE


@pytest.fixture
async def made(sandbox: Sandbox) -> Registration:
    """An account that an agent has made; its tokens are saved."""
    return await AsyncOpenTrain.register(base_url=sandbox.url, clock=sandbox.clock)


@pytest.fixture
async def client(sandbox: Sandbox, made: Registration) -> AsyncIterator[AsyncOpenTrain]:
    """A client of that account, with its saved tokens."""
    async with AsyncOpenTrain(clock=sandbox.clock, retry=AT_ONCE) as client:
        yield client
