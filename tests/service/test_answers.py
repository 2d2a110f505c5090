"""HTTP and its meaning: each status has its class whatever the body is, and no body is taken for more than it says."""

import json

import pytest
from multidict import CIMultiDict

from opentrain_async._service.answers import read_answer, read_publish, window_seconds
from opentrain_async._service.http.messages import Reply, Request, plain
from opentrain_async._service.operations import publish_request
from opentrain_async.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    ContradictoryResponseError,
    ModerationBlockedError,
    NotFoundError,
    NotPublishReadyError,
    OpenTrainError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
    TruncatedResponseError,
    UnexpectedResponseError,
)
from opentrain_async.models import Validation
from opentrain_async.outcomes._answer_table import is_transient

NOW = 1_800_000_000.0
LIVE = {"ok": True, "jobId": "job_1", "status": "OPEN", "alreadyPublished": False}
BODIES: dict[str, bytes] = {
    "empty": b"",
    "html": b"<html><h1>Bad Gateway</h1></html>",
    "cut": b'{"error": "half',
    "binary": bytes(range(256)),
    "deep": b"[" * 100_000,
    "deep object": b'{"details":' * 50_000,
    "huge int": b'{"details": ' + b"9" * 5000 + b"}",
    "null": b"null",
    "list": b"[]",
    "number": b"1e400",
    "word": b'"nope"',
    "object": b"{}",
    "nulls": b'{"error": null, "code": null, "requestId": null, "details": null}',
    "wrong types": b'{"error": 5, "code": ["FORBIDDEN"], "requestId": {}, "details": "none"}',
    "oauth": b'{"error": "rate_limit_exceeded", "error_description": "slow down"}',
}
ENVELOPE = {"error": "No.", "requestId": "r-1"}
LIKE_A_PROXY = "the answer (text/plain) looks like a proxy's, not the service's"
FOREIGN = {
    "flask": b'{"message": "Not Found"}',
    "envoy": b"no healthy upstream",
    "ingress": b"default backend - 404",
    "express": b'{"error": "Not Found"}',
    "spring": b'{"timestamp": "x", "status": 404, "error": "Not Found", "path": "/"}',
    "kong": b'{"message": "no Route matched", "request_id": "1"}',
    "kubernetes": b'{"kind": "Status", "code": 404, "details": {}}',
    "problem": b'{"type": "about:blank", "title": "Not Found", "status": 404}',
    "another service": b'{"error": {"code": "NOT_FOUND"}, "code": "NOT_FOUND"}',
}
STRANGERS: dict[int, tuple[type[OpenTrainError], str]] = {
    **dict.fromkeys((301, 307, 308, 407), (UnexpectedResponseError, "none")),
    **dict.fromkeys((300, 302, 303, 304), (UnexpectedResponseError, "unknown")),
    **dict.fromkeys(
        (400, 402, 403, 404, 405, 409, 410, 413, 418, 421, 422, 423, 426, 431, 451, 499),
        (UnexpectedResponseError, "unknown"),
    ),
    401: (AuthenticationError, "none"),
    407: (UnexpectedResponseError, "none"),
    408: (APIError, "unknown"),
    425: (APIError, "none"),
    429: (RateLimitedError, "none"),
    **dict.fromkeys((500, 501, 502, 503, 504, 599, 999), (ServerError, "unknown")),
    199: (UnexpectedResponseError, "unknown"),
}
CLASSES: dict[int, tuple[type[OpenTrainError], str]] = {
    301: (UnexpectedResponseError, "none"),
    400: (BadRequestError, "none"),
    401: (AuthenticationError, "none"),
    402: (APIError, "none"),
    403: (PermissionDeniedError, "none"),
    404: (NotFoundError, "none"),
    407: (UnexpectedResponseError, "none"),
    408: (APIError, "unknown"),
    409: (ConflictError, "unknown"),
    422: (APIError, "none"),
    423: (APIError, "unknown"),
    425: (APIError, "none"),
    429: (RateLimitedError, "none"),
    499: (APIError, "none"),
    500: (ServerError, "unknown"),
    599: (ServerError, "unknown"),
    199: (UnexpectedResponseError, "unknown"),
    600: (UnexpectedResponseError, "unknown"),
}


