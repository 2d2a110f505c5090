"""Ask the service once who the caller is, for all that need to know."""

from collections.abc import Callable, Coroutine
from typing import Any

from ..._base.tasks import SharedTask, SharedTaskCancelledError
from ...errors import ClientClosedError, OpenTrainError
from ...errors._tree import own_copy
from ...models import Identity


class KnownIdentity:
    """The answer of `whoami`: asked for when it is first needed, and then kept.

    All callers share one request. A failure is raised for all who wait for it, and the next caller asks again.

    Args:
        ask: Asks the service.
    """

    def __init__(self, ask: Callable[[], Coroutine[Any, Any, Identity]]) -> None:
        self._ask = ask
        self._question: SharedTask[Identity] | None = None

    async def get(self) -> Identity:
        """Return the identity.

        Raises:
            OpenTrainError: The service could not be asked, or refused.
        """
        if self._question is None or not self._question.is_joinable:
            self._question = SharedTask(self._ask())
        try:
            return await self._question.result()
        except OpenTrainError as error:
            raise own_copy(error) from error.__cause__
        except SharedTaskCancelledError:
            raise ClientClosedError("the client was closed meanwhile") from None

    def forget(self) -> None:
        """Ask again when the identity is next needed; a question in flight is recent enough."""
        if self._question is not None and not self._question.is_running:
            self._question = None

    async def close(self) -> None:
        """Cancel the question, if one is in flight."""
        if self._question is not None and self._question.is_running and self._question.is_joinable:
            await self._question.cancel()
