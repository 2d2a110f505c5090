"""A refusal leaves a function without the frames in which the arguments are."""

import gc
import inspect
import traceback
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from opentrain_async import AsyncOpenTrain
from opentrain_async._base.secret import Secret
from opentrain_async.errors import ConfigurationError, NotFoundError
from opentrain_async.errors._checks import whole
from opentrain_async.errors._refusing import RefusedId, read_job_id, refusing

TOKEN = f"ot_pat_{'x' * 33}"


def plain(value: object, then: Callable[[], object] = lambda: None) -> object:
    """Check an argument, and call a function of the caller's."""
    if value == "missing":
        raise NotFoundError("missing")
    return whole("value", value), then()


async def coroutine(value: object, then: Callable[[], object] = lambda: None) -> object:
    """Do the same."""
    return plain(value, then)


async def outcome_of(call: object) -> object:
    """What a call returns, be it awaited or not."""
    return await call if isinstance(call, Awaitable) else call


class Held:
    """Something of a caller's."""


FUNCTIONS = [refusing(plain), refusing(coroutine)]


@pytest.mark.parametrize("function", FUNCTIONS)
async def test_a_refusal_has_no_frames_of_the_package(function: Callable[..., object]) -> None:
    """Nor the context of the check that failed."""
    with pytest.raises(ConfigurationError, match="value has to be a whole number") as caught:
        await outcome_of(function(TOKEN))
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert "whole" not in names
    assert names[-1] in {"calling", "awaiting", "plain", "coroutine"}
    assert caught.value.__context__ is None


@pytest.mark.parametrize("function", FUNCTIONS)
async def test_the_caller_s_own_frames_stay(function: Callable[..., object]) -> None:
    """Those of a callback, too, so that its author finds the line."""

    def callback() -> None:
        raise ConfigurationError("of the callback")

    with pytest.raises(ConfigurationError, match="of the callback") as caught:
        await outcome_of(function(1, callback))
    assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "callback"


@pytest.mark.parametrize("function", FUNCTIONS)
async def test_the_context_of_a_callback_s_error_stays(function: Callable[..., object]) -> None:
    """It says what the callback was handling."""

    def callback() -> None:
        try:
            dict[str, int]()["missing"]
        except KeyError:
            raise ConfigurationError("of the callback")  # noqa: B904 - its context is what this is about

    with pytest.raises(ConfigurationError, match="of the callback") as caught:
        await outcome_of(function(1, callback))
    assert isinstance(caught.value.__context__, KeyError)


@pytest.mark.parametrize("function", FUNCTIONS)
async def test_a_refusal_keeps_nothing_alive(function: Callable[..., object]) -> None:
    """What its caller has in hand goes with the error, and not only when the garbage collector comes by."""
    held = Held()
    told = weakref.ref(held)

    async def refused(_held: Held) -> None:
        with suppress(ConfigurationError):
            await outcome_of(function(TOKEN))

    gc.disable()
    try:
        await refused(held)
        del held
        assert told() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("function", FUNCTIONS)
async def test_all_else_is_as_without_it(function: Callable[..., object]) -> None:
    """Results, other errors with their frames, and what the function says of itself."""
    assert await outcome_of(function(1)) == (1, None)
    with pytest.raises(NotFoundError) as caught:
        await outcome_of(function("missing"))
    assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "plain"
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        await outcome_of(function(1, typo=TOKEN))
    assert list(inspect.signature(function).parameters) == ["value", "then"]
    assert inspect.iscoroutinefunction(FUNCTIONS[1])
    assert not inspect.iscoroutinefunction(FUNCTIONS[0])


def test_every_function_that_takes_an_argument_of_the_caller_s_refuses_so() -> None:
    """All public methods of the client that take one."""
    methods = inspect.getmembers(AsyncOpenTrain, inspect.isroutine)
    takes = [
        (name, method)
        for name, method in methods
        if (not name.startswith("_") or name == "__init__") and set(inspect.signature(method).parameters) - {"self"}
    ]
    assert {name for name, method in takes if not hasattr(method, "__wrapped__")} == set()
    assert len(takes) > 12


def test_an_item_is_read_as_an_id() -> None:
    """A checked id is a text; any other item is only named, and says why it is refused."""
    assert read_job_id("job_1") == "job_1"
    refused = read_job_id(TOKEN)
    assert isinstance(refused, RefusedId)
    assert (refused.name, str(refused.error)) == (
        "***", "not a job id: it begins with ot_pat_, as a token does, and is not shown",
    )  # fmt: skip
    assert refused.error.__traceback__ is None
    assert read_job_id(refused) is refused
    own = read_job_id("own_token_1", Secret("own_token_1"))
    assert isinstance(own, RefusedId)
    assert own.name == "***"
