"""The README's workers on many machines: its text, run by the task queue's own commands, on a real Redis."""

import asyncio
import json
import os
import shlex
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from attrs import frozen

from opentrain_async import AsyncOpenTrain, RedisLedger, RetryPolicy
from opentrain_async.quota import AccountLog
from opentrain_async.sandbox import Fault, Sandbox

from ..support import command
from ..support.outages import ids
from ..support.peers import Call, Then, answer, client_of, job_of, leave, peer
from ..support.proxy import proxied
from ..support.readme import README, WORKER
from ..support.servers import RedisServer
from ..support.stores import accept_one
from ..support.virtual import VirtualClock

DAY = timedelta(days=1)
WORK, SCHEDULE = [
    shlex.split(line, comments=True) for line in README.read_text("utf-8").splitlines() if line.startswith("taskiq ")
]
_PRODUCER = """
import asyncio, sys
from worker import broker, publish

async def main():
    await broker.startup()
    for line in sys.stdin:
        for job_id in line.split():
            await publish.kiq(job_id)
    await broker.shutdown()

asyncio.run(main())
"""


async def until(fact: Callable[[], object]) -> None:
    """Wait until something is so; two minutes are for a machine that is busy with something else."""
    async with asyncio.timeout(120):
        while not fact():
            await asyncio.sleep(0.02)


@frozen
class Machine:
    """A command that runs, and what it says."""

    process: Process
    log: Path

    def listens(self) -> bool:
        """Whether it is a worker that takes messages by now."""
        return "Listening started" in self.log.read_text()

    def kill(self) -> None:
        """End it, with all of its processes, as a power cut does."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


class Fleet:
    """The machines of one account, each with the README's ``worker.py``."""

    def __init__(self, directory: Path, url: str, redis_url: str, token: str) -> None:
        (directory / "worker.py").write_text(WORKER, "utf-8")
        self.machines: list[Machine] = []
        self._producer: Machine | None = None
        self._directory = directory
        self._environment = {
            **{name: value for name, value in command.environment().items() if not name.startswith("COVERAGE")},
            "REDIS_URL": redis_url, "OT_API_TOKEN": token, "OT_API_BASE_URL": url,
            "PYTHONWARNINGS": "default::ResourceWarning",
        }  # fmt: skip

    async def start(self, *arguments: str) -> Machine:
        """Run Python with these arguments."""
        log = self._directory / f"{len(self.machines)}.log"
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                sys.executable, *arguments, stdin=PIPE, stdout=out, stderr=STDOUT, start_new_session=True,
                cwd=self._directory, env=self._environment,
            )  # fmt: skip
        self.machines.append(Machine(process, log))
        return self.machines[-1]

    async def enqueue(self, job_ids: Sequence[str]) -> None:
        """Have a process do what the README says of whoever has a draft."""
        if self._producer is None:
            self._producer = await self.start("-c", _PRODUCER)
        assert self._producer.process.stdin is not None
        self._producer.process.stdin.write(f"{' '.join(job_ids)}\n".encode())


class Queue:
    """What is in Redis."""

    def __init__(self, server: RedisServer) -> None:
        self.redis: Any = redis.Redis(port=server.port, decode_responses=True)
        self._url = server.url

    def outcomes(self) -> Mapping[str, str]:
        """The first word that is kept of each draft."""
        return {job_id: text.split()[0] for job_id, text in self.redis.hgetall("outcomes").items()}

    def booked(self) -> list[dict[str, Any]]:
        """What is to be delivered at a time."""
        keys = self.redis.keys("schedule:data:*")
        return [json.loads(text) for text in self.redis.mget(keys) if text]

    def under_way(self) -> list[dict[str, Any]]:
        """The messages that are delivered and not acknowledged."""
        return list(self.redis.xpending_range("taskiq", "taskiq", "-", "+", 1000))

    def ten_minutes_pass(self, worker: str) -> None:
        """For what has been delivered to a worker and not acknowledged."""
        for message in self.under_way():
            if message["consumer"] == worker:
                self.redis.xclaim("taskiq", "taskiq", worker, 0, [message["message_id"]], idle=600_000, justid=True)

    def refuse_bookings(self) -> None:
        """Have what is to be booked for a day from now fail, in the next minutes."""
        for minutes in range(5):
            at = datetime.now(UTC) + DAY + timedelta(minutes=minutes)
            self.redis.set(f"schedule:time:{at:%Y-%m-%dT%H:%M}", "no list")

    @contextmanager
    def refusing_writes(self) -> Iterator[None]:
        """As where memory has run out, or the disk; but for what takes messages away."""
        self.redis.config_set("maxmemory", 1)
        try:
            yield
        finally:
            self.redis.config_set("maxmemory", 0)

    async def a_day_passes(self) -> None:
        """For what is booked, and for the quota's ledger."""
        for booking in self.booked():
            before = datetime.fromisoformat(booking["time"])
            booking["time"] = (before - DAY).isoformat()
            self.redis.set(f"schedule:data:{booking['schedule_id']}", json.dumps(booking))
            self.redis.rpush(f"schedule:time:{before - DAY:%Y-%m-%dT%H:%M}", booking["schedule_id"])
            self.redis.delete(f"schedule:time:{before:%Y-%m-%dT%H:%M}")
        (account,) = self.redis.keys("opentrain:quota:*")
        async with RedisLedger(self._url) as ledger:
            await ledger.run(account.removeprefix("opentrain:quota:"), _a_day_older, 0)


