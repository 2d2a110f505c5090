"""Read Retry-After in every form that servers and proxies really write."""

import math
import re
from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?", re.ASCII)


def seconds_to_wait(values: Sequence[str], date: str | None, now: float) -> float | None:
    """How long the server asks to wait, or `None` where that makes no sense.

    Seconds may be a decimal fraction; an HTTP date is measured against the server's own Date, so that a wrong
    clock here does not matter. Of several headers the longest counts. What is past, zero or garbage is `None`.

    Args:
        values: The values of all Retry-After headers.
        date: The value of the Date header, or `None`.
        now: The wall clock in epoch seconds, for an answer without a Date.

    Returns:
        Seconds, above 0 and finite; or `None`.
    """
    asked = [_seconds(value.strip(), date, now) for value in values]
    return max((seconds for seconds in asked if 0 < seconds < math.inf), default=None)


def _seconds(value: str, date: str | None, now: float) -> float:
    if _SECONDS.fullmatch(value):
        return float(value)
    then = _epoch(value)
    if then is None:
        return 0.0
    served = _epoch(date) if date else None
    return then - (now if served is None else served)


def _epoch(http_date: str) -> float | None:
    try:
        parsed = parsedate_to_datetime(http_date)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
