"""Make results, outcomes, reports, drafts, jobs and quotas as a client gives them."""

import json
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from typing import cast

from attrs import evolve

from .._base.text import one_line
from .._publish.run import retry_at_of
from .._retry.policy import RetryPolicy
from .._service import codec, validation
from ..errors import (
    ClientClosedError,
    ConfigurationError,
    ConnectError,
    ConnectionLostError,
    JournalError,
    NotPublishReadyError,
    OpenTrainError,
    QuotaExceededError,
    QuotaLedgerError,
)
from ..errors._api import retry_after_of
from ..errors._checks import checked_job_id
from ..models import JOB_STATUSES, Draft, Job, PublishResult
from ..outcomes import OutcomeStatus, PublishOutcome, PublishReport
from ..outcomes._answer_table import rule_on
from ..quota import AccountLog, QuotaSnapshot
from ..quota._slots import Reservation, Saw
from . import _accord, _bodies
from ._made_errors import make_error

_DAY = 86_400.0
_USUAL_ERRORS: Mapping[OutcomeStatus, type[OpenTrainError]] = {
    OutcomeStatus.REJECTED: NotPublishReadyError,
    OutcomeStatus.DEFERRED: QuotaExceededError,
    OutcomeStatus.NOT_SENT: ConnectError,
    OutcomeStatus.UNKNOWN: ConnectionLostError,
}
_NOT_BEGUN = (ConfigurationError, ClientClosedError, JournalError, QuotaLedgerError)
Drafts = int | Iterable[str]
"""So many drafts, or these."""


def make_result(job_id: str = "job_1", *, already_published: bool = False, status: str = "OPEN") -> PublishResult:
    """Make the result of a publish, as the client would have read it.

    Args:
        job_id: The draft.
        already_published: It was live before.
        status: The job's status: ``"OPEN"`` if it is live; ``"PENDING_APPROVAL"`` if it is accepted and not live yet;
            ``"ONGOING"`` or ``"COMPLETED"`` if it was live before.

    Returns:
        The job; `raw` is the body that the service would have answered.

    Raises:
        ConfigurationError: That cannot be the id of a draft.
        ValueError: A publish has no result of that status.
    """
    checked_job_id(job_id)
    if status == "ARCHIVED":
        raise ValueError("the publish of an archived job ends with a ConflictError")
    body = {**_bodies.live(job_id, already=already_published), "status": status}
    return codec.publish_result(json.dumps(body).encode())


def make_outcome(
    status: OutcomeStatus | str,
    job_id: str = "job_1",
    *,
    error: OpenTrainError | None = None,
    attempts: int | None = None,
    retry_at: datetime | None = None,
) -> PublishOutcome:
    """Make what became of a draft in a run, with the result or the error that goes with it.

    Args:
        status: What became of it: an `OutcomeStatus`, or its value as a plain word, such as ``"deferred"``.
        job_id: The draft.
        error: Why it is not known to be live. `None` is a usual reason: missing fields of a rejected draft, the day's
            quota of a deferred one, no connection of one that was not sent, and a lost connection of an unknown one. Of
            the last two it can also be another draft's error, which has stopped the run.
        attempts: How many times its request was begun, at least once for one that is live; `None` is what that takes
            by the default policy, and 0 where the run had stopped.
        retry_at: When one that is deferred for the quota can go; `None` is in twelve hours.

    Returns:
        The outcome.

    Raises:
        ValueError: No draft has such an outcome: the error makes it another one, is about another draft or stops no
            run; it has no error, no such time or one without a time zone; or there were other attempts.
        ConfigurationError: That cannot be the id of a draft. Such an id can be rejected, with a `ConfigurationError` as
            its *error*, or not sent since the run had stopped.
    """
    status = OutcomeStatus(status)
    if retry_at is not None and (status is not OutcomeStatus.DEFERRED or error is not None):
        raise ValueError("only of a draft that is deferred for the quota a time can be given; an error brings its own")
    if attempts is not None:
        _accord.check_attempts(status, attempts)
    if status in _accord.WITH_RESULT:
        if error is not None:
            raise ValueError(f"a draft that is {status.value} has no error")
        is_pending = status is OutcomeStatus.PENDING
        result = make_result(
            job_id,
            already_published=status is OutcomeStatus.ALREADY_PUBLISHED,
            status="PENDING_APPROVAL" if is_pending else "OPEN",
        )
        look_again = datetime.now(UTC) + timedelta(hours=1) if is_pending else None
        return PublishOutcome(
            job_id, status, result=result, attempts=1 if attempts is None else attempts, retry_at=look_again
        )
    if error is None:
        error = make_error(_USUAL_ERRORS[status], job_id, retry_at=retry_at)
    _accord.check_outcome(status, job_id, error)
    usual, at = 0, None
    if _accord.is_own_end(status, job_id, error):
        usual, at = _attempts_before(error), retry_at_of(error, time.time())
    return PublishOutcome(job_id, status, error=error, attempts=usual if attempts is None else attempts, retry_at=at)