def _a_day_older(log: AccountLog, now: float) -> None:
    for slot in log.jobs.values():
        slot.at -= DAY.total_seconds()


@pytest.fixture
def queue(redis_server: RedisServer) -> Iterator[Queue]:
    """A queue with nothing in it."""
    ours = Queue(redis_server)
    yield ours
    ours.redis.close()


@asynccontextmanager
async def fleet(directory: Path, sandbox: Sandbox, server: RedisServer, url: str = "") -> AsyncIterator[Fleet]:
    """Machines that are killed at the end of the block, if they still run."""
    ours = Fleet(directory, url or sandbox.url, server.url, sandbox.token)
    try:
        yield ours
    finally:
        for machine in ours.machines:
            machine.kill()
            await machine.process.wait()


async def stop(workers: Sequence[Machine]) -> None:
    """Send them a SIGTERM, and wait for their end."""
    for worker in workers:
        worker.process.terminate()
    for worker in workers:
        await ended(worker)


async def ended(worker: Machine) -> None:
    """See that it ends as if nothing were the matter."""
    assert await worker.process.wait() == 0
    said = worker.log.read_text()
    assert not [word for word in ("Traceback", "Warning", "Unclosed", "never") if word in said], said


async def test_three_machines_share_a_day_and_each_draft_has_one_outcome(
    sandbox: Sandbox, queue: Queue, redis_server: RedisServer, tmp_path: Path
) -> None:
    """Of a hundred drafts twenty go live and none is refused; the rest is booked for when a slot comes back."""
    ids = [sandbox.draft() for _ in range(100)]
    async with fleet(tmp_path, sandbox, redis_server) as ours:
        workers = [await ours.start("-m", *WORK) for _ in range(3)]
        await until(lambda: all(worker.listens() for worker in workers))
        await ours.enqueue(ids)
        await until(lambda: len(queue.outcomes()) == 100 and not queue.under_way())
        assert Counter(queue.outcomes().values()) == {"published": 20, "deferred": 80}
        assert (len(sandbox.live), len(sandbox.requests), sandbox.refusals) == (20, 20, 0)
        deferred = {job_id for job_id, status in queue.outcomes().items() if status == "deferred"}
        assert sorted(booking["args"] for booking in queue.booked()) == sorted([job_id] for job_id in deferred)
        async with (
            RedisLedger(redis_server.url) as ledger,
            AsyncOpenTrain(sandbox.token, base_url=sandbox.url, ledger=ledger) as client,
        ):
            due = (await client.quota()).next_slot_at
        assert {datetime.fromisoformat(booking["time"]) for booking in queue.booked()} == {due}
        await stop(workers)


async def test_F22_F23_what_a_killed_worker_had_under_way_is_done_by_another_and_charged_once(
    sandbox: Sandbox, queue: Queue, redis_server: RedisServer, tmp_path: Path
) -> None:
    """Also what it had published without being told; until then its slots count."""
    ids = [sandbox.draft() for _ in range(30)]
    for job_id, is_published in zip(ids[4:7], (True, True, False), strict=True):
        sandbox.fault(Fault.STALL, job_id=job_id, published=is_published)
    async with fleet(tmp_path, sandbox, redis_server) as ours:
        doomed = await ours.start("-m", *WORK)
        await until(doomed.listens)
        await ours.enqueue(ids[:4])
        await until(lambda: len(queue.outcomes()) == 4)
        await ours.enqueue(ids[4:7])
        await until(lambda: len(sandbox.requests) == 7 and len(queue.under_way()) == 3)
        doomed.kill()
        (dead,) = {message["consumer"] for message in queue.under_way()}
        workers = [await ours.start("-m", *WORK) for _ in range(2)]
        await until(lambda: all(worker.listens() for worker in workers))
        await ours.enqueue(ids[7:])
        await until(lambda: len(queue.outcomes()) == 17)
        queue.ten_minutes_pass(dead)
        await ours.start("-m", *SCHEDULE)
        await until(lambda: len(queue.outcomes()) == 30 and not queue.under_way())
        assert Counter(queue.outcomes().values()) == {"published": 20, "deferred": 10}
        assert (len(sandbox.live), sandbox.refusals) == (20, 0)
        await stop(workers)


