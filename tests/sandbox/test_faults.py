"""Each fault of the sandbox goes wrong in its own way, when it was planned to, before or after the publish."""

from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from opentrain_async.sandbox import Fault, Sandbox

from ..support.plain_http import ask


async def strike(sandbox: Sandbox, job_id: str, seconds: float = 30.0) -> tuple[int, bytes, str]:
    """Publish over plain HTTP: the status, the body, the Location or Retry-After."""
    url = f"{sandbox.url}/api/public/v1/jobs/{job_id}/publish"
    timeout = aiohttp.ClientTimeout(total=seconds)
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {sandbox.token}"}, timeout=timeout) as session,
        session.post(url, allow_redirects=False) as response,
    ):
        extra = response.headers.get("Location") or response.headers.get("Retry-After") or ""
        return response.status, await response.read(), extra


async def test_a_status_comes_with_the_envelope_and_its_retry_after(sandbox: Sandbox) -> None:
    """A 503 looks like the service's own, and the draft stays one."""
    sandbox.fault(Fault.STATUS, status=503, retry_after="7")
    status, body, retry_after = await strike(sandbox, sandbox.draft())
    assert (status, b"INTERNAL_ERROR" in body, retry_after, sandbox.live) == (503, True, "7", ())
    assert (sandbox.requests[0].status, sandbox.requests[0].fault) == (503, Fault.STATUS)


async def test_a_429_fault_is_no_quota(sandbox: Sandbox) -> None:
    """It names neither limit nor window."""
    sandbox.fault(Fault.STATUS, status=429)
    status, body, retry_after = await strike(sandbox, sandbox.draft())
    assert (status, b"RATE_LIMITED" in body, b"windowHours" in body, retry_after) == (429, True, False, "")


@pytest.mark.parametrize("status", [404, 499, 503])
async def test_a_gateway_answers_without_the_envelope(sandbox: Sandbox, status: int) -> None:
    """In plain text, whether or not the draft was published before."""
    job_id = sandbox.draft()
    sandbox.fault("gateway", status=status, published=True)
    assert (await strike(sandbox, job_id))[:2] == (status, f"default backend - {status}".encode())
    assert sandbox.live == (job_id,)


async def test_a_redirect_leads_elsewhere(sandbox: Sandbox) -> None:
    """Its query holds what should not be shown."""
    sandbox.fault(Fault.REDIRECT)
    status, _, location = await strike(sandbox, sandbox.draft())
    assert (status, location) == (307, "http://elsewhere.invalid/?token=x")


async def test_html_is_a_200(sandbox: Sandbox) -> None:
    """As a captive portal answers."""
    sandbox.fault(Fault.HTML)
    status, body, _ = await strike(sandbox, sandbox.draft())
    assert (status, body.startswith(b"<html>"), sandbox.live) == (200, True, ())


async def test_an_oversized_answer_has_over_two_mebibytes(sandbox: Sandbox) -> None:
    """It is valid JSON, were anybody to read it."""
    sandbox.fault(Fault.OVERSIZED)
    status, body, _ = await strike(sandbox, sandbox.draft())
    assert (status, len(body) > 2 * 1024 * 1024) == (200, True)


@pytest.mark.parametrize("kind", [Fault.RESET, Fault.CLOSE])
@pytest.mark.parametrize("published", [False, True])
async def test_a_lost_answer_may_follow_a_publish(sandbox: Sandbox, kind: Fault, published: bool) -> None:
    """The caller cannot tell whether the job is live; the sandbox can."""
    sandbox.fault(kind, published=published)
    with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
        await strike(sandbox, sandbox.draft("job_1"))
    assert sandbox.live == (("job_1",) if published else ())
    assert sandbox.requests[0].status is None


@pytest.mark.parametrize("published", [False, True])
async def test_a_stall_answers_nothing(published: bool) -> None:
    """Nothing comes, and the sandbox can be left all the same."""
    async with Sandbox() as sandbox:
        sandbox.fault(Fault.STALL, published=published)
        with pytest.raises(TimeoutError):
            await strike(sandbox, sandbox.draft(), seconds=0.05)
        assert len(sandbox.live) == published


