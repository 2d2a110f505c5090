"""The names of the package itself: each is imported when it is first asked for, and nobody notices."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import opentrain_async

TREE = ast.parse(Path(opentrain_async.__file__).read_text())
SLOW = {"aiohttp", "asyncio", "attr", "cattrs", "multidict", "tenacity", "yarl"}


def printed(code: str) -> object:
    """What a fresh interpreter prints, as JSON; not measured, as that imports more."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    command = [sys.executable, "-W", "error", "-c", f"import json, sys\n{code}"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout)


def names_of_type_checkers() -> dict[str, str]:
    """The names that are imported for type checkers, each with its home."""
    (branch,) = (node for node in TREE.body if isinstance(node, ast.If))
    assert isinstance(branch.test, ast.Name)
    assert branch.test.id == "TYPE_CHECKING"
    imports = [node for node in branch.body if isinstance(node, ast.ImportFrom)]
    assert imports == branch.body, "to a type checker there is nothing but imports, and no __getattr__"
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def test_importing_the_package_imports_nothing_else() -> None:
    """Whoever imports one module of it, as pytest does in every run, pays for that one."""
    loaded = printed("import opentrain_async; print(json.dumps(list(sys.modules)))")
    assert isinstance(loaded, list)
    ours = {name for name in loaded if name.startswith("opentrain_async")}
    assert ours == {"opentrain_async", "opentrain_async._version"}
    assert SLOW.isdisjoint(loaded)


def test_all_names_are_seen_before_any_is_asked_for() -> None:
    """In what dir() lists, for a shell that completes names."""
    seen = printed("import opentrain_async; print(json.dumps(dir(opentrain_async)))")
    assert isinstance(seen, list)
    assert set(opentrain_async.__all__) < set(seen) < set(dir(opentrain_async))


def test_a_star_imports_every_name() -> None:
    """As it does where nothing is put off."""
    names = printed("from opentrain_async import *; print(json.dumps([n for n in dir() if n != '__version__']))")
    assert isinstance(names, list)
    assert set(opentrain_async.__all__) - {"__version__"} <= set(names)


def test_type_checkers_see_the_names_that_there_are() -> None:
    """Each with the very home from which it comes when it is asked for."""
    homes = names_of_type_checkers()
    assert {*homes, "__version__"} == set(opentrain_async.__all__)
    assert vars(opentrain_async)["_HOMES"] == homes
    assert sorted(opentrain_async.__all__) == opentrain_async.__all__


def test_a_name_is_the_same_wherever_it_is_imported_from() -> None:
    """It is its home's, and from then on it is found without a detour."""
    code = f"""
import importlib, opentrain_async as package
for name, home in {names_of_type_checkers()}.items():
    asked = getattr(package, name)
    assert asked is getattr(importlib.import_module(f"opentrain_async.{{home}}"), name) is vars(package)[name], name
print(json.dumps("all are"))"""
    assert printed(code) == "all are"


def test_the_modules_of_what_it_has_are_there_as_well() -> None:
    """``opentrain_async.errors`` needs no import of its own."""
    names = ["errors", "models", "outcomes", "quota"]
    code = f"import opentrain_async; print(json.dumps([getattr(opentrain_async, n).__name__ for n in {names}]))"
    assert printed(code) == [f"opentrain_async.{name}" for name in names]
    asked: Callable[[str], ModuleType] = vars(opentrain_async)["__getattr__"]
    assert [asked(name) for name in names] == [sys.modules[f"opentrain_async.{name}"] for name in names]


def test_a_name_that_there_is_not_is_said_to_be_none() -> None:
    """In Python's own words."""
    with pytest.raises(AttributeError, match="module 'opentrain_async' has no attribute 'AsyncOpenTrian'"):
        getattr(opentrain_async, "AsyncOpenTrian")  # noqa: B009 - a type checker knows better
    with pytest.raises(ImportError, match="cannot import name 'AsyncOpenTrian'"):
        exec("from opentrain_async import AsyncOpenTrian")  # noqa: S102


def test_a_name_can_be_replaced_for_a_while() -> None:
    """By unittest.mock, also before anybody has asked for it; afterwards it is what it was."""
    code = """
from unittest import mock
import opentrain_async as package
with mock.patch("opentrain_async.AsyncOpenTrain", 5):
    within = package.AsyncOpenTrain
print(json.dumps([within, package.AsyncOpenTrain.__name__]))"""
    assert printed(code) == [5, "AsyncOpenTrain"]
