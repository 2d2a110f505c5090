"""The source of a run: whatever can be iterated is shared by many workers, each item once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from opentrain_async._publish.source import Source
from opentrain_async.errors import ConfigurationError
from opentrain_async.errors._refusing import RefusedId

Make = Callable[..., object]


async def later(*items: object, after: Exception | None = None) -> AsyncIterator[object]:
    """The items, each of them a turn of the loop later; at the end an error, if one is given."""
    for item in items:
        await asyncio.sleep(0)
        yield item
    if after is not None:
        raise after


def soon(*items: object, after: Exception | None = None) -> Iterator[object]:
    """The same, without a loop."""
    yield from items
    if after is not None:
        raise after


def named(item: object) -> object:
    """An id as it is, and the name of one that is refused."""
    return item.name if isinstance(item, RefusedId) else item


async def taken(source: Source, workers: int) -> list[object]:
    """All items, in the order in which that many tasks took them."""
    items: list[object] = []

    async def work() -> None:
        async for item in source:
            items.append(item)
            await asyncio.sleep(0)

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())
    return items


@pytest.mark.parametrize("given", ["job_1", b"job_1", None, 5, object(), 1.5, True])
def test_what_is_no_series_of_ids_is_refused(given: object) -> None:
    """A string above all: it would be read as ids of one letter each."""
    with pytest.raises(ConfigurationError) as caught:
        Source(given, distinct=False)
    assert str(caught.value) == (
        f"job_ids has to be an iterable or async iterable of job ids, not {type(given).__name__}"
    )


@pytest.mark.parametrize("workers", [1, 2, 7])
@pytest.mark.parametrize("distinct", [False, True])
@pytest.mark.parametrize("make", [list, tuple, dict.fromkeys, iter, lambda ids: soon(*ids), lambda ids: later(*ids)])
async def test_each_item_goes_to_one_worker(make: Make, distinct: bool, workers: int) -> None:
    """Whatever they come in, and however many take them, the ids are handed out once and in order."""
    ids = [f"job_{number}" for number in range(5)]
    assert await taken(Source(make(ids), distinct=distinct), workers) == ids


@pytest.mark.parametrize("make", [soon, later])
async def test_repeated_strings_are_left_out_where_that_is_asked(make: Make) -> None:
    """Others are told apart by nobody, so each of them comes."""
    items: list[object] = ["a", "b", "a", 5, 5, [], [], None, "b", "c"]
    once = await taken(Source(make(*items), distinct=True), 3)
    assert [named(item) for item in once] == ["a", "b", "5", "5", "[]", "[]", "None", "c"]
    assert len(await taken(Source(make(*items), distinct=False), 3)) == len(items)


async def test_what_is_no_id_is_not_kept() -> None:
    """Only how to name it and why it is refused: it may be a token. The same text is refused once."""
    items = await taken(Source([f"ot_pat_{'x' * 33}"] * 2 + ["a b"], distinct=True), 1)
    assert [type(item) for item in items] == [RefusedId, RefusedId]
    assert [named(item) for item in items] == ["***", "a b"]
    assert "xxxx" not in repr(items)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("make", [soon, later])
async def test_what_the_iterable_raises_ends_it_for_all(make: Make, workers: int) -> None:
    """What came before it is kept, and so is the error itself."""
    error = LookupError("the database is gone")
    source = Source(make("a", "b", after=error), distinct=False)
    assert await taken(source, workers) == ["a", "b"]
    assert source.failure is error
    assert await taken(source, workers) == []


@pytest.mark.parametrize("make", [soon, later])
async def test_the_end_is_no_failure(make: Make) -> None:
    """An empty source ends at once, and stays ended."""
    source = Source(make(), distinct=True)
    assert [await taken(source, 2), await taken(source, 1)] == [[], []]
    assert source.failure is None


async def test_an_iterator_is_not_asked_again_after_its_end() -> None:
    """Nor after its failure: a generator that is asked again would begin nothing, another kind might."""
    asked = 0

    class Once:
        def __iter__(self) -> "Once":
            return self

        def __next__(self) -> str:
            nonlocal asked
            asked += 1
            if asked == 2:
                raise StopIteration
            return f"job_{asked}"

    source = Source(Once(), distinct=False)
    assert await taken(source, 3) == ["job_1"]
    assert (await taken(source, 3), asked) == ([], 2)


async def test_the_rest_of_an_iterable_is_left_alone() -> None:
    """It is borrowed: one who stops early leaves the generator open, and where it was."""
    items = soon("a", "b", "c")
    assert await anext(Source(items, distinct=False)) == "a"
    assert list(items) == ["b", "c"]


async def test_workers_that_wait_for_an_async_iterable_do_not_ask_it_at_once() -> None:
    """An async generator that is asked twice at once fails; here the second one waits its turn."""
    running = most = asked = 0

    class Slow:
        def __init__(self) -> None:
            self.left = 4

        def __aiter__(self) -> "Slow":
            return self

        async def __anext__(self) -> int:
            nonlocal running, most, asked
            running, asked = running + 1, asked + 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1
            if not self.left:
                raise StopAsyncIteration
            self.left -= 1
            return self.left

    assert [named(item) for item in await taken(Source(Slow(), distinct=True), 5)] == ["3", "2", "1", "0"]
    assert (most, asked) == (1, 5)


async def test_what_can_be_iterated_both_ways_is_iterated_asynchronously() -> None:
    """Who offers both expects to be awaited in a coroutine."""

    class Both:
        def __iter__(self) -> Iterator[str]:
            raise AssertionError("not this way")

        def __aiter__(self) -> AsyncIterator[object]:
            return later("a", "b")

    assert await taken(Source(Both(), distinct=False), 2) == ["a", "b"]
