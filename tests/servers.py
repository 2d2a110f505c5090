"""Real Redis and Valkey servers on loopback, which keep nothing on disk."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import redis

from .peers import unused_port


class RedisServer:
    """A server of its own, for as long as the block lasts.

    Args:
        binary: ``redis-server`` or ``valkey-server``.
        directory: Where it may write its log.
        options: More of its options.
    """

    def __init__(self, binary: str, directory: Path, *options: str) -> None:
        self.port = unused_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = [
            binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
            "--dir", str(directory), "--logfile", str(directory / "server.log"), *options,
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while not self._answers():
            assert self._process.poll() is None, f"{self._command[0]} ended at once"
            assert time.monotonic() < deadline, f"{self._command[0]} does not answer"
            time.sleep(0.01)

    def stop(self) -> None:
        """Kill it; what it knew is gone."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def empty(self) -> None:
        """Forget everything."""
        self.do("FLUSHALL")

    def do(self, *command: str) -> object:
        """Send it a command, and wait for the answer."""
        with redis.Redis(port=self.port) as client:
            return client.execute_command(*command)

    def _answers(self) -> bool:
        try:
            return bool(self.do("PING"))
        except redis.RedisError:
            return False

    def __enter__(self) -> "RedisServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def binaries() -> list[str]:
    """Which servers this machine has."""
    return [name for name in ("redis-server", "valkey-server") if shutil.which(name)]