def reply(status: int, body: object = b"", *headers: tuple[str, str], flaw: str | None = None) -> Reply:
    """An answer; a body that is no bytes becomes JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, content, plain(CIMultiDict(headers)), flaw)


def error_of(answer: Reply, job_id: str = "job_1", *, limit: int | None = None) -> OpenTrainError:
    """The error that an answer to a publish means."""
    with pytest.raises(OpenTrainError) as caught:
        read_publish(answer, job_id, NOW, limit=limit)
    return caught.value


def test_a_publish_is_a_post_without_a_body() -> None:
    """To the place of the job below the API's."""
    assert publish_request("job_1") == Request("POST", "/api/public/v1/jobs/job_1/publish", None, None)


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_a_publish_result_is_one_under_any_success(status: int) -> None:
    """The page promises a 200, and its relatives are as good."""
    assert read_publish(reply(status, LIVE), "job_1", NOW).newly_published is True


@pytest.mark.parametrize("status", [200, 204])
@pytest.mark.parametrize("name", BODIES)
def test_a_success_with_another_body_may_have_published(status: int, name: str) -> None:
    """It is not what was promised, so nobody knows what happened."""
    error = error_of(reply(status, BODIES[name], ("Content-Type", "text/html")))
    assert type(error) is UnexpectedResponseError
    assert (error.effect, error.status, error.job_id, error.request_id) == ("unknown", status, "job_1", None)
    assert error.message.startswith(f"HTTP {status} (text/html) is not a publish result: ")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (reply(200, LIVE | {"alreadyPublished": "false"}), "expected bool @ $.already_published"),
        (reply(200, LIVE, flaw="over 1024 KiB"), "over 1024 KiB"),
        (reply(200, {"error": "no", "requestId": "r-1"}), "required field missing"),
    ],
)
def test_a_success_that_is_flawed_says_how(answer: Reply, text: str) -> None:
    """Even a whole result does not count if the body was cut off after it."""
    error = error_of(answer)
    assert isinstance(error, UnexpectedResponseError)
    assert (error.effect, error.status) == ("unknown", 200)
    assert error.job_id == "job_1"
    assert error.message.startswith("HTTP 200 (no media type) is not a publish result: ")
    assert text in error.message


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("job_1", "job_2"), ("job_1", "job-1"), ("job_1", ""), ("job_k", "job_\u212a"),
        ("0b3f9c0e-8a4d-4f6e-9b57-2f1c3d4e5f60", "0b3f9c0e-8a4d-4f6e-9b57-2f1c3d4e5f61"),
        ("0b3f9c0e8a4d4f6e9b572f1c3d4e5f60", "0b3f9c0e-8a4d4f6e9b572f1c3d4e5f60"),
    ],
)  # fmt: skip
def test_an_answer_about_another_job_says_nothing_of_this_one(asked: str, answered: str) -> None:
    """The draft may be live, and the error says what came."""
    error = error_of(reply(200, LIVE | {"jobId": answered}), asked)
    assert isinstance(error, ContradictoryResponseError)
    assert error.message == "HTTP 200, but the body is about another job"
    assert (error.job_id, error.effect, error.status) == (asked, "unknown", 200)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("job_1", "JOB_1"),
        ("0b3f9c0e-8a4d-4f6e-9b57-2f1c3d4e5f60", "0B3F9C0E8A4D4F6E9B572F1C3D4E5F60"),
        ("0b3f9c0e8a4d4f6e9b572f1c3d4e5f60", "0b3f9c0e-8a4d-4f6e-9b57-2f1c3d4e5f60"),
    ],
)
def test_an_id_is_the_same_in_another_spelling(asked: str, answered: str) -> None:
    """Case does not matter, nor do the dashes of a UUID; the result has the id that was asked for."""
    result = read_publish(reply(200, LIVE | {"jobId": answered}), asked, NOW)
    assert (result.job_id, result.raw["jobId"]) == (asked, answered)


