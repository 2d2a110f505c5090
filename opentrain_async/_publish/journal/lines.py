"""Convert an outcome to a line of a journal and back.

Text that is not ASCII is escaped, so an entry is always one harmless line. It never holds the token.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs
from attrs import evolve, frozen

from ... import errors
from ..._base.clock import iso
from ..._service.answers import ended_job_error
from ..._service.validation import issues, validation
from ...errors import BadRequestError, NotPublishReadyError, OpenTrainError
from ...models import PublishResult, SideEffects
from ...outcomes import OutcomeStatus, PublishOutcome
from ...outcomes._answer_table import PENDING, REJECTED
from .account import JournalAccount

BEGINS = b'{"job_id": '
"""How every line begins."""
_LONGEST_MESSAGE = 1_000
_LONGEST_DETAILS = 16_000
_FACTS = (
    "effect", "status", "code", "request_id", "details", "retry_after", "limit", "used", "source", "window_hours",
    "raised", "was_sent",
)  # fmt: skip
"""What is kept of an error, where it has it, beside what happened and when to come back."""


class NotAnEntryError(ValueError):
    """It is no line of a journal."""


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
        % json.dumps({
            "job_id": outcome.job_id,
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
        NotAnEntryError: It is none.
    """
    try:
        facts = json.loads(line)
        outcome = PublishOutcome(
            _of_type(str, facts["job_id"]),
            OutcomeStatus(facts["status"]),
            result=None if facts["result"] is None else _result(facts["result"]),
            error=None if facts["error"] is None else _error(facts["error"]),
            attempts=_of_type(int, facts["attempts"]),
            retry_at=None if facts["retry_at"] is None else datetime.fromisoformat(facts["retry_at"]),
        )
        service, name, token = (_of_type_or_none(str, facts.get(key)) for key in ("service", "account", "token"))
        return JournalEntry(_by_todays_rules(outcome), JournalAccount(service, name, token))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NotAnEntryError(f"{type(error).__name__}") from None


def _by_todays_rules(outcome: PublishOutcome) -> PublishOutcome:
    """Return the outcome as it is told today: to earlier versions each job with a result was published."""
    result = outcome.result
    if result is not None and result.is_pending:
        return evolve(outcome, status=PENDING, result=evolve(result, newly_published=False))
    if result is not None and result.status == "ARCHIVED":
        return evolve(outcome, status=REJECTED, result=None, error=ended_job_error(result, outcome.job_id))
    return outcome


def _of_result(result: PublishResult) -> Mapping[str, object]:
    return attrs.asdict(result, filter=attrs.filters.exclude("body"))


def _result(facts: Mapping[str, Any]) -> PublishResult:
    return PublishResult(
        job_id=facts["job_id"],
        already_published=facts["already_published"],
        status=facts["status"],
        job_url=facts["job_url"],
        publish_attempt_id=facts["publish_attempt_id"],
        warnings=tuple(facts["warnings"]),
        side_effects=SideEffects(facts["side_effects"]["dispatched"], facts["side_effects"]["status"]),
        newly_published=facts["newly_published"],
    )


def _of_error(error: OpenTrainError) -> Mapping[str, object]:
    facts = {name: getattr(error, name) for name in _FACTS if hasattr(error, name)}
    if len(json.dumps(facts.get("details"))) > _LONGEST_DETAILS:
        facts["details"] = {}
    if (retry_at := getattr(error, "retry_at", None)) is not None:
        facts["retry_at"] = iso(retry_at)
    return {
        "type": type(error).__name__,
        "message": error.message[:_LONGEST_MESSAGE],
        "job_id": error.job_id,
        **facts,
    }


def _error(facts: dict[str, Any]) -> OpenTrainError:
    """An error of the same class; of one that a later version may have, an `OpenTrainError`."""
    kind = getattr(errors, facts["type"], OpenTrainError)
    if not (isinstance(kind, type) and issubclass(kind, OpenTrainError)):
        raise NotAnEntryError("no error")
    if kind is OpenTrainError:
        return OpenTrainError(facts["message"], job_id=facts["job_id"], effect=facts["effect"])
    kept = {name: facts[name] for name in ("job_id", *_FACTS) if name in facts}
    if facts.get("retry_at"):
        kept["retry_at"] = datetime.fromisoformat(facts["retry_at"])
    error = kind(facts["message"], **kept)
    if isinstance(error, BadRequestError):
        error.issues = issues(error.details)
    if isinstance(error, NotPublishReadyError):
        error.validation = validation(error.details, {})
    return error


def _of_type(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise NotAnEntryError(f"{type(value).__name__} in place of {kind.__name__}")
    return value


def _of_type_or_none(kind: type, value: Any) -> Any:
    return None if value is None else _of_type(kind, value)
