"""The layers: each module knows only what lies below it."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import opentrain_async

ROOT = Path(opentrain_async.__file__).parent
# fmt: off
LAYERS = [
    {"_text", "_secret", "_fields", "_backoff", "_clock", "_closable", "_ending", "_version", "models", "errors",
     "outcomes", "_events"},
    {"_checks", "_job_id", "_alarm", "_retry_after", "_line", "_patience", "_translation"},
    {"_json", "_codec", "_validation", "_description", "_credentials", "_settings", "_wire", "_pool", "_transport",
     "_retry", "_listening", "_budget", "_pause", "_outage", "_answers", "_source", "_callback", "_progress"},
    {"_operations", "_calls", "_identity", "_gaps", "_claiming", "_preflight",
     "quota", "events", "_journal_lines", "_journal_file", "_journal", "_plan", "_flight", "_publishing", "_flights"},
    {"_bulk", "_stream"},
    {"_client_core", "_client_publishing", "_client_posting", "_client_account", "_client"},
    {"__init__", "testing", "otel", "_pytest_plugin", "_cli", "_command_line", "__main__"},
]
# fmt: on
SOLE_IMPORTERS = {
    "cattrs": {"_codec"},
    "tenacity": {"_retry"},
    "click": {"_command_line"},
    "rich": {"_command_line"},
    "pytest": {"_pytest_plugin"},
    "pytest_asyncio": {"_pytest_plugin"},
    "aioresponses": {"_pytest_plugin"},
}
WITHIN_A_LAYER = {
    ("errors", "models"), ("errors", "_text"), ("outcomes", "errors"), ("outcomes", "models"),
    ("_fields", "_text"), ("models", "_fields"), ("models", "_secret"), ("models", "_text"),
    ("_codec", "_json"), ("_validation", "_codec"), ("_validation", "_json"), ("_wire", "_codec"), ("_wire", "_json"),
    ("_wire", "_validation"), ("_settings", "_credentials"), ("_calls", "_operations"),
    ("_client_publishing", "_client_core"), ("_client_posting", "_client_core"), ("_client_account", "_client_core"),
    ("_client_posting", "_client_publishing"), ("_client", "_client_core"), ("_client", "_client_posting"),
    ("_client", "_client_account"), ("_transport", "_settings"), ("_transport", "_wire"), ("_transport", "_pool"),
    ("_retry", "_budget"), ("_retry", "_pause"), ("_retry", "_outage"), ("_outage", "_answers"),
    ("_callback", "_source"), ("_progress", "_callback"),
    ("_journal_file", "_journal_lines"), ("_journal", "_journal_file"), ("_journal", "_journal_lines"),
    ("_publishing", "_flight"), ("_flights", "_flight"), ("_publishing", "quota"), ("_plan", "quota"),
    ("_flight", "quota"), ("events", "quota"), ("_events", "models"),
    ("_listening", "_wire"), ("_retry", "_listening"), ("_outage", "_listening"),
    ("_stream", "_bulk"),
}  # fmt: skip


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


def layer_of(name: str) -> int:
    return next(number for number, layer in enumerate(LAYERS) if name.split(".")[0] in layer)


def test_each_module_knows_only_what_lies_below_it() -> None:
    """No import goes up, and within a layer only along the chain that is written down."""
    for name, path in modules().items():
        top = name.split(".")[0]
        if top == "sandbox":
            assert imports(path)[0] == set(), name
            continue
        for below in imports(path)[0] - {top}:
            if top in LAYERS[-1]:
                continue
            assert layer_of(below) < layer_of(top) or (top, below) in WITHIN_A_LAYER, f"{name} imports {below}"


def test_each_library_has_one_importer() -> None:
    """Such as cattrs and tenacity; aiohttp's client is known to the transport and what that is made of."""
    for name, path in modules().items():
        foreign = imports(path)[1]
        for library, importers in SOLE_IMPORTERS.items():
            assert library not in foreign or name.split(".")[0] in importers, f"{name} imports {library}"
        if "aiohttp" in foreign and not name.startswith("sandbox"):
            assert name in {"_pool", "_translation", "_transport", "_client", "_client_account"}, name


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
