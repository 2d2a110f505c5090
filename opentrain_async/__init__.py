"""Post jobs to OpenTrain: publish many drafts at once, and know for every draft what happened."""

from ._client import AsyncOpenTrain
from ._journal import Journal
from ._plan import PlannedPublish, PublishPlan
from ._retry import RetryPolicy
from ._version import __version__
from .errors import OpenTrainError
from .models import PublishResult
from .outcomes import OutcomeStatus, PublishOutcome, PublishProgress, PublishReport
from .quota import MemoryLedger, QuotaSnapshot, RedisLedger, SQLiteLedger

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
