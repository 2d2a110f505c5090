"""The checks that a quota store must pass."""

import asyncio
import copy
import itertools
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from ..quota import AccountLog, LedgerStore
from ..quota._slots import Reservation, Saw

T = TypeVar("T")
OpenStore = Callable[[], LedgerStore]
"""Opens one more handle on the same storage."""

_T0 = 1_800_000_000.0
_LEASE = 180.0
_SAW = {
    "published": Saw("published"),
    "published again": Saw("published"),
    "confirmed": Saw("live", 0.0),
    "accepted": Saw("accepted"),
    "unknown": Saw("nothing", 0.0),
}
_numbers = itertools.count(1)


async def another_handle_finds_what_one_has_kept(open_store: OpenStore) -> None:
    """Every fact of a log comes back as it was, whoever asks."""
    ours, theirs, account = open_store(), open_store(), _an_account()
    reference = AccountLog()
    for step in _EVENTFUL:
        step(reference, _T0)
        await ours.run(account, step, _T0)
    assert await theirs.run(account, _copied, _T0) == await ours.run(account, _copied, _T0)
    kept = await theirs.run(account, _copied, _T0)
    assert kept == reference, f"{kept} is not what was kept, which is {reference}"


async def accounts_are_kept_apart(open_store: OpenStore) -> None:
    """What is reserved for one account takes no place of another's, also when both are asked for at once."""
    store, accounts = open_store(), [_an_account() for _ in range(5)]
    for _ in range(3):
        await asyncio.gather(*(store.run(account, _reserve, _T0) for account in accounts))
    assert [await store.run(account, _count, _T0) for account in accounts] == [3] * 5


async def steps_are_run_in_the_order_in_which_they_were_begun(open_store: OpenStore) -> None:
    """One caller's steps do not overtake each other."""
    store, account, seen = open_store(), _an_account(), list[int]()

    def see(number: int, _log: AccountLog, _now: float) -> int:
        seen.append(number)
        return number

    running = [asyncio.ensure_future(store.run(account, partial(see, number), _T0)) for number in range(20)]
    assert await asyncio.gather(*running) == list(range(20))
    assert list(dict.fromkeys(seen)) == list(range(20))


async def no_step_is_lost_among_many_handles(open_store: OpenStore) -> None:
    """Those who change one log at the same time all change it, one after another."""
    stores, account = [open_store() for _ in range(8)], _an_account()

    async def work(store: LedgerStore) -> None:
        for _ in range(10):
            await store.run(account, _reserve, _T0)

    await asyncio.gather(*(work(store) for store in stores))
    assert await stores[0].run(account, _count, _T0) == 80


async def a_step_that_raises_harms_no_other(open_store: OpenStore) -> None:
    """Its caller gets the error; those who came with it get what they asked for."""
    store, account = open_store(), _an_account()

    def fail(_log: AccountLog, _now: float) -> None:
        raise LookupError("of the step's own")

    steps = (_reserve, fail, _reserve)
    answers = await asyncio.gather(*(store.run(account, step, _T0) for step in steps), return_exceptions=True)
    assert [type(answer) for answer in answers] == [Reservation, LookupError, Reservation]
    assert await store.run(account, _count, _T0) == 2


async def a_step_is_carried_through_though_its_caller_is_cancelled(open_store: OpenStore) -> None:
    """Nothing is left half done, and the next caller gets its own answer."""
    store, account = open_store(), _an_account()
    for _ in range(5):
        running = asyncio.ensure_future(_awaited(store.run(account, _reserve, _T0)))
        await asyncio.sleep(0)
        running.cancel()
        assert isinstance(await store.run(account, _count, _T0), int)
    assert await store.run(account, _count, _T0) == 5


async def time_does_not_go_back(open_store: OpenStore) -> None:
    """A step is told the caller's time, or that of the storage's own clock; neither goes back by itself."""
    store, account = open_store(), _an_account()
    times = [await store.run(account, lambda _, now: now, _T0 + seconds) for seconds in range(5)]
    assert times == sorted(times)
    assert all(isinstance(time, float) for time in times)


CHECKS: tuple[Callable[[OpenStore], Awaitable[None]], ...] = (
    another_handle_finds_what_one_has_kept,
    accounts_are_kept_apart,
    steps_are_run_in_the_order_in_which_they_were_begun,
    no_step_is_lost_among_many_handles,
    a_step_that_raises_harms_no_other,
    a_step_is_carried_through_though_its_caller_is_cancelled,
    time_does_not_go_back,
)
"""All checks, each an ``async`` function of one argument, an `OpenStore`."""


def _an_account() -> str:
    return f"check-{secrets.token_hex(8)}"


async def _awaited(answer: Awaitable[T]) -> T:
    return await answer


def _reserve(
    log: AccountLog, _now: float, *, job: str | None = None, name: str | None = None, at: float = _T0
) -> Reservation:
    """Open a slot. At a time of the checks' own, so that it is the same in every storage."""
    name = name or f"r{next(_numbers)}"
    # Each is of a process of its own: the first drafts of one process wait for each other.
    answer = log.reserve(job or f"job_{name}", at, reservation_id=f"{name}-1", lease=_LEASE, cap=10_000)
    assert isinstance(answer, Reservation)
    return answer


def _settle(log: AccountLog, _now: float, *, job: str, how: str, at: float = _T0) -> None:
    log.settle(_reserve(log, at, job=job, name=f"{job} {how}", at=at), _SAW[how], at)


def _refuse(log: AccountLog, _now: float, *, job: str, limit: int, retry_after: float = 60.5) -> None:
    refused = _reserve(log, _T0, job=job, name=job)
    log.refused(refused, _SAW["unknown"], _T0, limit=limit, window=7200.0, retry_after=retry_after)


def _count(log: AccountLog, _now: float) -> int:
    return log.used


def _copied(log: AccountLog, _now: float) -> AccountLog:
    return copy.deepcopy(log)


_EVENTFUL: tuple[Callable[[AccountLog, float], object], ...] = (
    partial(_settle, job="expired", how="unknown", at=_T0 - 86_400.0),
    partial(_reserve, job="held", name="first"),
    partial(_reserve, job="held", name="second"),
    partial(_settle, job="spent", how="published"),
    partial(_settle, job="spent", how="published again"),
    partial(_settle, job="sure.~-_", how="confirmed"),
    partial(_settle, job="accepted", how="accepted"),
    partial(_settle, job="doubtful", how="unknown"),
    partial(_reserve, job="refused", name="refused"),
    partial(_reserve, job="refused-2", name="refused-2"),
    partial(_reserve, job="doubtful", name="again"),
    partial(_refuse, job="charged", limit=6),
    partial(_refuse, job="refused", limit=11),
    partial(_refuse, job="refused-2", limit=14, retry_after=600.0),
    lambda log, _: log.snapshot(_T0 + 61.0, None),
    lambda log, _: log.snapshot(_T0 - 90_000.0, None),
)
"""What leaves something in every field of a log: charges, doubts, one that no longer counts, holders, refusals, what
was used elsewhere and comes back from there, and a clock that was set back."""
