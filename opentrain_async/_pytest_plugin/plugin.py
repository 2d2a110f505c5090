"""Register the fixtures `opentrain_sandbox`, `opentrain_client` and `opentrain_aioresponses` with pytest.

pytest imports this module at the start of every run in an environment that has the library, whatever is tested there.
So it imports nothing that pytest has not loaded already; the fixtures import the rest of the library when a test asks
for them.
"""

import pytest

_NAMES_OF_PYTEST_ASYNCIO = ("asyncio", "pytest_asyncio.plugin")
"""The name of its entry point, and the name of its module, for runs that load no entry points."""


def pytest_configure(config: pytest.Config) -> None:
    """Register the fixtures; without pytest-asyncio, fixtures of the same names that say what is missing."""
    from . import responses

    plugins = config.pluginmanager
    plugins.register(responses)
    if any(plugins.has_plugin(name) for name in _NAMES_OF_PYTEST_ASYNCIO):
        from . import fixtures

        plugins.register(fixtures)
    else:
        from . import namesakes

        plugins.register(namesakes)
