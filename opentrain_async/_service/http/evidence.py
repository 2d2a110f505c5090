"""Find out whether anything of a request was sent, over a session whose pool and hooks are its owner's."""

import sys
from types import TracebackType

import aiohttp.client
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import BytesPayload
from multidict import CIMultiDict

_LIBRARIES = {"aiohappyeyeballs", "aiohttp", "frozenlist", "multidict", "propcache", "uvloop", "yarl"}


class WatchedBody(BytesPayload):
    """A request's body that knows whether it was sent. aiohttp keeps the headers back until the body is written.

    Attributes:
        has_begun: True once something was written to the connection, if only the headers.
        times_begun: How often the request was sent.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.has_begun = False
        self.times_begun = 0
        self._is_taken = False
        self._was_left = False

    @property
    def headers(self) -> CIMultiDict[str]:
        """The body's own headers. aiohttp asks for them when it makes its request of this body."""
        self._is_taken = True
        return super().headers

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write the body."""
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Write as many bytes of the body, and note that the request is being sent."""
        had_begun, self.has_begun = self.has_begun, True
        self.times_begun += 1
        try:
            await super().write_with_length(writer, content_length)
        except BaseException:
            self.has_begun = had_begun or writer.output_size > 0  # a tracer may raise before the first byte
            raise

    async def close(self) -> None:
        """Note who closes the body: aiohttp, because the request failed, or a middleware, which replaces it."""
        error = sys.exc_info()[1]
        self._was_left = error is not None and _is_of_aiohttp(error.__traceback__)
        await super().close()

    def was_sent(self, error: BaseException) -> bool | None:
        """Return whether anything was sent by the request that ended with this error; `None` if that is not known."""
        if self.has_begun:
            return True
        if not passed_aiohttp(error):
            return None
        # A body that was taken and not left is one that a middleware has replaced: by one that may have been sent.
        return self._is_taken and not self._was_left


def passed_aiohttp(error: BaseException) -> bool:
    """Return whether an error came through aiohttp's own request, and not out of what stands in for it in a test."""
    traceback = error.__traceback__
    while traceback is not None and not _is_of_aiohttp(traceback):
        traceback = traceback.tb_next
    return traceback is not None


def root_of(error: BaseException) -> BaseException:
    """Return the error that was raised first, where others were raised from it."""
    *_, root = _chain_of(error)
    return root


def is_raised_by_hook(error: BaseException) -> bool:
    """Return whether code that is not the network library's has raised an error: a tracer, middleware or resolver.

    The standard library raises for whichever of them has called it.
    """
    last = ""
    for cause in _chain_of(error):
        traceback = cause.__traceback__
        while traceback is not None:
            package = _module_of(traceback).partition(".")[0]
            last = last if package in sys.stdlib_module_names else package
            traceback = traceback.tb_next
    return last not in _LIBRARIES


def _chain_of(error: BaseException) -> list[BaseException]:
    """Return the error and its causes, each once: a hook may have made a circle of them."""
    chain: dict[int, BaseException] = {}
    cause: BaseException | None = error
    while cause is not None and id(cause) not in chain:
        chain[id(cause)] = cause
        cause = cause.__cause__
    return [*chain.values()]


def _is_of_aiohttp(traceback: TracebackType | None) -> bool:
    return traceback is not None and _module_of(traceback) == aiohttp.client.__name__


def _module_of(traceback: TracebackType) -> str:
    return str(traceback.tb_frame.f_globals.get("__name__", ""))
