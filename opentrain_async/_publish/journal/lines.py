"""Convert an outcome to a line of a journal and back.

An entry is always one harmless line: it is in printable ASCII, and never holds the token. A line is checked value by
value when it is read: another program may have written it.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, get_args

from attrs import evolve, frozen

from ... import errors
from ..._base.clock import iso
from ..._base.found_file import MIB
from ..._base.json import encode
from ..._service.answers import ended_job_error
from ..._service.validation import issues, validation
from ...errors import APIError, BadRequestError, Effect, NotPublishReadyError, OpenTrainError
from ...errors._checks import is_job_id
from ...models import PublishResult, SideEffects
from ...outcomes import OutcomeStatus, PublishOutcome
from ...outcomes._answer_table import ALREADY_PUBLISHED, PENDING, PUBLISHED, REJECTED
from .account import JournalAccount
from .facts import (
    NULL,
    Check,
    NotAnEntryError,
    decode,
    is_amount,
    is_count,
    is_flag,
    is_object,
    is_status,
    is_text,
    is_texts,
    or_null,
    time,
    typed,
    valid,
)

BEGINS = b'{"job_id": '
"""How every line begins."""
LONGEST_LINE = MIB
"""Bytes of a line. A line of ours is shorter, as the service's texts are cut."""
_LONGEST_TEXT = 2_000
_LONGEST_MESSAGE = 1_000
_LONGEST_DETAILS = 16_000
_MOST_WARNINGS = 20
_TEXTS = ("service", "account", "token", "at")
_WITH_RESULT = {PUBLISHED, ALREADY_PUBLISHED, PENDING}
_FACTS: Mapping[str, Check] = {
    "effect": get_args(Effect).__contains__,
    "status": or_null(is_status),
    "code": or_null(is_text),
    "request_id": or_null(is_text),
    "details": lambda details: type(details) is dict,
    "retry_after": or_null(is_amount),
    "limit": or_null(is_count),
    "used": or_null(is_count),
    "source": ("ledger", "server").__contains__,
    "window_hours": or_null(is_amount),
    "raised": is_text,
    "was_sent": is_flag,
}
"""The facts that are kept of an error that has them, each with its check; the message and `retry_at` stand beside."""


@frozen
class JournalEntry:
    """What a line says.

    Attributes:
        outcome: The outcome of a draft.
        account: The account that it is of, as far as the line says.
    """

    outcome: PublishOutcome
    account: JournalAccount


def line_of(outcome: PublishOutcome, at: datetime, account: JournalAccount) -> bytes:
    """The outcome of that time and account, as a line with its end.

    The keys of the account stand last: earlier versions leave them out.
    """
    error = outcome.error
    return (
        b"%b\n"
        % encode({
            "job_id": outcome.job_id[:_LONGEST_TEXT],
            "status": outcome.status.value,
            "attempts": outcome.attempts,
            "at": iso(at),
            "service": account.service,
            "retry_at": iso(outcome.retry_at),
            "result": None if outcome.result is None else _of_result(outcome.result),
            "error": None if error is None else _of_error(error),
            "account": account.name,
            "token": account.token,
        }).encode()
    )


def read_line(line: bytes) -> JournalEntry:
    """What a line says. Keys that a later version may add are left out.

    Raises:
        NotAnEntryError: It is not a line of a journal.
    """
    try:
        if len(line) > LONGEST_LINE:
            raise NotAnEntryError("a line without end")
        facts = decode(line)
        service, name, token, _ = [typed(facts, key, str, NULL) if key in facts else None for key in _TEXTS]
        return JournalEntry(_by_todays_rules(_outcome(facts)), JournalAccount(service, name, token))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise NotAnEntryError(f"{type(error).__name__}") from None


def _outcome(facts: Mapping[str, Any]) -> PublishOutcome:
    job_id, status = typed(facts, "job_id", str), OutcomeStatus(typed(facts, "status", str))
    result, error = typed(facts, "result", dict, NULL), typed(facts, "error", dict, NULL)
    if (result is not None) != (status in _WITH_RESULT) or (result is not None and error is not None):
        raise NotAnEntryError(f"{status.value}, and a result or none")
    if result is not None and not is_job_id(job_id):
        raise NotAnEntryError("no such job can be live")
    return PublishOutcome(
        job_id,
        status,
        result=None if result is None else _result(result),
        error=None if error is None else _error(error),
        attempts=valid(facts, "attempts", is_count),
        retry_at=time(facts, "retry_at"),
    )


