"""A bound on how much retrying may multiply an outage."""

import asyncio

_FULL = 10.0
_EARNED_BY_A_CALL = 0.1


class RetryBudget:
    """Tokens for the retries of one client: a retry takes one, and gives it back if it succeeds.

    Each call earns a tenth of a token, up to ten. So a service that fails now and then is retried freely, and one
    that fails throughout is asked little more often than without any retry. While a retry under way may still
    give its token back, those that find none wait for it; only when none is under way is the budget empty.
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
        """Take a token for a retry, which is then to be returned; `False` if there is none to be had."""
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
