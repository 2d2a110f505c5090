"""The service over HTTP, on loopback, with faults on demand."""

import asyncio
import json
import secrets
import socket
import struct
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from aiohttp import web
from attrs import evolve, frozen

from ._clock import SandboxClock
from ._faults import Fault, FaultPlan, PlannedFault
from ._fields import COMPLETE
from ._service import Account, Answer, Job, Service

_API = "/api/public/v1"
_SCOPES = ("jobs:read", "jobs:write", "proposals:read", "messages:read", "payments:read", "team:read")
_OVERSIZE = 2 * 1024 * 1024
_DRIP_SECONDS = 0.002
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class UnknownRouteError(AssertionError):
    """Something asked the sandbox for what it does not serve."""


@frozen
class RequestSeen:
    """A request that arrived. Headers and bodies, which may hold secrets, are not kept.

    Attributes:
        method: The HTTP method.
        path: The path.
        job_id: The job it was about, or `None`.
        at: The sandbox's time, in epoch seconds.
        status: The status that was answered; `None` while there is none, or where a fault left it out.
        fault: The fault that struck it, or `None`.
    """

    method: str
    path: str
    job_id: str | None
    at: float
    status: int | None = None
    fault: Fault | None = None


class Sandbox:
    """A local OpenTrain, for as long as its ``async with`` block lasts.

    It knows one account to begin with, whose API token is `token`.

    Args:
        claimed: Whether that account is claimed: 20 publishes in any 24 hours; unclaimed it has 3.
        port: The loopback port to listen on; 0 takes a free one.

    Raises:
        UnknownRouteError: At the end of the block, if something was asked for that the sandbox does not serve.
    """

    def __init__(self, *, claimed: bool = True, port: int = 0) -> None:
        self.clock = SandboxClock()
        self.requests: list[RequestSeen] = []
        self._port = port
        self._service = Service()
        self._faults = FaultPlan.empty()
        self._strays: list[str] = []
        self._closing = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._url: str | None = None
        self.token = self.add_account(claimed=claimed)

    @property
    def url(self) -> str:
        """The origin to give to a client as `base_url`."""
        if self._url is None:
            raise RuntimeError("the sandbox is not running: use it as 'async with Sandbox() as sandbox'")
        return self._url

    @property
    def live(self) -> tuple[str, ...]:
        """The ids of the jobs that are live."""
        return tuple(job_id for job_id, job in self._service.jobs.items() if job.status == "OPEN")

    @property
    def refusals(self) -> int:
        """How many requests were answered by 429."""
        return sum(request.status == 429 for request in self.requests)

    def add_account(self, *, claimed: bool = True, scopes: Iterable[str] = _SCOPES) -> str:
        """Make another account; returns its API token, which no other sandbox has: ledgers outlive sandboxes."""
        token = f"ot_pat_sandbox{len(self._service.accounts) + 1}_{secrets.token_hex(8)}"
        self._service.accounts[token] = Account(claimed, tuple(scopes))
        return token

    def claim(self, token: str | None = None) -> None:
        """Claim an account: its limit goes up from 3 to 20."""
        self._account(token).claimed = True

    def revoke(self, token: str | None = None) -> None:
        """Make a token invalid."""
        del self._service.accounts[token or self.token]

    def draft(
        self,
        job_id: str | None = None,
        *,
        missing: Iterable[str] = (),
        blocked: bool = False,
        status: str = "DRAFT",
        token: str | None = None,
    ) -> str:
        """Make a draft.

        Args:
            job_id: Its id; `None` makes one.
            missing: Which of the fields that it needs are not filled in, such as ``"experienceLevel"``.
            blocked: Moderation will block it.
            status: Its status, should it be none of a draft any more, such as ``"ARCHIVED"``.
            token: Whose it is; `None` is the first account's.

        Returns:
            Its id.
        """
        chosen = job_id or self._service.new_job_id()
        fields = {name: value for name, value in COMPLETE.items() if name not in set(missing)}
        self._service.jobs[chosen] = Job(self._account(token), fields, blocked, status)
        return chosen

    def publish_elsewhere(self, count: int = 1, *, token: str | None = None) -> None:
        """Use up some of an account's quota by other means, such as the web site."""
        self._account(token).published_at.extend([self.clock.now()] * count)

    def take_down(self, job_id: str) -> None:
        """Turn a live job back into a draft, as a live edit does that moderation blocks."""
        self._service.jobs[job_id].status = "DRAFT"

    def fault(
        self,
        kind: Fault,
        *,
        job_id: str | None = None,
        call: int = 1,
        times: int = 1,
        published: bool = False,
        status: int = 503,
        retry_after: str | None = None,
    ) -> None:
        """Plan a fault of publish requests.

        Args:
            kind: How the request goes wrong.
            job_id: Which draft's; `None` is any.
            call: Which call it strikes first: the nth for that draft, or of all, from 1.
            times: How many calls in a row.
            published: Do the publish before the fault strikes, so that only the answer is lost.
            status: The status of a `Fault.STATUS`.
            retry_after: The value of its Retry-After header; `None` leaves it out.
        """
        calls = range(call, call + times)
        self._faults.add(PlannedFault(kind, job_id, calls, published, status, retry_after))

    def advance(self, *, hours: float = 0, seconds: float = 0) -> None:
        """Skip time: the quota's window, and every clock that is this sandbox's."""
        self.clock.advance(hours * 3600 + seconds)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post(_API + "/jobs/{job_id}/publish", self._publish)
        app.router.add_post(_API + "/job-drafts", self._create_draft)
        app.router.add_route("*", "/{path:.*}", self._stray)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._strays and error is None:
            raise UnknownRouteError("the sandbox does not serve " + ", ".join(self._strays))

    async def _publish(self, request: web.Request) -> web.StreamResponse:
        job_id = request.match_info["job_id"]
        number = len(self.requests)
        fault = self._faults.on_call(job_id)
        seen = RequestSeen("POST", request.path, job_id, self.clock.now(), fault=fault.kind if fault else None)
        self.requests.append(seen)
        caller = self._service.caller(request.headers.get("Authorization"), "jobs:write")
        if isinstance(caller, Answer):
            answer = caller
        elif fault is None or fault.published:
            answer = self._service.publish(caller, job_id, self.clock.now())
        else:
            answer = self._service.error(503, "INTERNAL_ERROR", "Not now.")
        if fault is not None:
            return await self._strike(fault, request, answer, number)
        return self._answer(answer, number)

    async def _create_draft(self, request: web.Request) -> web.StreamResponse:
        number = len(self.requests)
        self.requests.append(RequestSeen("POST", request.path, None, self.clock.now()))
        caller = self._service.caller(request.headers.get("Authorization"), "jobs:write")
        if isinstance(caller, Answer):
            return self._answer(caller, number)
        try:
            body: object = await request.json()
        except ValueError:
            body = None
        return self._answer(self._service.create_draft(caller, body), number)

    async def _stray(self, request: web.Request) -> web.StreamResponse:
        number = len(self.requests)
        self.requests.append(RequestSeen(request.method, request.path, None, self.clock.now()))
        self._strays.append(f"{request.method} {request.path}")
        return self._answer(self._service.error(501, "NOT_FOUND", "The sandbox does not serve this."), number)

    def _answer(self, answer: Answer, number: int, retry_after: str | None = None) -> web.Response:
        self.requests[number] = evolve(self.requests[number], status=answer.status)
        headers = {"Retry-After": retry_after} if retry_after is not None else None
        return web.json_response(dict(answer.body), status=answer.status, headers=headers)

    async def _strike(
        self, fault: PlannedFault, request: web.Request, answer: Answer, number: int
    ) -> web.StreamResponse:
        """Let a request go wrong."""
        body = json.dumps(dict(answer.body)).encode()
        match fault.kind:
            case Fault.STATUS:
                code = "RATE_LIMITED" if fault.status == 429 else "INTERNAL_ERROR"
                failed = self._service.error(fault.status, code, "Not now.")
                return self._answer(failed, number, fault.retry_after)
            case Fault.REDIRECT:
                return web.Response(status=307, headers={"Location": "http://elsewhere.invalid/?token=x"})
            case Fault.HTML:
                return web.Response(text="<html>Please log in to the network.</html>", content_type="text/html")
            case Fault.OVERSIZED:
                return web.Response(body=b'{"padding": "' + b"x" * _OVERSIZE + b'"}', content_type="application/json")
            case Fault.STALL:
                await self._closing.wait()
                return web.Response()
            case Fault.TRUNCATED | Fault.DRIP:
                return await self._send_slowly(request, body, cut=fault.kind is Fault.TRUNCATED)
            case Fault.RESET | Fault.CLOSE:
                _hang_up(request, reset=fault.kind is Fault.RESET)
                return web.Response()

    async def _send_slowly(self, request: web.Request, body: bytes, *, cut: bool) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.content_length = len(body)
        await response.prepare(request)
        if cut:
            await response.write(body[: len(body) // 2])
            _hang_up(request, reset=False)
            return response
        for byte in body:
            if self._closing.is_set() or request.transport is None or request.transport.is_closing():
                break
            await response.write(bytes([byte]))
            await asyncio.sleep(_DRIP_SECONDS)
        return response

    def _account(self, token: str | None) -> Account:
        return self._service.accounts[token or self.token]


def _hang_up(request: web.Request, *, reset: bool) -> None:
    """End the connection of a request, in an orderly way or by a reset."""
    transport = request.transport
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if reset and sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    else:
        transport.close()
