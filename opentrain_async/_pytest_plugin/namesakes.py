"""Fixtures of the same names that ask for pytest-asyncio where it is absent or switched off."""

import pytest


@pytest.fixture
def opentrain_sandbox() -> None:
    """A local OpenTrain; needs pytest-asyncio."""
    pytest.fail(
        "opentrain_sandbox needs pytest-asyncio, which is absent or switched off: pip install pytest-asyncio",
        pytrace=False,
    )


@pytest.fixture
def opentrain_client(opentrain_sandbox: None) -> None:
    """A client of `opentrain_sandbox`; needs pytest-asyncio."""
