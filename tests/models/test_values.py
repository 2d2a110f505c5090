"""The values: results, outcomes and reports, and the small pure helpers that they and the arguments rest on."""

import asyncio
import copy
import math
import pickle
import string
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from opentrain_async._base.clock import SystemClock, instant
from opentrain_async._base.text import one_line
from opentrain_async._service.operations import publish_request
from opentrain_async.errors import ConfigurationError, NotFoundError, QuotaExceededError, _checks
from opentrain_async.errors._checks import checked_job_id
from opentrain_async.models import MissingField, PublishResult, SideEffects, Validation
from opentrain_async.outcomes import OutcomeStatus, PublishOutcome, PublishReport

HUGE = 10**400
LATEST = datetime.max.replace(tzinfo=UTC)
RESULT = PublishResult("job_1", already_published=False, body=b'{"jobId": "job_1", "more": [1]}')
REPORT = PublishReport((
    PublishOutcome("job_1", OutcomeStatus.PUBLISHED, result=RESULT, attempts=1),
    PublishOutcome("job_2", OutcomeStatus.REJECTED, error=NotFoundError("gone", status=404), attempts=1),
    PublishOutcome("job_3", OutcomeStatus.ALREADY_PUBLISHED, result=RESULT, attempts=1),
    PublishOutcome("job_4", OutcomeStatus.DEFERRED, error=QuotaExceededError("full")),
    PublishOutcome("job_5", OutcomeStatus.PUBLISHED, result=RESULT, attempts=2),
))  # fmt: skip
VALUES = [
    RESULT,
    SideEffects(True, "queued"),
    MissingField("rate", raw={"field": "rate"}),
    Validation(False),
    REPORT.outcomes[0],
]


def kind_of(value: object) -> str:
    """A name for a case whose value cannot be one."""
    return type(value).__name__


@pytest.mark.parametrize("value", VALUES, ids=kind_of)
def test_a_value_is_frozen_and_travels(value: attrs.AttrsInstance) -> None:
    """It cannot be changed, and comes out of a pickle or a copy as it went in."""
    name = attrs.fields(type(value))[0].name
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(value, name, None)
    for other in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):  # noqa: S301
        assert other == value
        assert attrs.astuple(other) == attrs.astuple(value)


def test_a_result_s_raw_is_its_body_decoded() -> None:
    """Without a body there is nothing in it."""
    assert RESULT.raw == {"jobId": "job_1", "more": [1]}
    assert PublishResult("job_1", already_published=True).raw == {}


def test_a_result_is_equal_to_one_with_another_body() -> None:
    """The body is for the curious: neither the comparison nor the repr looks at it."""
    assert attrs.evolve(RESULT, body=b"{}") == RESULT
    assert "more" not in repr(RESULT)


def test_a_report_counts_every_status() -> None:
    """One that nothing has become of is counted as 0."""
    assert REPORT.counts == {
        "published": 2, "already_published": 1, "rejected": 1, "deferred": 1, "not_sent": 0, "unknown": 0,
    }  # fmt: skip


@pytest.mark.parametrize("status", OutcomeStatus)
def test_a_report_has_a_property_for_each_status(status: OutcomeStatus) -> None:
    """It holds the outcomes of that status, in the order in which they came."""
    report = PublishReport(tuple(PublishOutcome(f"{kind}_{n}", kind) for n in range(2) for kind in OutcomeStatus))
    assert [outcome.job_id for outcome in getattr(report, status.value)] == [f"{status}_0", f"{status}_1"]


def test_a_report_reads_as_a_sentence() -> None:
    """What is 0 is left out of it, and what stopped the run is at its end."""
    assert str(REPORT) == "5 drafts: 2 published, 1 already published, 1 rejected, 1 deferred"
    assert str(PublishReport()) == "0 drafts: nothing to do"
    assert str(attrs.evolve(REPORT, stopped_by=ConfigurationError("no\nway"))) == (
        "5 drafts: 2 published, 1 already published, 1 rejected, 1 deferred; stopped by <ConfigurationError: no\\nway>"
    )


def test_a_report_of_one_draft_is_of_one_draft() -> None:
    """The plural begins at two."""
    assert str(PublishReport((REPORT.outcomes[0],))) == "1 draft: 1 published"


