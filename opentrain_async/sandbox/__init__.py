"""A local OpenTrain: stateful, on loopback, with the real quota and with faults on demand.

    async with Sandbox() as sandbox:
        job_id = sandbox.draft()
        async with AsyncOpenTrain(sandbox.token, base_url=sandbox.url, clock=sandbox.clock) as client:
            await client.publish(job_id)

It is written from the service's documentation alone and shares no code with the client but what escapes text, so that
a mistake of one is not hidden by the same mistake of the other.
"""

from ._http.faults import Fault
from ._http.routes import RequestSeen
from ._model.dialect import Dialect
from ._model.state import BLOCKED_PHRASE
from ._sandbox import Sandbox, UnknownRouteError
from ._time import SandboxClock

__all__ = ["BLOCKED_PHRASE", "Dialect", "Fault", "RequestSeen", "Sandbox", "SandboxClock", "UnknownRouteError"]
