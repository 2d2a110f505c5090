"""Loops whose pace or end the server decides: each has a floor or a bound of the library's own."""

from itertools import pairwise

import pytest

from opentrain_async.errors import ClaimError

from ..support.claims import CLAIM_TOKEN, EMAIL, GRANTED, PENDING
from ..support.peers import Call, answer, client_of, peer, sends
from ..support.virtual import VirtualClock

SLOW_DOWN = answer({"error": "slow_down"}, status="400 Bad", headers="Retry-After: 0\r\n")


def started(interval: str, expires_in: str = "1800") -> bytes:
    """The answer to a claim that begins, with these two as JSON."""
    keys = f'"user_code": "1", "verification_uri": "https://x.test", "expires_in": {expires_in}'
    return answer(f'{{{keys}, "interval": {interval}}}'.encode())


@pytest.mark.parametrize(
    ("interval", "slept"),
    [
        ("1e-9", 1), ("5e-324", 1), ("0.999", 1), ("1", 1), ("1.5", 1.5), ("180", 180), ("181", 180), ("3e7", 180),
        ("0", 5), ("-1", 5), ("-1e-9", 5), ("NaN", 5), ("Infinity", 5), ("-Infinity", 5), ("1e400", 5), ("1e308", 5),
        ('"1e-9"', 5), ('""', 5), ("true", 5), ("null", 5), ("[]", 5), ("{}", 5), ("9" * 400, 5),
    ],
)  # fmt: skip
async def test_F74_a_claim_is_polled_once_a_second_at_most(interval: str, slept: float, clock: VirtualClock) -> None:
    """An interval without sense is the usual one; one that is too long is a tenth of the claim's lifetime."""
    answers = (started(interval), PENDING, PENDING, GRANTED)
    async with peer(sends(*answers)) as server, client_of(server.url, claim_token=CLAIM_TOKEN, clock=clock) as client:
        await client.start_claim(EMAIL)
        await client.wait_for_claim()
    assert clock.slept == [slept, slept]


@pytest.mark.parametrize(
    ("expires_in", "slept"),
    [("30", 3), ("1e-9", 1), ("3", 1), ("86400", 300), ("-1", 180), ("NaN", 180), ("null", 180)],
)
async def test_F74_a_claim_is_looked_at_within_its_lifetime(expires_in: str, slept: float, clock: VirtualClock) -> None:
    """However short that is, and whatever interval the server names."""
    answers = (started("300", expires_in), PENDING, GRANTED)
    async with peer(sends(*answers)) as server, client_of(server.url, claim_token=CLAIM_TOKEN, clock=clock) as client:
        await client.start_claim(EMAIL)
        await client.wait_for_claim()
    assert clock.slept == [slept]


async def test_F74_a_server_that_always_asks_to_slow_down_hides_no_claim(clock: VirtualClock) -> None:
    """The interval grows to a tenth of the lifetime, and no further; a Retry-After of 0 shortens nothing."""
    answers = (started("1e-9"), *[SLOW_DOWN] * 9, GRANTED)
    async with peer(sends(*answers)) as server, client_of(server.url, claim_token=CLAIM_TOKEN, clock=clock) as client:
        await client.start_claim(EMAIL)
        await client.wait_for_claim()
    assert clock.slept == [6, 12, 24, 48, 96, 180, 180, 180, 180]


async def test_F74_waiting_again_and_again_polls_no_sooner(clock: VirtualClock) -> None:
    """The distance is between polls, not between calls."""
    polls: list[float] = []

    async def behave(call: Call) -> None:
        polls.append(clock.time)
        call.writer.write(started("1e-9") if len(polls) == 1 else PENDING)

    async with peer(behave) as server, client_of(server.url, claim_token=CLAIM_TOKEN, clock=clock) as client:
        await client.start_claim(EMAIL)
        for _ in range(50):
            with pytest.raises(ClaimError):
                await client.wait_for_claim(timeout=0.01)
            clock.time += 0.1
    assert 4 <= len(polls[1:]) <= 6
    assert all(later - earlier >= 1 for earlier, later in pairwise(polls[1:]))
