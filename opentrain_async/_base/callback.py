"""Call the user's functions; an exception from one is logged once and changes nothing."""

import asyncio
from collections.abc import Callable
from inspect import isawaitable
from typing import Generic, TypeVar

from .fenced_log import logger
from .tasks import is_cancelled_by_its_caller

T = TypeVar("T")


class Callback(Generic[T]):
    """A user's function. What it raises is counted, and logged once, and changes nothing.

    Args:
        name: The argument by which the user has passed it.
        function: The function, async or not.
    """

    def __init__(self, name: str, function: Callable[[T], object]) -> None:
        self._name = name
        self._function = function
        self._failures = 0

    def call(self, value: T) -> None:
        """Call a plain function."""
        try:
            self._function(value)
        except (KeyboardInterrupt, SystemExit):
            raise
        # Also a CancelledError, which cancels nothing here, and the BaseException by which a test framework fails.
        except BaseException:
            self._count_failure()

    async def call_and_wait(self, value: T) -> None:
        """Call the function, and await its result if that is awaitable."""
        try:
            answer = self._function(value)
            if isawaitable(answer):
                await answer
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled_by_its_caller(error):
                raise
            self._count_failure()

    def log_failures(self) -> None:
        """Log at the end how often the function raised, if that was more than once."""
        if self._failures > 1:
            logger.warning("%s raised %d times in all", self._name, self._failures)

    def _count_failure(self) -> None:
        self._failures += 1
        if self._failures == 1:
            logger.exception("%s raised; the error changes nothing and is logged once", self._name)
