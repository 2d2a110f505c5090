"""A log as text: what is written is read again, also what an earlier version has written."""

import json
import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrain_async.errors import QuotaLedgerError
from opentrain_async.quota import AccountLog, dump_log, load_log
from opentrain_async.quota._allowance import WINDOW, Allowance
from opentrain_async.quota._log_clock import LogClock
from opentrain_async.quota._probes import LONGEST_PROBE_INTERVAL, Probes
from opentrain_async.quota._slots import Slot
from opentrain_async.quota._stores.serialized import LONGEST_LOG

from ..support.account import ACCEPTED, LOST, NOT_LIVE, T0, Account


def test_what_is_written_is_read_again() -> None:
    """Slots with and without holders, charges elsewhere, a limit, a refusal, and doubts that have expired."""
    account = Account(cap=20)
    account.settled("a", LOST, T0)
    account.publish(2, T0 + WINDOW)
    account.settled("pending", ACCEPTED, T0 + WINDOW)
    account.reserve("pending", T0 + WINDOW + 1)
    account.reserve("held", T0 + WINDOW + 1)
    account.log.refused(account.reserve("b", T0 + WINDOW + 2), NOT_LIVE, T0 + WINDOW + 2, limit=7)
    account.reserve("probe", T0 + WINDOW + 9000)
    account.log.probes.returning = 2
    account.log.allowance.trials = 3
    account.log.jobs["charged"] = Slot("charged", T0 + WINDOW)
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
        account.settled(job, LOST, T0)
    account.publish(1, T0 + WINDOW)
    account.reserve("held", T0 + WINDOW + 1)
    assert account.reserve("a", T0 + WINDOW + 2).before == "expired"
    account.log.refused(account.reserve("c", T0 + WINDOW + 2), NOT_LIVE, T0 + WINDOW + 2, limit=7)
    earlier = load_log(_FORMAT_1)
    assert earlier.used == 7
    assert {job: slot.kind for job, slot in earlier.jobs.items()} == {"job_0": "spent", "held": None, "a": "unknown"}
    assert earlier.jobs["a"].holders[0].before == "expired"
    assert (earlier.allowance.limit, list(earlier.expired_doubts)) == (7, ["b"])
    assert earlier.probes == Probes(T0 + WINDOW + 2)  # it does not say what follows from a refusal
    account.log.probes = earlier.probes
    assert earlier == load_log(re.sub(r'"(\d+)-\1"', r'"r\1"', dump_log(account.log)))
    assert load_log(dump_log(earlier)) == earlier


def test_a_log_is_one_line_of_ascii_with_its_format() -> None:
    """Whatever a reservation is called."""
    log = AccountLog()
    log.reserve("job_1", T0, reservation_id='jöb\n"\u2028', lease=60.0)
    text = dump_log(log)
    assert load_log(text) == log
    assert text.isascii()
    assert "\n" not in text
    assert json.loads(text)[0] == 2


def test_a_new_log_is_read_again() -> None:
    """With nothing in it."""
    assert load_log(dump_log(AccountLog())) == AccountLog()


def _log(facts: str = "", jobs: str = "", others: str = "", expired: str = "", written: str = "2") -> str:
    """A log of that text, which is valid where nothing is given."""
    return f"[{written},[{facts or FACTS}],[{jobs}],[{others}],[{expired}]]"


FACTS = '86400.0,20,"server",1800000000.0,null,1800000000.0,0.0,2,1,1800003600.0,3'
_FACTS_OF_FORMAT_1 = '86400.0,20,"server",1800000000.0,null,1800000000.0,0.0'
SLOT = '["job_1","spent",1800000000.0,true,"r1"]'
HELD = '["job_1",null,0.0,false,null,["r1","job_1","new",null,1800000000.0,180.0,null]]'
PROBE = HELD.replace("180.0,null", "180.0,20")
ELSEWHERE = '[null,"elsewhere",1800000000,false,null]'
DOUBT = '["job_2","unknown",1700000000.0,false,null]'


