"""The events inside a client, as values: for logs, metrics and traces.

Pass a function as ``AsyncOpenTrain(on_event=...)``; it is called with each event as it happens.

    PublishStarted   PublishEnded                       one publish of a draft, however many callers share it
    AttemptStarted   AttemptSucceeded   AttemptFailed   one attempt of a call, and its result
    AttemptRetried                                      another attempt will follow, after a delay
    SlotReserved     SlotSettled        QuotaCounted    the account's quota, as the ledger knows it
    RunHeld          RunResumed                         an outage pauses runs, and they resume

`call` numbers the calls of a process: the events of one publish and its attempts, or of one call of another method,
have the same. The events of a slot may come before or after the store has done its step. To tell several clients
apart, give each a function of its own, such as a `functools.partial`. No event has a token or a request's body.
"""

from ._values import (
    Attempt,
    AttemptFailed,
    AttemptRetried,
    AttemptStarted,
    AttemptSucceeded,
    Event,
    OnEvent,
    PublishEnded,
    PublishStarted,
    QuotaCounted,
    RunHeld,
    RunResumed,
    SlotReserved,
    SlotSettled,
)

__all__ = [
    "Attempt",
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