def test_a_success_that_says_it_is_not_well_contradicts_itself() -> None:
    """Its request id is kept for support."""
    error = error_of(reply(200, LIVE | {"ok": False, "requestId": "r-1"}))
    assert type(error) is ContradictoryResponseError
    assert error.message == 'HTTP 200, but the body says "ok": false'
    assert (error.effect, error.request_id) == ("unknown", "r-1")


@pytest.mark.parametrize("status", [200, 202])
@pytest.mark.parametrize("word", ["PENDING_APPROVAL", "DRAFT", "SCHEDULED", "open", ""])
@pytest.mark.parametrize("already", [False, True, None])
def test_F47_a_status_that_is_not_open_is_pending(status: int, word: str, already: bool | None) -> None:
    """Accepted, and not live yet, whether or not the answer says that it was so before."""
    keys = {key: value for key, value in LIVE.items() if key != "alreadyPublished" or already is not None}
    body = keys | {"status": word} | ({} if already is None else {"alreadyPublished": already})
    result = read_publish(reply(status, body), "job_1", NOW)
    assert (result.is_pending, result.is_live, result.newly_published) == (True, False, False)
    assert (result.status, result.already_published) == (word, already is not False)


@pytest.mark.parametrize("word", ["ONGOING", "COMPLETED"])
def test_F47_a_job_that_has_ended_was_live_before(word: str) -> None:
    """It is not live now, and this publish did not put it there."""
    result = read_publish(reply(200, LIVE | {"status": word}), "job_1", NOW)
    assert (result.has_ended, result.is_live, result.is_pending, result.newly_published) == (True, False, False, False)


@pytest.mark.parametrize("more", [{}, {"status": None}])
def test_F47_an_acceptance_without_a_status_is_not_called_live(more: dict[str, object]) -> None:
    """A 200 without one is taken for the documented answer; a 202 is not."""
    body = {key: value for key, value in LIVE.items() if key != "status"} | more
    assert read_publish(reply(200, body), "job_1", NOW).is_live
    error = error_of(reply(202, body))
    assert isinstance(error, UnexpectedResponseError)
    assert error.message == (
        "HTTP 202 (no media type) is not a publish result: accepted, without the status of the job"
    )
    assert (error.job_id, error.effect) == ("job_1", "unknown")


def test_F47_an_archived_job_is_refused_by_a_success_too() -> None:
    """As by a 409 that names the state."""
    error = error_of(reply(200, LIVE | {"status": "ARCHIVED"}))
    assert isinstance(error, ConflictError)
    assert (error.job_status, error.effect, error.status, error.job_id) == ("ARCHIVED", "none", 200, "job_1")
    assert error.message == "the job is ARCHIVED"


def test_F47_a_conflict_with_an_approval_is_pending() -> None:
    """An earlier publish was accepted; the draft is on its way."""
    details = {"status": "PENDING_APPROVAL"}
    result = read_publish(reply(409, ENVELOPE | {"code": "CONFLICT", "details": details}), "job_1", NOW)
    assert (result.job_id, result.is_pending, result.newly_published) == ("job_1", True, False)
    assert result.already_published
    assert result.raw["details"] == details


def test_a_request_id_is_kept_where_there_is_one() -> None:
    """Also of a success that is none, so that support can look it up."""
    error = error_of(reply(200, {"requestId": "r-1"}))
    assert isinstance(error, UnexpectedResponseError)
    assert error.request_id == "r-1"


