"""Post jobs to OpenTrain: publish many drafts at once, and know for every draft what happened."""

from importlib import import_module
from typing import TYPE_CHECKING

from ._version import __version__

__all__ = [
    "AsyncOpenTrain",
    "Journal",
    "MemoryLedger",
    "OpenTrainError",
    "OutcomeStatus",
    "PlannedPublish",
    "PublishOutcome",
    "PublishPlan",
    "PublishProgress",
    "PublishReport",
    "PublishResult",
    "QuotaSnapshot",
    "RedisLedger",
    "RetryPolicy",
    "SQLiteLedger",
    "__version__",
]

if TYPE_CHECKING:
    from ._client.client import AsyncOpenTrain
    from ._publish.journal.journal import Journal
    from ._retry.policy import RetryPolicy
    from .errors import OpenTrainError
    from .models import PublishResult
    from .outcomes import OutcomeStatus, PublishOutcome, PublishProgress, PublishReport
    from .quota import MemoryLedger, QuotaSnapshot, RedisLedger, SQLiteLedger
    from .quota._plan import PlannedPublish, PublishPlan
else:
    # Each is imported when it is first asked for (PEP 562): whoever imports one module of this package, as pytest does
    # its plugin in every run, does not import all of it and aiohttp as well. Type checkers must not see how: to them a
    # module that has a `__getattr__` has every name, misspelled ones too.
    _HOMES = {
        "AsyncOpenTrain": "_client.client",
        "Journal": "_publish.journal.journal",
        "MemoryLedger": "quota",
        "OpenTrainError": "errors",
        "OutcomeStatus": "outcomes",
        "PlannedPublish": "quota._plan",
        "PublishOutcome": "outcomes",
        "PublishPlan": "quota._plan",
        "PublishProgress": "outcomes",
        "PublishReport": "outcomes",
        "PublishResult": "models",
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
