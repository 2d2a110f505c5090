"""Callers: how long each waits, and whether it has given up."""

import math

from opentrain_async._retry.callers import Caller
from opentrain_async.errors import ServerError


def test_the_wait_for_the_window_begins_when_it_is_first_asked_for() -> None:
    """Of a single publish only the waiting counts, not what came before it."""
    caller = Caller(60.0)
    assert [caller.waits_until(now) for now in (100.0, 130.0)] == [160.0, 160.0]


def test_a_wait_may_be_endless_or_none() -> None:
    """From 0 to infinity."""
    assert Caller(math.inf).waits_until(5.0) == math.inf
    assert Caller(0.0).waits_until(5.0) == 5.0


def test_the_first_reason_to_give_up_stands() -> None:
    """Whatever comes later, the run was stopped by that one."""
    first, caller = ServerError("first"), Caller(0.0)
    assert not caller.is_given_up
    caller.give_up(first)
    caller.give_up(ServerError("second"))
    caller.give_up(None)
    assert caller.is_given_up
    assert caller.stopped_by is first


def test_a_caller_can_give_up_without_an_error() -> None:
    """As a run does that its own caller stops."""
    caller = Caller(0.0)
    caller.give_up(None)
    assert (caller.is_given_up, caller.stopped_by) == (True, None)
