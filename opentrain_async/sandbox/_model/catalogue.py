"""Every operation of the service: its name, its route and its conditions."""

from collections.abc import Callable
from functools import partial

from attrs import frozen

from .accounts import Token
from .agents import CLAIM, IDENTITY, REVOKE, TOKEN, Agents
from .drafting import create_draft, update_draft
from .lifecycle import close_job, publish, update_job
from .listing import list_jobs
from .profile import capabilities, whoami
from .refusals import Body, Call, RefusedError, agent_failure, failure
from .state import Service

_API = "/api/public/v1"
_ServeToken = Callable[[Service, Token, Call], Body]


@frozen
class Operation:
    """What can be asked for.

    Attributes:
        name: Its name.
        method: The HTTP method.
        path: The path, in which ``{job_id}`` stands for a job.
        admit: Lets a call in, or raises what it is refused with; what it returns serves the call.
        failure: Makes the error for a status, in the form that this operation's errors have.
    """

    name: str
    method: str
    path: str
    admit: Callable[[Call], Callable[[], Body]]
    failure: Callable[[int], RefusedError] = failure


def operations(service: Service, agents: Agents) -> list[Operation]:
    """All operations, of the public API and of agents."""

    def public(
        name: str, route: str, serve: _ServeToken, scope: str | None = None, capability: str | None = None
    ) -> Operation:
        method, path = route.split()

        def admit(call: Call) -> Callable[[], Body]:
            return partial(serve, service, service.registry.admit(call.authorization, scope, capability), call)

        return Operation(name, method, _API + path, admit)

    def agent(name: str, path: str, serve: Callable[[Call], Body]) -> Operation:
        return Operation(name, "POST", path, partial(partial, serve), agent_failure)

    return [
        public("whoami", "GET /auth/me", whoami),
        public("capabilities", "GET /job-drafts/capabilities", capabilities),
        public("create_draft", "POST /job-drafts", create_draft, "jobs:write", "draftCreate"),
        public("update_draft", "PATCH /job-drafts/{job_id}", update_draft, "jobs:write", "draftUpdate"),
        public("jobs", "GET /jobs/mine", list_jobs, "jobs:read"),
        public("publish", "POST /jobs/{job_id}/publish", publish, "jobs:write", "publish"),
        public("update_job", "PATCH /jobs/{job_id}", update_job, "jobs:write", "publish"),
        public("close_job", "POST /jobs/{job_id}/close", close_job, "jobs:write", "publish"),
        agent("register", IDENTITY, agents.register),
        agent("start_claim", CLAIM, agents.start_claim),
        agent("token", TOKEN, agents.exchange),
        agent("revoke", REVOKE, agents.revoke),
    ]