@pytest.mark.parametrize("name", BODIES | FOREIGN)
@pytest.mark.parametrize("status", STRANGERS)
def test_F45_an_answer_without_the_envelope_is_a_strangers(status: int, name: str) -> None:
    """Pages of a gateway, foreign and cut JSON: no 4xx of theirs says anything of the draft."""
    error = error_of(reply(status, (BODIES | FOREIGN)[name]))
    assert (type(error), error.effect, error.job_id) == (*STRANGERS[status], "job_1")
    assert getattr(error, "status", None) == status
    assert str(error).isprintable()
    if isinstance(error, APIError):
        assert (dict(error.details), error.code, error.request_id, error.reason) == ({}, None, None, None)


@pytest.mark.parametrize("facts", [{"code": "TEAPOT"}, {"requestId": "r-1"}, {"details": {}}])
@pytest.mark.parametrize("status", CLASSES)
def test_F41_a_status_has_its_class_whatever_the_envelope(status: int, facts: dict[str, object]) -> None:
    """The text and one other key make it the service's; a new code changes nothing."""
    error = error_of(reply(status, {"error": "No.", **facts}))
    assert (type(error), error.effect, error.job_id) == (*CLASSES[status], "job_1")
    assert error.message.endswith("No.")
    assert getattr(error, "request_id", None) == facts.get("requestId")


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (404, b"default backend - 404", f"HTTP 404: {LIKE_A_PROXY}: default backend - 404"),
        (404, b"", f"HTTP 404: {LIKE_A_PROXY}"),
        (502, b"<html><title>502</title>\n<b>Bad\tGateway<!-- x --><script>var a = 1</script>",
         f"{LIKE_A_PROXY}: 502 Bad Gateway"),
        (407, b"<p>Log in", f"HTTP 407: a proxy asks for a login: {LIKE_A_PROXY}: Log in"),
        (418, b"a ot_pat_8f2a_secret!", f"HTTP 418: {LIKE_A_PROXY}: a ***!"),
        (403, b"x" * 80, f"HTTP 403: {LIKE_A_PROXY}: {'x' * 80}"),
        (403, b"x" * 5000, f"HTTP 403: {LIKE_A_PROXY}: {'x' * 80}…"),
        (403, b"\xff\x1b[31m", f"HTTP 403: {LIKE_A_PROXY}: \ufffd\\x1b[31m"),
    ],
)  # fmt: skip
def test_F45_a_strangers_answer_says_what_it_looks_like(status: int, body: bytes, message: str) -> None:
    """Status, media type and the first words, without markup and tokens."""
    error = error_of(reply(status, body, ("Content-Type", "text/plain; charset=utf-8")))
    assert error.message == message
    assert f"HTTP {status}" in str(error)


@pytest.mark.parametrize("status", [200, 400, 403, 404, 409])
def test_F45_a_cut_answer_is_lost_whatever_its_status(status: int) -> None:
    """Its beginning may be that of the service's envelope, and of a firewall's page: it is asked again."""
    error = error_of(reply(status, b'{"error": "No", "code', flaw="cut off: gone"))
    assert isinstance(error, TruncatedResponseError)
    assert (error.effect, error.status, is_transient(error)) == ("unknown", status, True)
    assert error.job_id == "job_1"
    assert "cut off: gone" in error.message


@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationError), (429, RateLimitedError), (502, ServerError)])
def test_a_status_that_means_the_same_whoever_answers_counts_when_cut(status: int, kind: type[APIError]) -> None:
    """So does a redirect."""
    assert type(error_of(reply(status, b"<html", flaw="cut off"))) is kind
    assert type(error_of(reply(307, b"<html", flaw="cut off"))) is UnexpectedResponseError
    assert type(error_of(reply(407, b"<html", flaw="cut off"))) is UnexpectedResponseError


def test_a_portal_s_page_is_shown_and_a_cut_answer_is_not() -> None:
    """The words of a page say who answered; the body of an agent endpoint holds a token."""
    page = error_of(reply(200, b" \n<html><h1>Please log in</h1>", ("Content-Type", "text/html")))
    assert page.message.endswith(": no JSON (JSONDecodeError): Please log in")
    cut = error_of(reply(200, b'{"access_token": "hunter2'))
    assert cut.message == "HTTP 200 (no media type) is not a publish result: no JSON (JSONDecodeError)"


