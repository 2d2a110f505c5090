"""What happens to publishes, attempts and runs, as values; `opentrain_async.events` has them all."""

from attrs import frozen

from ..models import PublishResult


@frozen
class PublishStarted:
    """A draft is to be published: next it needs a slot of the quota.

    Callers who want the same draft at the same time share one publish.

    Attributes:
        call: The number of the call.
        job_id: The draft.
    """

    call: int
    job_id: str


@frozen
class PublishEnded:
    """What came of a publish, with its slot settled or left to the next step of the ledger.

    Attributes:
        call: The number of the call.
        job_id: The draft.
        attempts: How many there were in it.
        result: The live job; `None` if it failed.
        error: Why it failed; a `CancelledError` if nobody wanted it any more, and `None` if it is live.
    """

    call: int
    job_id: str
    attempts: int
    result: PublishResult | None
    error: BaseException | None


@frozen
class AttemptStarted:
    """A request is about to be sent. It may go twice in one attempt, where it was refused for a token just renewed.

    Attributes:
        call: The number of the call.
        operation: The client's method, such as ``"publish"``.
        job_id: The draft or job that it is about; `None` if it is about none.
        attempt: The number of the attempt in its call, from 1.
        method: The HTTP method.
        url: Where to, without the query.
    """

    call: int
    operation: str
    job_id: str | None
    attempt: int
    method: str
    url: str


@frozen
class AttemptSucceeded:
    """A request was answered, and the answer was what had been asked for.

    Attributes:
        call: The number of the call.
        operation: The client's method.
        job_id: The draft or job; `None` if it is about none.
        attempt: The number of the attempt.
        seconds: How long it took, by the client's clock.
        status: The HTTP status.
    """

    call: int
    operation: str
    job_id: str | None
    attempt: int
    seconds: float
    status: int


@frozen
class AttemptFailed:
    """A request was refused, or was not answered, or not with what had been asked for.

    Attributes:
        call: The number of the call.
        operation: The client's method.
        job_id: The draft or job; `None` if it is about none.
        attempt: The number of the attempt.
        seconds: How long it took, by the client's clock.
        status: The HTTP status of the answer; `None` if there was none.
        error: Why; its `effect` says what this request may have changed. A `CancelledError` if it was cancelled.
    """

    call: int
    operation: str
    job_id: str | None
    attempt: int
    seconds: float
    status: int | None
    error: BaseException


@frozen
class AttemptRetried:
    """A failed attempt is to be followed by another one, unless nobody waits for it by then.

    Attributes:
        call: The number of the call.
        operation: The client's method.
        job_id: The draft or job; `None` if it is about none.
        attempt: The number of the attempt that failed.
        delay: Seconds until the next; a pause that the server asks for, and an outage, may put it off further.
        error: Why it failed.
    """

    call: int
    operation: str
    job_id: str | None
    attempt: int
    delay: float
    error: BaseException


@frozen
class RunHeld:
    """The service does not answer: bulk runs are held, and one draft at a time is tried.

    Attributes:
        error: The last failure.
    """

    error: BaseException


@frozen
class RunResumed:
    """The service answers again: what was held goes on by and by.

    Attributes:
        seconds: For how long runs were held, by the client's clock.
    """

    seconds: float
