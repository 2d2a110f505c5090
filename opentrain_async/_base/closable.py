"""What has to be closed, and is so by the end of a block."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Closable(ABC):
    """Closed by the end of an ``async with`` block, or by `close`, which is also called `aclose`."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @abstractmethod
    async def close(self) -> None:
        """Let go of what is held."""

    async def aclose(self) -> None:
        """The same as `close`, by the name that `contextlib.aclosing` calls."""
        await self.close()
