"""Where, with what and when something is measured."""

import os
import platform
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path


def describe(libraries: Iterable[str]) -> dict[str, str]:
    """The machine as it is now, as one says it to a reader.

    Args:
        libraries: The distributions whose versions matter; those that are not installed are left out.
    """
    versions = {name: version for name in libraries if (version := version_of(name))}
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "system": _system(),
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "libraries": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "load before": f"{os.getloadavg()[0]:.2f}",
        "date": datetime.now(UTC).date().isoformat(),
    }


def version_of(distribution: str) -> str:
    """Its version, or nothing if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    if (told := Path("/proc/cpuinfo")).exists() and (model := re.search(r"model name\s*: (.+)", told.read_text())):
        return model[1].strip()
    return platform.processor() or platform.machine()


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform(terse=True)
    return f"{name}, {platform.system()} {'.'.join(platform.release().split('.')[:2])}"
