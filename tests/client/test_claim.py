"""A person claims the account: the service is asked until it gives the token, and no sooner than it wants to be."""

import asyncio
import logging
from itertools import pairwise

import aiohttp
import pytest

from opentrain_async import AsyncOpenTrain
from opentrain_async._base.secret import Secret
from opentrain_async._client.account.credentials import path_of_file, read
from opentrain_async.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ClaimError,
    ConfigurationError,
    ConnectError,
    ConnectionLostError,
    OpenTrainError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    UnexpectedResponseError,
)
from opentrain_async.models import Registration
from opentrain_async.sandbox import Fault, Sandbox

from ..support.claims import CLAIM_TOKEN, EMAIL, GRANTED, PENDING, passing, polls
from ..support.credentials import save as write
from ..support.peers import AT_ONCE, ONCE, Then, answer, client_of, peer, sends
from ..support.virtual import VirtualClock

SLOW_DOWN = answer({"error": "slow_down"}, status="400 Bad")
INVALID = answer({"error": "invalid_grant", "error_description": "Unknown or used."}, status="400 Bad")


async def asked_of(*answers: bytes, **options: float) -> tuple[OpenTrainError, list[float]]:
    """What comes of waiting for a claim that ends badly, and how long was slept meanwhile."""
    clock = VirtualClock()
    settings: dict[str, object] = {"claim_token": CLAIM_TOKEN, "clock": clock, "retry": AT_ONCE}
    async with peer(sends(*answers)) as server, client_of(server.url, **settings) as client:
        with pytest.raises(OpenTrainError) as caught:
            await client.wait_for_claim(**options)
    return caught.value, clock.slept


async def test_a_claimed_account_goes_on_with_its_new_token(
    sandbox: Sandbox, made: Registration, client: AsyncOpenTrain
) -> None:
    """The earlier one is revoked; the new one is in use, and in its place in the file, where the claim token goes."""
    claim = await client.start_claim(EMAIL)
    assert (len(claim.user_code), claim.interval, claim.expires_in, claim.email_sent) == (6, 5.0, 1800.0, False)
    assert claim.verification_uri.reveal().startswith(sandbox.url + "/claim?token=ot_cat_")
    sandbox.approve_claim(claim.user_code)
    grant = await client.wait_for_claim()
    assert grant.access_token != made.access_token
    assert (grant.saved_to, set(grant.scopes) > {"team:write"}) == (path_of_file(), True)
    assert read() == {"apiToken": grant.access_token, "baseUrl": Secret(sandbox.url)}
    with pytest.raises(ConfigurationError, match=r"^the account is claimed, and its claim token used up by that$"):
        await client.start_claim(EMAIL)
    identity = await client.whoami()
    assert (identity.actor.email, identity.is_claimed) == (EMAIL, True)
    async with AsyncOpenTrain(made.access_token, base_url=sandbox.url, retry=ONCE) as late:
        with pytest.raises(AuthenticationError):
            await late.whoami()


async def test_the_service_is_asked_no_sooner_than_it_wants(sandbox: Sandbox, client: AsyncOpenTrain) -> None:
    """Each interval is what it said, and five seconds more from when it says that this is too fast."""
    await client.start_claim(EMAIL)
    sandbox.fault(Fault.STATUS, on="token", call=3)
    waiting = asyncio.create_task(client.wait_for_claim())
    await passing(sandbox, lambda: len(polls(sandbox)) == 5)
    first = polls(sandbox)
    assert all(later - earlier >= 5 for earlier, later in pairwise(first))
    sandbox.approve_claim()
    await passing(sandbox, waiting.done)
    assert (await waiting).saved_to is not None
    assert sandbox.refusals == 0


async def test_who_is_told_to_slow_down_does_so_for_good(clock: VirtualClock) -> None:
    """By more than the device flow of OAuth asks for, as the service may have slowed down for whoever asked before."""
    answers = (PENDING, SLOW_DOWN, PENDING, SLOW_DOWN, PENDING, GRANTED)
    async with peer(sends(*answers)) as server, client_of(server.url, claim_token=CLAIM_TOKEN, clock=clock) as client:
        grant = await client.wait_for_claim()
    assert clock.slept == [5, 10, 10, 20, 20]
    assert (grant.access_token.reveal(), grant.scopes, grant.saved_to) == ("ot_pat_new", ("jobs:write",), None)