@pytest.mark.parametrize(
    ("body", "raw"),
    [
        (b"<h1>\xff</h1>", "<h1>\ufffd</h1>"),
        (b"", ""),
        (b'{"error": "No.", "code": "X", "n": [1]}', {"error": "No.", "code": "X", "n": [1]}),
        (b"{}", {}),
        (b'["no"]', ["no"]),
        (b'"no"', "no"),
        (b"5", 5),
    ],
)
def test_the_whole_body_is_kept(body: bytes, raw: object) -> None:
    """As decoded JSON, or as its text."""
    error = error_of(reply(503, body))
    assert isinstance(error, APIError)
    assert error.raw == raw


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (409, "BAD_REQUEST", ConflictError),
        (401, "FORBIDDEN", AuthenticationError),
        (403, "NOT_FOUND", PermissionDeniedError),
        (404, "UNAUTHORIZED", NotFoundError),
        (400, "CONFLICT", BadRequestError),
        (418, "BAD_REQUEST", BadRequestError),
        (418, "UNAUTHORIZED", AuthenticationError),
        (418, "FORBIDDEN", PermissionDeniedError),
        (418, "NOT_FOUND", NotFoundError),
        (418, "CONFLICT", ConflictError),
        (422, "BAD_REQUEST", BadRequestError),
        (404, "not_found", NotFoundError),
        (403, "RATE_LIMITED", PermissionDeniedError),
        (400, "INTERNAL_ERROR", BadRequestError),
        (402, "FORBIDDEN", APIError),
        (423, "CONFLICT", APIError),
        (424, "CONFLICT", ConflictError),
        (408, "BAD_REQUEST", APIError),
        (425, "CONFLICT", APIError),
        (429, "FORBIDDEN", RateLimitedError),
        (500, "NOT_FOUND", ServerError),
        (503, "BAD_REQUEST", ServerError),
    ],
)
def test_a_known_code_refines_the_status(status: int, code: str, kind: type[APIError]) -> None:
    """Where the status has no class of its own; anywhere else no code can talk it away."""
    error = error_of(reply(status, {"error": "no", "code": code}))
    assert isinstance(error, APIError)
    assert (type(error), error.status, error.code) == (kind, status, code)


def test_the_envelope_is_read_key_by_key() -> None:
    """The documented one of a refusal by moderation."""
    details = {"reason": "moderation_blocked", "reasons": ["spam", "contact data"]}
    body = {"error": "Blocked.", "code": "FORBIDDEN", "requestId": "9d1f", "details": details}
    error = error_of(reply(403, body))
    assert isinstance(error, ModerationBlockedError)
    assert (error.message, error.code, error.request_id, error.effect) == ("Blocked.", "FORBIDDEN", "9d1f", "none")
    assert (error.reason, error.reasons, error.details) == ("moderation_blocked", ("spam", "contact data"), details)
    assert error.raw == body


@pytest.mark.parametrize(
    ("status", "details", "kind"),
    [
        (403, {"reason": "moderation_blocked"}, ModerationBlockedError),
        (403, {"reason": "account_claim_required"}, PermissionDeniedError),
        (403, {"reason": ["moderation_blocked"]}, PermissionDeniedError),
        (409, {"reason": "moderation_blocked"}, ModerationBlockedError),
        (400, {"reason": "moderation_blocked"}, BadRequestError),
        (400, {"validation": {}}, NotPublishReadyError),
        (400, {"validation": {"missingFields": ["rate"]}}, NotPublishReadyError),
        (400, {"validation": None}, BadRequestError),
        (400, {"validation": ["rate"]}, BadRequestError),
        (400, {"validation": "rate"}, BadRequestError),
        (400, {"issues": []}, BadRequestError),
        (403, {"validation": {}}, PermissionDeniedError),
        (500, {"validation": {}}, ServerError),
    ],
)
def test_the_details_choose_the_class_within_a_status(status: int, details: object, kind: type[APIError]) -> None:
    """Only the reason that is documented for a status, and only an object under `validation`, do."""
    assert type(error_of(reply(status, ENVELOPE | {"details": details}))) is kind


