"""Saved credentials, for tests."""

import json
from pathlib import Path

from opentrain_async._client.account.credentials import path_of_file


def save(content: object) -> Path:
    """Write the shared credentials file; bytes as they are, anything else as JSON."""
    path = path_of_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path
