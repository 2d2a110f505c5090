"""Waiting until a person has claimed an account, and going on with the token that it gets then.

The service's device flow: https://www.opentrain.ai/docs/developers/api-reference/agent-auth/token/ and …/claim/.
"""

import asyncio
from collections.abc import Awaitable, Callable

from ._answers import is_transient
from ._clock import Clock
from ._retry_after import asked_by
from .errors import BadRequestError, ClaimError, Effect, OpenTrainError
from .models import TokenGrant

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
    """Asks for the token of an account that is being claimed.

    Args:
        exchange: Asks once, and takes the new token into use.
        clock: Where time comes from.
    """

    def __init__(self, exchange: Callable[[], Awaitable[TokenGrant]], clock: Clock) -> None:
        self._exchange = exchange
        self._clock = clock
        self._may_be_delivered = False

    async def wait(self, interval: float | None, timeout: float) -> TokenGrant:
        """Ask again and again, no sooner than the service wants to be asked.

        Raises:
            ClaimError: The claim is over, or was not ended in time.
            OpenTrainError: The service could not be asked.
        """
        interval = interval or _INTERVAL
        ends_at = self._clock.monotonic() + timeout
        while True:
            try:
                return await self._carried_through()
            except OpenTrainError as error:
                code = error.code if isinstance(error, BadRequestError) else None
                was_lost = self._may_be_delivered or error.effect == "unknown"
                self._may_be_delivered = was_lost and code != "authorization_pending"
                if code == "slow_down":
                    # More than RFC 8628 asks for: who starts below a server that slows down as well never gets there.
                    interval = max(interval + _SLOWER, 2 * interval)
                elif code != "authorization_pending" and not is_transient(error):
                    raise self._over(error) from error.__cause__
                pause = max(interval, asked_by(error) or 0.0)
                if self._clock.monotonic() + pause > ends_at:
                    raise self._over(error) from error.__cause__
            await self._clock.sleep(pause)

    async def _carried_through(self) -> TokenGrant:
        """One question; whoever is cancelled meanwhile waits a moment for its answer, which comes only once."""
        asking = asyncio.ensure_future(self._exchange())
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            try:
                await asyncio.wait({asking}, timeout=SETTLE_SECONDS)
            finally:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
            raise

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
