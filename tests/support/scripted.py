"""A server on loopback that says what it was told to, and is not the sandbox: another idea of the service."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web
from attrs import Factory, define, frozen


@frozen
class Said:
    """An answer: a status and a JSON body."""

    status: int
    body: object


@frozen
class Seen:
    """A request as it arrived; its body decoded, or `None` where there was none."""

    method: str
    path: str
    query: Mapping[str, str]
    body: object
    headers: Mapping[str, str]

    @property
    def line(self) -> str:
        """The method and the path below the API's, as the pages write them."""
        return f"{self.method} {self.path.removeprefix('/api/public/v1')}"


NEVER = object()
"""An answer that does not come."""


@define(eq=False)
class Scripted:
    """What is answered to what, and what has arrived.

    Attributes:
        url: The origin.
        log: The requests, in the order in which they arrived.
        strays: Those of them for which there was no answer.
    """

    url: str = ""
    log: list[Seen] = Factory(list[Seen])
    strays: list[str] = Factory(list[str])
    _answers: dict[str, list[object]] = Factory(lambda: defaultdict(list))
    _ending: asyncio.Event = Factory(asyncio.Event)

    def on(self, line: str, *answers: object) -> "Scripted":
        """Answer such requests, as ``POST /job-drafts``, with one after another, the last one for good."""
        self._answers[line] += answers
        return self

    @property
    def lines(self) -> list[str]:
        """What was asked, in order."""
        return [seen.line for seen in self.log]

    def bodies(self, line: str) -> list[object]:
        """The bodies of such requests, in order."""
        return [seen.body for seen in self.log if seen.line == line]

    def forget(self) -> None:
        """Leave out the answers that do not come, as from a service that has recovered."""
        for answers in self._answers.values():
            answers[:] = [answer for answer in answers if answer is not NEVER]

    def end(self) -> None:
        """Let go of those who wait for an answer that does not come."""
        self._ending.set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Write a request down, and answer it."""
        content = await request.read()
        decoded = json.loads(content) if content else None
        seen = Seen(request.method, request.path, dict(request.query), decoded, dict(request.headers))
        self.log.append(seen)
        answers = self._answers[seen.line]
        if not answers:
            self.strays.append(seen.line)
            return web.json_response({"error": "not in the script"}, status=501)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer is NEVER:
            await self._ending.wait()
            return web.Response()
        said = answer if isinstance(answer, Said) else Said(200, answer)
        return web.json_response(said.body, status=said.status)


@asynccontextmanager
async def scripted() -> AsyncIterator[Scripted]:
    """A running server; at the end of a block that went well, nothing may have been asked that is not in the script."""
    server = Scripted()
    app = web.Application(client_max_size=0)
    app.router.add_route("*", "/{path:.*}", server.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        server.end()
        await runner.cleanup()
    assert server.strays == []