@pytest.mark.parametrize(
    "body",
    [
        {"details": {"validation": {"missingFields": ["rate"]}}},
        {"details": {"validation": {}, "missingFields": [{"field": "rate"}]}},
        {"details": {"validation": {}}, "missingFields": ["rate"]},
    ],
)
def test_gaps_are_found_wherever_a_400_names_them(body: dict[str, object]) -> None:
    """The pages differ on the place."""
    error = error_of(reply(400, ENVELOPE | body))
    assert isinstance(error, NotPublishReadyError)
    assert [item.field for item in error.validation.missing_fields] == ["rate"]
    assert "Fill in rate, then publish again." in str(error)


def test_a_400_with_an_empty_validation_is_about_gaps_nobody_names() -> None:
    """The draft is not ready, and that is all that is known."""
    error = error_of(reply(400, ENVELOPE | {"details": {"validation": {}}}))
    assert isinstance(error, NotPublishReadyError)
    assert error.validation == Validation()
    assert "Fill in what is missing, then publish again." in str(error)


def test_what_a_400_finds_wrong_is_listed() -> None:
    """Item by item, with where it is."""
    found = [{"path": ["title"], "message": "Required", "code": "invalid_type"}, "no issue"]
    error = error_of(reply(400, ENVELOPE | {"details": {"issues": found}}))
    assert isinstance(error, BadRequestError)
    assert [(issue.path, issue.message, issue.code) for issue in error.issues] == [
        (("title",), "Required", "invalid_type"),
    ]


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://b.test/path?token=hunter2", "to https://b.test;"),
        ("https://hunter2:hunter2@b.test:8443/", "to https://b.test:8443;"),
        ("/elsewhere?token=hunter2", "to the same host;"),
        ("http://[::1", "to nowhere readable;"),
        ("https://b.test:hunter2/", "to nowhere readable;"),
        (None, "to the same host;"),
    ],
)
def test_a_redirect_says_where_to_and_no_secrets(location: str | None, shown: str) -> None:
    """It is not followed, as that would send the token; path, query and user info are left out."""
    error = error_of(reply(307, b"", *([] if location is None else [("Location", location)])))
    assert shown in error.message
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    ("hours", "window"),
    [
        ("24", 24.0), ("24.0", 24.0), ("1", 1.0), ("0.999", None), ("1e-3", None), ("1e6", 1e6), ("0", None),
        ("0.0", None), ("-0", None), ("-24", None), ("true", None), ("false", None), ("1e400", None),
        ('"24"', 24.0), ('" 24 "', 24.0), ('"24.0"', 24.0), ('"1"', 1.0), ('"0.999"', None), ('"-24"', None),
        ('"24h"', None), ('"PT24H"', None), ('"2_4"', None), ('"\u0662\u0664"', None), ('"nan"', None), ('"inf"', None),
        ('""', None), ('"24 24"', None), ('"24."', None), ('"' + "9" * 400 + '"', None), ("-1e400", None),
        ("NaN", None), ("Infinity", None), ("null", None), ("[24]", None), ("{}", None),
        ("9" * 400, None), ("9" * 5000, None), ("9.9e299", 9.9e299), ("1e300", None),
    ],
)  # fmt: skip
def test_a_429_is_about_the_quota_if_it_names_a_window(hours: str, window: float | None) -> None:
    """A number of hours from 1 that a float can hold, also as text; any other 429 is one of too much traffic."""
    body = f'{{"error": "x", "requestId": "r-1", "details": {{"limit": 20, "windowHours": {hours}}}}}'.encode()
    error = error_of(reply(429, body, ("Retry-After", "90")))
    assert error.effect == "none"
    if isinstance(error, QuotaExceededError):
        assert (error.window_hours, error.limit, error.source, error.retry_after) == (window, 20, "server", 90.0)
        assert (error.message, error.request_id, error.used, error.retry_at) == ("x", "r-1", None, None)
        assert error.job_id == "job_1"
    else:
        assert (type(error), window) == (RateLimitedError, None)