def _by_todays_rules(outcome: PublishOutcome) -> PublishOutcome:
    """Return the outcome as it is told today: to earlier versions each job with a result was published."""
    result = outcome.result
    if result is not None and result.is_pending:
        return evolve(outcome, status=PENDING, result=evolve(result, newly_published=False))
    if result is not None and result.status == "ARCHIVED":
        return evolve(outcome, status=REJECTED, result=None, error=ended_job_error(result, outcome.job_id))
    return outcome


def _of_result(result: PublishResult) -> Mapping[str, object]:
    return {
        "job_id": result.job_id,
        "already_published": result.already_published,
        "status": _cut(result.status),
        "job_url": _cut(result.job_url),
        "publish_attempt_id": _cut(result.publish_attempt_id),
        "warnings": [_cut(warning) for warning in result.warnings[:_MOST_WARNINGS]],
        "side_effects": {
            "dispatched": result.side_effects.dispatched,
            "status": _cut(result.side_effects.status),
        },
        "newly_published": result.newly_published,
    }


def _result(facts: Mapping[str, Any]) -> PublishResult:
    effects = typed(facts, "side_effects", dict)
    return PublishResult(
        job_id=valid(facts, "job_id", is_job_id),
        already_published=typed(facts, "already_published", bool),
        status=typed(facts, "status", str),
        job_url=typed(facts, "job_url", str, NULL),
        publish_attempt_id=typed(facts, "publish_attempt_id", str, NULL),
        warnings=tuple(valid(facts, "warnings", is_texts)),
        side_effects=SideEffects(typed(effects, "dispatched", bool, NULL), typed(effects, "status", str, NULL)),
        newly_published=typed(facts, "newly_published", bool),
    )


def _of_error(error: OpenTrainError) -> Mapping[str, object]:
    facts = {name: _cut(getattr(error, name)) for name in _FACTS if hasattr(error, name)}
    if "details" in facts and not _can_be_kept(facts["details"]):
        facts["details"] = {}
    if (retry_at := getattr(error, "retry_at", None)) is not None:
        facts["retry_at"] = iso(retry_at)
    return {
        "type": type(error).__name__,
        "message": error.message[:_LONGEST_MESSAGE],
        "job_id": _cut(error.job_id),
        **facts,
    }


def _error(facts: Mapping[str, Any]) -> OpenTrainError:
    """An error of the same class; of one that a later version may have, an `OpenTrainError`."""
    kind = getattr(errors, typed(facts, "type", str), OpenTrainError)
    if not (isinstance(kind, type) and issubclass(kind, OpenTrainError)):
        raise NotAnEntryError("not an error")
    message, job_id = typed(facts, "message", str), typed(facts, "job_id", str, NULL)
    kept = {name: valid(facts, name, is_valid) for name, is_valid in _FACTS.items() if name in facts}
    # Earlier versions wrote what could not be written again, such as NaN: an answer may hold it.
    if not _can_be_kept(kept.get("details", {})):
        kept["details"] = {}
    if kind is OpenTrainError:
        return OpenTrainError(message, job_id=job_id, effect=kept["effect"])
    if issubclass(kind, APIError) and kept.get("status", 0) is None:
        raise NotAnEntryError("an answer without a status")
    if facts.get("retry_at") is not None:
        kept["retry_at"] = time(facts, "retry_at")
    error = kind(message, job_id=job_id, **kept)
    if isinstance(error, BadRequestError):
        error.issues = issues(error.details)
    if isinstance(error, NotPublishReadyError):
        error.validation = validation(error.details, {})
    return error


def _cut(value: Any) -> Any:
    return value[:_LONGEST_TEXT] if isinstance(value, str) else value


def _can_be_kept(details: object) -> bool:
    """True for details that can be read again, and are not too long: a server may nest them without end."""
    try:
        return is_object(details) and len(json.dumps(details, allow_nan=False)) <= _LONGEST_DETAILS
    except (ValueError, TypeError):
        return False