def test_a_report_raises_what_stands_against_it() -> None:
    """All of the errors at once, in the order of the outcomes, and nothing where every draft is live."""
    with pytest.raises(ExceptionGroup) as caught:
        REPORT.raise_for_failures()
    assert caught.value.message == str(REPORT)
    assert caught.value.exceptions == (REPORT.outcomes[1].error, REPORT.outcomes[3].error)
    PublishReport((REPORT.outcomes[0], REPORT.outcomes[2])).raise_for_failures()
    PublishReport().raise_for_failures()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, ü and 漢", "plain text, ü and 漢"),
        ("two\nlines\r\n", "two\\nlines\\r\\n"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\u2028b\x00\x7f\x9b", "a\\u2028b\\x00\\x7f\\x9b"),
        ("\ud800", "\\ud800"),
        ("\U000e0001", "\\U000e0001"),
        ("x" * 300, "x" * 300),
        ("x" * 301, "x" * 300 + "…"),
        (5, "5"),
    ],
)
def test_text_from_elsewhere_is_one_line(text: object, shown: str) -> None:
    """What does not print is escaped, and what is longer than 300 characters is cut."""
    assert one_line(text) == shown


@given(st.text(max_size=400))
def test_F42_any_text_is_one_printable_line(text: str) -> None:
    """No text moves a terminal's cursor, begins a line of a log, or cannot be encoded."""
    shown = one_line(text)
    assert shown.isprintable()
    assert len(shown.encode().splitlines()) <= 1


@pytest.mark.parametrize("value", [0, 0.0, 5, 2.5, 1e300])
def test_a_number_in_range_is_a_float(value: float) -> None:
    """Whole numbers are numbers too."""
    checked = _checks.number("timeout", value)
    assert (checked, type(checked)) == (value, float)


@pytest.mark.parametrize(
    "value", [-0.1, math.inf, -math.inf, math.nan, True, "5", None, [], HUGE, -HUGE, 10**5000], ids=kind_of
)
def test_a_number_out_of_range_is_refused_by_name(value: object) -> None:
    """Neither strings nor truth values are numbers, and none is too large to be refused."""
    with pytest.raises(ConfigurationError, match=r"^timeout has to be a "):
        _checks.number("timeout", value)


@pytest.mark.parametrize(("value", "fits"), [(0.0, False), (-1, False), (1e-9, True), (1, True)])
def test_a_bound_that_is_excluded_is_named(value: float, fits: bool) -> None:
    """*above* leaves its own value out, and the text says so."""
    if fits:
        assert _checks.number("timeout", value, above=0.0) == value
    else:
        with pytest.raises(ConfigurationError) as caught:
            _checks.number("timeout", value, above=0.0)
        assert str(caught.value) == f"timeout has to be a finite number above 0, not {value!r}"


def test_a_bound_that_is_included_is_named() -> None:
    """*at_least* is itself let through."""
    assert _checks.number("share", 1, at_least=1) == 1.0
    with pytest.raises(ConfigurationError, match=r"^share has to be a finite number at least 1, not 0\.5$"):
        _checks.number("share", 0.5, at_least=1)


@pytest.mark.parametrize("value", [0, 0.0, 3, 1.5, math.inf])
def test_patience_may_be_endless(value: float) -> None:
    """Seconds from 0 up to infinity are let through."""
    assert _checks.patience("max_wait", value) == value


@pytest.mark.parametrize("value", [-1e-9, -math.inf, math.nan, False, "inf", None, -HUGE], ids=kind_of)
def test_patience_that_is_none_is_refused_by_name(value: object) -> None:
    """Less than none cannot be waited."""
    with pytest.raises(ConfigurationError, match=r"^max_wait has to be "):
        _checks.patience("max_wait", value)


@pytest.mark.parametrize(("value", "at_least"), [(1, 1), (0, 0), (10**30, 1)])
def test_a_whole_number_in_range_is_let_through(value: int, at_least: int) -> None:
    """As it is."""
    assert _checks.whole("concurrency", value, at_least=at_least) == value


@pytest.mark.parametrize("value", [0, -1, True, 1.0, "1", None, math.inf, -(10**5000)], ids=kind_of)
def test_what_is_no_whole_number_is_refused_by_name(value: object) -> None:
    """Not even a float without a fraction is one, and none is too long to be refused."""
    with pytest.raises(ConfigurationError, match=r"^concurrency has to be a whole number from 1, not "):
        _checks.whole("concurrency", value)


