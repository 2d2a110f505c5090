"""Loops whose pace or end the server decides: each has a floor or a bound of the library's own."""

import itertools
import json
import math
from collections.abc import Callable
from itertools import pairwise

import pytest

from opentrain_async import AsyncOpenTrain, OutcomeStatus, RetryPolicy
from opentrain_async.errors import ClaimError, DraftIncompleteError, ServerError, UnexpectedResponseError
from opentrain_async.models import MissingField

from ..support.claims import CLAIM_TOKEN, EMAIL, GRANTED, PENDING
from ..support.outages import Service, facing, ids, reset, status
from ..support.peers import AT_ONCE, Behaviour, Call, answer, client_of, peer, sends
from ..support.virtual import VirtualClock

SLOW_DOWN = answer({"error": "slow_down"}, status="400 Bad", headers="Retry-After: 0\r\n")
SHORTEST_DELAY = 0.1


def started(interval: str, expires_in: str = "1800") -> bytes:
    """The answer to a claim that begins, with these two as JSON."""
    keys = f'"user_code": "1", "verification_uri": "https://x.test", "expires_in": {expires_in}'
    return answer(f'{{{keys}, "interval": {interval}}}'.encode())


@pytest.mark.parametrize(
    ("interval", "slept"),
    [
        ("1e-9", 1), ("5e-324", 1), ("0.999", 1), ("1", 1), ("1.5", 1.5), ("180", 180), ("900", 900),
        ("901", 900), ("3e7", 900),
        ("0", 5), ("-1", 5), ("-1e-9", 5), ("NaN", 5), ("Infinity", 5), ("-Infinity", 5), ("1e400", 5), ("1e308", 5),
        ('"1e-9"', 5), ('""', 5), ("true", 5), ("null", 5), ("[]", 5), ("{}", 5), ("9" * 400, 5),
    ],
)  # fmt: skip
async def test_F74_a_claim_is_polled_once_a_second_at_most(interval: str, slept: float, clock: VirtualClock) -> None:
    """An interval without sense is the usual one; one that is too long is half of the claim's lifetime."""
    answers = (started(interval), PENDING, PENDING, GRANTED)
    async with peer(sends(*answers)) as server, client_of(server.url, claim_token=CLAIM_TOKEN, clock=clock) as client:
        await client.start_claim(EMAIL)
        await client.wait_for_claim()
    assert clock.slept == [slept, slept]