async def test_the_interval_is_the_claim_s(clock: VirtualClock) -> None:
    """That which the service gave when the claim was started."""
    started = answer({"user_code": "1", "verification_uri": "https://x.test", "interval": 7})
    answers = (started, PENDING, GRANTED)
    async with peer(sends(*answers)) as server, client_of(server.url, claim_token=CLAIM_TOKEN, clock=clock) as client:
        await client.start_claim(EMAIL)
        await client.wait_for_claim()
    assert clock.slept == [7]


@pytest.mark.parametrize(
    "trouble",
    [
        answer({"error": "server_error"}, status="500 Oops"),
        answer(b"<html>", status="503 Down"),
        answer({}, status="408 Late"),
        answer({"error": "rate_limit_exceeded"}, status="429 Slow"),
        answer(b"<html>"),
    ],
)
async def test_trouble_in_the_middle_is_passed_over(trouble: bytes, clock: VirtualClock) -> None:
    """It is asked again, at the usual interval and not at once: a question too many slows all further ones down."""
    answers = (PENDING, trouble, trouble, PENDING, GRANTED)
    async with (
        peer(sends(*answers)) as server,
        client_of(server.url, claim_token=CLAIM_TOKEN, clock=clock, retry=AT_ONCE) as client,
    ):
        await client.wait_for_claim()
    assert clock.slept == [5, 5, 5, 5]


@pytest.mark.parametrize("seconds", [3, 30, 300])
async def test_a_retry_after_is_waited_for(seconds: int, clock: VirtualClock) -> None:
    """However long it is, as long as the time to wait allows that; a shorter one than the interval does not matter."""
    limited = answer({"error": "rate_limit_exceeded"}, status="429 Slow", headers=f"Retry-After: {seconds}\r\n")
    answers = (PENDING, limited, GRANTED)
    async with peer(sends(*answers)) as server, client_of(server.url, claim_token=CLAIM_TOKEN, clock=clock) as client:
        began = clock.time
        await client.wait_for_claim()
    assert 5 + max(seconds, 5) <= clock.time - began <= 5 + max(seconds, 5) + 1
    error, slept = await asked_of(limited, timeout=20)
    assert isinstance(error, RateLimitedError) == (seconds >= 20 - 5 * len(slept))


@pytest.mark.parametrize(
    ("answers", "code", "told"),
    [
        ((PENDING,), "authorization_pending", "nobody has ended the claim yet"),
        ((SLOW_DOWN,), "slow_down", "the service wants to be asked less often, and has not said whether"),
        ((PENDING, SLOW_DOWN), "slow_down", "the service wants to be asked less often, and has not said whether"),
    ],
)
async def test_a_claim_that_nobody_ends_in_time_is_told(answers: tuple[bytes, ...], code: str, told: str) -> None:
    """It can be waited for again, and the error says so; a question that would come too late is not asked."""
    error, slept = await asked_of(*answers, timeout=27)
    assert isinstance(error, ClaimError)
    assert (error.code, error.effect, error.operation) == (code, "none", "wait_for_claim")
    assert str(error).startswith(told)
    assert str(error).endswith(". The server changed nothing. Wait for it again. (HTTP 400)")
    assert 10 <= sum(slept) <= 27


@pytest.mark.parametrize("code", ["expired_token", "invalid_grant", "access_denied", "invalid_request"])
async def test_a_claim_that_is_over_is_not_waited_for(code: str) -> None:
    """The code is OAuth's, the text the service's, and the advice to begin anew."""
    over = answer({"error": code, "error_description": "It is over."}, status="400 Bad")
    error, slept = await asked_of(PENDING, over)
    assert (type(error), getattr(error, "code", None), error.effect) == (ClaimError, code, "none")
    assert str(error).startswith("It is over. The server changed nothing. Start the claim anew; ")
    assert slept == [5]