async def test_a_draft_whose_return_cannot_be_booked_stays_in_the_queue(
    sandbox: Sandbox, queue: Queue, redis_server: RedisServer, tmp_path: Path
) -> None:
    """Its message is not acknowledged, so that it is delivered again."""
    ids = [sandbox.draft() for _ in range(21)]
    async with fleet(tmp_path, sandbox, redis_server) as ours:
        worker = await ours.start("-m", *WORK)
        queue.refuse_bookings()
        await ours.enqueue(ids)
        await until(lambda: len(queue.outcomes()) == 20 and "WRONGTYPE" in worker.log.read_text())
        queue.redis.delete("outcomes")
        await ours.enqueue(sandbox.live[:1])
        await until(lambda: queue.outcomes() and len(queue.under_way()) == 1)
        assert set(queue.outcomes().values()) == {"already_published"}


async def test_what_is_refused_whatever_it_is_comes_back(
    sandbox: Sandbox, queue: Queue, redis_server: RedisServer, tmp_path: Path
) -> None:
    """A proxy's 403 says nothing of the draft, nor does a token that was revoked; what moderation says does."""

    async def forbidden(call: Call, reply: bytes) -> None:
        call.writer.write(answer({"error": "Forbidden"}, status="403 Forbidden"))

    first, blocked, late = sandbox.draft(), sandbox.draft(blocked=True), sandbox.draft()
    async with proxied(sandbox.url) as service, fleet(tmp_path, sandbox, redis_server, service.url) as ours:
        service.spoil(forbidden, reaches=False, which=lambda call: job_of(call) == first, times=1)
        worker = await ours.start("-m", *WORK)
        await ours.enqueue([first, blocked])
        await until(lambda: len(queue.outcomes()) == 2 and not queue.under_way())
        sandbox.revoke()
        await ours.enqueue([late])
        await until(lambda: len(queue.outcomes()) == 3 and not queue.under_way())
        assert queue.outcomes() == {first: "unknown", blocked: "rejected", late: "rejected"}
        assert sorted(booking["args"] for booking in queue.booked()) == sorted([[first], [late]])
        await stop([worker])


async def test_what_is_booked_comes_back_and_a_worker_that_is_stopped_ends_what_it_is_sending(
    sandbox: Sandbox, queue: Queue, redis_server: RedisServer, tmp_path: Path
) -> None:
    """Deferred and doubtful drafts go a day later; what is under way at a SIGTERM is waited for, and kept."""
    answered = asyncio.Event()

    async def lost(call: Call, reply: bytes) -> None:
        await leave(call.writer, Then.RESET)

    async def late(call: Call, reply: bytes) -> None:
        await answered.wait()
        call.writer.write(reply)

    ids = [sandbox.draft() for _ in range(25)]
    async with proxied(sandbox.url) as service, fleet(tmp_path, sandbox, redis_server, service.url) as ours:
        service.spoil(lost, reaches=False, which=lambda call: job_of(call) == ids[0], times=4)
        worker = await ours.start("-m", *WORK)
        await ours.enqueue(ids)
        await until(lambda: len(queue.outcomes()) == 25 and not queue.under_way())
        assert Counter(queue.outcomes().values()) == {"published": 20, "deferred": 4, "unknown": 1}
        await queue.a_day_passes()
        sandbox.advance(hours=24)
        service.spoil(late, reaches=True, times=5)
        with queue.refusing_writes():
            scheduler = await ours.start("-m", *SCHEDULE)
            await until(lambda: scheduler.log.read_text().count("to be sent again") >= 5)
        await until(lambda: len(service.calls) == 29)
        worker.process.terminate()
        await until(lambda: "Stopping prefetching" in worker.log.read_text())
        answered.set()
        await ended(worker)
        assert set(queue.outcomes().values()) == {"published"}
        assert (len(sandbox.live), sandbox.refusals, queue.booked()) == (25, 0, [])


async def test_in_an_outage_the_drafts_of_a_worker_are_tried_one_at_a_time_and_given_back_after_a_minute() -> None:
    """Each has a run of its own, and all of these are held together: what is not answered comes back later."""

    async def down(call: Call) -> None:
        call.writer.write(answer({"ok": False}, status="503 no"))

    clock = VirtualClock()
    async with peer(down) as server, client_of(server.url, daily_limit=20, clock=clock, retry=RetryPolicy()) as client:
        await accept_one(client)
        begun = clock.time
        runs = [client.publish_many([job_id], outage_patience=60) for job_id in ids(10)]
        reports = await asyncio.gather(*runs)
        assert all(report.stopped_by for report in reports)
        assert clock.time == begun + 60
        assert len(server.calls) < 30
