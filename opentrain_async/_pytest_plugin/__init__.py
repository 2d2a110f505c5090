"""The pytest plugin, for the tests of a bot; pytest loads it by the name of this package."""

from .plugin import pytest_configure

__all__ = ["pytest_configure"]