def test_each_part_of_a_log_is_read() -> None:
    """Whole numbers are numbers too, and blanks stand for nothing: another program may have written it anew."""
    text = _log(jobs=SLOT, others=ELSEWHERE, expired=DOUBT)
    log = load_log(text)
    assert ([*log.jobs], len(log.others), [*log.expired_doubts]) == (["job_1"], 1, ["job_2"])
    assert load_log(json.dumps(json.loads(text), indent=1)) == log
    assert log.allowance == Allowance(20, "server", 1800000000.0, 86400.0, 2)
    assert (log.probes, log.clock) == (Probes(None, 1, 1800003600.0, 3), LogClock(1800000000.0))
    (held,), (probe,) = (load_log(_log(jobs=rows)).jobs["job_1"].holders for rows in (HELD, PROBE))
    assert (held.lease, held.probe, probe.probe) == (180.0, None, 20)


@pytest.mark.parametrize(("written", "read"), [("false", None), ("true", 0)])
def test_a_probe_of_format_1_does_not_say_what_it_was_sent_for(written: str, read: int | None) -> None:
    """Then none is counted less when it is accepted."""
    log = load_log(_log(_FACTS_OF_FORMAT_1, HELD.replace("180.0,null", f"180.0,{written}"), written="1"))
    assert [holder.probe for holder in log.jobs["job_1"].holders] == [read]
    assert (log.probes, log.allowance.trials) == (Probes(), 0)


@pytest.mark.parametrize(("window", "latest"), [(86400.0, 86400.0), (60.0, LONGEST_PROBE_INTERVAL)])
def test_a_probe_is_not_put_off_for_ever(window: float, latest: float) -> None:
    """A date that no refusal can have said, from a clock of the future, ends a window from now."""
    facts = FACTS.replace("1800003600.0", "253402300799.0").replace("86400.0", str(window))
    assert load_log(_log(facts)).probes.next_at == 1800000000.0 + latest


def _in_place_of(text: str, part: str, *others: str) -> list[str]:
    """That text with others in the place of a part of it, one at a time."""
    assert part in text
    return [text.replace(part, other, 1) for other in others]


@pytest.mark.parametrize(
    "text",
    [
        *_in_place_of(_log(), "86400.0", "0", "-1.0", "NaN", "Infinity", "1e308", "true", "null", '"1"', "31622401"),
        *_in_place_of(_log(), ",20", ",0", ",-1", ",10001", ",20.0", ",true", ',"20"', "," + "9" * 400),
        *_in_place_of(_log(), '"server"', '"me"', "1", "[]", "true"),
        *_in_place_of(_log(), "1800000000.0", "1800000001.0", "null", "-1e9", "true"),
        *_in_place_of(_log(), "null", "1800000001", "-1e9", "Infinity", '"x"', "false", "[]"),
        *_in_place_of(_log(), "1800000000.0,0.0", "253402300801,0.0", "null,0.0", "true,0.0", "-31622401,0.0"),
        *_in_place_of(_log(), ",0.0,", ",-1.0,", ",1e10,", ",NaN,", ",null,", ",false,", ",0.0,1,", ","),
        *_in_place_of(_log(), ",2,1,", ",-1,1,", ",2.0,1,", ",true,1,", ",null,1,", ",1000000001,1,", ",2,", ",2,1,1,"),
        *_in_place_of(_log(), ",2,1,", ",2,-1,", ",2,1.0,", ",2,true,", ",2,null,", ',2,"1",', ",2,1000000001,"),
        *_in_place_of(_log(), "1800003600.0", "253402300801", "-1e9", "NaN", "Infinity", "true", "null", '"x"'),
        *_in_place_of(_log(), ",3]", ",-1]", ",3.0]", ",true]", ",null]", ",10001]", "]", ",3,0]"),
        *_in_place_of(_log(_FACTS_OF_FORMAT_1, written="1"), ",0.0]", ",-1.0]", ",NaN]", ",null]", ",0.0,1]", "]"),
        *_in_place_of(_log(), f"[{FACTS}]", '"1234567"', '"1234567890a"', "{}", "null"),
        *_in_place_of(_log(), "[]", "{}", '""', "null", "0"),
        *(_log(written=written) for written in ("true", "2.0", "0", "-1", "null", '"2"', "[2]", "Infinity")),
    ],
)
def test_what_is_said_of_an_account_is_in_its_range(text: str) -> None:
    """A window, a limit, dates of the past, and as many values as there are."""
    with pytest.raises(QuotaLedgerError, match="something that is not a log"):
        load_log(text)


