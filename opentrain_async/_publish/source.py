"""Share one source of job ids among many workers."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sized
from typing import cast

from .._base.secret import Secret
from .._base.tasks import is_cancelled_by_its_caller
from .._base.text import exact_str
from ..errors import ConfigurationError
from ..errors._refusing import RefusedId, read_job_id


class Source:
    """An iterator that many tasks take from, one item each; of an iterable or an async iterable.

    Each item comes out as a checked id, or as a `RefusedId`: an item that is not an id may be a token.

    What the iterable raises ends it for all of them and is kept as `failure`. The iterable itself is borrowed: a
    generator that was not read to its end is its maker's to close.

    Args:
        job_ids: The ids. A string is refused: it would be read as ids of one letter each.
        distinct: Leave out strings that were there before, which takes memory for each.
        own_token: Returns the client's token, which is not an id.

    Raises:
        ConfigurationError: It cannot be iterated.
    """

    def __init__(
        self, job_ids: object, *, distinct: bool, own_token: Callable[[], Secret | None] = lambda: None
    ) -> None:
        if isinstance(job_ids, str | bytes) or not isinstance(job_ids, Iterable | AsyncIterable):
            raise ConfigurationError(
                f"job_ids has to be an iterable or async iterable of job ids, not {type(job_ids).__name__}"
            )
        is_async = isinstance(job_ids, AsyncIterable)
        self.failure: Exception | None = None
        self._async_items = aiter(cast("AsyncIterable[object]", job_ids)) if is_async else None
        self._items = iter(()) if is_async else iter(cast("Iterable[object]", job_ids))
        self._seen: set[str | Secret] | None = set() if distinct else None
        self._own_token = own_token
        self._lock = asyncio.Lock()
        self._is_over = False
        self._reader: asyncio.Task[object] | None = None
        self._length = len(job_ids) if isinstance(job_ids, Sized) else None
        self._left_out = 0

    @property
    def total(self) -> int | None:
        """How many items there are, without what was left out so far; `None` where the iterable does not say."""
        return None if self._length is None else self._length - self._left_out

    def end(self) -> None:
        """Give out nothing more, also to a task that waits for an item just now."""
        if self._reader is not None and not self._is_over and self._reader is not asyncio.current_task():
            self._reader.cancel()
        self._is_over = True

    def __aiter__(self) -> "Source":
        return self

    async def __anext__(self) -> str | RefusedId:
        while not self._is_over:
            try:
                item = next(self._items) if self._async_items is None else await self._next_of(self._async_items)
            except (StopIteration, StopAsyncIteration):
                break
            except (Exception, asyncio.CancelledError) as error:
                if is_cancelled_by_its_caller(error):
                    raise
                self.failure = error if isinstance(error, Exception) else RuntimeError("the source was cancelled")
                break
            job_id = read_job_id(item, self._own_token())
            if self._seen is None or (known := _known_as(job_id, item)) is None:
                return job_id
            if known not in self._seen:
                self._seen.add(known)
                return job_id
            self._left_out += 1
        self._is_over = True
        raise StopAsyncIteration

    async def _next_of(self, items: AsyncIterator[object]) -> object:
        """One item for one task: an async generator cannot be asked twice at once."""
        async with self._lock:
            if self._is_over:
                raise StopAsyncIteration
            self._reader = asyncio.current_task()
            try:
                return await anext(items)
            except asyncio.CancelledError:
                if not self._is_over or self._reader is None or self._reader.uncancel():
                    raise
                raise StopAsyncIteration from None
            finally:
                self._reader = None


def _known_as(job_id: str | RefusedId, item: object) -> str | Secret | None:
    """Return what tells an item from others: its text; `None` for an item without one."""
    if isinstance(job_id, str):
        return job_id
    text = exact_str(item)
    return None if text is None else Secret(text)
