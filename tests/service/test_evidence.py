"""A body knows whether it was sent, and an error who raised it."""

import asyncio
from contextlib import suppress
from itertools import pairwise
from typing import Any
from unittest import mock

import pytest
from aiohttp.abc import AbstractStreamWriter

from opentrain_async._service.http.evidence import WatchedBody, is_raised_by_hook, passed_aiohttp, root_of


class HookError(Exception):
    """Raised by a session's own code."""


class Writer(AbstractStreamWriter):
    """Takes what it is given to write, or raises."""

    def __init__(self, *, fails_after: int | None = None) -> None:
        self.output_size = 0
        self._fails_after = fails_after

    async def write(self, chunk: "bytes | bytearray | memoryview[int]") -> None:
        self.output_size += len(chunk) if self._fails_after is None else self._fails_after
        if self._fails_after is not None:
            raise HookError("boom")

    write_eof = drain = write_headers = mock.AsyncMock()
    enable_compression = enable_chunking = mock.Mock()


@pytest.mark.parametrize(("fails_after", "has_begun"), [(None, True), (0, False), (5, True)])
async def test_a_body_knows_whether_it_was_written(fails_after: int | None, has_begun: bool) -> None:
    """In part or whole, by either way in which aiohttp has bodies write themselves."""
    body = WatchedBody(b"content")
    with suppress(HookError):
        await body.write(Writer(fails_after=fails_after))
    assert body.has_begun is has_begun
    with suppress(HookError):
        await body.write_with_length(Writer(fails_after=0), 3)
    assert body.has_begun is has_begun, "it was written before"


async def caught_of(raises: object) -> Exception:
    """The error that this raises, with its frames."""
    try:
        await raises  # type: ignore[misc]
    except Exception as error:
        return error
    raise AssertionError


async def raises_a_hook_error() -> None:
    raise HookError("boom")


async def raises_from_another() -> None:
    try:
        await raises_a_hook_error()
    except HookError as error:
        raise OSError("boom") from error


async def test_an_error_is_its_root_s() -> None:
    """A library that translates an error of a hook has not raised it."""
    error = await caught_of(raises_from_another())
    assert type(root_of(error)) is HookError
    assert is_raised_by_hook(error)


@pytest.mark.parametrize(("caller", "is_hook"), [("aiohttp.connector", False), ("hooks.of.a.bot", True)])
async def test_an_error_of_the_standard_library_is_its_callers(caller: str, is_hook: bool) -> None:
    """Such as of ssl, called by aiohttp, or of json, called by a hook."""
    module: dict[str, Any] = {"__name__": caller, "asyncio": asyncio}
    exec("async def wait():\n    await asyncio.wait_for(asyncio.Event().wait(), 0)", module)  # noqa: S102
    assert is_raised_by_hook(await caught_of(module["wait"]())) is is_hook


async def test_an_error_without_frames_proves_nothing() -> None:
    """It did not pass aiohttp, and a hook may have made it."""
    assert not passed_aiohttp(HookError("boom"))
    assert is_raised_by_hook(HookError("boom"))
    assert WatchedBody(b"").was_sent(HookError("boom")) is None


@pytest.mark.parametrize("length", [1, 2, 3, 100_000])
def test_errors_that_are_each_other_s_cause_are_looked_at_once(length: int) -> None:
    """A hook can raise such a circle, and must not stop the event loop by it."""
    errors = [HookError(str(number)) for number in range(length)]
    for cause, error in pairwise([*errors, errors[0]]):
        error.__cause__ = cause
    assert root_of(errors[-1]) is errors[0]
    assert is_raised_by_hook(errors[-1])
    errors[0].__cause__ = None  # a circle is collected late
