"""The entry point as a process: what it imports, and what it says where something is missing."""

import subprocess
import sys

import pytest

_AS_A_MODULE = "import runpy; runpy.run_module('opentrain_async', run_name='__main__')"


def _without(module: str, code: str) -> "subprocess.CompletedProcess[str]":
    blocked = f"import sys; sys.modules[{module!r}] = None; sys.argv = ['opentrain-async', 'demo']; {code}"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", blocked], capture_output=True, text=True, check=False, timeout=30
    )


@pytest.mark.parametrize("module", ["click", "rich"])
@pytest.mark.parametrize("code", [_AS_A_MODULE, "from opentrain_async._cli import main; main()"])
def test_without_its_extra_the_command_says_what_to_install(module: str, code: str) -> None:
    """One line on stderr, and 2: no traceback."""
    finished = _without(module, code)
    said = "opentrain-async: the command line needs more: pip install 'opentrain_async[cli]'\n"
    assert (finished.returncode, finished.stdout, finished.stderr) == (2, "", said)


def test_a_module_that_is_missing_from_the_package_itself_is_no_missing_extra() -> None:
    """A broken installation is not blamed on the extra."""
    finished = _without("opentrain_async._cli.commands.demo", _AS_A_MODULE)
    assert finished.returncode == 1
    assert "opentrain_async._cli.commands.demo" in finished.stderr.splitlines()[-1]


def test_the_library_itself_imports_neither_click_nor_rich() -> None:
    """Nor does the sandbox, nor the module that ``python -m`` would run, unless it is run."""
    code = "import sys, opentrain_async, opentrain_async.sandbox; print({'click', 'rich'} & set(sys.modules))"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert finished.stdout == "set()\n"
