"""Waiting until a person has claimed an account, for all who want to know, with one question at a time.

The service's device flow: https://www.opentrain.ai/docs/developers/api-reference/agent-auth/token/ and …/claim/.
"""

import asyncio
import copy
from collections.abc import Awaitable, Callable
from contextlib import suppress

from ..._base.clock import Clock
from ..._base.waiting import Waiter
from ...errors import BadRequestError, ClaimError, ClientClosedError, Effect, OpenTrainError
from ...errors._api import retry_after_of
from ...models import TokenGrant
from ...outcomes._answer_table import is_transient

_INTERVAL = 5.0
"""Seconds between two questions, where the service has not said."""
_SLOWER = 5.0
"""Seconds by which the interval grows when the service asks to slow down, as RFC 8628 has it."""
_UNTIL_NOW = {
    "authorization_pending": "nobody has ended the claim yet",
    "slow_down": "the service wants to be asked less often, and has not said whether somebody has ended the claim",
}
SETTLE_SECONDS = 2.0
"""How long a question under way may take once nobody waits for it any more: its answer may be the token."""


class ClaimWatch:
    """Asks for the token of an account that is being claimed, no sooner than the service wants to be asked.

    Args:
        exchange: Asks once, and takes the new token into use.
        clock: Where time comes from.

    Attributes:
        grant: The token, once it has come.
    """

    def __init__(self, exchange: Callable[[], Awaitable[TokenGrant]], clock: Clock) -> None:
        self.grant: TokenGrant | None = None
        self._exchange = exchange
        self._clock = clock
        self._interval = _INTERVAL
        self._due_at = 0.0
        self._last: OpenTrainError | None = None
        self._may_be_delivered = False
        self._asking = asyncio.Lock()
        self._dozing: set[Waiter] = set()
        self._is_closed = False

    def begin(self, interval: float) -> None:
        """A claim has begun, with this interval between two questions."""
        self._interval, self._due_at = interval, 0.0

    async def wait(self, timeout: float) -> TokenGrant:
        """Ask again and again.

        Raises:
            ClaimError: The claim is over, or was not ended in time.
            OpenTrainError: The service could not be asked.
        """
        ends_at = self._clock.monotonic() + timeout
        while True:
            if (grant := await self._carried_through()) is not None:
                return grant
            if self._last is not None and self._due_at > ends_at:
                raise self._over(copy.copy(self._last)) from self._last.__cause__
            await self._doze()

    async def close(self) -> None:
        """Let those go who wait; a question under way is waited for, for a moment."""
        self._is_closed = True
        for waiter in self._dozing:
            waiter.wake()
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_SECONDS), self._asking:
                pass

    async def _doze(self) -> None:
        """Wait until the next question is due."""
        waiter = Waiter()
        self._dozing.add(waiter)
        try:
            while not self._is_closed and (left := self._due_at - self._clock.monotonic()) > 0:
                await waiter.wait(self._clock, left)
        finally:
            self._dozing.discard(waiter)

    async def _carried_through(self) -> TokenGrant | None:
        """One question; whoever is cancelled meanwhile waits a moment for its answer, which comes only once."""
        asking = asyncio.ensure_future(self._ask())
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            try:
                await asyncio.wait({asking}, timeout=SETTLE_SECONDS)
            finally:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
            raise

    async def _ask(self) -> TokenGrant | None:
        """Ask, unless somebody else has been answered just now; `None` where it is to be asked again."""
        async with self._asking:
            if self.grant is None and self._is_closed:
                raise ClientClosedError("the client was closed meanwhile")
            if self.grant is not None or self._clock.monotonic() < self._due_at:
                return self.grant
            try:
                self.grant = await self._exchange()
            except OpenTrainError as error:
                self._heed(error)
            return self.grant

    def _heed(self, error: OpenTrainError) -> None:
        """Note what an answer that is no token says, and when to ask again.

        Raises:
            ClaimError: It ends the claim.
            OpenTrainError: It will not change.
        """
        code = error.code if isinstance(error, BadRequestError) else None
        was_lost = self._may_be_delivered or error.effect == "unknown"
        self._may_be_delivered = was_lost and code != "authorization_pending"
        if code == "slow_down":
            # More than RFC 8628 asks for: who starts below a server that slows down as well never gets there.
            self._interval = max(self._interval + _SLOWER, 2 * self._interval)
        elif code != "authorization_pending" and not is_transient(error):
            raise self._over(error) from error.__cause__
        self._last = error
        self._due_at = self._clock.monotonic() + max(self._interval, retry_after_of(error) or 0.0)

    def _over(self, error: OpenTrainError) -> OpenTrainError:
        """The error of a claim that is over; one that says nothing of the claim as it is."""
        effect: Effect = "unknown" if self._may_be_delivered else error.effect
        if not isinstance(error, BadRequestError) or error.code is None:
            error.effect = effect
            return error
        text = _UNTIL_NOW.get(error.code, error.message)
        over = ClaimError(text, status=error.status, code=error.code, request_id=error.request_id, raw=error.raw)
        over.operation = error.operation
        over.effect = effect
        return over
