"""What a ledger tells its observer."""

import pytest

from opentrain_async.quota import LedgerStore, QuotaLedger, QuotaSnapshot, Settlement
from opentrain_async.quota._observer import QuotaObserver
from opentrain_async.quota._slots import Wait

from ..support.account import NOT_LIVE, PUBLISHED
from ..support.stores import reserve
from ..support.virtual import VirtualClock


def _ignore(_wait: Wait) -> None: ...


class Seen:
    """Everything that an observer was called with, in its order."""

    def __init__(self) -> None:
        self.reserved: list[tuple[str, bool]] = []
        self.settled: list[tuple[str, Settlement]] = []
        self.counted: list[tuple[str, int]] = []

    def observer(self) -> QuotaObserver:
        return QuotaObserver(
            lambda job, is_probe: self.reserved.append((job, is_probe)),
            lambda job, how: self.settled.append((job, how)),
            self._count,
        )

    def _count(self, account: str, quota: QuotaSnapshot) -> None:
        self.counted.append((account, quota.used))


def ledger_for(store: LedgerStore, clock: VirtualClock, seen: Seen) -> QuotaLedger:
    return QuotaLedger(store, "acme", clock, daily_limit=20, lease=180.0, observer=seen.observer())


async def test_a_slot_is_told_of_as_it_is_reserved_and_as_it_is_settled(
    store: LedgerStore, clock: VirtualClock
) -> None:
    """With its draft, and with what became of it."""
    seen = Seen()
    ledger = ledger_for(store, clock, seen)
    await ledger.settle(await reserve(ledger, "a", _ignore), PUBLISHED)
    await ledger.settle(await reserve(ledger, "b", _ignore), NOT_LIVE)
    assert seen.reserved == [("a", False), ("b", False)]
    assert seen.settled == [("a", "published"), ("b", "released")]


@pytest.mark.parametrize(("later", "times"), [(59.0, 1), (60.0, 2)])
async def test_the_same_count_is_told_again_after_a_minute(
    store: LedgerStore, clock: VirtualClock, later: float, times: int
) -> None:
    """Another client may have told the same listener another one since."""
    seen = Seen()
    ledger = ledger_for(store, clock, seen)
    await ledger.snapshot()
    clock.time += later
    await ledger.snapshot()
    assert seen.counted == [("acme", 0)] * times


async def test_a_count_is_told_when_it_changes(store: LedgerStore, clock: VirtualClock) -> None:
    """With each slot, and not by who else looks."""
    seen = Seen()
    ledger = ledger_for(store, clock, seen)
    for job in ("a", "b"):
        await ledger.settle(await reserve(ledger, job, _ignore), PUBLISHED)
        await ledger.snapshot()
    assert [used for _, used in seen.counted if used] == sorted(used for _, used in seen.counted if used)
    assert {used for _, used in seen.counted} >= {1, 2}
