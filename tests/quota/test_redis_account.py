"""One account's steps on their way to Redis: what is written, what is run again, whose turn is next."""

import asyncio

import pytest

from opentrain_async.errors import QuotaLedgerError
from opentrain_async.quota import AccountLog, dump_log
from opentrain_async.quota._log_clock import LogClock
from opentrain_async.quota._slots import Slot
from opentrain_async.quota._stores.batch import PendingStep
from opentrain_async.quota._stores.redis_account import RedisAccount
from opentrain_async.quota._stores.redis_scripts import NONE

LOG = dump_log(AccountLog())


def begin(account: RedisAccount, give_up_at: float = 10.0) -> PendingStep:
    """A step that counts."""
    pending = PendingStep.begin("acme", lambda log, _: log.used, 0.0)
    pending.give_up_at = give_up_at
    account.steps.append(pending)
    return pending


async def test_a_log_that_is_written_is_known() -> None:
    """Its steps are answered, and those that came meanwhile are run on it."""
    account = RedisAccount("acme")
    first = begin(account)
    draft = account.draft("v-1", 5.0)
    second = begin(account)
    assert draft.line.startswith(f"{NONE} v-1 ")
    assert account.version == NONE
    assert not first.future.done()
    assert account.take(draft, 0) == 0
    assert (first.future.result(), second.future.done()) == (0, False)
    assert account.draft("v-2", 6.0).line.startswith("v-1 v-2 ")


async def test_a_draft_that_is_lost_leaves_no_trace() -> None:
    """Neither where another log stands, nor where no answer came: then nothing is known."""
    account = RedisAccount("acme", version="v-1", log=AccountLog(jobs={"a": Slot("spent", 1.0)}, clock=LogClock(2.0)))
    pending = begin(account)
    assert account.draft("v-2", 5.0).line.startswith("v-1 v-2 ")
    draft = account.draft("v-3", 5.0)
    assert draft.line.startswith(f"{NONE} v-3 ")
    account.take(draft, [b"w-1", LOG.encode(), 0])
    assert (account.version, account.log, pending.future.done()) == ("w-1", AccountLog(), False)
    account.take(account.draft("v-4", 5.0), [None, None, 0])
    assert (account.version, account.log) == (NONE, None)


async def test_who_loses_often_comes_sooner_and_who_wins_makes_way() -> None:
    """By how many have lost before it, or against it: no process can win for ever."""
    account = RedisAccount("acme")
    draft = account.draft("v-1", 5.0)
    assert [account.take(draft, ["w-1", LOG, place]) for place in (1, 4, 0, 4, -7)] == [0, 1.5, 0, 1, 0]
    assert account.losses == 3
    assert [account.take(draft, lost) for lost in (3, 0, -7)] == [3, 0, 0]
    assert account.losses == 0


@pytest.mark.parametrize(("place", "is_told"), [(0, True), (1, True), (2, False)])
async def test_a_step_that_raises_is_told_so_on_a_log_that_has_just_come(place: int, is_told: bool) -> None:
    """After a wait the log that stands is asked for once more."""

    def fail(_log: AccountLog, _now: float) -> None:
        raise LookupError("its own affair")

    account = RedisAccount("acme")
    pending = PendingStep.begin("acme", fail, 0.0)
    account.steps.append(pending)
    draft = account.draft("v-1", 5.0)
    assert (draft.line, draft.log) == (f"{NONE} v-1 0 ", None)
    account.take(draft, ["w-1", LOG, place])
    account.draft("v-2", 5.0)
    assert isinstance(pending.error, LookupError) is is_told
    assert (account.steps == []) is is_told
    pending.future.cancel() if not is_told else pending.future.exception()


async def test_only_callers_without_time_are_failed() -> None:
    """The others' steps stay, in their order."""
    account = RedisAccount("acme")
    early, late = begin(account, 5.0), begin(account, 6.0)
    assert (account.is_late(4.0), account.is_late(5.0)) == (False, True)
    account.fail(QuotaLedgerError("down"), until=5.0)
    assert isinstance(early.future.exception(), QuotaLedgerError)
    assert account.steps == [late]
    account.fail(QuotaLedgerError("down"))
    assert isinstance(late.future.exception(), QuotaLedgerError)
    assert account.steps == []


@pytest.mark.parametrize(
    "entry",
    [None, "OK", True, [], ["v"], [None, None], [None, LOG, 0], ["v", None, 0], ["v w", LOG, 0], ["v", LOG, "0"],
     [NONE, LOG, 0], ["v", "[]", 0], ["v" * 101, LOG, 0], [b"\xff", LOG, 0], [1, LOG, 0], {"v": LOG}],
)  # fmt: skip
async def test_F73_what_is_not_a_log_with_its_version_is_refused(entry: object) -> None:
    """A version with a blank would be read as something else, again and again."""
    account = RedisAccount("acme")
    with pytest.raises(QuotaLedgerError, match="not a log"):
        account.take(account.draft("v-1", 5.0), entry)
    assert (account.version, account.log) == (NONE, None)


async def test_F73_a_number_is_no_answer_to_a_question() -> None:
    """Nothing was there to be written."""
    account = RedisAccount("acme")
    account.steps.append(PendingStep.begin("acme", lambda log, _: log.jobs["a"], 0.0))
    with pytest.raises(QuotaLedgerError, match="not a log"):
        account.take(account.draft("v-1", 5.0), 0)
    await asyncio.sleep(0)
