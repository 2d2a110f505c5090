"""The publishes in flight, and which of them a draft waits for."""

from collections.abc import Mapping

from ._slots import Reservation, Slot

FIRST_SECONDS = 2.0
"""For how long one draft of a process goes before the others; for each time that it takes so long, as many more go."""
_RECENTLY = 60.0
"""Seconds after an accepted publish in which the day is not taken to be used up elsewhere meanwhile."""

_MOST_ROUNDS = 20
"""After these no process waits any more."""


def first_of(jobs: dict[str, Slot], process: str, now: float) -> tuple[Reservation, ...]:
    """Return the first drafts of this process, as long as it waits for them and nothing was accepted lately."""
    # The youngest slots come last.
    if any(slot.is_certain and now < slot.at + _RECENTLY for slot in reversed(jobs.values())):
        return ()
    ours = (holder for slot in jobs.values() for holder in slot.holders if holder.process == process)
    first = tuple(holder for holder in ours if now < holder.lease_ends)
    rounds = max((now - holder.made_at for holder in first), default=0.0) // FIRST_SECONDS
    return first if len(first) >= 2.0 ** min(rounds, _MOST_ROUNDS) else ()


def published_again(jobs: Mapping[str, Slot], now: float) -> int:
    """Return how many drafts are in flight that were charged before: those taken down take one more place."""
    again = (slot for slot in jobs.values() if slot.is_certain)
    return sum(any(now < holder.lease_ends for holder in slot.holders) for slot in again)


def those_that_may_tell(jobs: Mapping[str, Slot], now: float, *, probes: bool, others: bool) -> tuple[Reservation, ...]:
    """Return the reservations in flight after which more is known: *probes*, and *others* that may leave a place."""
    return tuple(
        holder
        for slot in jobs.values()
        for holder in slot.holders
        if now < holder.lease_ends and ((probes and holder.probe is not None) or (others and not slot.is_certain))
    )