@pytest.mark.parametrize(
    "rows",
    [
        *_in_place_of(SLOT, '"job_1"', '"no/id"', '""', '".."', "1", "null", "[]", '"a b"', '"' + "x" * 129 + '"'),
        *_in_place_of(SLOT, '"spent"', '"elsewhere"', '"lost"', "true", "[]", "{}", "1"),
        *_in_place_of(SLOT, "1800000000.0", "1800000001.0", "-1e9", "NaN", "null", "true", '"x"', "9" * 400),
        *_in_place_of(SLOT, "true", "1", "null", '"true"'),
        *_in_place_of(SLOT, '"r1"', "1", "[]", "true", '"' + "x" * 257 + '"'),
        *_in_place_of(SLOT, ',"r1"]', "]", ',"r1",1]', ',"r1",[]]', ',"r1",null]'),
        *_in_place_of(HELD, '["r1"', "[1", "[null", '["' + "x" * 257 + '"'),
        *_in_place_of(HELD, '"job_1","new"', '"job_2","new"', '1,"new"', '"job_1","old"', '"job_1",[]', '"job_1",null'),
        *_in_place_of(HELD, '"new",null', '"new","x"', '"new",1800000001', '"new",false'),
        *_in_place_of(HELD, "1800000000.0", "1800000001.0", "null", '"x"', "Infinity"),
        *_in_place_of(HELD, "180.0", "0", "-1.0", "1e12", "NaN", "true", "null"),
        *_in_place_of(HELD, "180.0,null", "180.0,-1", "180.0,10001", "180.0,1.0", '180.0,"1"', "180.0", "180.0,null,1"),
        *('"abcde"', "{}", "null", "7", "[" * 9999, f"{SLOT},{HELD}"),
    ],
)
def test_what_is_said_of_a_slot_is_in_its_range(rows: str) -> None:
    """A job's id that is valid, known words, dates of the past, a lease of a year at the most; each job once."""
    with pytest.raises(QuotaLedgerError, match="something that is not a log"):
        load_log(_log(jobs=rows))


def test_a_lease_of_an_earlier_version_is_a_year_at_the_most() -> None:
    """Longer ones were written; they would outlast every window."""
    log = load_log(_log(jobs=HELD.replace("180.0", "40000000.0")))
    assert [holder.lease for slot in log.jobs.values() for holder in slot.holders] == [366 * 86400.0]


@pytest.mark.parametrize(
    ("others", "expired"),
    [
        (ELSEWHERE.replace("elsewhere", "unknown"), ""),
        (SLOT, ""),
        (HELD.replace('"job_1"', "null").replace("null,null", 'null,"spent"'), ""),
        ("", DOUBT.replace("unknown", "spent")),
        ("", HELD),
        ("", f"{DOUBT},{DOUBT}"),
    ],
)
def test_each_slot_stands_where_it_belongs(others: str, expired: str) -> None:
    """What is used elsewhere has no job, and what counts no longer is a doubt or an acceptance."""
    with pytest.raises(QuotaLedgerError, match="something that is not a log"):
        load_log(_log(others=others, expired=expired))


def test_what_could_not_be_read_again_is_not_written() -> None:
    """A job that has no valid id, or more slots than a log has room for."""
    log = AccountLog()
    log.reserve("no/id", T0, reservation_id="r1", lease=60.0)
    with pytest.raises(QuotaLedgerError, match="not a job id, so nothing is counted for it: 'no/id'"):
        dump_log(log)
    log = AccountLog(others=[Slot("elsewhere", T0)] * (LONGEST_LOG // 40))
    with pytest.raises(QuotaLedgerError, match="longer than 2 MiB"):
        dump_log(log)
    with pytest.raises(QuotaLedgerError, match="not a log"):
        load_log(dump_log(AccountLog()).ljust(LONGEST_LOG + 1))


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "[1]", "[2,[],[],[],[]]", "[0,1]", '["x"]', "[true", b"\xff"])
def test_what_is_no_log_is_one_error(text: str | bytes) -> None:
    """It names what it found, and nothing of it."""
    with pytest.raises(QuotaLedgerError, match="something that is not a log"):
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
