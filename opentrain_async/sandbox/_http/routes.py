"""Serve the model over HTTP: requests in, answers out, faults in between."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from aiohttp import web
from attrs import define, evolve

from ..._base.value import frozen
from .._model.agents import PAGE, Agents
from .._model.catalogue import Operation, operations
from .._model.refusals import Body, Call, RefusedError
from .._model.state import Service
from .._time import SandboxClock
from .door import MOST_BYTES, check, is_asked_by_itself
from .faults import Fault, FaultPlan, PlannedFault
from .pages import Page, approve_claim, show_claim
from .strike import strike

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@frozen
class RequestSeen:
    """A request that arrived. Headers, queries and bodies, which may hold secrets, are not kept.

    Attributes:
        method: The HTTP method.
        path: The path.
        job_id: The job it was about, or `None`.
        at: The sandbox's time, in epoch seconds.
        status: The status that was answered; `None` while there is none, or where a fault left it out.
        fault: The fault that struck it, or `None`.
        operation: What was asked for, by the name that `Sandbox.fault` knows it by; `None` for anything else.
    """

    method: str
    path: str
    job_id: str | None
    at: float
    status: int | None = None
    fault: Fault | None = None
    operation: str | None = None


@frozen
class Answer:
    """A status and a JSON body."""

    status: int
    body: Body


@define(eq=False)
class Routes:
    """Serves everything over HTTP.

    Attributes:
        service: What is served.
        agents: What is served to agents.
        clock: The time.
        faults: What is to go wrong.
        requests: What has arrived.
        strays: What has been asked for that is not served.
        closing: Set when the sandbox ends.
    """

    service: Service
    agents: Agents
    clock: SandboxClock
    faults: FaultPlan
    requests: list[RequestSeen]
    strays: list[str]
    closing: asyncio.Event
    _refused: int = 0

    def app(self) -> web.Application:
        """The application."""
        app = web.Application(client_max_size=MOST_BYTES, middlewares=[self._door])
        for operation in operations(self.service, self.agents):
            app.router.add_route(operation.method, operation.path, self._served(operation))
        app.router.add_route("GET", PAGE, self._page(partial(show_claim, self.agents)))
        app.router.add_route("POST", PAGE, self._page(partial(approve_claim, self.agents)))
        app.router.add_route("*", "/{path:.*}", self._stray)
        return app

    @web.middleware
    async def _door(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Turn away who may not ask, before the request is noted or meets a fault."""
        try:
            await check(request)
            if is_asked_by_itself(request):
                raise RefusedError(404, "NOT_FOUND", "There is nothing here for browsers.")
        except RefusedError as refusal:
            return self._response(self._refusal(refusal))
        return await handler(request)

    def _served(self, operation: Operation) -> _Handler:
        async def serve(request: web.Request) -> web.StreamResponse:
            fault = self.faults.on_call(operation.name, request.match_info.get("job_id"))
            number = self._note(request, operation.name, fault)
            call = await self._call(request)
            answer = self._answer(operation, call, is_done=fault is None or fault.published)
            if fault is not None and fault.kind is Fault.STATUS:
                answer = self._refusal(operation.failure(fault.status))
            elif fault is not None:
                return await strike(fault, request, json.dumps(dict(answer.body)).encode(), self.closing)
            return self._sent(answer, number, fault.retry_after if fault else None)

        return serve

    def _page(self, show: Callable[[Call], Page]) -> _Handler:
        async def serve(request: web.Request) -> web.StreamResponse:
            number = self._note(request)
            status, text = show(await self._call(request))
            self._noted(number, status)
            return web.Response(status=status, text=text, content_type="text/html")

        return serve

    async def _stray(self, request: web.Request) -> web.StreamResponse:
        number = self._note(request)
        self.strays.append(f"{request.method} {request.path}")
        return self._sent(self._refusal(RefusedError(501, "NOT_FOUND", "The sandbox does not serve this.")), number)

    async def _call(self, request: web.Request) -> Call:
        authorization = request.headers.get("Authorization")
        job_id = request.match_info.get("job_id", "")
        content = await request.read()
        return Call(self.clock.now(), authorization, job_id, request.query, content)

    def _answer(self, operation: Operation, call: Call, *, is_done: bool) -> Answer:
        """Serve a call; or only let it in, where a fault comes before it is served."""
        try:
            serve = operation.admit(call)
            if not is_done:
                raise operation.failure(503)
            return Answer(200, serve())
        except RefusedError as refusal:
            return self._refusal(refusal)

    def _refusal(self, refusal: RefusedError) -> Answer:
        self._refused += 1
        return Answer(refusal.status, refusal.body(f"00000000-0000-4000-8000-{self._refused:012d}"))

    def _note(self, request: web.Request, operation: str | None = None, fault: PlannedFault | None = None) -> int:
        """Write down that a request has arrived; returns its number."""
        job_id = request.match_info.get("job_id")
        kind = fault.kind if fault else None
        seen = RequestSeen(request.method, request.path, job_id, self.clock.now(), None, kind, operation)
        self.requests.append(seen)
        return len(self.requests) - 1

    def _noted(self, number: int, status: int) -> None:
        self.requests[number] = evolve(self.requests[number], status=status)

    def _sent(self, answer: Answer, number: int, retry_after: str | None = None) -> web.Response:
        self._noted(number, answer.status)
        return self._response(answer, {"Retry-After": retry_after} if retry_after is not None else None)

    def _response(self, answer: Answer, headers: Mapping[str, str] | None = None) -> web.Response:
        return web.json_response(dict(answer.body), status=answer.status, headers=headers)
