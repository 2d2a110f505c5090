"""The layers: each module knows only what lies below it."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import opentrain_async

ROOT = Path(opentrain_async.__file__).parent
ROOMS = [
    "__init__", "__main__", "_cli", "_pytest_plugin", "testing", "otel", "_client", "_publish", "_service", "_retry",
    "events", "quota", "outcomes", "errors", "models", "_base", "_version",
]  # fmt: skip
"""Top to bottom: a room imports only from those below it."""
RUN_THE_SANDBOX = {"_cli", "_pytest_plugin"}
"""Only these know the sandbox, which shares nothing with any room but how text is escaped."""
KNOW_AIOHTTP = {
    "_service.http.body", "_service.http.evidence", "_service.http.pool", "_service.http.translation",
    "_service.http.transport",
    "_client.client", "_client.onboarding",
}  # fmt: skip
"""The room of HTTP, and the two that take a session of the caller's."""
SOLE_IMPORTERS = {
    "multidict": {"_service.http.evidence", "_service.http.pool", "_service.http.transport"},
    "yarl": {"_client.account.origins", "_service.http.transport"},  # one reads addresses, the other connects to them
    "cattrs": {"_service.codec"},
    "tenacity": {"_retry.engine"},
    "click": {"_cli"},
    "rich": {"_cli"},
    "pytest": {"_pytest_plugin"},
    "pytest_asyncio": {"_pytest_plugin"},
    "aioresponses": {"_pytest_plugin"},
}


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name below the package."""
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in sorted(ROOT.rglob("*.py"))}


def imports(path: Path) -> tuple[set[str], set[str]]:
    """The package's own modules and the foreign packages that a file imports, wherever in it."""
    ours, foreign = set(), set()
    depth = len(path.relative_to(ROOT).parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            foreign |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == depth:
            ours |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            foreign.add(node.module.split(".")[0])
    return ours, foreign


def room_of(name: str) -> str:
    return name.split(".")[0]


def rooms_below(room: str) -> set[str]:
    """The rooms from which this one may import."""
    if room == "sandbox":
        return {"_base"}
    return {*ROOMS[ROOMS.index(room) + 1 :], *(["sandbox"] if room in RUN_THE_SANDBOX else [])}


def test_each_module_imports_only_from_the_rooms_below() -> None:
    """Data goes one way: down."""
    for name, path in modules().items():
        upward = imports(path)[0] - rooms_below(room_of(name)) - {room_of(name)}
        assert not upward, f"{name} imports {upward}"


def test_each_library_has_one_importer() -> None:
    """Such as cattrs and tenacity; aiohttp's client is known to one room, and by its session to the client."""
    for name, path in modules().items():
        foreign = imports(path)[1]
        for library, importers in SOLE_IMPORTERS.items():
            assert library not in foreign or {name, room_of(name)} & importers, f"{name} imports {library}"
        if "aiohttp" in foreign and room_of(name) != "sandbox":
            assert name in KNOW_AIOHTTP, name


def unmeasured() -> dict[str, str]:
    """The environment without what has processes measured: that imports more, and takes as long again."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}


_ALONE = """
import importlib, os, sys, traceback
import aiohttp.web, cattrs.gen, click, rich.console, rich.progress, rich.table, tenacity  # not ours, and slow
import opentrain_async.errors, opentrain_async.models  # below all others, and slow
failed = []
for name in sys.argv[1:]:
    if not (child := os.fork()):
        try:
            importlib.import_module(name)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        failed.append(name)
print(*failed)
"""


def test_each_module_imports_alone_and_without_a_warning() -> None:
    """No module needs another one to have been imported before it."""
    names = [f"opentrain_async.{name}".removesuffix(".__init__") for name in modules() if name != "__main__"]
    command = [sys.executable, "-W", "error", "-c", _ALONE, *names]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=unmeasured())
    assert done.stdout.split() == []
    assert len(names) > 100


def test_importing_all_names_brings_in_nothing_that_they_may_not_need() -> None:
    """The command line's libraries and the storages' come only when they are used."""
    code = "import sys; from opentrain_async import *; print(*{'click', 'rich', 'redis', 'sqlite3'} & set(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=unmeasured())
    assert printed.stdout.strip() == ""
