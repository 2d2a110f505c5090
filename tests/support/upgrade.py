"""Processes that run this version of the package, or the last one that knows only format 1 of a ledger."""

import asyncio
import json
import os
import sys
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import frozen

import opentrain_async

THIS_VERSION = Path(opentrain_async.__file__).parents[1]
EARLIER_COMMIT = "91d69b45e52e272313f8f6ba2b3e08ff7c3a5d52"
_EARLIER_WHEEL = Path(__file__).with_name("before_format_2.tar.xz")
"""The files of that commit's wheel, packed more tightly: a checkout may have no history to build the wheel from."""

_SCRIPT = """
import asyncio, json, socket, sys
from pathlib import Path

import aiohttp
import opentrain_async
from aiohttp.abc import AbstractResolver
from opentrain_async import AsyncOpenTrain, RedisLedger, SQLiteLedger

where, account, port = sys.argv[1], sys.argv[2] or None, int(sys.argv[3])


class ToTheTest(AbstractResolver):
    async def resolve(self, host, port_of_the_service=0, family=socket.AF_INET):
        return [dict(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self):
        pass


async def main():
    connector = aiohttp.TCPConnector(resolver=ToTheTest(), ssl=False)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        RedisLedger(where, timeout=10) if "://" in where else SQLiteLedger(where) as store,
        AsyncOpenTrain("ot_pat_upgrade", session=session, ledger=store, account=account) as client,
    ):
        print(Path(opentrain_async.__file__).parents[1], flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            report = await client.publish_many(json.loads(line))
            statuses = [outcome.status.value for outcome in report.outcomes]
            print(json.dumps([statuses, report.stopped_by and str(report.stopped_by)]), flush=True)


asyncio.run(main())
"""


def unpack_earlier(folder: Path) -> Path:
    """Unpack the wheel of the earlier version into a folder, and return that."""
    with tarfile.open(_EARLIER_WHEEL) as archive:
        archive.extractall(folder, filter="data")
    return folder


@frozen
class Process:
    """A process with a client of the service's own origin, whose name leads to a server of the test."""

    _running: asyncio.subprocess.Process

    async def publish(self, job_ids: list[str]) -> tuple[list[str], str | None]:
        """Publish drafts; return their statuses, and the error that stopped the run."""
        assert self._running.stdin is not None
        self._running.stdin.write(json.dumps(job_ids).encode() + b"\n")
        statuses, stopped_by = json.loads(await self.read())
        return statuses, stopped_by

    async def read(self) -> str:
        """Return the next line that it prints."""
        assert self._running.stdout is not None
        async with asyncio.timeout(30):
            return (await self._running.stdout.readline()).decode().rstrip()


@asynccontextmanager
async def process_of(version: Path, ledger: str, account: str | None, port: int) -> AsyncIterator[Process]:
    """Run that version of the package, on this ledger and account, against the server on that port."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", _SCRIPT, ledger, account or "", str(port),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        env=environment | {"PYTHONPATH": str(version)},
    )  # fmt: skip
    try:
        process = Process(running)
        assert await process.read() == str(version)
        yield process
    finally:
        await running.communicate(b"")  # which closes its stdin: it ends then
    assert running.returncode == 0
