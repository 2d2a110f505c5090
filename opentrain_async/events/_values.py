"""The events of a client: publishes, attempts, the quota's slots, and runs that an outage pauses."""

from collections.abc import Callable

from .._base.value import frozen
from ..models import PublishResult
from ..quota import QuotaSnapshot, Settlement


@frozen
class PublishStarted:
    """A publish of a draft begins; it needs a slot of the quota next.

    Callers who want the same draft at the same time share one publish.

    Attributes:
        call: The number of the call.
        job_id: The draft.
    """

    call: int
    job_id: str


@frozen
class PublishEnded:
    """A publish has ended. Its slot is settled, or will be with the next step of the ledger.

    Attributes:
        call: The number of the call.
        job_id: The draft.
        attempts: How many attempts the publish made.
        result: The live job; `None` if the publish failed.
        error: Why it failed; a `CancelledError` if its last caller left, and `None` if the job is live.
    """

    call: int
    job_id: str
    attempts: int
    result: PublishResult | None
    error: BaseException | None


@frozen
class Attempt:
    """The fields that all events of an attempt have.

    Attributes:
        call: The number of the call.
        operation: The client's method, such as ``"publish"``.
        job_id: The draft or job; `None` if the call is about none.
        attempt: The number of the attempt in its call, from 1.
    """

    call: int
    operation: str
    job_id: str | None
    attempt: int


@frozen
class AttemptStarted(Attempt):
    """A request is about to be sent.

    One attempt can send its request twice: a second time if the first one was refused for a token that has just been
    renewed. The fields of `Attempt` come first.

    Attributes:
        method: The HTTP method.
        url: The URL, without the query.
    """

    method: str
    url: str


@frozen
class AttemptSucceeded(Attempt):
    """A request was answered as expected. The fields of `Attempt` come first.

    Attributes:
        seconds: How long the attempt took, by the client's clock.
        status: The HTTP status.
    """

    seconds: float
    status: int


@frozen
class AttemptFailed(Attempt):
    """A request was refused, not answered, or not answered as expected. The fields of `Attempt` come first.

    Attributes:
        seconds: How long the attempt took, by the client's clock.
        status: The HTTP status of the answer; `None` if there was no answer.
        error: Why it failed; its `effect` says what this request may have changed. A `CancelledError` if the attempt
            was cancelled.
    """

    seconds: float
    status: int | None
    error: BaseException


@frozen
class AttemptRetried(Attempt):
    """Another attempt will follow a failed one, unless its callers leave before. The fields of `Attempt` come first.

    Attributes:
        delay: Seconds until the next attempt; a throttle or an outage can delay it further.
        error: Why the attempt failed.
    """

    delay: float
    error: BaseException


@frozen
class SlotReserved:
    """A draft has a slot of the quota and may be sent.

    Attributes:
        job_id: The draft.
        is_probe: True if it is sent past a full window, to find out whether the unknown slots there were charged.
    """

    job_id: str
    is_probe: bool


@frozen
class SlotSettled:
    """The slot of a draft has been settled by the draft's answer.

    Attributes:
        job_id: The draft.
        how: What the answer means for the slot, in the words of `opentrain_async.quota.Settlement`.
    """

    job_id: str
    how: Settlement


@frozen
class QuotaCounted:
    """The quota has changed, or is seen for the first time, or again after a minute or more.

    Attributes:
        account: The account's name, escaped: a fingerprint of the token unless it was given another name.
        quota: The quota now.
        service: The origin of the service; an account of the same name at another origin is another one.
    """

    account: str
    quota: QuotaSnapshot
    service: str = ""


@frozen
class RunHeld:
    """An outage begins, or each publish is answered 429: runs are paused, and one draft at a time is sent as a probe.

    Attributes:
        error: The last failure.
    """

    error: BaseException


@frozen
class RunResumed:
    """The outage is over: the paused runs resume step by step.

    Attributes:
        seconds: How long runs were paused, by the client's clock.
    """

    seconds: float


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
"""A plain function that is called in the event loop with each event; its result is ignored."""
