"""The README's programs for bots: a web service as a process, and a command in a chat with a scripted user."""

import asyncio
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import aiohttp
import pytest

from opentrain_async import AsyncOpenTrain, OpenTrainError, errors
from opentrain_async.errors import Effect, QuotaExceededError
from opentrain_async.sandbox import BLOCKED_PHRASE, Fault, Sandbox

from ..support import command
from ..support.peers import Call, unused_port
from ..support.proxy import proxied
from ..support.readme import CHAT, SERVICE
from ..support.waiting import until

Told = Mapping[str, Mapping[str, Any]]
ANSWERS = {
    "What is the experience level?": "EXPERT",
    "What is the data volume unit?": "NUMBER_OF_FILES",
    "What is the payment type?": "FIXED_PRICE",
    "What is the fixed price?": "500",
}


class Service:
    """The web service, as a process."""

    def __init__(self, process: Process, port: int) -> None:
        self.process = process
        self._port = port

    async def publish(self, *job_ids: str) -> Told:
        """What it answers to these ids."""
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"http://127.0.0.1:{self._port}/publish", json=job_ids) as response,
        ):
            assert response.status == 200
            told: Told = await response.json()
            return told

    async def post(self, body: bytes) -> tuple[int, str]:
        """What it answers to that."""
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"http://127.0.0.1:{self._port}/publish", data=body) as response,
        ):
            return response.status, await response.text()

    def has_stopped_listening(self) -> bool:
        """Whether its port is free again; a connection would be one more for it to end."""
        with suppress(OSError), socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", self._port))
            return True
        return False

    async def ended(self) -> str:
        """Wait until it ends as if nothing were the matter; returns what it has said."""
        out, _ = await self.process.communicate()
        assert self.process.returncode == 0, out
        return out.decode()


@asynccontextmanager
async def serving(directory: Path, sandbox: Sandbox, url: str) -> AsyncIterator[Service]:
    """The service, before an OpenTrain of that origin."""
    (directory / "app.py").write_text(SERVICE, "utf-8")
    port = unused_port()
    env = command.environment(sandbox, {"OT_API_BASE_URL": url, "PORT": str(port), "PYTHONUNBUFFERED": "1"})
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "app.py", stdout=PIPE, stderr=STDOUT, cwd=directory, env=env
    )
    try:
        assert process.stdout is not None
        assert b"Running on" in await process.stdout.readline()
        yield Service(process, port)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def live_by(*answers: Told) -> set[str]:
    """Which drafts are live by these answers."""
    live = {"published", "already_published"}
    return {job_id for told in answers for job_id, outcome in told.items() if outcome["status"] in live}


async def test_whoever_asks_the_service_is_told_what_became_of_the_drafts(sandbox: Sandbox, tmp_path: Path) -> None:
    """Requests at once, some of them for the same drafts, share a client and a day; none is refused."""
    ids = [sandbox.draft() for _ in range(25)]
    async with serving(tmp_path, sandbox, sandbox.url) as service:
        answers = await asyncio.gather(*(service.publish(*ids[start : start + 10]) for start in range(0, 25, 5)))
        service.process.terminate()
        await service.ended()
    assert live_by(*answers) == set(sandbox.live)
    assert (len(sandbox.live), sandbox.refusals) == (20, 0)
    rest = [outcome for told in answers for job_id, outcome in told.items() if job_id not in sandbox.live]
    assert {outcome["status"] for outcome in rest} == {"deferred"}
    assert all(datetime.fromisoformat(outcome["retry_at"]) > datetime.now(UTC) for outcome in rest)