@pytest.mark.parametrize(
    ("limit", "read"),
    [
        ("20", 20), ("3", 3), ("1", 1), ("20.0", 20), ("2e1", 20), ("0", None), ("-1", None), ("true", None),
        ('"3"', 3), ('" 20 "', 20), ('"20.0"', 20), ('"2.5"', None), ('"0"', None), ('"20 a day"', None),
        ("2.5", None), ("1e30", None), ("10000", 10000), ("10001", None), ("1e400", None),
        ("NaN", None), ("null", None), ("[]", None), ("9" * 400, None),
    ],
)  # fmt: skip
def test_a_limit_is_a_whole_number_from_1_or_none(limit: str, read: int | None) -> None:
    """A malformed one leaves the 429 what it is: an answer about the quota."""
    error = error_of(reply(429, f'{{"error": "No.", "details": {{"windowHours": 24, "limit": {limit}}}}}'.encode()))
    assert isinstance(error, QuotaExceededError)
    assert (error.limit, type(error.limit)) == (read, type(read))


@pytest.mark.parametrize(
    ("details", "counted_on", "learned"),
    [
        ({"limit": 20}, None, 20),
        ({"limit": 3}, None, 3),
        ({"limit": "20"}, None, 20),
        ({"limit": 20, "used": 20, "remaining": 0}, None, 20),
        ({"limit": 20, "windowHours": None}, None, 20),
        ({"limit": 50}, 50, 50),
        ({"limit": 20}, 50, 20),
        ({"limit": 50}, None, None),
        ({"limit": 5}, 20, None),
        ({"limit": 20.5}, None, None),
        ({"limit": True}, 1, None),
        ({"used": 20}, 20, None),
        ({}, None, None),
        ({"limit": None}, None, None),
        ({"limit": 20, "windowHours": "24h"}, None, None),
        ({"limit": 20, "windowHours": 0.5}, None, None),
        ({"limit": 20, "windowSeconds": 60}, None, None),
        ({"limit": 20, "window": "1m"}, None, None),
        ({"limit": 20, "per": "minute"}, None, None),
        ({"limit": 20, "resetAt": "2027-01-15T08:01:00Z"}, None, None),
        ({"limit": 20, "retryAfterSeconds": 30}, None, None),
    ],
)
def test_F49_a_429_without_a_window_is_the_quota_s_if_it_names_the_limit_alone(
    details: dict[str, object], counted_on: int | None, learned: int | None
) -> None:
    """The limit that is counted on, 3 or 20; whatever else may name a window makes it a throttle."""
    error = error_of(reply(429, ENVELOPE | {"details": details}), limit=counted_on)
    if learned is None:
        assert type(error) is RateLimitedError
    else:
        assert isinstance(error, QuotaExceededError)
        assert (error.limit, error.window_hours, error.source) == (learned, None, "server")


@pytest.mark.parametrize(
    ("header", "is_the_quota_s"),
    [
        ("1", False), ("30", False), ("3600", False), ("3601", True), ("86400", True), ("soon", True),
        ("Fri, 15 Jan 2027 08:01:00 GMT", False), ("Fri, 15 Jan 2027 10:00:00 GMT", True),
    ],
)  # fmt: skip
def test_F49_a_429_with_a_limit_alone_is_a_throttle_if_it_asks_for_an_hour_or_less(
    header: str, is_the_quota_s: bool
) -> None:
    """The quota of a day frees no slot so soon that the service would ask for another request within the hour."""
    headers = [("Date", "Fri, 15 Jan 2027 08:00:00 GMT"), ("Retry-After", header)]
    error = error_of(reply(429, ENVELOPE | {"details": {"limit": 20}}, *headers))
    assert type(error) is (QuotaExceededError if is_the_quota_s else RateLimitedError)


