"""A line of a journal: every outcome comes back as it was, and what is not an outcome is not an entry."""

import copy
import json
import math
from collections.abc import Iterator
from contextlib import suppress
from functools import reduce
from operator import getitem
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrain_async import OutcomeStatus, PublishOutcome, PublishResult
from opentrain_async import errors as all_errors
from opentrain_async._base.json import encode
from opentrain_async._cli.views.output import facts_of, why
from opentrain_async._publish.journal.account import JournalAccount
from opentrain_async._publish.journal.facts import NotAnEntryError
from opentrain_async._publish.journal.lines import LONGEST_LINE, JournalEntry, line_of, read_line
from opentrain_async.errors import (
    NotPublishReadyError,
    OpenTrainError,
    QuotaExceededError,
    ServerError,
    SessionHookError,
)
from opentrain_async.models import SideEffects

from ..support.every_error import CLASSES, full
from ..support.journals import AT, RESULT, SERVICE


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_comes_back_as_what_it_was(kind: type[OpenTrainError]) -> None:
    """Class, text, effect and facts; all on one line of ASCII without a control character."""
    before = PublishOutcome("job\n\x1b[31m", OutcomeStatus.UNKNOWN, error=full(kind), attempts=3, retry_at=AT)
    line = line_of(before, AT, SERVICE)
    assert line.endswith(b"\n")
    assert line[:-1].isascii()
    assert line[:-1].decode().isprintable()
    after = read_line(line).outcome
    assert (after.job_id, after.status, after.attempts, after.retry_at) == (
        before.job_id, before.status, 3, AT,
    )  # fmt: skip
    assert type(after.error) is kind
    assert kind is NotPublishReadyError or str(after.error) == str(before.error)
    left_out = {"raw", "validation"}
    assert before.error is not None
    assert {name: value for name, value in vars(after.error).items() if name not in left_out} == {
        name: value for name, value in vars(before.error).items() if name not in left_out
    }


def test_a_result_comes_back_as_it_was() -> None:
    """All but its body, which is no part of what it is."""
    before = PublishOutcome("job_1", OutcomeStatus.PUBLISHED, result=RESULT, attempts=2)
    assert read_line(line_of(before, AT, SERVICE)).outcome == before
    assert json.loads(line_of(before, AT, SERVICE))["at"] == "2026-11-25T12:30:15+00:00"


def test_the_gaps_of_a_draft_come_back() -> None:
    """They are read from the details once more; details without end are left out."""
    details = {"validation": {"missingFields": ["title", "budget"]}}
    error = NotPublishReadyError("gaps", status=400, details=details)
    after = read_line(line_of(PublishOutcome("job_1", OutcomeStatus.REJECTED, error=error), AT, SERVICE)).outcome.error
    assert isinstance(after, NotPublishReadyError)
    assert [item.field for item in after.validation.missing_fields] == ["title", "budget"]
    error.details = {"x": "y" * 20_000}
    error.message = "m" * 5_000
    line = line_of(PublishOutcome("job_1", OutcomeStatus.REJECTED, error=error), AT, SERVICE)
    assert len(line) < 2_000
    assert read_line(line).outcome.error is not None


def test_what_a_later_version_may_write_is_read() -> None:
    """Keys that are new are left out; an error that is new is an `OpenTrainError`."""
    facts = json.loads(line_of(PublishOutcome("job_1", OutcomeStatus.UNKNOWN, error=ServerError("no")), AT, SERVICE))
    facts["error"]["type"] = "WeatherError"
    facts["new"] = facts["error"]["new"] = 1
    after = read_line(json.dumps(facts).encode()).outcome.error
    assert type(after) is OpenTrainError
    assert after.message == "no"


_GOOD = json.loads(line_of(PublishOutcome("job_1", OutcomeStatus.UNKNOWN, error=ServerError("no")), AT, SERVICE))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.binary() | st.builds(lambda key, value: json.dumps(_GOOD | {key: value}).encode(),
                               st.sampled_from(sorted(_GOOD)), _JSON))  # fmt: skip