async def test_a_service_that_is_stopped_ends_what_it_is_sending_and_tells_everybody(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """Its callers get their answers: what was being sent is live, and nothing else is sent any more."""
    answered = asyncio.Event()

    async def late(call: Call, reply: bytes) -> None:
        await answered.wait()
        call.writer.write(reply)

    ids = [sandbox.draft() for _ in range(30)]
    async with proxied(sandbox.url) as opentrain, serving(tmp_path, sandbox, opentrain.url) as service:
        opentrain.spoil(late, reaches=True, times=30)
        asking = [asyncio.create_task(service.publish(*share)) for share in (ids[:15], ids[15:])]
        await opentrain.arrived(3)
        service.process.terminate()
        await until(service.has_stopped_listening)
        answered.set()
        answers = [await asked for asked in asking]
        said = await service.ended()
    assert "Traceback" not in said
    assert live_by(*answers) == set(sandbox.live)
    assert Counter(outcome["status"] for told in answers for outcome in told.values()) == {
        "published": 3, "not_sent": 27,
    }  # fmt: skip


async def test_what_is_no_list_of_ids_publishes_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    """Whoever sends it is told what is wanted; an id that comes twice is published, and told, once."""
    sandbox.draft("job_1")
    async with serving(tmp_path, sandbox, sandbox.url) as service:
        for body in (b"x", b'"job_1"', b'{"job_1": 1}', b'[["job_1"]]', b'["job_1", 1]', b"\xff"):
            assert await service.post(body) == (400, 'a list of ids is wanted, such as ["job_1", "job_2"]')
        assert sandbox.requests == []
        assert (await service.publish("job_1", "job_1"))["job_1"]["status"] == "published"


class Chat:
    """A user who answers by a script, and to what is in no script not at all.

    Attributes:
        said: What the bot has said.
        asked: What it has asked.
    """

    def __init__(self, *script: str | None) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self._script = list(script)

    async def ask(self, question: str) -> str | None:
        self.asked.append(question)
        if self._script:
            return self._script.pop(0)
        return next((answer for known, answer in ANSWERS.items() if known in question), None)

    async def say(self, text: str) -> None:
        self.said.append(text)


async def publish(client: AsyncOpenTrain, text: str, *script: str | None) -> Chat:
    """What is said when a user gives the command."""
    scope: dict[str, Callable[..., Awaitable[None]]] = {}
    exec(compile(CHAT, "README.md", "exec"), scope)  # noqa: S102 - the README's own words
    chat = Chat(*script)
    await scope["on_publish_command"](client, chat.ask, chat.say, text)
    return chat


@pytest.fixture
async def client(sandbox: Sandbox, connect: Callable[..., AsyncOpenTrain]) -> AsyncOpenTrain:
    """The bot's client."""
    return connect(sandbox)


async def test_a_command_makes_a_live_job_of_a_text(sandbox: Sandbox, client: AsyncOpenTrain) -> None:
    """What the text leaves open is asked, also what is only known to be missing by an answer."""
    chat = await publish(client, "Label cats")
    assert chat.said == ["Live: https://app.opentrain.ai/jobs/job_1"]
    assert len(chat.asked) == 4
    assert sandbox.live == ("job_1",)


async def test_the_same_command_again_is_the_same_job(sandbox: Sandbox, client: AsyncOpenTrain) -> None:
    """A user who is impatient, or a chat that delivers twice, makes no second job and is asked nothing twice."""
    first, again = await publish(client, "Label cats"), await publish(client, "Label cats")
    assert (again.said, again.asked) == (first.said, [])
    assert sandbox.live == ("job_1",)


async def test_a_wrong_answer_is_told_and_asked_for_again(sandbox: Sandbox, client: AsyncOpenTrain) -> None:
    """The reason comes with the question."""
    chat = await publish(client, "Label cats", "expert", "EXPERT")
    assert chat.asked[1].startswith("experience_level has to be one of ")
    assert chat.asked[1].endswith(f"did you mean EXPERT?\n{chat.asked[0]}")
    assert sandbox.live == ("job_1",)


async def test_a_user_who_leaves_is_asked_no_more_and_can_go_on_later(sandbox: Sandbox, client: AsyncOpenTrain) -> None:
    """What was answered is kept, and only the rest is asked for by the same command."""
    chat = await publish(client, "Label cats", "EXPERT", None)
    assert len(chat.asked) == 2
    (said,) = chat.said
    assert "there is no answer for dataVolumeUnit, paymentType" in said
    later = await publish(client, "Label cats")
    assert len(later.asked) == 3
    assert sandbox.live == ("job_1",)


async def test_where_the_day_is_used_up_the_user_is_told_when(sandbox: Sandbox, client: AsyncOpenTrain) -> None:
    """The draft is ready, and by the same command it goes then."""
    await client.publish_many([sandbox.draft() for _ in range(20)])
    (said,) = (await publish(client, "Label cats")).said
    due = (await client.quota()).next_slot_at
    assert due is not None
    assert said == f"job_21 is ready. It can go on {due:%d %B at %H:%M} UTC."
    assert sandbox.refusals == 0
    sandbox.advance(hours=24)
    assert (await publish(client, "Label cats")).said == ["Live: https://app.opentrain.ai/jobs/job_21"]


async def test_where_moderation_refuses_the_user_is_told_why(client: AsyncOpenTrain) -> None:
    """The reasons are moderation's own."""
    (said,) = (await publish(client, f"Label cats, {BLOCKED_PHRASE} me@acme.test")).said
    assert "The reasons: Asks for personal contact details. Change the draft" in said


async def test_where_nobody_knows_the_user_is_told_so(sandbox: Sandbox, client: AsyncOpenTrain) -> None:
    """A job that may be live is not called failed, and by the same command it is found out."""
    sandbox.fault(Fault.RESET, times=4, published=True)
    (said,) = (await publish(client, "Label cats")).said
    assert "The server may have published it" in said
    assert (await publish(client, "Label cats")).said == ["Live: https://app.opentrain.ai/jobs/job_1"]
    assert sandbox.live == ("job_1",)


class _Failing:
    """A client whose posts end by an error."""

    def __init__(self, error: OpenTrainError) -> None:
        self._error = error

    async def post(self, *_: object, **__: object) -> None:
        raise self._error


@pytest.mark.parametrize("name", [name for name in errors.__all__ if name != "Effect"])
@pytest.mark.parametrize("effect", get_args(Effect))
async def test_whatever_goes_wrong_the_user_is_told_once_and_nothing_that_is_not_so(name: str, effect: Effect) -> None:
    """Each error of the library has its words, and none of them promises more than it knows."""
    error: OpenTrainError = getattr(errors, name)("It broke", job_id="job_1", effect=effect)
    if isinstance(error, QuotaExceededError):
        error.retry_at = datetime.now(UTC)
    (said,) = (await publish(_Failing(error), "Label cats")).said  # type: ignore[arg-type]
    assert "It broke" in said or "can go on" in said
    assert "Live" not in said
    assert ("may have" in said) == (effect == "unknown") or name in {"ConfigurationError", "SessionError"}
