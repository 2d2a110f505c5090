"""Retry-After as it is really written: every form of it is seconds to wait, or nothing."""

import time
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from opentrain_async._service.answers import read_publish
from opentrain_async._service.http.messages import Reply, plain
from opentrain_async._service.retry_after import seconds_to_wait
from opentrain_async.errors import OpenTrainError, QuotaExceededError, RateLimitedError, ServerError

NOW = 1_800_000_000.0
WORDS = st.sampled_from([
    "Mon",
    "Fri,",
    "31",
    "Dec",
    "1999",
    "23:59:59",
    "GMT",
    "+9999",
    "-0000",
    "²",
    ":",
    "-",
    ",",
    "9" * 30,
])


def http_date(epoch: float) -> str:
    """An instant as HTTP writes it."""
    return format_datetime(datetime.fromtimestamp(epoch, UTC), usegmt=True)


def waits(value: str, date: str | None = None) -> float | None:
    """What a single header amounts to at `NOW`."""
    return seconds_to_wait([value], date, NOW)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1", 1.0),
        ("120", 120.0),
        ("007", 7.0),
        ("2.5", 2.5),
        ("2.", 2.0),
        ("0.001", 0.001),
        (" 30 ", 30.0),
        ("\t30", 30.0),
        ("31622400", 31622400.0),
    ],
)
def test_seconds_are_seconds(value: str, seconds: float) -> None:
    """Whole or with a fraction, with or without blanks around them, up to a year."""
    assert waits(value) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "0", "0.0", "000", "-5", "+5", "-0", ".5", "1e3", "1E400", "inf", "-inf", "Infinity", "nan", "NaN", "", " ",
        "soon", "5s", "5 seconds", ",", " , ,", "Fri,", "0x10", "1_000", "٣", "\uff15", "²", "9" * 20, "9" * 400,
        "9" * 6000, "0" * 64 + "5", "31622401", "1800000000", "1800000000.5", "1800000000000", "5\n7",
        "null", "[]", "<html>", "Fri", "Fri, 99 Foo 2026 99:99:99 GMT", "Fri, 31 Dec 999999999999 23:59:59 GMT",
        "Fri, 31 Dec 2026 23:59:59 +9999", "Fri, 31 Dec 9999 23:59:59 GMT", "2027-01-15T08:00:00Z",
    ],
)  # fmt: skip
def test_F10_what_makes_no_sense_is_no_wait(value: str) -> None:
    """Zero, negative, endless and unreadable values do not count, nor does an absolute time in place of a delay."""
    assert waits(value) is None


@pytest.mark.parametrize("skew", [0.0, -86400.0, 86400.0, 3e8], ids=["right", "behind", "ahead", "years ahead"])
def test_a_date_is_measured_against_the_server_s_own_clock(skew: float) -> None:
    """However wrong this machine's clock is, the wait is the distance of the server's two dates."""
    served = NOW + skew
    assert waits(http_date(served + 90), http_date(served)) == 90.0


@pytest.mark.parametrize("date", [None, "", "garbage", "0", "Fri, 99 Foo 2026"])
def test_a_date_without_a_readable_date_header_is_measured_against_the_clock_here(date: str | None) -> None:
    """There is nothing better."""
    assert waits(http_date(NOW + 45), date) == 45.0


