"""The sandbox as a test or a program holds it: arrange state and faults, and look at the requests."""

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from aiohttp import web

from .._base.text import listed, shown
from ._http.faults import Fault, FaultPlan, PlannedFault, fault_named
from ._http.routes import RequestSeen, Routes
from ._model.accounts import CAPABILITIES, Account
from ._model.agents import Agents
from ._model.catalogue import operations
from ._model.dialect import Dialect
from ._model.draft_fields import COMPLETE, camel
from ._model.state import Job, Service
from ._time import SandboxClock


class UnknownRouteError(AssertionError):
    """Something asked the sandbox for what it does not serve."""


class Sandbox:
    """A local OpenTrain, for as long as its ``async with`` block lasts.

    It knows one account to begin with, whose API token is `token`. It answers to its own address only, and to no web
    page of another origin.

    Args:
        claimed: Whether that account is claimed: 20 publishes in any 24 hours; unclaimed it has 3.
        port: The loopback port to listen on; 0 takes a free one.
        dialect: How answers show what a draft needs, on which the service's pages differ.
        registrations: How many accounts agents may make in any hour; `None` is any number.
        claim_interval: The seconds that have to lie between two polls for the token of a claimed account.
        claimable_for: The seconds for which an account that an agent has made can be claimed.

    Raises:
        UnknownRouteError: At the end of the block, if something was asked for that the sandbox does not serve.
    """

    def __init__(
        self,
        *,
        claimed: bool = True,
        port: int = 0,
        dialect: Dialect = Dialect.REFERENCE,
        registrations: int | None = None,
        claim_interval: float = 5,
        claimable_for: float = 24 * 3600.0,
    ) -> None:
        self.clock: SandboxClock = SandboxClock()
        self.requests: list[RequestSeen] = []
        self._port = port
        self._service = Service(dialect=dialect)
        self._agents = Agents(self._service.registry, claim_interval, registrations, claimable_for)
        self._operations = {operation.name for operation in operations(self._service, self._agents)}
        self._faults = FaultPlan.empty()
        self._strays: list[str] = []
        self._closing = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._url: str | None = None
        self.token: str = self.add_account(claimed=claimed)

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

    @property
    def dialect(self) -> Dialect:
        """How answers show what a draft needs; it can be set at any time."""
        return self._service.dialect

    @dialect.setter
    def dialect(self, dialect: Dialect) -> None:
        self._service.dialect = dialect

    @property
    def needs_approval(self) -> bool:
        """Whether a publish only makes a job await approval, until `approve` or `refuse`; it can be set at any time."""
        return self._service.needs_approval

    @needs_approval.setter
    def needs_approval(self, needs: bool) -> None:
        self._service.needs_approval = needs

    @property
    def agents_may_register(self) -> bool:
        """Whether agents can make and claim accounts of their own; it can be set at any time."""
        return self._agents.enabled

    @agents_may_register.setter
    def agents_may_register(self, may: bool) -> None:
        self._agents.enabled = may

    def add_account(self, *, claimed: bool = True, scopes: Iterable[str] | None = None) -> str:
        """Make another account.

        Args:
            claimed: Whether it is claimed.
            scopes: What its token may do; `None` is what tokens of such an account may do by default.

        Returns:
            Its API token, which no other sandbox has: ledgers outlive sandboxes.
        """
        registry = self._service.registry
        return registry.mint(registry.add_account(claimed=claimed), scopes)

    def add_token(self, token: str | None = None, *, scopes: Iterable[str] | None = None) -> str:
        """Make another token of an account, as its owner does in the app.

        Args:
            token: One of the account's; `None` is the first account's.
            scopes: What the new one may do; `None` is what tokens of such an account may do by default.

        Returns:
            The new token.
        """
        return self._service.registry.mint(self._account(token), scopes)

    def claim(self, token: str | None = None) -> None:
        """Claim an account at once: its limit goes up from 3 to 20, its tokens stay and get the scopes of a claim."""
        self._service.registry.claim(self._account(token))

    def approve_claim(self, user_code: str | None = None) -> None:
        """Do what a person does who claims an account: open the page and type the code.

        Args:
            user_code: The code; `None` is that of the claim that was started last.

        Raises:
            LookupError: No claim that is under way has that code.
        """
        for attempt in self._agents.open_attempts(self.clock.now()):
            if user_code in {None, attempt.user_code}:
                attempt.approved = True
                return
        raise LookupError("no claim under way has that code")

    def revoke(self, token: str | None = None) -> None:
        """Make a token invalid."""
        self._service.registry.tokens[token or self.token].revoked = True

    def switch_off(self, capability: str, *, token: str | None = None) -> None:
        """Take a capability from an account, so that calls which need it are refused.

        Args:
            capability: A flag of ``GET /job-drafts/capabilities``, such as ``"publish"``.
            token: Whose; `None` is the first account's.

        Raises:
            ValueError: There is no such flag.
        """
        self._account(token).capabilities.discard(_known(capability))

    def switch_on(self, capability: str, *, token: str | None = None) -> None:
        """Give a capability back to an account.

        Args:
            capability: A flag of ``GET /job-drafts/capabilities``, such as ``"publish"``.
            token: Whose; `None` is the first account's.

        Raises:
            ValueError: There is no such flag.
        """
        self._account(token).capabilities.add(_known(capability))

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
            missing: Which of the fields that it needs are not filled in, such as ``"experienceLevel"``, or
                ``"experience_level"``.
            blocked: Moderation blocks it, whatever it says and however it is edited. A draft without this is
                blocked for as long as one of its texts has `BLOCKED_PHRASE`.
            status: Its status, should it be none of a draft any more, such as ``"ARCHIVED"``.
            token: Whose it is; `None` is the first account's.

        Returns:
            Its id.

        Raises:
            ValueError: It needs no such field.
        """
        gaps = {camel(name) for name in ([missing] if isinstance(missing, str) else missing)}
        if strange := gaps - COMPLETE.keys():
            raise ValueError(f"a draft needs no such field: {shown(min(strange))}; it needs {', '.join(COMPLETE)}")
        fields = {name: value for name, value in COMPLETE.items() if name not in gaps}
        job = self._service.add_job(self._account(token), fields, self.clock.now(), job_id)
        job.blocked, job.status = blocked, status
        return job.id

    def approve(self, job_id: str) -> None:
        """Put a job live that awaits approval.

        Raises:
            LookupError: No job of that id awaits approval.
        """
        self._pending(job_id).become("OPEN", self.clock.now())

    def refuse(self, job_id: str) -> None:
        """Turn a job that awaits approval back into a draft. Its publish stays counted.

        Raises:
            LookupError: No job of that id awaits approval.
        """
        self._pending(job_id).become("DRAFT", self.clock.now())

    def publish_elsewhere(self, count: int = 1, *, token: str | None = None) -> None:
        """Use up some of an account's quota by other means, such as the web site."""
        self._account(token).published_at.extend([self.clock.now()] * count)

    def take_down(self, job_id: str) -> None:
        """Turn a live job back into a draft, as a live edit does that moderation blocks."""
        self._service.jobs[job_id].become("DRAFT", self.clock.now())

    def fault(
        self,
        kind: Fault | str,
        *,
        on: str = "publish",
        job_id: str | None = None,
        call: int = 1,
        times: int = 1,
        published: bool = False,
        status: int = 503,
        retry_after: str | None = None,
    ) -> None:
        """Plan a fault of requests.

        Args:
            kind: How the request goes wrong: a `Fault`, or its value as a plain word, such as ``"reset"``.
            on: Which operation's: ``"whoami"``, ``"capabilities"``, ``"create_draft"``, ``"update_draft"``,
                ``"jobs"``, ``"publish"``, ``"update_job"``, ``"close_job"``, ``"register"``, ``"start_claim"``,
                ``"token"`` or ``"revoke"``.
            job_id: Which draft's, also one that is made later; `None` is any.
            call: Which call of that operation it strikes first, from now on: 1 is the next for that draft, or of all.
            times: How many calls in a row.
            published: Do what is asked for, such as the publish, before the fault strikes, so that only the answer
                is lost; not of a `Fault.REDIRECT`.
            status: The status of a `Fault.STATUS` or `Fault.GATEWAY`, from 400 to 599.
            retry_after: The value of its Retry-After header; `None` leaves it out.

        Raises:
            ValueError: There is no such fault, or no such operation, or it could never strike.
        """
        if on not in self._operations:
            raise ValueError(f"no such operation: {shown(on)}; there are {', '.join(sorted(self._operations))}")
        if call < 1 or times < 1:
            raise ValueError(f"call and times are 1 or more, and not {shown(call)} and {shown(times)}")
        if not 400 <= status <= 599:
            raise ValueError(f"the status of a fault is one from 400 to 599, and not {shown(status)}")
        if published and kind == Fault.REDIRECT:
            raise ValueError("who redirects a request has not done what it asks for")
        first = self._faults.counted(on, job_id) + call
        calls = range(first, first + times)
        self._faults.add(PlannedFault(fault_named(kind), on, job_id, calls, published, status, retry_after))

    def recover(self) -> None:
        """Call off all faults that were planned: whatever is asked for from now on goes well."""
        self._faults.clear()

    def advance(self, *, hours: float = 0, seconds: float = 0) -> None:
        """Skip time: the quota's window, and every clock that is this sandbox's."""
        self.clock.advance(hours * 3600 + seconds)

    async def __aenter__(self) -> Self:
        routes = Routes(
            self._service, self._agents, self.clock, self._faults, self.requests, self._strays, self._closing
        )
        self._runner = web.AppRunner(routes.app(), access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._agents.origin = self._url
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._strays and error is None:
            raise UnknownRouteError(f"the sandbox does not serve {listed(self._strays)}")

    def _pending(self, job_id: str) -> Job:
        job = self._service.jobs.get(job_id)
        if job is None or job.status != "PENDING_APPROVAL":
            raise LookupError(f"no job {shown(job_id)} awaits approval")
        return job

    def _account(self, token: str | None) -> Account:
        return self._service.accounts[token or self.token]


def _known(capability: str) -> str:
    if capability not in CAPABILITIES:
        raise ValueError(f"no such capability: {shown(capability)}; there are {', '.join(CAPABILITIES)}")
    return capability
