"""A budget that bounds how much retries multiply the load of an outage."""

import asyncio

_FULL = 10.0
_EARNED_BY_A_CALL = 0.1


class RetryBudget:
    """Tokens for the retries of one client: a retry takes one, and returns it if it succeeds.

    Each call earns a tenth of a token, up to ten. So a service that fails now and then is retried freely, and one that
    fails throughout gets little more load than without any retry. A retry that finds no token waits while another
    retry may still return its own; the budget is empty only when none is in flight.
    """

    def __init__(self) -> None:
        self._tokens = _FULL
        self._lent = 0
        self._returned = asyncio.Event()

    def earn(self) -> None:
        """Count a call."""
        if self._tokens < _FULL:
            self._tokens = min(_FULL, self._tokens + _EARNED_BY_A_CALL)

    async def draw(self) -> bool:
        """Take a token for a retry, which must give it back; return `False` if the budget is empty."""
        while self._tokens < 1:
            if not self._lent:
                return False
            await self._returned.wait()
        self._tokens -= 1
        self._lent += 1
        return True

    def give_back(self, *, succeeded: bool) -> None:
        """End a retry for which a token was drawn."""
        self._lent -= 1
        if succeeded:
            self._tokens = min(_FULL, self._tokens + 1)
        self._returned.set()
        self._returned = asyncio.Event()