@pytest.mark.parametrize(
    ("expires_in", "slept"),
    [("30", 15), ("1e-9", 1), ("3", 1.5), ("86400", 300), ("-1", 300), ("NaN", 300), ("null", 300)],
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


def listing(jobs: int, cursor: Callable[[int], str], *, title: str = "") -> Behaviour:
    """A server whose every page has so many jobs, and a cursor that leads on."""

    async def behave(call: Call) -> None:
        items = [{"id": f"job_{call.number}_{item}", "status": "DRAFT", "title": title} for item in range(jobs)]
        call.writer.write(answer({"jobs": items, "nextCursor": cursor(call.number)}))

    return behave


@pytest.mark.parametrize("jobs", [0, 1])
async def test_F74_a_list_without_an_end_is_read_for_a_thousand_pages(jobs: int) -> None:
    """Also where each page is new, and where none has a job; the error says what came, and that there is more."""
    came = 0

    async def read(client: AsyncOpenTrain) -> None:
        nonlocal came
        async for _ in client.iter_jobs():
            came += 1

    async with peer(listing(jobs, str)) as server, client_of(server.url) as client:
        with pytest.raises(UnexpectedResponseError) as caught:
            await read(client)
        assert (len(server.calls), came) == (1000, 1000 * jobs)
    assert caught.value.message == (
        "the list of jobs does not end: there is always another page; "
        f"pages read: 1000, jobs: {came}, and the rest was not read"
    )
    assert (caught.value.operation, caught.value.effect) == ("iter_jobs", "none")


async def test_F74_a_list_of_a_thousand_pages_is_read_to_its_end() -> None:
    """The bound is beyond what is read: the last page that may come has no cursor."""

    def cursor(number: int) -> str:
        return str(number) if number < 1000 else ""

    async with peer(listing(1, cursor)) as server, client_of(server.url) as client:
        assert len([job async for job in client.iter_jobs()]) == 1000
        assert len(server.calls) == 1000


@pytest.mark.parametrize("cursor", ["x" * 4097, "\ud800", "a\ud800b", "a\nb", "\0", "\u202e"], ids=range(6))
async def test_F74_a_cursor_that_no_url_takes_is_not_followed(cursor: str) -> None:
    """Half of a surrogate pair would be dropped, and the server asked for another page than it named."""
    async with peer(listing(2, lambda _: cursor)) as server, client_of(server.url) as client:
        jobs = client.iter_jobs()
        assert [(await anext(jobs)).id for _ in range(2)] == ["job_1_0", "job_1_1"]
        with pytest.raises(UnexpectedResponseError, match="the cursor of the next page is not valid; pages read: 1, "):
            await anext(jobs)
        assert len(server.calls) == 1


@pytest.mark.parametrize("cursor", ["x" * 4096, "a b", "é", "%", "&cursor=x", "#"], ids=range(6))
async def test_F74_any_other_cursor_comes_back_as_it_is(cursor: str) -> None:
    """It is the service's own word."""
    answers = (answer({"jobs": [], "nextCursor": cursor}), answer({"jobs": []}))
    async with peer(sends(*answers)) as server, client_of(server.url) as client:
        assert [job async for job in client.iter_jobs()] == []
        assert len(server.calls) == 2


async def test_F74_new_missing_fields_without_end_are_asked_for_fifty_rounds() -> None:
    """Whoever answers by a function, such as a model, would be asked for ever."""
    numbers = itertools.count()

    async def behave(call: Call) -> None:
        missing = [{"field": f"field_{next(numbers)}", "updateKeys": ["seed"]}]
        said = {"publishReady": False, "missingFieldCount": 1, "missingFields": missing}
        call.writer.write(answer({"jobId": "job_1", "status": "DRAFT", "validation": said}))

    def say(_field: MissingField) -> object:
        return {"job_title": "Cats"}

    async with peer(behave) as server, client_of(server.url) as client:
        draft = await client.update_draft("job_1", job_title="Cats")
        with pytest.raises(DraftIncompleteError, match="asks for other fields after each of 50 rounds") as caught:
            await client.fill_gaps(draft, say)
        assert len(server.calls) == 1 + 50
    assert (caught.value.effect, [field.field for field in caught.value.missing]) == ("applied", ["field_50"])


@pytest.mark.parametrize("fail", [reset, status("503 no"), status("503 no", headers="Retry-After: 0.001\r\n")])
@pytest.mark.parametrize("max_delay", [0.0, 8.0])
async def test_F74_probes_are_a_tenth_of_a_second_apart(fail: Behaviour, max_delay: float, clock: VirtualClock) -> None:
    """Also on a clock that only sleeping moves, however little delay the policy has."""
    service = Service(clock, after=0, seconds=math.inf, fail=fail)
    policy = RetryPolicy(base_delay=0, max_delay=max_delay)
    async with facing(service, clock, retry=policy) as (_server, client):
        report = await client.publish_many(ids(20), concurrency=3, outage_patience=30.0)
    assert report.stopped_by is not None
    assert {outcome.status for outcome in report.outcomes} == {OutcomeStatus.UNKNOWN, OutcomeStatus.NOT_SENT}
    probes = service.met[6:]  # before them, each of three drafts is tried, and two of them again at once
    assert all(later - earlier >= SHORTEST_DELAY for earlier, later in pairwise(probes))
    assert 4 <= len(probes) <= 300


async def test_F74_a_service_that_is_up_and_down_in_turn_is_not_flooded(clock: VirtualClock) -> None:
    """One answer closes the breaker; that the delays begin anew is no way around the floor."""
    calls = 0

    async def behave(call: Call) -> None:
        nonlocal calls
        calls += 1
        await (status("404 no") if calls % 8 == 0 else status("503 no"))(call)

    async with facing(behave, clock, retry=AT_ONCE) as (_server, client):
        began = clock.time
        await client.publish_many(ids(100), concurrency=4, outage_patience=60.0)
        took = clock.time - began
    assert calls > 100
    assert calls <= 20 + took / SHORTEST_DELAY * 8


@pytest.mark.parametrize(
    ("hours", "headers"), [("1e-9", ""), ("0.999", ""), ("24", "Retry-After: 0.001\r\n"), ("24", "Retry-After: 1\r\n")]
)
async def test_F74_a_wait_for_quota_is_not_as_short_as_the_server_says(
    hours: str, headers: str, clock: VirtualClock
) -> None:
    """A draft that waits for a slot asks once a minute at most; a window below an hour is not the quota's."""
    details = f'{{"error": "No.", "code": "RATE_LIMITED", "details": {{"limit": 1, "windowHours": {hours}}}}}'
    asked: list[float] = []

    async def behave(call: Call) -> None:
        asked.append(clock.time)
        call.writer.write(answer(json.loads(details), status="429 no", headers=headers))

    async with peer(behave) as server, client_of(server.url, clock=clock, retry=AT_ONCE) as client:
        report = await client.publish_many(["job_1"], max_wait=3600.0)
    assert len(report.deferred) == 1
    apart = [later - earlier for earlier, later in pairwise(asked)]
    assert all(seconds >= 60 for seconds in apart) if hours == "24" else len(asked) == AT_ONCE.max_attempts


async def test_F74_one_draft_s_own_retries_remain_at_once(clock: VirtualClock) -> None:
    """That is what a policy without delay asks for; they are few."""
    async with facing(status("503 no"), clock, retry=AT_ONCE) as (server, client):
        with pytest.raises(ServerError):
            await client.publish("job_1")
        assert (len(server.calls), sum(clock.slept)) == (4, 0)
