"""A log as text: what is written is read again, and an earlier version can read it."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrain_async.errors import QuotaLedgerError
from opentrain_async.quota import AccountLog, dump_log, load_log
from opentrain_async.quota._log import WINDOW

from ..support.account import T0, Account


def test_what_is_written_is_read_again() -> None:
    """Slots with and without holders, charges elsewhere, a limit, a refusal, and doubts that have expired."""
    account = Account(cap=20)
    account.settled("a", "unknown", T0)
    account.publish(2, T0 + WINDOW)
    account.reserve("held", T0 + WINDOW + 1)
    account.log.refused(account.reserve("b", T0 + WINDOW + 2), "released", T0 + WINDOW + 2, limit=7)
    assert account.log.expired_doubts
    assert account.log.others
    assert load_log(dump_log(account.log)) == account.log
    assert load_log(dump_log(account.log).encode()) == account.log


def test_an_expired_doubt_is_written_as_faded() -> None:
    """That is its word in format 1, which earlier versions of this library read and write."""
    account = Account(cap=1)
    account.settled("a", "unknown", T0)
    assert account.reserve("a", T0 + WINDOW).before == "expired"
    text = dump_log(account.log)
    assert '"faded"' in text
    assert '"expired"' not in text
    (holder,) = load_log(text).jobs["a"].holders
    assert holder.before == "expired"


def test_a_log_is_one_line_of_ascii_with_its_format() -> None:
    """Whatever a job is called."""
    account = Account()
    account.publish(1, name='jöb\n"\u2028')
    text = dump_log(account.log)
    assert text.isascii()
    assert "\n" not in text
    assert json.loads(text)[0] == 1


def test_a_new_log_is_read_again() -> None:
    """With nothing in it."""
    assert load_log(dump_log(AccountLog())) == AccountLog()


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "[1]", "[1,[],[],[],[]]", "[0,1]", '["x"]', "[true", b"\xff"])
def test_what_is_no_log_is_one_error(text: str | bytes) -> None:
    """It names what it found, and nothing of it."""
    with pytest.raises(QuotaLedgerError, match="something that is no log"):
        load_log(text)


def test_a_newer_format_is_said_to_be_one() -> None:
    """So that its user knows what to do."""
    with pytest.raises(QuotaLedgerError, match="a newer version of opentrain_async wrote"):
        load_log("[2,[]]")


@given(st.text())
def test_no_text_is_any_other_error(text: str) -> None:
    """Whatever stands in a store."""
    with suppress(QuotaLedgerError):
        load_log(text)