@pytest.mark.parametrize("ago", [0.0, 1.0, 86400.0, 1e9])
def test_F10_a_date_that_has_passed_is_no_wait(ago: float) -> None:
    """Neither is the very moment of the answer."""
    assert waits(http_date(NOW - ago), http_date(NOW)) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("Fri, 15 Jan 2027 08:01:00 GMT", 60.0),
        ("Friday, 15-Jan-27 08:01:00 GMT", 60.0),
        ("Fri Jan 15 08:01:00 2027", 60.0),
        ("15 Jan 2027 08:01:00 -0000", 60.0),
        ("Fri, 15 Jan 2027 09:01:00 +0100", 60.0),
        ("Sat, 16 Jan 2028 08:00:00 GMT", 366 * 86400.0),
    ],
)
def test_F10_every_form_of_an_http_date_is_read(value: str, seconds: float) -> None:
    """The three of RFC 9110, with the zone as GMT whether it is said or not, and those of e-mail."""
    assert datetime(2027, 1, 15, 8, tzinfo=UTC).timestamp() == NOW
    assert waits(value) == seconds


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ([], None),
        (["5", "7"], 7.0),
        (["7", "5"], 7.0),
        (["garbage", "5"], 5.0),
        (["5", "inf"], 5.0),
        (["-5", "0"], None),
        (["5", http_date(NOW + 60)], 60.0),
    ],
)
def test_F10_of_several_headers_the_longest_sensible_one_counts(values: list[str], seconds: float | None) -> None:
    """Waiting longer than one of them asked harms nobody, and coming too early does."""
    assert seconds_to_wait(values, None, NOW) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("70, 90", 90.0),
        ("90,70", 90.0),
        ("1,5", 5.0),
        (",, 5\t,\t2.5 ,", 5.0),
        ("garbage, 5, 1800000000", 5.0),
        ("Fri, 15 Jan 2027 08:01:00 GMT, 30", 60.0),
        ("Fri, 15 Jan 2027 08:01:00 GMT, 90", 90.0),
        ("30, Friday, 15-Jan-27 08:01:00 GMT", 60.0),
        ("Fri Jan 15 08:01:00 2027, 30", 60.0),
        ("Fri, 15 Jan 2027 08:01:00 GMT, Fri, 15 Jan 2027 08:02:00 GMT", 120.0),
    ],
)
def test_F65_values_that_are_folded_into_one_line_are_several(value: str, seconds: float) -> None:
    """A comma separates values, and follows the weekday of a date."""
    assert waits(value) == seconds
    assert seconds_to_wait(["1", value], None, NOW) == seconds


@pytest.mark.parametrize("part", ["5,", "15 Jan 2027 08:01:00 GMT,", "9", " ", ",", "1 a,"])
def test_a_header_of_any_size_is_read_in_no_time(part: str) -> None:
    """Only its first values are read, and of them only those that are short enough to mean something."""
    began = time.process_time()
    assert waits(part * (65536 // len(part)), "G" * 65536) in {None, 5.0, 60.0}
    assert seconds_to_wait([part] * 20_000, None, NOW) in {None, 5.0, 9.0, 60.0}
    assert time.process_time() - began < 0.5


@given(
    st.lists(st.text(max_size=40) | st.lists(WORDS, max_size=7).map(" ".join) | st.floats().map(str), max_size=3),
    st.none() | st.text(max_size=40) | st.lists(WORDS, max_size=7).map(" ".join),
    st.floats(min_value=-1e12, max_value=1e12),
)
def test_any_header_is_a_positive_finite_wait_or_none(values: list[str], date: str | None, now: float) -> None:
    """Nothing that a server can write makes reading it fail, or the client wait for ever."""
    seconds = seconds_to_wait(values, date, now)
    assert seconds is None or (0 < seconds <= 366 * 86400)


@given(st.integers(min_value=1, max_value=366 * 86400), st.integers(min_value=0, max_value=4 * 10**9))
def test_a_date_is_worth_as_much_as_the_seconds_to_it(seconds: int, served: int) -> None:
    """Both forms of one wait are read as the same wait."""
    assert waits(http_date(served + seconds), http_date(served)) == waits(str(seconds)) == float(seconds)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], None),
        ([("Retry-After", "7")], 7.0),
        ([("retry-after", "7"), ("RETRY-AFTER", "9")], 9.0),
        ([("Retry-After", "-5")], None),
        ([("Retry-After", http_date(NOW + 500)), ("Date", http_date(NOW + 440))], 60.0),
        ([("Retry-After", http_date(NOW + 500))], 500.0),
        ([("Retry-After", http_date(NOW + 500)), ("Date", http_date(NOW + 501))], None),
    ],
)
@pytest.mark.parametrize(
    ("status", "body"), [(429, b"<html>"), (503, b""), (500, b"{}"), (429, b'{"details": {"windowHours": 24}}')]
)
def test_an_error_has_the_wait_of_its_answer(
    status: int, body: bytes, headers: list[tuple[str, str]], seconds: float | None
) -> None:
    """Of a 429 and of any 5xx, whatever the body and however the header's name is written."""
    with pytest.raises(OpenTrainError) as caught:
        read_publish(Reply(status, body, plain(CIMultiDict(headers))), "job_1", NOW)
    assert isinstance(caught.value, RateLimitedError | ServerError | QuotaExceededError)
    assert caught.value.retry_after == seconds
