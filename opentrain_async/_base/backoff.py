"""Delays that grow."""

_MOST_DOUBLINGS = 60
"""After so many no delay is finite any more in practice, and the power soon overflows."""


def doubled(first: float, times: int, largest: float) -> float:
    """The first delay, doubled so many times, and no more than the largest; in seconds."""
    return min(largest, first * 2.0 ** min(times, _MOST_DOUBLINGS))
