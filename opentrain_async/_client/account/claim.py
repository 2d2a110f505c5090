"""Wait until a person has claimed an account, with one question at a time for all callers.

The service's device flow: https://www.opentrain.ai/docs/developers/api-reference/agent-auth/token/ and …/claim/.
"""

import copy
from collections.abc import Awaitable, Callable

from ..._base.clock import Clock
from ..._base.tasks import SharedTask, SharedTaskCancelledError
from ..._base.waiting import Waiter
from ...errors import BadRequestError, ClaimError, ClientClosedError, Effect, OpenTrainError
from ...errors._api import retry_after_of
from ...errors._tree import own_copy
from ...models import TokenGrant
from ...outcomes._answer_table import is_transient

_INTERVAL, _LIFETIME = 5.0, 1800.0
"""Seconds between two questions, and for which a claim is valid, where the service names neither."""
_SHORTEST_INTERVAL = 1.0
_LOOKS, _SLOW_LOOKS = 2, 10
"""How often a claim is looked at in its lifetime at least: at the service's interval, and when it asks to slow down."""
_SLOWER = 5.0
"""Seconds by which the interval grows when the service asks to slow down, as RFC 8628 has it."""
_UNTIL_NOW = {
    "authorization_pending": "nobody has ended the claim yet",
    "slow_down": "the service wants to be asked less often, and has not said whether somebody has ended the claim",
}
SETTLE_SECONDS = 2.0
"""Seconds that a question in flight may take once its last caller has left: its answer may be the token."""


class ClaimWatch:
    """Asks for the token of an account that is being claimed, never sooner than the service allows.

    All callers share one question at a time.

    Args:
        exchange: Asks once, and starts to use the new token.
        clock: The clock for intervals and timeouts.

    Attributes:
        grant: The token, once it has come.
    """

    def __init__(self, exchange: Callable[[], Awaitable[TokenGrant]], clock: Clock) -> None:
        self.grant: TokenGrant | None = None
        self._exchange = exchange
        self._clock = clock
        self._interval, self._longest = _INTERVAL, _LIFETIME / _SLOW_LOOKS
        self._due_at = 0.0
        self._last: OpenTrainError | None = None
        self._may_be_delivered = False
        self._question: SharedTask[None] | None = None
        self._sleeping: set[Waiter] = set()
        self._is_closed = False

    def begin(self, interval: float, lifetime: float) -> None:
        """Begin a claim.

        Args:
            interval: The seconds between two questions, as the service names them. Fewer than one count as one; more
                than half of the lifetime count as that half.
            lifetime: The seconds for which the claim is valid.
        """
        # The service decides on both. It must not make the client flood it, nor miss the end of the claim.
        self._interval = max(_SHORTEST_INTERVAL, min(interval, lifetime / _LOOKS))
        self._longest = max(self._interval, lifetime / _SLOW_LOOKS)
        self._due_at = 0.0

    async def wait(self, timeout: float) -> TokenGrant:
        """Ask until the token comes.

        Raises:
            ClaimError: The claim has ended, or was not approved in time.
            OpenTrainError: The service could not be asked.
        """
        ends_at = self._clock.monotonic() + timeout
        while True:
            await self._ask_if_due()
            if self.grant is not None:
                return self.grant
            if self._last is not None and self._due_at > ends_at:
                raise self._over(copy.copy(self._last)) from self._last.__cause__
            await self._sleep_until_due()

    async def close(self) -> None:
        """Wake all who wait; give a question in flight a moment for its answer."""
        self._is_closed = True
        for waiter in self._sleeping:
            waiter.wake()
        if self._question is not None and self._question.is_running:
            await self._question.wait(SETTLE_SECONDS)

    async def _sleep_until_due(self) -> None:
        waiter = Waiter()
        self._sleeping.add(waiter)
        try:
            while not self._is_closed and (left := self._due_at - self._clock.monotonic()) > 0:
                await waiter.wait(self._clock, left)
        finally:
            self._sleeping.discard(waiter)

    async def _ask_if_due(self) -> None:
        """Ask once, or join the question in flight.

        The last caller to be cancelled waits a moment for the answer, because the token comes only once.
        """
        while True:
            question = self._question
            if question is None or not question.is_running:
                if self.grant is None and self._is_closed:
                    raise ClientClosedError("the client was closed meanwhile")
                if self.grant is not None or self._clock.monotonic() < self._due_at:
                    return None
                question = self._question = SharedTask(self._ask(), grace=SETTLE_SECONDS)
            try:
                return await question.result()
            except OpenTrainError as error:
                raise own_copy(error) from error.__cause__
            except SharedTaskCancelledError:
                pass  # its last caller had left: ask again

    async def _ask(self) -> None:
        try:
            self.grant = await self._exchange()
        except OpenTrainError as error:
            self._note(error)

    def _note(self, error: OpenTrainError) -> None:
        """Note what an answer without a token means, and when to ask again.

        Raises:
            ClaimError: The answer ends the claim.
            OpenTrainError: The answer will not change.
        """
        code = error.code if isinstance(error, BadRequestError) else None
        was_lost = self._may_be_delivered or error.effect == "unknown"
        self._may_be_delivered = was_lost and code != "authorization_pending"
        if code == "slow_down":
            # More than RFC 8628 asks for: the interval of a server that slows down as well would never be reached.
            self._interval = min(max(self._interval + _SLOWER, 2 * self._interval), self._longest)
        elif code != "authorization_pending" and not is_transient(error):
            raise self._over(error) from error.__cause__
        self._last = error
        self._due_at = self._clock.monotonic() + max(self._interval, retry_after_of(error) or 0.0)

    def _over(self, error: OpenTrainError) -> OpenTrainError:
        """Return the error of a claim that has ended; return an error that says nothing of the claim unchanged."""
        effect: Effect = "unknown" if self._may_be_delivered else error.effect
        if not isinstance(error, BadRequestError) or error.code is None:
            error.effect = effect
            return error
        text = _UNTIL_NOW.get(error.code, error.message)
        over = ClaimError(text, status=error.status, code=error.code, request_id=error.request_id, raw=error.raw)
        over.operation = error.operation
        over.effect = effect
        return over
