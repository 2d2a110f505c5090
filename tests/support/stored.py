"""Logs and journal lines for tests that change them, and the library's uses of each."""

import os
from collections.abc import Callable
from datetime import timedelta

from opentrain_async import OutcomeStatus, PublishOutcome
from opentrain_async._base.json import encode
from opentrain_async._cli.views.output import facts_of, why
from opentrain_async._publish.journal.account import JournalAccount
from opentrain_async._publish.journal.facts import NotAnEntryError
from opentrain_async._publish.journal.lines import line_of, read_line
from opentrain_async.errors import NotPublishReadyError, QuotaExceededError, ServerError, SessionHookError
from opentrain_async.quota import Reservation, dump_log, load_log
from opentrain_async.quota._log import AccountLog
from opentrain_async.quota._plan import plan
from opentrain_async.quota._slots import LONGEST_LEASE

from .account import ACCEPTED, LOST, NOT_LIVE, PUBLISHED, T0, Account
from .every_error import full
from .journals import AT, RESULT, SERVICE

VALUES = int(os.environ.get("STORED_VALUES", "20000"))
"""How many texts are read in memory."""
ROWS = VALUES // 100
"""How many go through each store."""
SEED = int(os.environ.get("STORED_SEED", "0"))
NOW = T0 + 3600.0
DRAFTS = [f"job_{number}" for number in range(25)]


def logs() -> list[str]:
    """Logs in which every kind of value stands, and one with nothing in it."""
    account = Account(cap=20)
    account.settled("old", LOST, T0 - 90_000)
    account.publish(2)
    account.settled("pending", ACCEPTED)
    account.settled("doubt", LOST)
    account.reserve("doubt")
    account.reserve("held")
    account.reserve("held")
    account.log.refused(account.reserve("b"), NOT_LIVE, T0 + 1, limit=7)
    assert account.log.expired_doubts
    format_1 = dump_log(account.log).replace("[2,", "[1,", 1).replace('"expired"', '"faded"')
    return [dump_log(account.log), format_1.replace('"accepted"', '"unknown"'), dump_log(AccountLog())]


def journal_lines() -> list[str]:
    """Lines in which every kind of value stands."""
    outcomes = [
        PublishOutcome("job_1", OutcomeStatus.PUBLISHED, result=RESULT, attempts=1),
        PublishOutcome("job_1", OutcomeStatus.DEFERRED, error=full(QuotaExceededError), retry_at=AT),
        PublishOutcome("job_1", OutcomeStatus.REJECTED, error=full(NotPublishReadyError)),
        PublishOutcome("job_1", OutcomeStatus.UNKNOWN, error=full(SessionHookError)),
        PublishOutcome("no/id", OutcomeStatus.NOT_SENT, error=full(ServerError)),
    ]
    details = {"validation": {"missingFields": [{"field": "title"}, "budget"], "issues": [{"path": ["a", 1]}]}}
    refused = NotPublishReadyError("gaps", status=400, details=details)
    outcomes.append(PublishOutcome("job_1", OutcomeStatus.REJECTED, error=refused))
    account = JournalAccount("http://127.0.0.1:8080", "acme", "f1")
    return [line_of(outcome, AT, account).decode().rstrip("\n") for outcome in outcomes]


def use_log(text: bytes) -> None:
    """Read a log, and do with it what the library does: a reservation, a settlement, a refusal, a plan.

    Raises:
        QuotaLedgerError: It is not a log.
    """
    log = load_log(text)
    before = log.snapshot(NOW, None)
    made = plan(DRAFTS, load_log(text), NOW, None)  # which uses it up
    assert len(made.drafts) == len(DRAFTS)
    assert before.at is not None
    latest = before.at + timedelta(seconds=before.window + LONGEST_LEASE + 1)
    assert all(slot.frees_at <= latest for slot in before.slots), "an account is locked out for years"
    answer = log.reserve("job_new", NOW, reservation_id="new", lease=180.0)
    if isinstance(answer, Reservation):
        log.settle(answer, PUBLISHED, NOW)
        log.refused(answer, NOT_LIVE, NOW, limit=3)
    assert load_log(dump_log(log)) == log


def use_line(text: bytes) -> None:
    """Read a line, and do with its outcome what the library does.

    Raises:
        NotAnEntryError: It is not a line.
    """
    entry = read_line(text)
    assert SERVICE.covers(entry.account) in {True, False}
    outcome = entry.outcome
    assert outcome.is_final in {True, False}
    assert len(str(outcome.error)) + len(repr(outcome)) + len(why(outcome)) + len(encode(facts_of(outcome))) > 0
    try:
        again = read_line(line_of(outcome, AT, SERVICE))
    except NotAnEntryError as error:
        raise AssertionError("what was read and is written again is not read again") from error
    assert again.outcome.status is outcome.status


Use = Callable[[bytes], None]
