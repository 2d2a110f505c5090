"""Refuse values that no client gives, because their parts contradict each other."""

from datetime import datetime

from .._base.text import one_line
from ..errors import ConfigurationError, OpenTrainError, PreflightError
from ..errors._checks import checked_job_id
from ..outcomes import OutcomeStatus
from ..outcomes._answer_table import outcome_of, rule_on

WITH_RESULT = {OutcomeStatus.PUBLISHED, OutcomeStatus.ALREADY_PUBLISHED, OutcomeStatus.PENDING}
_LEFT_BY_A_RUN = {OutcomeStatus.NOT_SENT, OutcomeStatus.UNKNOWN}
"""What can become of a draft that a run has not come to the end of when it stops."""


def check_stop(error: OpenTrainError) -> None:
    """See that a run can be stopped by this error.

    By one with which every other draft would end, such as a revoked token; by a refusal that may be one of three in a
    row; or, as the last failure of an outage, by one that may not come again.
    """
    if not _may_stop_a_run(error):
        raise ValueError(f"no run is stopped by this {type(error).__name__}")


def check_outcome(status: OutcomeStatus, job_id: str, error: OpenTrainError) -> None:
    """See that a draft can have this status for this error: its own, or another's that stopped the run before."""
    may_be_left = status in _LEFT_BY_A_RUN and error.job_id != job_id and _may_stop_a_run(error)
    if not may_be_left and not is_own_end(status, job_id, error):
        kind = type(error).__name__
        if _is_of_another(error, job_id):
            theirs, ours = one_line(error.job_id), one_line(job_id)
            raise ValueError(f"this {kind} is about {theirs}, and no reason for which {ours} is {status.value}")
        raise ValueError(f"after this {kind} a draft is {outcome_of(error).value}, and not {status.value}")
    is_left_unseen = may_be_left and status is OutcomeStatus.NOT_SENT  # a run that has stopped looks at no id
    if not is_left_unseen and not isinstance(error, ConfigurationError):
        checked_job_id(job_id)


def is_own_end(status: OutcomeStatus, job_id: str, error: OpenTrainError) -> bool:
    """Whether it is this error with which the draft's own publish has ended."""
    return not _is_of_another(error, job_id) and outcome_of(error) is status


def check_attempts(status: OutcomeStatus, attempts: int) -> None:
    """See that so many requests can have been begun for a draft of this status."""
    least = 1 if status in WITH_RESULT else 0
    if attempts < least:
        raise ValueError(f"for a draft that is {status.value} {least} or more requests were begun, and not {attempts}")


def check_time(name: str, time: datetime | None) -> None:
    """See that a time says which one it is."""
    if time is not None and time.utcoffset() is None:
        raise ValueError(f"{name} needs its time zone, as all times of a client have one")


def _is_of_another(error: OpenTrainError, job_id: str) -> bool:
    return error.job_id not in {None, job_id}


def _may_stop_a_run(error: OpenTrainError) -> bool:
    if isinstance(error, PreflightError):  # it is raised, and there is no report
        return False
    rule = rule_on(error)
    return rule.run in {"stops", "stops at the third"} or rule.retried
