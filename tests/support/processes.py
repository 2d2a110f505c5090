"""Processes that run a script of their own."""

import os
import subprocess
import sys
from pathlib import Path


def in_a_process(script: str, path: Path) -> str:
    """What a script prints that is given a path, and has nothing to complain of."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script, str(path)]
    finished = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30, env=environment)
    assert finished.stderr == ""
    return finished.stdout
