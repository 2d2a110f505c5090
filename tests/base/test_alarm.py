"""One timer rings everyone in time, and nobody too early."""

import asyncio

from opentrain_async._base.alarm import Alarm


class Bell:
    """Notes that it was rung, and can be waited for."""

    def __init__(self, rung: list["Bell"] | None = None) -> None:
        self.rung = rung if rung is not None else []
        self.has_rung = asyncio.Event()

    def ring(self) -> None:
        self.rung.append(self)
        self.has_rung.set()


async def wait_for(bell: Bell) -> None:
    """Wait until it rings; the bound is only there to fail rather than to hang."""
    async with asyncio.timeout(10):
        await bell.has_rung.wait()


async def test_a_sleeper_rings_when_its_time_is_up_and_not_before() -> None:
    """The loop's own clock says that all of the time has gone by."""
    alarm, bell = Alarm(), Bell()
    loop = asyncio.get_running_loop()
    began = loop.time()
    alarm.set(bell, 0.02)
    assert bell.rung == []
    await wait_for(bell)
    assert loop.time() - began >= 0.02
    assert bell.rung == [bell]


async def test_sleepers_ring_in_the_order_of_their_times() -> None:
    """Who is set later and for less rings first: the timer is brought forward."""
    alarm, rung = Alarm(), list[Bell]()
    late, early, latest = Bell(rung), Bell(rung), Bell(rung)
    alarm.set(late, 0.02)
    alarm.set(early, 0.005)
    alarm.set(latest, 0.03)
    await wait_for(latest)
    assert rung == [early, late, latest]


async def test_one_that_was_unset_does_not_ring() -> None:
    """The timer that was set for it finds nothing to do, and the others ring all the same."""
    alarm, rung = Alarm(), list[Bell]()
    gone, left = Bell(rung), Bell(rung)
    alarm.set(gone, 0.005)
    alarm.set(left, 0.015)
    alarm.unset(gone)
    await wait_for(left)
    assert rung == [left]


async def test_unsetting_a_stranger_is_harmless() -> None:
    """Whoever was never set, or has rung already, can be unset."""
    alarm, bell = Alarm(), Bell()
    alarm.unset(bell)
    alarm.set(bell, 0.0)
    await wait_for(bell)
    alarm.unset(bell)
    assert bell.rung == [bell]


async def test_an_alarm_on_which_all_was_unset_rings_again_later() -> None:
    """A timer that finds nobody leaves the alarm ready for the next."""
    alarm, gone, bell = Alarm(), Bell(), Bell()
    alarm.set(gone, 0.0)
    alarm.unset(gone)
    await asyncio.sleep(0.01)
    alarm.set(bell, 0.0)
    await wait_for(bell)
    assert gone.rung == []


async def test_a_closed_alarm_rings_who_is_set_and_leaves_no_timer() -> None:
    """An attempt that is in flight keeps its bound; with the last sleeper the timer goes, too."""
    alarm, gone, bell = Alarm(), Bell(), Bell()
    alarm.close()
    alarm.set(gone, 3600)
    alarm.set(bell, 0.005)
    alarm.close()
    await wait_for(bell)
    timer = alarm._timer
    assert timer is not None
    alarm.unset(gone)
    assert (timer.cancelled(), gone.rung) == (True, [])


async def test_two_whose_time_is_up_at_once_both_ring() -> None:
    """Nobody is forgotten because somebody else rings at the same moment."""
    alarm, rung = Alarm(), list[Bell]()
    first, second = Bell(rung), Bell(rung)
    alarm.set(first, 0.0)
    alarm.set(second, 0.0)
    await wait_for(second)
    assert set(rung) == {first, second}
