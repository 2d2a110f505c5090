"""What every call but publish has in common: what may be repeated, what is in doubt, and what no error may show."""

import logging
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from opentrain_async import AsyncOpenTrain
from opentrain_async.errors import (
    APIError,
    BadRequestError,
    ClaimError,
    ConnectError,
    NotFoundError,
    RateLimitedError,
    ServerError,
)

from ..support.peers import AT_ONCE, ONCE, answer, client_of, live, peer, sends, unused_port
from ..support.scripted import Said, scripted
from ..support.virtual import VirtualClock

CLAIM_TOKEN = "ot_clm_SECRET_claim"
REGISTER, CLAIM = "POST /api/agent/identity", "POST /api/agent/identity/claim"


async def test_what_cannot_be_repeated_is_not_after_doubt() -> None:
    """Two accounts would come of it; where nothing was done, it is tried again."""
    async with scripted() as server:
        server.on(REGISTER, Said(503, {"error": "server_error"}), Said(429, {"error": "rate_limit_exceeded"}))
        server.on(REGISTER, {"access_token": "ot_pat_x", "claim_token": "ot_clm_x"})
        with pytest.raises(ServerError) as caught:
            await AsyncOpenTrain.register(base_url=server.url, save=False, retry=AT_ONCE)
        assert (caught.value.effect, caught.value.code, len(server.log)) == ("unknown", "server_error", 1)
        made = await AsyncOpenTrain.register(base_url=server.url, save=False, retry=AT_ONCE, clock=VirtualClock())
        assert (made.access_token.reveal(), len(server.log)) == ("ot_pat_x", 3)
        assert not any("Authorization" in seen.headers for seen in server.log)


@pytest.mark.parametrize("seconds", [30, 3000])
async def test_what_the_agent_endpoints_throttle_is_nothing_to_the_api(seconds: int) -> None:
    """Too many claims hold up no publish, and defer none."""
    limited = answer({"error": "rate_limit_exceeded"}, status="429 Slow", headers=f"Retry-After: {seconds}\r\n")
    clock = VirtualClock()
    async with (
        peer(sends(limited, answer(live("job_1")))) as server,
        client_of(server.url, claim_token=CLAIM_TOKEN, clock=clock, retry=ONCE) as client,
    ):
        with pytest.raises(RateLimitedError):
            await client.start_claim("a@example.com")
        report = await client.publish_many(["job_1"])
    assert [outcome.attempts for outcome in report.outcomes] == [1]
    assert clock.slept == []


async def test_an_error_does_not_show_the_claim_token() -> None:
    """Though the service repeats it."""
    async with scripted() as server, client_of(server.url, claim_token=CLAIM_TOKEN) as client:
        server.on(CLAIM, Said(400, {"error": "invalid_request", "error_description": f"{CLAIM_TOKEN} has expired"}))
        with pytest.raises(BadRequestError) as caught:
            await client.start_claim("a@example.com")
        assert CLAIM_TOKEN not in f"{caught.value} {vars(caught.value)}"
        assert (caught.value.message, caught.value.operation) == ("*** has expired", "start_claim")


@pytest.mark.parametrize(
    ("code", "advice"), [("authorization_pending", "Wait for it again."), ("expired_token", "Start the claim anew")]
)
def test_a_claim_that_is_over_says_what_to_do(code: str, advice: str) -> None:
    """Wait, or begin again."""
    assert advice in str(ClaimError("no", status=400, code=code))


async def test_a_request_that_timed_out_at_the_service_is_in_doubt() -> None:
    """408 does not say what was done; reading leaves no doubt whatever it says."""
    async with scripted() as server, client_of(server.url) as client:
        server.on("POST /jobs/job_1/close", Said(408, {})).on("GET /auth/me", Said(408, {}))
        with pytest.raises(APIError) as closing:
            await client.close_job("job_1")
        with pytest.raises(APIError) as reading:
            await client.whoami()
        assert (closing.value.effect, reading.value.effect) == ("unknown", "none")


async def test_a_date_to_come_back_at_is_measured_by_the_clients_clock() -> None:
    """Where the answer has no date of its own."""
    clock = VirtualClock()
    at = format_datetime(datetime.fromtimestamp(clock.time + 30, UTC), usegmt=True)
    limited = answer({"error": "slow", "code": "RATE_LIMITED"}, status="429 Slow", headers=f"Retry-After: {at}\r\n")
    async with peer(sends(limited)) as server, client_of(server.url, clock=clock, retry=ONCE) as client:
        with pytest.raises(RateLimitedError) as caught:
            await client.whoami()
    assert caught.value.retry_after == 30


async def test_calls_of_several_kinds_that_fail_are_an_outage() -> None:
    """As drafts are: one kind alone may be broken by itself."""
    down = answer({"error": "down"}, status="503 Down")
    async with peer(sends(*[down] * 4)) as server, client_of(server.url, retry=ONCE) as client:
        for call in (client.whoami, client.whoami, client.whoami, client.capabilities):
            assert client._breaker.state == "closed"
            with pytest.raises(ServerError):
                await call()
        assert client._breaker.state == "open"


async def test_each_attempt_that_fails_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """By the name of what was asked for, for whoever looks closely."""
    caplog.set_level(logging.DEBUG, logger="opentrain_async")
    absent = answer({"error": "gone", "code": "NOT_FOUND"}, status="404 Not Found")
    async with peer(sends(absent)) as server, client_of(server.url, retry=ONCE) as client:
        with pytest.raises(NotFoundError):
            await client.close_job("job_1")
    assert caplog.messages == ["close_job: job_1: gone. The server changed nothing. (HTTP 404)"]


async def test_an_edit_that_reaches_nobody_has_changed_nothing() -> None:
    """An error that is no answer has no reason to look at."""
    async with client_of(f"http://127.0.0.1:{unused_port()}", retry=ONCE) as client:
        with pytest.raises(ConnectError) as caught:
            await client.update_job("job_1", price_per_hour=18)
    assert (caught.value.effect, caught.value.operation) == ("none", "update_job")
