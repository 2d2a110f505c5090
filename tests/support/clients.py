"""How tests come by clients."""

from collections.abc import Callable

from opentrain_async import AsyncOpenTrain

Connect = Callable[..., AsyncOpenTrain]
"""The fixture `connect`: makes clients of a sandbox, and closes them after the test."""
