"""What callers want to be told, and cannot do harm with."""

import asyncio
import logging
from collections.abc import Callable
from inspect import isawaitable
from typing import Generic, TypeVar

from .._publish.source import is_cancelled_by_its_caller

T = TypeVar("T")

_logger = logging.getLogger("opentrain_async")


class Callback(Generic[T]):
    """A caller's function, async or not: what it raises is counted, and logged once, and changes nothing.

    Args:
        name: What the caller knows it by.
        function: The function.
    """

    def __init__(self, name: str, function: Callable[[T], object]) -> None:
        self._name = name
        self._function = function
        self._failures = 0

    async def tell(self, value: T) -> None:
        """Call it, and await what it returns if that can be awaited."""
        try:
            answer = self._function(value)
            if isawaitable(answer):
                await answer
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled_by_its_caller(error):
                raise
            self._failures += 1
            if self._failures == 1:
                _logger.exception("%s raised; the run goes on, and this is said once", self._name)

    def sum_up(self) -> None:
        """Say at the end how often it raised, where that was more than once."""
        if self._failures > 1:
            _logger.warning("%s raised %d times in all", self._name, self._failures)
