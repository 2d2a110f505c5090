"""Read an answer's body, up to a cap."""

import aiohttp

from .messages import BODY_CAP


class BodyTooLargeError(Exception):
    """The body is larger than the cap."""

    def __init__(self) -> None:
        super().__init__(f"over {BODY_CAP // 1024} KiB")


class CappedContent:
    """The content of an answer, of which nothing is read past the cap. It stands in for aiohttp's own.

    Attributes:
        received: What was read.
    """

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self.received = b""
        self._content = content

    def __getattr__(self, name: str) -> object:
        return getattr(self._content, name)

    async def read(self, _: int = -1) -> bytes:
        """Read to the end.

        Raises:
            BodyTooLargeError: There is more than the cap.
        """
        content = self._content
        while not content.at_eof():
            self.received += content.read_nowait() if content.is_eof() else await content.readany()
            if len(self.received) > BODY_CAP:
                raise BodyTooLargeError
        return self.received


async def read_as_its_owner(response: object, content: CappedContent) -> None:
    """Read the body by `response.read`, so that the session's tracers see it.

    A tracer or middleware may have read it before; then the response still has it, even if it was released. The
    response of a session that makes its own, as in a test, may have a content alone.

    Raises:
        BodyTooLargeError: The body is larger than the cap.
    """
    if not isinstance(response, aiohttp.ClientResponse):
        await content.read()
        return
    if not response.content.at_eof():
        response.content = content  # type: ignore[assignment]
        content.received = await response.read()
        return
    try:
        content.received = await response.read()
    except aiohttp.ClientConnectionError:
        content.received = (await response.text("latin-1")).encode("latin-1")
    if len(content.received) > BODY_CAP:
        raise BodyTooLargeError
