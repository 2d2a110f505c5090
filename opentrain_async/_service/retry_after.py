"""Read Retry-After in every form that servers and proxies really write."""

import re
from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from itertools import islice

_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?", re.ASCII)
# No service asks to wait for more than a year. What is longer is an absolute time in place of a delay (an epoch in
# seconds or milliseconds), or a word for "never" such as the year 9999. Waiting for either would never end.
_LONGEST_SECONDS = 366 * 24 * 3600.0
# Proxies fold a few values into one header. The bounds keep a header of any size from taking time.
_MOST_VALUES = 100
_LONGEST_VALUE = 64


def seconds_to_wait(values: Sequence[str], date: str | None, now: float) -> float | None:
    """Return how long the server asks to wait, or `None` where that makes no sense.

    Seconds may be a decimal fraction. An HTTP date is measured against the server's own Date, so a wrong clock here
    does not matter. The longest of several values counts, on lines of their own or folded into one. A value that is
    past, zero, longer than a year or garbage does not count.

    Args:
        values: The values of all Retry-After headers.
        date: The value of the Date header, or `None`.
        now: The wall clock in epoch seconds, for an answer without a Date.

    Returns:
        Seconds, above 0 and at most a year; or `None`.
    """
    # A comma also follows the weekday of a date. What stands before it is garbage then, and the rest is a date still.
    parts = (part.strip(" \t") for value in values for part in value.split(",", _MOST_VALUES))
    asked = [_seconds(part, date, now) for part in islice(parts, _MOST_VALUES) if len(part) <= _LONGEST_VALUE]
    return max((seconds for seconds in asked if 0 < seconds <= _LONGEST_SECONDS), default=None)


def _seconds(value: str, date: str | None, now: float) -> float:
    if _SECONDS.fullmatch(value):
        return float(value)
    then = _epoch(value)
    if then is None:
        return 0.0
    served = None if date is None else _epoch(date)
    return then - (now if served is None else served)


def _epoch(http_date: str) -> float | None:
    if not http_date or len(http_date) > _LONGEST_VALUE:
        return None
    try:
        parsed = parsedate_to_datetime(http_date)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
