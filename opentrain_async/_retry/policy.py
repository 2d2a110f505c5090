"""The retry policy as a frozen value: how often, after how long and for how long."""

from attrs import field

from .._base.value import frozen
from ..errors import ConfigurationError, _checks


@frozen(kw_only=True)
class RetryPolicy:
    """How often, after what delay and for how long a request that is safe to repeat is tried.

    The delay before the nth retry is drawn from 0 to *base_delay* · 2ⁿ⁻¹, at most *max_delay*: full jitter. A
    Retry-After is the minimum, with the jitter on top. The first retry after a lost connection is immediate.

    Attributes:
        max_attempts: Attempts in all, including the first; from 1, which never retries. The probes of a run that an
            outage has paused do not count.
        base_delay: Seconds; 0 or more. The probes of a run that an outage has paused are a tenth of a second apart at
            least.
        max_delay: Seconds; at least *base_delay*.
        max_retry_after: Seconds; a longer Retry-After is not waited for. The error is raised at once, and until that
            time bulk runs defer their drafts without a request.
        deadline: Seconds from the first send, above 0, which no attempt and no delay outlasts. It does not run while
            the client waits for quota or is paused by the server.

    Raises:
        ConfigurationError: A value is out of its range.
    """

    max_attempts: int = 4
    base_delay: float = 0.5
    max_delay: float = 8.0
    max_retry_after: float = 60.0
    deadline: float = field(default=120.0)

    def __attrs_post_init__(self) -> None:
        _checks.whole("max_attempts", self.max_attempts)
        _checks.number("base_delay", self.base_delay)
        _checks.number("max_delay", self.max_delay)
        _checks.number("max_retry_after", self.max_retry_after)
        _checks.number("deadline", self.deadline, above=0)
        if self.max_delay < self.base_delay:
            raise ConfigurationError(f"max_delay ({self.max_delay}) is below base_delay ({self.base_delay})")