def test_names_kinds_and_methods_are_checked_by_name() -> None:
    """Each of the texts says which argument, what it has to be, and what it was."""
    _checks.name("account", "acme")
    _checks.kind("retry", 5, int)
    _checks.method("clock", SystemClock(), "monotonic")
    for value in ("", None, 5, b"acme"):
        with pytest.raises(ConfigurationError) as caught:
            _checks.name("account", value)
        assert str(caught.value) == f"account has to be a name, not {value!r}"
    with pytest.raises(ConfigurationError, match=r"^retry has to be a int, not 'five'$"):
        _checks.kind("retry", "five", int)
    with pytest.raises(ConfigurationError, match=r"^clock has to have a method monotonic\(\), unlike 5$"):
        _checks.method("clock", 5, "monotonic")
    with pytest.raises(ConfigurationError, match=r"^value has to have a method real\(\)"):
        _checks.method("value", 5, "real")


@pytest.mark.parametrize(
    ("epoch", "moment"),
    [
        (0.0, datetime(1970, 1, 1, tzinfo=UTC)),
        (-1.5, datetime(1969, 12, 31, 23, 59, 58, 500000, tzinfo=UTC)),
        (1_800_000_000.0, datetime(2027, 1, 15, 8, tzinfo=UTC)),
        (1e12, LATEST),
        (1e20, LATEST),
        (1e300, LATEST),
        (math.inf, LATEST),
    ],
)
def test_an_instant_is_an_aware_datetime_in_utc(epoch: float, moment: datetime) -> None:
    """One beyond the calendar's end is that end, so that no answer of the server breaks a `retry_at`."""
    assert instant(epoch) == moment
    assert instant(epoch).utcoffset() == timedelta(0)


async def test_the_system_s_clock_does_what_it_says() -> None:
    """It sleeps on the loop, its monotonic time does not go back, and its wall clock is the machine's."""
    clock = SystemClock()
    before, others = clock.monotonic(), asyncio.ensure_future(asyncio.sleep(0, "ran"))
    await clock.sleep(0.01)
    assert others.result() == "ran"
    assert clock.monotonic() > before
    assert abs(instant(clock.now()) - datetime.now(UTC)) < timedelta(minutes=1)


class Unshowable:
    """What cannot even say what it is."""

    def __repr__(self) -> str:
        raise RuntimeError("not now")


@given(st.text(string.ascii_letters + string.digits + "._~-", min_size=1, max_size=128).filter(lambda i: i.strip(".")))
def test_an_id_of_the_allowed_characters_is_a_path_of_its_own(job_id: str) -> None:
    """It goes into the path as it is, and a URL takes it out again as it was."""
    assert checked_job_id(job_id) == job_id
    assert publish_request(job_id).path == f"/api/public/v1/jobs/{job_id}/publish"
    assert URL("https://a.test").with_path(publish_request(job_id).path, encoded=True).parts[5] == job_id


@given(st.text(max_size=140))
def test_any_other_text_is_no_id(text: str) -> None:
    """Whether an id is one depends on its length, its characters, and on its being no step in a path."""
    fits = 1 <= len(text) <= 128 and set(text) <= set(string.ascii_letters + string.digits + "._~-")
    if fits and text not in {".", ".."}:
        assert checked_job_id(text) == text
    else:
        with pytest.raises(ConfigurationError) as caught:
            checked_job_id(text)
        assert caught.value.job_id == text
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("value", ["", ".", "..", "a/b", "a%2Fb", "a b", "job_1\n", "jöb", "\uff11", "a?b", "x" * 129])
def test_what_could_lead_elsewhere_is_no_id(value: str) -> None:
    """Nothing is sent for it, so the server changed nothing; 128 characters are the most there can be."""
    assert checked_job_id("x" * 128) == "x" * 128
    with pytest.raises(ConfigurationError, match=r"^not a job id: ") as caught:
        checked_job_id(value)
    assert (caught.value.job_id, caught.value.effect) == (value, "none")


@pytest.mark.parametrize("value", [None, 5, b"job_1", ["job_1"], True, 10**5000, Unshowable()], ids=kind_of)
def test_what_is_no_string_is_no_id(value: object) -> None:
    """Not even bytes, and not what cannot be shown."""
    with pytest.raises(ConfigurationError, match=r"^not a job id: ") as caught:
        checked_job_id(value)
    assert caught.value.job_id is None
