"""Steps on their way to a store, and what their callers hear of them."""

import asyncio

import pytest

from opentrain_async.errors import QuotaLedgerError
from opentrain_async.quota import AccountLog
from opentrain_async.quota._stores.batch import PendingStep, StepFailedError, by_account


def _fails(_log: AccountLog, _now: float) -> None:
    raise LookupError("its own affair")


async def test_a_caller_gets_what_its_step_returned() -> None:
    """Once it is answered, and not before."""
    pending = PendingStep.begin("acme", lambda log, now: (log.used, now), 5.0)
    pending.run(AccountLog(), 7.0)
    assert not pending.future.done()
    pending.answer()
    assert await pending.future == (0, 7.0)


async def test_a_step_that_raises_is_named_with_its_error() -> None:
    """The store learns whose it was, and leaves the others alone."""
    pending = PendingStep.begin("acme", _fails, 5.0)
    with pytest.raises(StepFailedError) as caught:
        pending.run(AccountLog(), 7.0)
    assert caught.value.pending is pending
    assert isinstance(caught.value.error, LookupError)


async def test_a_caller_hears_why_its_step_did_not_take_place() -> None:
    """By the error itself."""
    pending = PendingStep.begin("acme", _fails, 5.0)
    pending.fail(QuotaLedgerError("down"))
    with pytest.raises(QuotaLedgerError, match="down"):
        await pending.future


async def test_a_caller_that_has_left_is_told_nothing() -> None:
    """Its step is carried through all the same."""
    pending = PendingStep.begin("acme", lambda log, _: log.used, 5.0)
    pending.future.cancel()
    await asyncio.sleep(0)
    pending.run(AccountLog(), 7.0)
    pending.answer()
    pending.fail(QuotaLedgerError("down"))
    assert (pending.future.cancelled(), pending.result) == (True, 0)


async def test_steps_are_sorted_by_account_in_their_order() -> None:
    """Those of one account run in the order in which they came."""
    steps = [PendingStep.begin(account, lambda _log, _now: None, 0.0) for account in "abab"]
    assert by_account(steps) == {"a": [steps[0], steps[2]], "b": [steps[1], steps[3]]}
