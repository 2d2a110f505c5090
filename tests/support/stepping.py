"""Cancels a call at each of its awaits in turn: whenever it, or a task begun on its behalf, waits for something."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from enum import Enum, auto
from pathlib import Path
from typing import Any, TypeVar

import opentrain_async
from opentrain_async.quota import AccountLog, LedgerStore

T = TypeVar("T")

_PACKAGE = str(Path(opentrain_async.__file__).parent)


class When(Enum):
    """When exactly a call is cancelled at one of its awaits, and who."""

    WAITING = auto()
    """The caller, as soon as one of its tasks waits."""
    WOKEN = auto()
    """The caller, when what that task waits for has come, and it does not know yet."""
    ALL = auto()
    """The caller and all tasks under it together, as `asyncio.run` does when it ends."""
    ALL_WOKEN = auto()
    """All of them, when what that task waits for has come."""


class Stepper:
    """Counts the awaits of a call, which are those of all tasks that are begun on its behalf, and cancels it at one.

    Args:
        at: At which, from 1.
        when: When, and who.
        turn: The turn that the event loop has reached.

    Attributes:
        awaits: How many there were.
        place: In which line of the package it was cancelled; empty if it was not, as it had ended.
        turns: How many turns of the event loop the caller then took to end, not counting those before the end of the
            last step on a ledger.
    """

    def __init__(self, at: int, when: When, turn: Callable[[], int]) -> None:
        self.awaits = 0
        self.place = ""
        self.turns = 0
        self._at = at
        self._when = when
        self._turn = turn
        self._since = 0
        self._tasks: list[asyncio.Task[Any]] = []

    def begin(self, call: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Begin the call in a task, the caller's."""
        context = copy_context()
        context.run(_stepper.set, self)
        return asyncio.get_running_loop().create_task(call, context=context)

    def task(self, loop: asyncio.AbstractEventLoop, call: Coroutine[Any, Any, T], **options: Any) -> "asyncio.Task[T]":
        """A task of which each await counts."""
        made = asyncio.Task(_Stepped(call, self), loop=loop, **options)
        self._tasks.append(made)
        return made

    def suspended(self, call: Coroutine[Any, Any, Any], awaited: Any) -> None:
        """Note that one of the tasks waits for something; `None` is the loop's next turn."""
        self.awaits += 1
        if self.awaits != self._at:
            return
        place = _place_of(call)
        if self._when in {When.WOKEN, When.ALL_WOKEN} and awaited is not None:
            awaited.add_done_callback(lambda _: self._cancel(place))  # before the task's own, which wakes it
        else:
            self._cancel(place)

    def settled(self, _step: object) -> None:
        """Note that a step on a ledger is done: from then on the turns count."""
        self._since = self._turn()

    def _cancel(self, place: str) -> None:
        caller = self._tasks[0]
        if caller.done():
            return
        self.place, self._since = place, self._turn()
        caller.add_done_callback(self._end)
        for task in self._tasks if self._when in {When.ALL, When.ALL_WOKEN} else [caller]:
            task.cancel()

    def _end(self, _caller: object) -> None:
        self.turns = self._turn() - self._since


_stepper: ContextVar[Stepper | None] = ContextVar("_stepper", default=None)


class _Stepped(Coroutine[Any, Any, T]):
    """A coroutine that tells the stepper of each of its suspensions."""

    def __init__(self, call: Coroutine[Any, Any, T], stepper: Stepper) -> None:
        self._call = call
        self._stepper = stepper

    def send(self, value: Any) -> Any:
        awaited = self._call.send(value)
        self._stepper.suspended(self._call, awaited)
        return awaited

    def throw(self, *error: Any) -> Any:
        awaited = self._call.throw(*error)
        self._stepper.suspended(self._call, awaited)
        return awaited

    def close(self) -> None:
        self._call.close()

    def __await__(self) -> Generator[Any, Any, T]:
        return self._call.__await__()


@contextmanager
def stepping() -> Generator[Callable[[int, When], Stepper], None, None]:
    """Have the running loop make the tasks of a stepped call so that their awaits count; no others are touched.

    Yields:
        What makes a stepper, of the await at which and when it cancels.
    """
    loop: Any = asyncio.get_running_loop()
    run_once, turns = loop._run_once, 0

    def turn() -> None:
        # A callback that came back each turn would count them too, but keep the loop, and this machine, from waiting.
        nonlocal turns
        turns += 1
        run_once()

    def make(loop: asyncio.AbstractEventLoop, call: Any, *, context: Context | None = None, **options: Any) -> Any:
        stepper = _stepper.get() if context is None else context.get(_stepper)
        if stepper is None:
            return asyncio.Task(call, loop=loop, context=context, **options)
        return stepper.task(loop, call, context=context, **options)

    loop.set_task_factory(make)
    loop._run_once = turn
    try:
        yield lambda at, when: Stepper(at, when, lambda: turns)
    finally:
        del loop._run_once
        loop.set_task_factory(None)


class Watched:
    """A ledger's store, of whose steps the stepper hears when they are done: to settle is not to dawdle."""

    def __init__(self, store: LedgerStore) -> None:
        self._store = store

    def run(self, account: str, step: Callable[[AccountLog, float], T], now: float) -> Awaitable[T]:
        running = asyncio.ensure_future(self._store.run(account, step, now))
        if (stepper := _stepper.get()) is not None:
            running.add_done_callback(stepper.settled)
        return running


def _place_of(call: Any) -> str:
    """The innermost line of the package in which a suspended coroutine waits."""
    place = ""
    while call is not None:
        frame = getattr(call, "cr_frame", None) or getattr(call, "gi_frame", None)
        if frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
            place = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
        call = getattr(call, "cr_await", None) or getattr(call, "gi_yieldfrom", None)
    return place or "at the very end"
