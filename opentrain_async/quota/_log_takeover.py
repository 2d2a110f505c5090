"""Carry an account's slots over to another name of the same account, as after a claim."""

from collections.abc import Callable

from attrs import evolve

from ._log import AccountLog


def release_ended(log: AccountLog, has_ended: Callable[[str], bool]) -> None:
    """Release the reservations that have ended, by their ids; certain charges stay."""
    for slot in log.jobs.values():
        for holder in slot.holders:
            if has_ended(holder.id):
                slot.release(holder.id)
    log.jobs = {job: slot for job, slot in log.jobs.items() if slot.kind is not None or slot.holders}


def take_over(log: AccountLog, other: AccountLog, told: float) -> None:
    """Take over what was counted for this account under another name; the limit must be learned anew."""
    log.clock.seen = max(log.clock.seen, other.clock.seen)
    log.allowance.window = other.allowance.window
    # A charge of a job that is in flight under the new name, too, would be hidden by that.
    hidden = [
        evolve(slot, holders=())
        for job, slot in other.jobs.items()
        if slot.is_certain and job in log.jobs and not log.jobs[job].is_certain
    ]
    log.others += [slot for slot in [*other.others, *hidden] if slot not in log.others]
    log.jobs = {**other.jobs, **log.jobs}
    log.expired_doubts = {
        job: slot
        for job, slot in {**other.expired_doubts, **log.expired_doubts}.items()
        if job not in log.jobs or slot.kind == "accepted"
    }
    log.forget_limit()
    log.tidy(told)
