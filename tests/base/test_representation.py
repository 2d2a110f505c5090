"""An object that was never made, or not to its end, has a repr all the same."""

import enum
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import attrs
import pytest

import opentrain_async
from opentrain_async import AsyncOpenTrain
from opentrain_async._base.representation import repr_if_ready
from opentrain_async.quota import RedisLedger, SQLiteLedger


def classes() -> Iterator[type]:
    """Every class of the package that can be made, but values of attrs: it writes their reprs."""
    for found in pkgutil.walk_packages(opentrain_async.__path__, "opentrain_async."):
        module = importlib.import_module(found.name)
        for kind in vars(module).values():
            if inspect.isclass(kind) and kind.__module__ == found.name and not inspect.isabstract(kind):
                is_foreign = not (getattr(kind.__repr__, "__module__", None) or "opentrain_async").startswith(
                    "opentrain"
                )
                if not (attrs.has(kind) or issubclass(kind, enum.Enum) or is_foreign):
                    yield kind


@pytest.mark.parametrize("kind", sorted(classes(), key=str), ids=lambda kind: kind.__name__)
def test_a_half_made_object_of_each_class_has_a_repr(kind: Any) -> None:
    """A crash reporter shows it with the frames of the error that kept it from being made."""
    try:
        half_made = kind.__new__(kind)
    except TypeError:
        half_made = kind.__new__(kind, "")
    assert repr(half_made)
    defines_one = any(
        "__repr__" in vars(base) for base in kind.__mro__ if base.__module__.startswith("opentrain_async")
    )
    if defines_one and not hasattr(kind, "__slots__"):
        assert repr(half_made) in {f"<{kind.__name__}, not ready>", f"{kind.__name__}()"}


@pytest.mark.parametrize("room", ["errors", "events", "models", "outcomes", "quota"])
def test_a_half_made_public_value_can_be_shown(room: str) -> None:
    """Errors and values too, by `str` as by `repr`; so can the client's own."""
    found = {**vars(importlib.import_module(f"opentrain_async.{room}")), **vars(opentrain_async)}
    kinds = [kind for name, kind in found.items() if inspect.isclass(kind) and not name.startswith("_")]
    shown = 0
    for kind in kinds:
        if issubclass(kind, enum.Enum) or not kind.__module__.startswith("opentrain_async"):
            continue
        half_made: Any = None
        with suppress(TypeError):
            half_made = kind.__new__(kind)
        if half_made is not None:
            assert repr(half_made)
            assert f"{half_made}"
            shown += 1
    assert shown > 2


def test_the_classes_that_define_a_repr_are_among_them() -> None:
    """The client, the ledgers and each error."""
    names = {kind.__name__ for kind in classes()}
    assert names >= {"AsyncOpenTrain", "MemoryLedger", "SQLiteLedger", "RedisLedger", "Journal", "Sandbox", "APIError"}


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [(AsyncOpenTrain, {"token": ""}), (RedisLedger, {"redis": "", "prefix": ""}), (SQLiteLedger, {"path": ""})],
)
def test_an_object_whose_making_has_failed_has_a_repr(kind: Any, arguments: dict[str, object]) -> None:
    """A debugger has it, where the frame of a refusal is gone."""
    half_made = kind.__new__(kind)
    with pytest.raises(ValueError, match=r"."):
        half_made.__init__(**arguments)
    assert repr(half_made) == f"<{kind.__name__}, not ready>"


def test_a_repr_that_fails_otherwise_fails() -> None:
    """A mistake in it is not hidden."""

    class Broken:
        @repr_if_ready
        def __repr__(self) -> str:
            raise ValueError("a mistake")

    with pytest.raises(ValueError, match="a mistake"):
        repr(Broken())