def test_whatever_a_line_is_it_is_an_outcome_or_none(line: bytes) -> None:
    """No other error ever comes of reading one."""
    with suppress(NotAnEntryError):
        assert isinstance(read_line(line), JournalEntry)


def test_a_line_says_last_of_which_account_it_is() -> None:
    """Earlier versions leave out what they do not know; their own lines say nothing of it."""
    account = JournalAccount("http://127.0.0.1:8080", "acme", "f1")
    facts = json.loads(line_of(PublishOutcome("job_1", OutcomeStatus.DEFERRED), AT, account))
    assert list(facts)[-2:] == ["account", "token"]
    assert read_line(json.dumps(facts).encode()).account == account
    del facts["account"], facts["token"]
    assert read_line(json.dumps(facts).encode()).account == JournalAccount("http://127.0.0.1:8080")


@pytest.mark.parametrize("key", ["service", "account", "token", "at"])
def test_an_account_that_is_not_text_is_not_an_entry(key: str) -> None:
    """Whatever else the line says."""
    with pytest.raises(NotAnEntryError):
        read_line(json.dumps(_GOOD | {key: ["acme"]}).encode())


_LIVE = json.loads(line_of(PublishOutcome("job_1", OutcomeStatus.PUBLISHED, result=RESULT), AT, SERVICE))
_FULL = json.loads(line_of(PublishOutcome("job_1", OutcomeStatus.DEFERRED, error=full(QuotaExceededError), retry_at=AT),
                           AT, SERVICE))  # fmt: skip
_HOOK = json.loads(line_of(PublishOutcome("job_1", OutcomeStatus.UNKNOWN, error=full(SessionHookError)), AT, SERVICE))
_REFUSED = json.loads(
    line_of(PublishOutcome("job_1", OutcomeStatus.REJECTED, error=full(NotPublishReadyError)), AT, SERVICE)
)
_FOREIGN = [None, True, "x", "", -1, 10**400, 1e308, [], ["x"], {}, {"x": 1}, "2026-11-25T12:30:15"]


@pytest.mark.parametrize("line", [_LIVE, _FULL, _HOOK, _REFUSED], ids=["live", "quota", "hook", "refused"])
def test_each_value_of_a_line_is_checked(line: dict[str, Any]) -> None:
    """Of another type or out of its range, the line is not an entry; or whatever is asked of the outcome works."""
    assert isinstance(read_line(json.dumps(line).encode()), JournalEntry)
    for path in _paths(line):
        for foreign in _FOREIGN:
            changed = copy.deepcopy(line)
            *above, last = path
            reduce(getitem, above, changed)[last] = foreign
            try:
                entry = read_line(json.dumps(changed).encode())
            except NotAnEntryError:
                continue
            _use(entry)