def test_F49_a_429_of_a_stranger_is_a_throttle_whatever_it_names() -> None:
    """Without the service's envelope it is a proxy's, also with a limit or a window in it."""
    for body in ({"details": {"limit": 20, "windowHours": 24}}, {"limit": 20}, b"<html>limit: 20</html>"):
        assert type(error_of(reply(429, body))) is RateLimitedError


@pytest.mark.parametrize(
    ("hours", "seconds"),
    [(24.0, 86400.0), (0.5, 1800.0), (8784.0, 31_622_400.0), (8784.5, None), (1e299, None), (None, None)],
)
def test_a_window_longer_than_a_year_makes_no_sense(hours: float | None, seconds: float | None) -> None:
    """It is as good as none, and a leap year is a year."""
    assert window_seconds(hours) == seconds


@pytest.mark.parametrize(
    ("status", "effect"), [(300, "unknown"), (301, "none"), (307, "none"), (302, "unknown"), (399, "unknown")]
)
def test_a_redirect_has_its_status(status: int, effect: str) -> None:
    """It stops the run; a portal's leaves open what became of the draft."""
    error = error_of(reply(status, LIVE, ("Location", "https://b.test/")))
    assert isinstance(error, UnexpectedResponseError)
    assert (error.status, error.job_id, error.effect) == (status, "job_1", effect)
    assert error.message == f"redirected ({status}) to https://b.test; redirects are not followed"


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (
            {"error": "invalid_grant", "error_description": "expired"},
            "expired",
            "invalid_grant",
        ),
        ({"error": "invalid_grant"}, "invalid_grant", "invalid_grant"),
        ({"error": "invalid_grant", "error_description": ""}, "invalid_grant", "invalid_grant"),
    ],
)
def test_an_error_of_oauth_has_a_code_and_a_description(body: object, message: str, code: str | None) -> None:
    """The code is the service's own word, the description the text."""
    with pytest.raises(BadRequestError) as caught:
        read_answer(reply(400, body), len, "a token", NOW, is_oauth=True)
    assert (caught.value.message, caught.value.code, caught.value.request_id) == (message, code, None)
    assert (caught.value.raw, dict(caught.value.details)) == (body, {})


def test_an_agent_endpoint_may_answer_in_the_api_s_shape() -> None:
    """Then it is read as that."""
    with pytest.raises(NotFoundError) as caught:
        read_answer(reply(404, ENVELOPE | {"code": "NOT_FOUND"}), len, "a token", NOW, is_oauth=True)
    assert (caught.value.message, caught.value.code, caught.value.request_id) == ("No.", "NOT_FOUND", "r-1")


@pytest.mark.parametrize(
    "body", [{"error": {"message": "no"}, "code": "NOT_FOUND"}, {"error": "Bad Request"}, {"error": "not_found"}, []]
)
def test_F45_an_agent_endpoint_s_stranger_is_one(body: object) -> None:
    """A sentence is not a code of OAuth's, nor is a word without a description that is not documented."""
    with pytest.raises(UnexpectedResponseError) as caught:
        read_answer(reply(400, body), len, "a token", NOW, is_oauth=True)
    assert caught.value.effect == "unknown"


def test_a_429_names_a_window_of_the_quota_only_where_a_publish_was_asked_for() -> None:
    """Anywhere else it is one of too much traffic, whatever its details say; the reading and its subject are told."""
    body = ENVELOPE | {"details": {"limit": 3, "windowHours": 24}}
    with pytest.raises(RateLimitedError) as caught:
        read_answer(reply(429, body, ("Retry-After", "5")), len, "a page", NOW, "job_1")
    assert (caught.value.retry_after, caught.value.details, caught.value.job_id) == (5.0, body["details"], "job_1")
    assert read_answer(reply(200, b"four"), len, "a page", NOW) == 4
