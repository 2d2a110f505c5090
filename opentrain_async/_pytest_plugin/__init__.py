"""The pytest plugin: `opentrain_sandbox`, `opentrain_client` and `opentrain_aioresponses`, for the tests of a bot.

pytest imports this at the start of every run in an environment that has the library, whatever is tested there. So
neither this nor what it imports brings in anything that is not there already; the fixtures import the rest of the
library when a test asks for them.
"""

import pytest

_NAMES_OF_PYTEST_ASYNCIO = ("asyncio", "pytest_asyncio.plugin")
"""That of its entry point, and that by which it is loaded where plugins are not loaded by themselves."""


def pytest_configure(config: pytest.Config) -> None:
    """Register the fixtures; where nobody would run the async ones, their namesakes that say so."""
    from . import responses

    plugins = config.pluginmanager
    plugins.register(responses)
    if any(plugins.has_plugin(name) for name in _NAMES_OF_PYTEST_ASYNCIO):
        from . import fixtures

        plugins.register(fixtures)
    else:
        from . import namesakes

        plugins.register(namesakes)
