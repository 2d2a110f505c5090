"""Post jobs to OpenTrain: publish many drafts at once, and know for every draft what happened.

Each folder is a room, and imports only from the rooms below it:

    _cli             the command line
    _client          `AsyncOpenTrain`, in parts
    _publish         one draft, many drafts, the journal
    _service         OpenTrain's calls and answers, and HTTP
    _retry           policy, circuit breaker, throttle
    events           what happens inside a client
    quota, outcomes  the daily quota; what became of each draft
    errors, models   the tree of errors; what goes over the wire
    _base            clocks, tasks, text: knows nothing of OpenTrain

Beside them stand `sandbox` (a local OpenTrain), `testing` (for users' tests), the pytest plugin and `otel`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ._version import __version__

__all__ = [
    "Answer",
    "AsyncOpenTrain",
    "Clock",
    "JobIds",
    "Journal",
    "MemoryLedger",
    "OnOutcome",
    "OnProgress",
    "OpenTrainError",
    "OutcomeStatus",
    "PlannedPublish",
    "PublishOutcome",
    "PublishPlan",
    "PublishProgress",
    "PublishReport",
    "PublishResult",
    "PublishStream",
    "QuotaSnapshot",
    "RedisLedger",
    "RetryPolicy",
    "SQLiteLedger",
    "__version__",
]

if TYPE_CHECKING:
    from ._base.clock import Clock
    from ._client.client import AsyncOpenTrain
    from ._client.gaps import Answer
    from ._publish.journal.journal import Journal
    from ._publish.progress import OnProgress
    from ._publish.run import JobIds, OnOutcome
    from ._publish.stream import PublishStream
    from ._retry.policy import RetryPolicy
    from .errors import OpenTrainError
    from .models import PublishResult
    from .outcomes import OutcomeStatus, PublishOutcome, PublishProgress, PublishReport
    from .quota import MemoryLedger, QuotaSnapshot, RedisLedger, SQLiteLedger
    from .quota._plan import PlannedPublish, PublishPlan
else:
    # Each name is imported when it is first asked for (PEP 562): a program that imports one module of this package, as
    # pytest does its plugin in every run, does not import all of it and aiohttp as well. Type checkers must not see
    # this: to them a module with a `__getattr__` has every name, misspelled ones too.
    _HOMES = {
        "Answer": "_client.gaps",
        "AsyncOpenTrain": "_client.client",
        "Clock": "_base.clock",
        "JobIds": "_publish.run",
        "Journal": "_publish.journal.journal",
        "MemoryLedger": "quota",
        "OnOutcome": "_publish.run",
        "OnProgress": "_publish.progress",
        "OpenTrainError": "errors",
        "OutcomeStatus": "outcomes",
        "PlannedPublish": "quota._plan",
        "PublishOutcome": "outcomes",
        "PublishPlan": "quota._plan",
        "PublishProgress": "outcomes",
        "PublishReport": "outcomes",
        "PublishResult": "models",
        "PublishStream": "_publish.stream",
        "QuotaSnapshot": "quota",
        "RedisLedger": "quota",
        "RetryPolicy": "_retry.policy",
        "SQLiteLedger": "quota",
    }

    def __getattr__(name):
        if name in {"errors", "models", "outcomes", "quota"}:
            return import_module(f".{name}", __name__)
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
        return value

    def __dir__():
        return sorted({*globals(), *__all__})