async def test_a_truncated_answer_ends_in_its_body(sandbox: Sandbox) -> None:
    """Half of what was announced arrives."""
    sandbox.fault(Fault.TRUNCATED, published=True)
    with pytest.raises(aiohttp.ClientPayloadError):
        await strike(sandbox, sandbox.draft())
    assert len(sandbox.live) == 1


async def test_a_drip_outlasts_its_reader(sandbox: Sandbox) -> None:
    """Bytes come one by one, too slowly for who is in a hurry, and stop when nobody reads them."""
    sandbox.fault(Fault.DRIP, published=True)
    with pytest.raises(TimeoutError):
        await strike(sandbox, sandbox.draft(), seconds=0.05)
    assert len(sandbox.live) == 1


async def test_a_drip_is_whole_in_the_end(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has the patience gets all of the answer."""
    monkeypatch.setattr("opentrain_async.sandbox._http.strike._DRIP_SECONDS", 0.0)
    sandbox.fault(Fault.DRIP, published=True)
    status, body, _ = await strike(sandbox, sandbox.draft())
    assert (status, body.endswith(b"}"), b'"alreadyPublished": false' in body) == (200, True, True)


async def test_a_fault_strikes_the_calls_it_was_planned_for(sandbox: Sandbox) -> None:
    """The second and third call of one draft fail, and nobody else's."""
    first, second = sandbox.draft(), sandbox.draft()
    sandbox.fault(Fault.STATUS, job_id=first, call=2, times=2, status=500)
    assert [(await strike(sandbox, first))[0] for _ in range(4)] == [200, 500, 500, 200]
    assert (await strike(sandbox, second))[0] == 200


async def test_a_fault_counts_the_calls_since_it_was_planned(sandbox: Sandbox) -> None:
    """It strikes the next one of its draft, or of all, however many there were before."""
    job_id = sandbox.draft()
    assert [(await strike(sandbox, job_id))[0] for _ in range(3)] == [200, 200, 200]
    sandbox.fault(Fault.STATUS, job_id=job_id, status=500)
    sandbox.fault(Fault.STATUS, call=2, status=502)
    assert [(await strike(sandbox, job_id))[0] for _ in range(3)] == [500, 502, 200]


async def test_a_fault_of_any_draft_counts_all_calls(sandbox: Sandbox) -> None:
    """The third request of all fails, whichever draft it is for."""
    sandbox.fault(Fault.STATUS, call=3, status=500)
    assert [(await strike(sandbox, sandbox.draft()))[0] for _ in range(4)] == [200, 200, 500, 200]


async def test_a_fault_does_not_publish_for_who_may_not(sandbox: Sandbox) -> None:
    """A revoked token is refused before the fault comes to publish anything."""
    job_id, other = sandbox.draft(), sandbox.add_account()
    sandbox.fault(Fault.HTML, published=True)
    sandbox.revoke(other)
    sandbox.revoke()
    await strike(sandbox, job_id)
    assert sandbox.live == ()


async def test_a_fault_strikes_the_operation_it_was_planned_for(sandbox: Sandbox) -> None:
    """Each operation's calls are counted apart, and the request log says which was which."""
    job_id = sandbox.draft()
    sandbox.fault(Fault.STATUS, on="close_job", job_id=job_id, call=2, status=500)
    sandbox.fault(Fault.STATUS, on="whoami", status=502)
    assert (await strike(sandbox, job_id))[0] == 200
    assert [(await ask(sandbox, f"POST /jobs/{job_id}/close"))[0] for _ in range(3)] == [200, 500, 200]
    assert [(await ask(sandbox, "GET /auth/me"))[0] for _ in range(2)] == [502, 200]
    assert [seen.operation for seen in sandbox.requests] == ["publish", *["close_job"] * 3, *["whoami"] * 2]


async def test_a_draft_may_be_made_although_its_answer_is_lost(sandbox: Sandbox) -> None:
    """Whoever repeats the call with the same key gets that draft."""
    sandbox.fault(Fault.CLOSE, on="create_draft", published=True)
    body = {"rawJobDescription": "Label cats.", "idempotencyKey": "cats"}
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await ask(sandbox, "POST /job-drafts", body)
    assert (await ask(sandbox, "POST /job-drafts", body))[1]["jobId"] == "job_1"


async def test_a_fault_before_an_update_leaves_the_draft_as_it_was(sandbox: Sandbox) -> None:
    """The 503 tells the truth."""
    job_id = sandbox.draft(missing=["experienceLevel"])
    sandbox.fault(Fault.STATUS, on="update_draft")
    change = {"experienceLevel": "EXPERT"}
    assert (await ask(sandbox, f"PATCH /job-drafts/{job_id}", change))[0] == 503
    assert (await strike(sandbox, job_id))[0] == 400


def test_a_fault_of_an_unknown_operation_is_a_mistake() -> None:
    """The error names the operations there are."""
    with pytest.raises(ValueError, match="no such operation: 'pubish'; there are capabilities, close_job"):
        Sandbox().fault(Fault.HTML, on="pubish")


@pytest.mark.parametrize("kind", Fault)
async def test_a_fault_has_a_plain_word(sandbox: Sandbox, kind: Fault) -> None:
    """Its value is as good as itself, and what is seen of it afterwards is the same."""
    sandbox.fault(kind.value, job_id="nobody", times=2)
    sandbox.fault(str(kind))
    job_id = sandbox.draft()
    with suppress(aiohttp.ClientError, TimeoutError):
        await strike(sandbox, job_id, seconds=0.05)
    assert [(request.fault, type(request.fault)) for request in sandbox.requests] == [(kind, Fault)]


@pytest.mark.parametrize("never", [{"call": 0}, {"times": 0}, {"times": -1}, {"status": 200}, {"status": 600}])
def test_a_fault_that_could_never_strike_is_a_mistake(never: dict[str, Any]) -> None:
    """A test that plans one would test nothing."""
    with pytest.raises(ValueError, match=" and not "):
        Sandbox().fault(Fault.STATUS, **never)


def test_what_was_redirected_was_not_done() -> None:
    """A service that had published would not send the request elsewhere."""
    with pytest.raises(ValueError, match="redirects"):
        Sandbox().fault("redirect", published=True)


@pytest.mark.parametrize("missing", [["experience_level"], ["experienceLevel"], "experience_level"])
async def test_the_gaps_of_a_draft_have_names_as_in_python_or_as_at_the_service(
    sandbox: Sandbox, missing: list[str]
) -> None:
    """And one of them may stand by itself."""
    status, _, _ = await strike(sandbox, sandbox.draft(missing=missing))
    assert status == 400


def test_a_gap_where_there_can_be_none_is_a_mistake() -> None:
    """The draft would be complete."""
    with pytest.raises(ValueError, match="needs no such field: 'nope'; it needs experienceLevel, "):
        Sandbox().draft(missing=["nope"])


@pytest.mark.parametrize("word", ["rest", "RESET", ""])
def test_a_word_that_is_no_fault_is_a_mistake(word: str) -> None:
    """The error names the faults there are."""
    with pytest.raises(
        ValueError, match=f"no such fault: '{word}'; there are close, drip, gateway, html, .*, truncated$"
    ):
        Sandbox().fault(word)


async def test_a_service_recovers(sandbox: Sandbox) -> None:
    """Faults that were planned for long are called off; those that are planned afterwards strike as ever."""
    sandbox.fault(Fault.STATUS, times=10**9)
    assert [(await strike(sandbox, sandbox.draft()))[0] for _ in range(2)] == [503, 503]
    sandbox.recover()
    sandbox.fault(Fault.STATUS, call=2)
    assert [(await strike(sandbox, sandbox.draft()))[0] for _ in range(3)] == [200, 503, 200]
