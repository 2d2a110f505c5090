"""A user's function harms nothing by what it raises."""

import asyncio

import pytest

from opentrain_async._base.callback import Callback


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
async def test_a_callback_may_end_the_process(kind: type[BaseException]) -> None:
    """What is no error of the callback's is nothing to be logged and forgotten."""
    callback = Callback[object]("on_outcome", lambda _: (_ for _ in ()).throw(kind))
    with pytest.raises(kind):
        await callback.call_and_wait(None)
    with pytest.raises(kind):
        callback.call(None)


async def test_what_a_callback_raises_is_logged_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    """By the name of the argument, whether it is async or not."""

    async def fails(value: str) -> None:
        raise LookupError(value)

    callback = Callback("on_outcome", fails)
    for value in "abc":
        await callback.call_and_wait(value)
    callback.log_failures()
    first, last = caplog.records
    assert first.getMessage() == "on_outcome raised; the error changes nothing and is logged once"
    assert first.exc_text is not None
    assert "LookupError: a" in first.exc_text
    assert last.getMessage() == "on_outcome raised 3 times in all"


async def test_a_callback_that_raised_once_is_not_summed_up(caplog: pytest.LogCaptureFixture) -> None:
    """One line says it all; and one that never raised is not spoken of."""
    Callback("on_outcome", print).log_failures()
    callback = Callback[int]("on_event", lambda number: 1 // number)
    callback.call(0)
    callback.call(1)
    callback.log_failures()
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_the_cancellation_of_its_caller_passes_through_a_callback() -> None:
    """And one that it raises by itself does not."""

    async def waits(seconds: float) -> None:
        if not seconds:
            raise asyncio.CancelledError
        await asyncio.sleep(seconds)

    callback = Callback("on_progress", waits)
    await callback.call_and_wait(0)
    task = asyncio.create_task(callback.call_and_wait(3600))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
