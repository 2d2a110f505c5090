"""The rooms: a module has a name of its own and a test module, and a package hands names on."""

import ast
from collections import defaultdict
from pathlib import Path

import opentrain_async

ROOT = Path(opentrain_async.__file__).parent
TESTS = Path(__file__).parents[1]
WORKING_ROOMS = ("_base", "_service", "_retry", "quota", "_publish", "_client", "_cli")
SHARED_NAMES = {
    "account": "the models of one, and the commands about it",
    "draft": "the model of one, and its publish",
    "drafts": "the client's part, and the command",
    "plan": "the plan, and the command that shows it",
    "publish": "the model of its result, and the command",
    "sandbox": "the sandbox, and the command that runs one",
}
"""Names of several private modules, each with its reason."""
PEP_562 = {"__getattr__", "__dir__"}
"""What the root defines: by these it hands its names on when they are first asked for."""


def modules_of(room: str) -> list[Path]:
    return sorted(path for path in (ROOT / room).rglob("*.py") if path.name != "__init__.py")


def test_every_module_of_the_working_rooms_has_its_test_module() -> None:
    """It stands where the module's name says."""
    tests = {f"{room.strip('_')}/test_{path.stem.strip('_')}.py" for room in WORKING_ROOMS for path in modules_of(room)}
    assert sorted(test for test in tests if not (TESTS / test).exists()) == []


def test_no_test_module_stands_at_the_top_or_imports_another() -> None:
    """What several share stands in `support`, or in a conftest."""
    assert list(TESTS.glob("test_*.py")) == []
    for path in TESTS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.level or str(node.module).startswith("tests")):
                assert not str(node.module).rpartition(".")[2].startswith("test_"), f"{path} imports {node.module}"


def test_no_two_private_modules_share_a_name() -> None:
    """But for those that are listed, each with its reason."""
    places = defaultdict(list)
    for path in modules_of("."):
        if not path.stem.startswith("__") and "/_" in f"/{path.relative_to(ROOT).as_posix()}":
            places[path.stem.strip("_")].append(path.relative_to(ROOT).as_posix())
    shared = {name: found for name, found in places.items() if len(found) > 1}
    assert shared.keys() == SHARED_NAMES.keys(), shared


def test_a_package_defines_nothing() -> None:
    """It hands names on; what they do stands in a module with a name."""
    for path in ROOT.rglob("__init__.py"):
        definitions = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        defined = {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, definitions)}
        assert defined <= (PEP_562 if path.parent == ROOT else set()), path


def test_nothing_private_stands_at_the_top() -> None:
    """But the version, which is read where nothing else may be imported."""
    private = [path.name for path in ROOT.iterdir() if path.name.startswith("_") and path.suffix == ".py"]
    assert sorted(name for name in private if not name.startswith("__")) == ["_version.py"]
    assert len([path for path in ROOT.iterdir() if path.is_dir() and path.name != "__pycache__"]) <= 16


def test_every_module_begins_with_a_sentence() -> None:
    """It says what is in the module."""
    for path in ROOT.rglob("*.py"):
        head = (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()[:1]
        assert head, path
        assert head[0].endswith((".", ":")), path
