"""How long it takes to import the library, and others that speak HTTP, each time in a fresh process.

The interpreter's own start is not counted; what a library imports is. The files are in the system's cache.
"""

import json
import subprocess
import sys

from .machine import describe, version_of
from .record import Record, Sample
from .turns import OURS, in_turns, told

MILLISECONDS, MODULES = "milliseconds", "modules"
_FULL_ROUNDS, _QUICK_ROUNDS = 7, 2
_CASE = "import"
_NAMES = (OURS, "aiohttp", "httpx", "httpx2", "niquests", "openai")
_SCRIPT = """
import json, sys, time
before, began = len(sys.modules), time.perf_counter()
import {name}
seconds = time.perf_counter() - began
print(json.dumps([seconds * 1000, len(sys.modules) - before]))
"""


def measure(is_quick: bool) -> Record:
    """Each of them in turns; a first time for nothing, which fills the caches."""
    rounds = _QUICK_ROUNDS if is_quick else _FULL_ROUNDS
    present = tuple(name for name in _NAMES if version_of(name))
    machine = describe(_NAMES)
    for name in present:
        _figures(name)
    samples = [
        Sample(number, name, _CASE, _figures(name))
        for number, name in told("imports", in_turns(rounds, present), rounds)
    ]
    absent = tuple(name for name in _NAMES if name not in present)
    return Record(machine, {"rounds": str(rounds)}, present, absent, tuple(samples))


def _figures(name: str) -> dict[str, float]:
    command = [sys.executable, "-I", "-c", _SCRIPT.format(name=name)]
    milliseconds, modules = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return {MILLISECONDS: milliseconds, MODULES: modules}
