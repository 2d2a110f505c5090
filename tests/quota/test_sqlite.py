"""The ledger in a file: where it lies, who may read it, and what it survives."""

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePath

import pytest

from opentrain_async import SQLiteLedger
from opentrain_async.errors import ConfigurationError

from ..support import stores
from ..support.processes import in_a_process
from ..support.stores import publish

ledger_on = partial(stores.ledger_on, limit=2)


@pytest.mark.parametrize(
    "path", ["", ":memory:", PurePath(":memory:"), "redis://localhost", 7, b"file", None.__class__, "a\0b", "."]
)
def test_what_can_be_no_file_is_refused(path: object) -> None:
    """An argument that cannot be right is refused at once."""
    with pytest.raises(ConfigurationError):
        SQLiteLedger(path)  # type: ignore[arg-type]


async def test_what_was_published_is_known_after_a_restart(ledger_path: Path) -> None:
    """A second object finds what the first one kept; a ledger that was closed can be used again."""
    sqlite_store = SQLiteLedger(ledger_path)
    assert repr(sqlite_store) == f"SQLiteLedger({str(ledger_path)!r})"
    await publish(ledger_on(sqlite_store), "a")
    await sqlite_store.close()
    await publish(ledger_on(sqlite_store), "b")
    await sqlite_store.close()
    async with SQLiteLedger(str(ledger_path)) as again:
        assert (await ledger_on(again).snapshot()).used == 2


async def test_a_ledger_that_nobody_closes_leaves_no_thread(ledger_path: Path) -> None:
    """With the object its thread goes, and its connection, without a warning."""
    before = set(threading.enumerate())
    sqlite_store = SQLiteLedger(ledger_path)
    await publish(ledger_on(sqlite_store), "a")
    (thread,) = set(threading.enumerate()) - before
    del sqlite_store
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()


_LOOK = """
import asyncio, sys
from opentrain_async import SQLiteLedger

async def look():
    async with SQLiteLedger(sys.argv[1]) as store:
        print(await store.run("account", lambda log, now: log.used, 0.0))

asyncio.run(look())
"""


async def test_several_ledgers_of_a_process_share_a_file_with_other_processes(ledger_path: Path) -> None:
    """Opening it twice loses no lock: who comes and goes meanwhile does not take itself for the last one."""
    async with SQLiteLedger(ledger_path) as first, SQLiteLedger(ledger_path) as second:
        await publish(ledger_on(first), "a")
        await publish(ledger_on(second), "b")
        assert await asyncio.to_thread(in_a_process, _LOOK, ledger_path) == "2\n"
        await publish(ledger_on(first, limit=5), "c")
        assert await asyncio.to_thread(in_a_process, _LOOK, ledger_path) == "3\n"


async def test_a_steps_own_error_reaches_its_caller_as_it_is(sqlite_store: SQLiteLedger) -> None:
    """Also one that cannot be copied; those who came with it are answered."""

    class OddError(Exception):
        def __init__(self, *, needed: int) -> None:
            super().__init__(needed)

    def fail(log: object, now: float) -> None:
        raise OddError(needed=1)

    steps: list[Callable[..., object]] = [lambda log, _: log.used, fail, lambda log, _: log.used]
    answers = await asyncio.gather(*(sqlite_store.run("account", step, 0.0) for step in steps), return_exceptions=True)
    assert (answers[0], type(answers[1]), answers[2]) == (0, OddError, 0)


async def test_who_comes_while_a_step_fails_does_not_hear_of_it(sqlite_store: SQLiteLedger) -> None:
    """A step that raises is no failure of the file, for which those who came meanwhile would be turned away too."""
    is_running, may_fail = threading.Event(), threading.Event()

    def fail(log: object, now: float) -> None:
        is_running.set()
        may_fail.wait(10)
        raise LookupError

    failing = sqlite_store.run("account", fail, 1.0)
    await asyncio.to_thread(is_running.wait, 10)
    late = sqlite_store.run("account", lambda _, now: now, 2.0)
    may_fail.set()
    with pytest.raises(LookupError):
        await failing
    assert await late == 2.0


async def test_a_caller_that_has_left_is_told_nothing(sqlite_store: SQLiteLedger) -> None:
    """Neither what its step returned nor what it raised, and nobody else gets it."""

    def fail(log: object, now: float) -> None:
        raise LookupError

    for step in (fail, lambda _, now: now):
        left = sqlite_store.run("account", step, 1.0)
        left.cancel()
        assert await sqlite_store.run("account", lambda _, now: now, 2.0) == 2.0
        assert left.cancelled()


async def test_a_step_begun_while_the_ledger_is_closed_is_run(sqlite_store: SQLiteLedger) -> None:
    """Closing takes nothing away from who comes at that moment."""
    for number in range(10):
        running = [sqlite_store.run("account", lambda _, now: now, float(number)) for number in range(3)]
        closing = asyncio.create_task(sqlite_store.close())
        await asyncio.sleep(0)
        running.append(sqlite_store.run("account", lambda _, now: now, 3.0))
        assert await asyncio.gather(*running) == [0.0, 1.0, 2.0, 3.0], number
        await closing


async def test_F37_one_ledger_serves_several_event_loops(sqlite_store: SQLiteLedger) -> None:
    """As of a service with a loop in each of its threads."""

    def publish_in_a_loop_of_its_own(job: str) -> None:
        asyncio.run(publish(ledger_on(sqlite_store, limit=10), job))

    await asyncio.gather(*(asyncio.to_thread(publish_in_a_loop_of_its_own, f"job_{number}") for number in range(5)))
    assert (await ledger_on(sqlite_store).snapshot()).used == 5


def test_a_loop_that_is_closed_meanwhile_disturbs_nobody(ledger_path: Path) -> None:
    """A step whose loop has gone is carried through all the same."""
    sqlite_store = SQLiteLedger(ledger_path)
    held = threading.Event()

    async def leave_at_once() -> None:
        sqlite_store.run("account", lambda log, now: held.wait(10) and log.snapshot(now, 1), 0.0)

    asyncio.run(leave_at_once())
    held.set()
    assert asyncio.run(_used(sqlite_store)) == 0


async def _used(sqlite_store: SQLiteLedger) -> int:
    used = (await ledger_on(sqlite_store).snapshot()).used
    await sqlite_store.close()
    return used
