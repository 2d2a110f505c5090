"""A log as text: what is written is read again, also what an earlier version has written."""

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
    account.settled("pending", "accepted", T0 + WINDOW)
    account.reserve("pending", T0 + WINDOW + 1)
    account.reserve("held", T0 + WINDOW + 1)
    account.log.refused(account.reserve("b", T0 + WINDOW + 2), "released", T0 + WINDOW + 2, limit=7)
    assert account.log.expired_doubts
    assert account.log.others
    assert load_log(dump_log(account.log)) == account.log
    assert load_log(dump_log(account.log).encode()) == account.log


_FORMAT_1 = (
    '[1,[86400.0,7,"server",1800086402.0,1800086402.0,1800086402.0,0.0],'
    '[["job_0","spent",1800086400.0,true,"r3"],'
    '["held",null,0.0,false,null,["r4","held","new",null,1800086401.0,180.0,false]],'
    '["a","unknown",1800000000.0,false,null,["r5","a","faded",1800000000.0,1800086402.0,180.0,false]]],'
    '[[null,"elsewhere",1800086402.0,false,null],[null,"elsewhere",1800086402.0,false,null],'
    '[null,"elsewhere",1800086402.0,false,null],[null,"elsewhere",1800086402.0,false,null]],'
    '[["b","unknown",1800000000.0,false,null]]]'
)
"""Written by the last version that wrote format 1, after the steps in the test."""


def test_a_log_in_format_1_is_read() -> None:
    """It says the same as the log of the same steps now, and is written in format 2."""
    account = Account(cap=20)
    for job in ("a", "b"):
        account.settled(job, "unknown", T0)
    account.publish(1, T0 + WINDOW)
    account.reserve("held", T0 + WINDOW + 1)
    assert account.reserve("a", T0 + WINDOW + 2).before == "expired"
    account.log.refused(account.reserve("c", T0 + WINDOW + 2), "released", T0 + WINDOW + 2, limit=7)
    earlier = load_log(_FORMAT_1)
    assert earlier.used == 7
    assert {job: slot.kind for job, slot in earlier.jobs.items()} == {"job_0": "spent", "held": None, "a": "unknown"}
    assert earlier.jobs["a"].holders[0].before == "expired"
    assert (earlier.limit, earlier.refused_at, list(earlier.expired_doubts)) == (7, T0 + WINDOW + 2, ["b"])
    assert earlier == account.log
    assert load_log(dump_log(earlier)) == earlier


def test_a_log_is_one_line_of_ascii_with_its_format() -> None:
    """Whatever a job is called."""
    account = Account()
    account.publish(1, name='jöb\n"\u2028')
    text = dump_log(account.log)
    assert text.isascii()
    assert "\n" not in text
    assert json.loads(text)[0] == 2


def test_a_new_log_is_read_again() -> None:
    """With nothing in it."""
    assert load_log(dump_log(AccountLog())) == AccountLog()


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "[1]", "[2,[],[],[],[]]", "[0,1]", '["x"]', "[true", b"\xff"])
def test_what_is_no_log_is_one_error(text: str | bytes) -> None:
    """It names what it found, and nothing of it."""
    with pytest.raises(QuotaLedgerError, match="something that is no log"):
        load_log(text)


def test_a_newer_format_is_said_to_be_one() -> None:
    """So that its user knows what to do."""
    with pytest.raises(QuotaLedgerError, match="a newer version of opentrain_async wrote"):
        load_log("[3,[]]")


@given(st.text())
def test_no_text_is_any_other_error(text: str) -> None:
    """Whatever stands in a store."""
    with suppress(QuotaLedgerError):
        load_log(text)
