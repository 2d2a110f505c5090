"""Tasks that end, that are shared, and that are cancelled."""

import asyncio
from contextlib import aclosing

import pytest

from opentrain_async._base.tasks import (
    Closable,
    SharedTask,
    SharedTaskCancelledError,
    ended,
    is_cancelled_by_its_caller,
)

from ..support.waiting import until


class Door(Closable):
    """Counts how often it was closed."""

    closed = 0

    async def close(self) -> None:
        self.closed += 1


async def test_a_block_and_aclosing_both_close() -> None:
    """`aclose` is the name that the standard library calls."""
    async with Door() as door:
        assert door.closed == 0
    async with aclosing(door):
        pass
    assert door.closed == 2


async def test_a_cancelled_caller_waits_for_the_end_once() -> None:
    """The first cancellation waits for the task that is ending; the second one does not."""
    may_end = asyncio.Event()
    ending = asyncio.create_task(may_end.wait())
    first, second = (asyncio.create_task(ended(ending)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    second.cancel()
    await asyncio.sleep(0)
    assert not first.done()
    second.cancel()
    await asyncio.wait({second})
    assert second.cancelled()
    may_end.set()
    await asyncio.wait({first})
    assert first.cancelled()
    assert ending.done()


async def test_a_cancellation_of_foreign_code_is_told_from_the_task_s_own() -> None:
    """Code that raises `CancelledError` by itself has cancelled nobody."""
    assert not is_cancelled_by_its_caller(asyncio.CancelledError())
    seen: list[bool] = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            seen.append(is_cancelled_by_its_caller(error))
            raise

    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert seen == [True]


async def test_callers_of_a_shared_task_have_one_result() -> None:
    """The work is done once, and a caller that comes later gets the same."""
    runs: list[int] = []

    async def work() -> int:
        runs.append(1)
        await asyncio.sleep(0)
        return 5

    shared = SharedTask(work())
    assert list(await asyncio.gather(shared.result(), shared.result())) == [5, 5]
    assert shared.is_joinable
    assert not shared.is_running
    assert (await shared.result(), runs) == (5, [1])


async def test_a_caller_that_leaves_disturbs_no_other() -> None:
    """The task goes on for those who wait."""
    go_on = asyncio.Event()

    async def work() -> str:
        await go_on.wait()
        return "done"

    shared = SharedTask(work())
    leaving, staying = (asyncio.create_task(shared.result()) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait({leaving})
    assert leaving.cancelled()
    go_on.set()
    assert await staying == "done"


async def test_the_last_caller_to_leave_ends_the_task() -> None:
    """It is cancelled, and has ended when that caller has; the next caller has to begin anew."""
    cleaned: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append("up")

    shared = SharedTask(work())
    caller = asyncio.create_task(shared.result())
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait({caller})
    assert cleaned == ["up"]
    assert not shared.is_joinable


async def test_the_last_caller_waits_for_the_result_within_the_grace() -> None:
    """A result that comes then is there for the next caller."""
    go_on = asyncio.Event()

    async def work() -> str:
        await go_on.wait()
        return "token"

    shared = SharedTask(work(), grace=30.0)
    caller = asyncio.create_task(shared.result())
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.sleep(0)
    assert not caller.done()
    go_on.set()
    await asyncio.wait({caller})
    assert caller.cancelled()
    assert await shared.result() == "token"


async def test_who_joins_during_the_grace_keeps_the_task_alive() -> None:
    """The grace is over, and there is a caller again."""
    go_on = asyncio.Event()

    async def work() -> str:
        await go_on.wait()
        return "token"

    shared = SharedTask(work(), grace=0.01)
    first = asyncio.create_task(shared.result())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    second = asyncio.create_task(shared.result())
    await until(first.done)
    assert shared.is_running
    go_on.set()
    assert await second == "token"


async def test_a_task_that_its_owner_cancels_is_no_cancellation_of_its_callers() -> None:
    """They are told by an error of their own."""
    shared = SharedTask(asyncio.Event().wait())
    caller = asyncio.create_task(shared.result())
    await asyncio.sleep(0)
    await shared.cancel()
    with pytest.raises(SharedTaskCancelledError):
        await caller
    assert not shared.is_joinable


async def test_a_failure_is_each_caller_s_and_ends_the_task() -> None:
    """The next caller has to begin anew."""

    async def work() -> None:
        raise LookupError("no")

    shared = SharedTask(work())
    for caller in [asyncio.create_task(shared.result()) for _ in range(2)]:
        with pytest.raises(LookupError):
            await caller
    assert not shared.is_joinable


async def test_a_task_can_be_waited_for_a_while() -> None:
    """Without its result, and without cancelling it."""
    go_on = asyncio.Event()
    shared = SharedTask(go_on.wait())
    await shared.wait(0.001)
    assert shared.is_running
    go_on.set()
    await shared.wait(30)
    assert not shared.is_running


async def test_a_task_that_was_left_is_cancelled_once() -> None:
    """A caller that comes while it cleans up, and leaves again, does not cut that short."""
    may_end, cleaned = asyncio.Event(), []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await may_end.wait()
            cleaned.append("up")

    shared = SharedTask(work())
    first = asyncio.create_task(shared.result())
    await asyncio.sleep(0)
    first.cancel()
    await until(lambda: not shared.is_joinable)
    second = asyncio.create_task(shared.result())
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    assert not second.done()
    may_end.set()
    await asyncio.wait({first, second})
    assert cleaned == ["up"]
