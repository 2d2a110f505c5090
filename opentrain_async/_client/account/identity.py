"""Who the caller is, asked once."""

import asyncio
import copy
from collections.abc import Awaitable, Callable

from ..._base.tasks import ended, is_cancelled_by_its_caller
from ...errors import ClientClosedError, OpenTrainError
from ...models import Identity


class KnownIdentity:
    """The answer of `whoami`, asked for when it is first needed and then kept; one request for all who need it.

    A failure is told to all who waited for it, and the next one asks again.

    Args:
        ask: Asks the service.
    """

    def __init__(self, ask: Callable[[], Awaitable[Identity]]) -> None:
        self._ask = ask
        self._asking: asyncio.Task[Identity] | None = None
        self._waiting = 0

    async def get(self) -> Identity:
        """The identity.

        Raises:
            OpenTrainError: It is not to be had.
        """
        if self._asking is None:
            self._asking = asyncio.ensure_future(self._ask_once())
            self._asking.add_done_callback(self._note)
        asking = self._asking
        self._waiting += 1
        try:
            return await asyncio.shield(asking)
        except OpenTrainError as error:
            raise copy.copy(error) from error.__cause__
        except asyncio.CancelledError as error:
            if asking.cancelled() and not is_cancelled_by_its_caller(error):
                raise ClientClosedError("the client was closed meanwhile") from None
            raise
        finally:
            self._waiting -= 1
            if not self._waiting and not asking.done():
                self._asking = None
                asking.cancel()
                await ended(asking)

    def forget(self) -> None:
        """Ask anew when it is needed again; what is being asked just now is new enough."""
        if self._asking is not None and self._asking.done():
            self._asking = None

    async def close(self) -> None:
        """End the question, if one is under way."""
        if self._asking is not None and not self._asking.done():
            self._asking.cancel()
            await asyncio.wait({self._asking})

    async def _ask_once(self) -> Identity:
        return await self._ask()

    def _note(self, asked: "asyncio.Task[Identity]") -> None:
        if (asked.cancelled() or asked.exception() is not None) and self._asking is asked:
            self._asking = None
