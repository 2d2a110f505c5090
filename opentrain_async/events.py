"""What happens inside a client, as values: for logs, metrics and traces.

Pass a function as ``AsyncOpenTrain(on_event=...)``; it is called with each of these as it happens.

    PublishStarted   PublishEnded                       one publish of a draft, whoever waits for it
    AttemptStarted   AttemptSucceeded   AttemptFailed   one request of a call, and what came of it
    AttemptRetried                                      another one follows, after a delay
    SlotReserved     SlotSettled        QuotaCounted    the account's quota, as the ledger knows it
    RunHeld          RunResumed                         the service does not answer, and does again

`call` numbers the calls of a process: what belongs to one publish, or to one call of another method, has the same.
In no event is a token or the body of a request.
"""

from collections.abc import Callable

from ._events import (
    AttemptFailed,
    AttemptRetried,
    AttemptStarted,
    AttemptSucceeded,
    PublishEnded,
    PublishStarted,
    RunHeld,
    RunResumed,
)
from .quota._events import QuotaCounted, SlotReserved, SlotSettled

__all__ = [
    "AttemptFailed",
    "AttemptRetried",
    "AttemptStarted",
    "AttemptSucceeded",
    "Event",
    "OnEvent",
    "PublishEnded",
    "PublishStarted",
    "QuotaCounted",
    "RunHeld",
    "RunResumed",
    "SlotReserved",
    "SlotSettled",
]

Event = (
    PublishStarted
    | PublishEnded
    | AttemptStarted
    | AttemptSucceeded
    | AttemptFailed
    | AttemptRetried
    | SlotReserved
    | SlotSettled
    | QuotaCounted
    | RunHeld
    | RunResumed
)
OnEvent = Callable[[Event], object]
