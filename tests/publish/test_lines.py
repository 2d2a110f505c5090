"""A line of a journal: every outcome comes back as it was, and what is no outcome is none."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrain_async import OutcomeStatus, PublishOutcome
from opentrain_async import errors as all_errors
from opentrain_async._publish.journal.account import JournalAccount
from opentrain_async._publish.journal.lines import JournalEntry, NotAnEntryError, line_of, read_line
from opentrain_async.errors import (
    NotPublishReadyError,
    OpenTrainError,
    ServerError,
)

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


@pytest.mark.parametrize("key", ["service", "account", "token"])
def test_an_account_that_is_not_text_is_not_an_entry(key: str) -> None:
    """Whatever else the line says."""
    with pytest.raises(NotAnEntryError):
        read_line(json.dumps(_GOOD | {key: ["acme"]}).encode())


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