def make_report(
    *,
    published: Drafts = 0,
    already_published: Drafts = 0,
    pending: Drafts = 0,
    rejected: Drafts = 0,
    deferred: Drafts = 0,
    not_sent: Drafts = 0,
    unknown: Drafts = 0,
    stopped_by: OpenTrainError | None = None,
) -> PublishReport:
    """Make the report of a run, as `make_outcome` makes its outcomes; of others, make a `PublishReport` of your own.

    Args:
        published: The drafts that it put live, by their ids; or how many, which are then called ``job_1`` and so on,
            but for the one that *stopped_by* is about.
        already_published: Those that were live before.
        pending: Those that were accepted and are not live yet.
        rejected: Those that were refused for their missing fields.
        deferred: Those that wait for quota.
        not_sent: Those for which nothing was sent; *stopped_by* is their error, if it is given.
        unknown: Those that may be live.
        stopped_by: The error that ended the run early. It is also that of the draft that it is about, if this is given.

    Returns:
        The report.

    Raises:
        ValueError: An id comes twice, as in no report; no run is stopped by such an error; or it makes something else
            of the draft that it is about.
        ConfigurationError: One cannot be the id of a draft; of those for which nothing was sent, *stopped_by* being
            given, it can be anything.
    """
    if stopped_by is not None:
        _accord.check_stop(stopped_by)
    asked = (published, already_published, pending, rejected, deferred, not_sent, unknown)
    given = [[] if isinstance(drafts, int) else _listed(drafts) for drafts in asked]
    known = {job_id for ids in given for job_id in ids}
    if len(known) < sum(map(len, given)):
        raise ValueError("a report has one outcome for each id")
    named = None if stopped_by is None else stopped_by.job_id
    free = (name for name in map("job_{}".format, count(1)) if name not in known and name != named)
    outcomes = list[PublishOutcome]()
    for status, drafts, ids in zip(OutcomeStatus, asked, given, strict=True):
        numbered = islice(free, drafts) if isinstance(drafts, int) else ids
        outcomes += [_outcome_in(status, job_id, stopped_by) for job_id in numbered]
    return PublishReport(tuple(outcomes), stopped_by)


def make_draft(job_id: str = "job_1", *, missing: Iterable[str] = (), idempotency_key: str = "key_1") -> Draft:
    """Make a draft as the service has it when it is created.

    Args:
        job_id: The id.
        missing: The names of the fields that are still to be filled in, such as ``"experience_level"``.
        idempotency_key: The key of its creation.

    Returns:
        The draft; each missing field in `missing` asks, and checks an answer, as one of the service's.

    Raises:
        ConfigurationError: That cannot be the id of a draft.
    """
    checked_job_id(job_id)
    body: _bodies.Body = {
        "ok": True,
        "jobId": job_id,
        "status": "DRAFT",
        "draftUrl": f"https://app.opentrain.ai/jobs/new?jobId={job_id}",
        "reviewUrl": f"{_bodies.address(job_id)}/review",
        **_bodies.validation(_listed(missing)),
        "normalizedFields": {"jobTitle": "Label cats"},
        "warnings": [],
    }
    return evolve(validation.draft(body), idempotency_key=idempotency_key)