@pytest.mark.parametrize("body", [b"<html>", b"", {"message": "Bad Request"}, {"error": "Bad Request"}])
async def test_F45_a_strangers_400_ends_no_claim(body: object) -> None:
    """Without OAuth's shape it says nothing of the claim: the service is asked again."""
    error, slept = await asked_of(answer(body, status="400 Bad"))
    assert (type(error), slept[0]) == (UnexpectedResponseError, 5.0)


@pytest.mark.parametrize(
    ("status", "kind"),
    [("401 No", AuthenticationError), ("403 No", PermissionDeniedError), ("501 No", ServerError)],
)
async def test_what_will_not_change_ends_the_waiting(status: str, kind: type[APIError]) -> None:
    """As the error that it is."""
    error, slept = await asked_of(answer({"error": "anonymous_not_enabled"}, status=status))
    assert (type(error), slept) == (kind, [])


async def test_a_lost_answer_may_have_been_the_token(sandbox: Sandbox, client: AsyncOpenTrain) -> None:
    """It is given once: then the service knows the claim token no more, and the error says what there is to do."""
    await client.start_claim(EMAIL)
    sandbox.approve_claim()
    sandbox.fault(Fault.RESET, on="token", published=True)
    waiting = asyncio.create_task(client.wait_for_claim())
    await passing(sandbox, waiting.done)
    with pytest.raises(ClaimError) as caught:
        await waiting
    assert (caught.value.code, caught.value.effect) == ("invalid_grant", "unknown")
    assert str(caught.value).startswith("The claim token is unknown or used. The new token may have been delivered")
    assert "in an answer that was lost. Then whoever has claimed the account can make another one" in str(caught.value)
    assert len(polls(sandbox)) == 2
    assert read()["claimToken"] is not None


async def test_a_lost_answer_was_not_the_token_if_nobody_had_ended_the_claim(clock: VirtualClock) -> None:
    """What the service says later takes the doubt away."""
    lost = answer(b"<html>")
    error, _ = await asked_of(lost, PENDING, INVALID)
    assert (type(error), error.effect) == (ClaimError, "none")
    error, _ = await asked_of(lost, PENDING, timeout=7)
    assert (getattr(error, "code", None), error.effect) == ("authorization_pending", "none")
    error, _ = await asked_of(lost, SLOW_DOWN, timeout=7)
    assert (getattr(error, "code", None), error.effect) == ("slow_down", "unknown")


async def test_a_doubt_outlasts_an_error_that_has_none() -> None:
    """No connection at the end does not say what became of the answer that was lost."""
    async with peer(sends(then=Then.RESET)) as server:
        clock = VirtualClock()
        async with client_of(server.url, claim_token=CLAIM_TOKEN, clock=clock) as client:
            waiting = asyncio.create_task(client.wait_for_claim(timeout=7))
            await server.arrived(1)
    with pytest.raises(OpenTrainError) as caught:
        await waiting
    assert caught.value.effect == "unknown"
    error, _ = await asked_of(answer(b"<html>"), answer({}, status="429 Slow"), timeout=7)
    assert (type(error), error.effect) == (RateLimitedError, "unknown")


async def test_without_an_answer_the_last_failure_is_told(clock: VirtualClock) -> None:
    """As the error that it was."""
    for then, kind in ((Then.CLOSE, ConnectionLostError),):
        async with (
            peer(sends(then=then)) as server,
            client_of(server.url, claim_token=CLAIM_TOKEN, clock=clock) as client,
        ):
            with pytest.raises(kind) as caught:
                await client.wait_for_claim(timeout=11)
            assert len(server.calls) == 3
        assert "The new token may have been delivered" in str(caught.value)
    async with client_of("http://127.0.0.1:1", claim_token=CLAIM_TOKEN, clock=clock) as client:
        with pytest.raises(ConnectError) as refused:
            await client.wait_for_claim(timeout=6)
    assert refused.value.effect == "none"
    error, _ = await asked_of(answer(b"<html>"), timeout=6)
    assert (type(error), error.effect) == (UnexpectedResponseError, "unknown")