def _paths(value: object) -> Iterator[tuple[Any, ...]]:
    """The way to each value in a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (key,)
        yield from ((key, *path) for path in _paths(item))


def _use(entry: JournalEntry) -> None:
    """Do with an entry what the library does with one."""
    assert SERVICE.covers(entry.account) in {True, False}
    outcome = entry.outcome
    assert outcome.is_final in {True, False}
    assert len(str(outcome.error)) + len(repr(outcome)) + len(why(outcome)) + len(encode(facts_of(outcome))) > 0
    assert read_line(line_of(outcome, AT, SERVICE)).outcome.status is outcome.status


@pytest.mark.parametrize(
    "changed",
    [
        {"attempts": -1},
        {"attempts": 10**400},
        {"retry_at": "2026-11-25T12:30:15"},
        {"status": "lost"},
        {"result": None},
        {"error": {"type": "ServerError", "message": "no", "job_id": None, "effect": "none", "status": 500}},
        {"job_id": "no/id"},
        {"result": _LIVE["result"] | {"job_id": "no/id"}},
        {"result": _LIVE["result"] | {"warnings": "none"}},
        {"result": _LIVE["result"] | {"side_effects": {"dispatched": "yes", "status": None}}},
    ],
)
def test_what_no_outcome_can_be_is_not_an_entry(changed: dict[str, object]) -> None:
    """A value out of its range, a live job without a result or with an error, an id that no job has."""
    with pytest.raises(NotAnEntryError):
        read_line(json.dumps(_LIVE | changed).encode())


@pytest.mark.parametrize(
    "changed",
    [{"effect": "some"}, {"status": None}, {"status": "x"}, {"details": [1]}, {"details": None}, {"message": None},
     {"type": ["ServerError"]}, {"retry_after": -1}, {"job_id": 5}, {"source": "ledger"}, {"effect": ["none"]}],
)  # fmt: skip
def test_an_error_holds_what_its_class_promises(changed: dict[str, object]) -> None:
    """Or the line is not an entry."""
    with pytest.raises(NotAnEntryError):
        read_line(json.dumps(_GOOD | {"error": _GOOD["error"] | changed}).encode())


def test_a_line_without_end_is_not_an_entry() -> None:
    """It is not even decoded."""
    line = json.dumps(_GOOD).encode()
    read_line(line.ljust(LONGEST_LINE))
    with pytest.raises(NotAnEntryError):
        read_line(line.ljust(LONGEST_LINE + 1))


def test_whatever_the_service_says_is_written_so_that_it_is_read() -> None:
    """Texts without end are cut; details that nest without end, or hold what is not of JSON, are left out."""
    endless = "\U0001f680" * 1_000_000
    result = PublishResult("job_1", True, status=endless, job_url=endless, publish_attempt_id=endless,
                           warnings=(endless,) * 1000, side_effects=SideEffects(None, endless))  # fmt: skip
    error = ServerError(endless, job_id=endless, status=500, code=endless, request_id=endless)
    written = [
        PublishOutcome("job_1", OutcomeStatus.PENDING, result=result),
        PublishOutcome(endless, OutcomeStatus.REJECTED, error=error),
    ]
    deep: dict[str, object] = {}
    for _ in range(900):
        deep = {"a": deep}
    for details in (deep, {"a": math.nan}, {"a": {1, 2}}):
        error = ServerError("no", status=500, details=details)
        written.append(PublishOutcome("job_1", OutcomeStatus.UNKNOWN, error=error))
    for outcome in written:
        line = line_of(outcome, AT, SERVICE)
        assert len(line) < LONGEST_LINE
        after = read_line(line).outcome
        assert after.status is outcome.status
        assert outcome.job_id.startswith(after.job_id)
        assert not (isinstance(after.error, ServerError) and after.error.details)


@pytest.mark.parametrize(
    "details", ['{"score": NaN}', '{"a": [-Infinity]}', '{"a": 1e999}', '{"a": ' * 60 + "1" + "}" * 60]
)
def test_details_that_earlier_versions_wrote_are_left_out(details: str) -> None:
    """A server may answer so, and earlier versions wrote it down: the rest of the line counts."""
    error = ServerError("no", status=500, details={"a": "here"})
    line = line_of(PublishOutcome("job_1", OutcomeStatus.UNKNOWN, error=error), AT, SERVICE)
    after = read_line(line.replace(b'{"a": "here"}', details.encode())).outcome
    assert isinstance(after.error, ServerError)
    assert (after.error.status, after.error.details) == (500, {})


@pytest.mark.parametrize("name", ["AsyncOpenTrain", "Effect", "_api", "__doc__"])
def test_a_line_names_no_class_but_an_error(name: str) -> None:
    """Whoever writes into the file cannot have just anything called."""
    assert hasattr(all_errors, name) or name == "AsyncOpenTrain"
    facts = _GOOD | {"error": _GOOD["error"] | {"type": name}}
    if name == "AsyncOpenTrain":
        assert type(read_line(json.dumps(facts).encode()).outcome.error) is OpenTrainError
    else:
        with pytest.raises(NotAnEntryError):
            read_line(json.dumps(facts).encode())