def make_job(job_id: str = "job_1", *, status: str = "OPEN", title: str | None = "Label cats") -> Job:
    """Make a job as the list of the account's jobs shows it.

    Args:
        job_id: The id.
        status: One of `JOB_STATUSES`. ``"OPEN"`` is listed and takes proposals; a ``"DRAFT"`` has no public page.
        title: Its title; a draft may have none.

    Returns:
        The job, made a day ago.

    Raises:
        ConfigurationError: That cannot be the id of a job.
        ValueError: That is no status of a job.
    """
    checked_job_id(job_id)
    if status not in JOB_STATUSES:
        raise ValueError(f"the status of a job is one of {', '.join(JOB_STATUSES)}, and not {one_line(status)}")
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    body = {
        "id": job_id,
        "title": title,
        "status": status,
        "published": status == "OPEN",
        "acceptingApplicants": status == "OPEN",
        "createdAt": yesterday,
        "updatedAt": yesterday,
        "jobUrl": None if status == "DRAFT" else _bodies.address(job_id),
        "proposalCounts": {"total": 0, "unreviewed": 0},
    }
    return codec.read(Job, body)


def make_quota(
    *, limit: int | None = 20, used: int = 0, doubtful: int = 0, next_slot_at: datetime | None = None
) -> QuotaSnapshot:
    """Make the quota of an account, as its ledger shows it.

    Args:
        limit: Publishes in any 24 hours, from 1; `None` while that is to be learned: of four, the ledger learns it.
        used: How many there were, one after another and up to now.
        doubtful: How many of them, the last ones, may not have been charged.
        next_slot_at: When the first of them leaves the window, within a day from now; `None` is in twelve hours.

    Returns:
        The snapshot, in which the slots are in accord with the counts.

    Raises:
        ValueError: The limit is below 1, or more are doubtful than there are; or the time is not within a day from now,
            has no time zone, or is given where none is used.
    """
    _accord.check_time("next_slot_at", next_slot_at)
    if limit is not None and limit < 1:
        raise ValueError(f"the limit of an account is at least 1, and not {limit}")
    if next_slot_at is not None and not used:
        raise ValueError("where none is used no slot comes back")
    now = time.time()
    first = now - _DAY / 2 if next_slot_at is None else next_slot_at.timestamp() - _DAY
    if not 0 <= doubtful <= used or not now - _DAY < first <= now:
        raise ValueError("doubtful are some of the used ones, and the next slot comes back within a day from now")
    log = AccountLog()
    for number in range(used):
        at, name = first + number * (now - first) / used, f"job_{number + 1}"
        # With a place for each: who has used up more than the limit has had a higher one before.
        reservation = cast("Reservation", log.reserve(name, at, reservation_id=name, lease=60.0, cap=used))
        log.settle(reservation, Saw("published") if number < used - doubtful else Saw("nothing", 0.0), at)
    return log.snapshot(now, limit)


def _attempts_before(error: OpenTrainError) -> int:
    """How many there were, by the default policy, when a publish ended with this error."""
    by_ledger = isinstance(error, QuotaExceededError) and error.source == "ledger"
    if by_ledger or (isinstance(error, _NOT_BEGUN) and error.effect == "none"):
        return 0
    policy = RetryPolicy()
    is_retried = rule_on(error).retried and (retry_after_of(error) or 0.0) <= policy.max_retry_after
    return policy.max_attempts if is_retried else 1


def _listed(names: Iterable[str]) -> list[str]:
    """These names; a string is one, and not its letters."""
    return [names] if isinstance(names, str) else list(names)


def _outcome_in(status: OutcomeStatus, job_id: str, stopped_by: OpenTrainError | None) -> PublishOutcome:
    if stopped_by is not None and job_id == stopped_by.job_id:
        return make_outcome(status, job_id, error=stopped_by)
    if stopped_by is not None and status is OutcomeStatus.NOT_SENT:
        return make_outcome(status, job_id, error=stopped_by, attempts=0)
    return make_outcome(status, job_id)