async def test_the_credentials_of_others_are_left_alone(sandbox: Sandbox, made: Registration) -> None:
    """Then the new token is the caller's to keep; it is in use all the same."""
    write({"apiToken": "ot_pat_theirs"})
    async with aiohttp.ClientSession() as session:
        client = AsyncOpenTrain(
            made.access_token, base_url=sandbox.url, claim_token=made.claim_token, clock=sandbox.clock, session=session
        )
        async with client:
            await client.start_claim(EMAIL)
            sandbox.approve_claim()
            assert (await client.wait_for_claim()).saved_to is None
            assert (await client.whoami()).is_claimed
    assert read() == {"apiToken": Secret("ot_pat_theirs")}


async def test_a_file_that_cannot_be_written_any_more_is_known_before_the_token_is_asked_for(
    sandbox: Sandbox, client: AsyncOpenTrain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token is given once, so it is not asked for while it could not be kept."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkstemp", full)
    with pytest.raises(ConfigurationError, match=r"the credentials cannot be saved: .*No space left"):
        await client.wait_for_claim()
    assert polls(sandbox) == []


async def test_a_file_that_fails_at_the_last_moment_loses_no_token(
    sandbox: Sandbox, client: AsyncOpenTrain, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is returned and in use, and that it was not saved is logged."""

    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    await client.start_claim(EMAIL)
    sandbox.approve_claim()
    monkeypatch.setattr("os.fsync", full)
    caplog.set_level(logging.WARNING)
    assert (await client.wait_for_claim()).saved_to is None
    assert (await client.whoami()).is_claimed
    assert "the credentials could not be saved" in caplog.text


@pytest.mark.parametrize("email", ["", "ada", "a b@c", "@x", "x@", 5, None, f"{'a' * 65}@x", f"a@{'b' * 256}"])
async def test_an_address_that_cannot_be_one_is_refused(
    email: object, client: AsyncOpenTrain, sandbox: Sandbox
) -> None:
    """By name, with nothing sent."""
    sent = len(sandbox.requests)
    with pytest.raises(ConfigurationError, match=r"^email has to be an e-mail address, not "):
        await client.start_claim(email)  # type: ignore[arg-type]
    assert len(sandbox.requests) == sent


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan"), "5", None, True])
async def test_a_time_to_wait_that_cannot_be_one_is_refused(
    timeout: object, client: AsyncOpenTrain, sandbox: Sandbox
) -> None:
    """By name, with nothing sent."""
    with pytest.raises(ConfigurationError, match=r"^timeout has to be "):
        await client.wait_for_claim(timeout=timeout)  # type: ignore[arg-type]
    assert polls(sandbox) == []


async def test_an_address_that_has_an_account_is_refused_by_the_service(client: AsyncOpenTrain) -> None:
    """It says so in words only."""
    with pytest.raises(BadRequestError, match="email_already_registered") as caught:
        await client.start_claim("owner1@example.com")
    assert (caught.value.code, caught.value.operation) == ("invalid_request", "start_claim")


async def test_a_claim_that_may_have_begun_is_in_doubt_until_it_has(clock: VirtualClock) -> None:
    """A lost answer may have sent the person a code; to begin again is safe, and makes another one."""
    started = answer({"user_code": "2", "verification_uri": "https://x.test/claim?token=ot_cat_2"})
    limited = answer({"error": "rate_limit_exceeded"}, status="429 Slow", headers="Retry-After: 999\r\n")
    refused = answer({"error": "invalid_request", "error_description": "No."}, status="400 Bad")
    for last, kind in ((limited, RateLimitedError), (refused, BadRequestError)):
        async with (
            peer(sends(answer(b"<html>"), last)) as server,
            client_of(server.url, claim_token=CLAIM_TOKEN, clock=clock, retry=AT_ONCE) as client,
        ):
            with pytest.raises(kind) as caught:
                await client.start_claim(EMAIL)
        assert (caught.value.effect, caught.value.operation) == ("unknown", "start_claim")
    async with (
        peer(sends(answer(b"<html>"), started)) as server,
        client_of(server.url, claim_token=CLAIM_TOKEN, clock=clock, retry=AT_ONCE) as client,
    ):
        claim = await client.start_claim(EMAIL)
    assert (claim.user_code, claim.interval, claim.expires_in, claim.email_sent) == ("2", 5.0, 1800.0, None)
