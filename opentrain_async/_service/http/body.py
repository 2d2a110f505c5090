"""Read an answer's body, up to a cap."""

import io

import aiohttp

from .messages import BODY_CAP


class BodyTooLargeError(Exception):
    """The body is larger than the cap."""

    def __init__(self) -> None:
        super().__init__(f"over {BODY_CAP // 1024} KiB")


class CappedContent:
    """The content of an answer, of which nothing is read past the cap. It stands in for aiohttp's own."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        # A cancelled attempt carries the frames of the reading. This shows nothing in them, as bytes would.
        self._received = io.BytesIO()
        self._content = content

    def __getattr__(self, name: str) -> object:
        return getattr(self._content, name)

    @property
    def received(self) -> bytes:
        """What was read."""
        return self._received.getvalue()

    def take(self, body: bytes) -> None:
        """Take a body that was read elsewhere.

        Raises:
            BodyTooLargeError: It is larger than the cap.
        """
        self._received = io.BytesIO()
        self._received.write(body)
        self._check_size()

    async def read(self, _: int = -1) -> bytes:
        """Read to the end.

        Raises:
            BodyTooLargeError: There is more than the cap.
        """
        content = self._content
        while not content.at_eof():
            self._received.write(content.read_nowait() if content.is_eof() else await content.readany())
            self._check_size()
        return self.received

    def _check_size(self) -> None:
        if self._received.tell() > BODY_CAP:
            raise BodyTooLargeError


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
        content.take(await response.read())
        return
    try:
        content.take(await response.read())
    except aiohttp.ClientConnectionError:
        content.take((await response.text("latin-1")).encode("latin-1"))
