"""Disks that are full, and folders in which nothing may be written."""

import os
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NOBODY = 65_534


@contextmanager
def full_disk(room: int = 0) -> Iterator[None]:
    """No file of this process can grow beyond so many bytes; a write that would is told so, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def folder_for_everybody() -> Iterator[Path]:
    """A folder into which every user can look; those of pytest are for their owner alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing in a folder can be written; nothing keeps root from it, so that this process is not root meanwhile."""
    user = os.geteuid()
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)
    try:
        os.seteuid(user or _NOBODY)
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o755)
        for file in folder.iterdir():
            file.chmod(0o600)
