"""HTTP and its meaning: each status has its class whatever the body is, and no body is taken for more than it says."""

import json

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from opentrain_async._service.answers import read_answer, read_publish, window_seconds
from opentrain_async._service.http.messages import Reply, Request
from opentrain_async._service.operations import publish_request
from opentrain_async.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    ModerationBlockedError,
    NotFoundError,
    NotPublishReadyError,
    OpenTrainError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
    UnexpectedResponseError,
)
from opentrain_async.models import Validation

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
    "new code": b'{"error": "no", "code": "TEAPOT", "details": {"validation": []}}',
    "oauth": b'{"error": "rate_limit_exceeded", "error_description": "slow down"}',
}
CLASSES: dict[int, tuple[type[OpenTrainError], str]] = {
    301: (UnexpectedResponseError, "none"),
    308: (UnexpectedResponseError, "none"),
    400: (BadRequestError, "none"),
    401: (AuthenticationError, "none"),
    402: (APIError, "none"),
    403: (PermissionDeniedError, "none"),
    404: (NotFoundError, "none"),
    408: (APIError, "unknown"),
    409: (ConflictError, "none"),
    422: (APIError, "none"),
    425: (APIError, "none"),
    429: (RateLimitedError, "none"),
    499: (APIError, "none"),
    500: (ServerError, "unknown"),
    503: (ServerError, "unknown"),
    599: (ServerError, "unknown"),
    199: (APIError, "unknown"),
    999: (ServerError, "unknown"),
}


def reply(status: int, body: object = b"", *headers: tuple[str, str], flaw: str | None = None) -> Reply:
    """An answer; a body that is no bytes becomes JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, content, CIMultiDictProxy(CIMultiDict(headers)), flaw)


def error_of(answer: Reply, job_id: str = "job_1") -> OpenTrainError:
    """The error that an answer to a publish means."""
    with pytest.raises(OpenTrainError) as caught:
        read_publish(answer, job_id, NOW)
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
    assert isinstance(error, UnexpectedResponseError)
    assert (error.effect, error.status, error.job_id, error.request_id) == ("unknown", status, "job_1", None)
    assert error.message.startswith(f"answered {status} (text/html) with something else than a publish result: ")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (reply(200, LIVE | {"jobId": "job_2"}), "an answer about another job"),
        (reply(200, LIVE | {"jobId": "JOB_1"}), "an answer about another job"),
        (reply(200, LIVE | {"alreadyPublished": "false"}), "expected bool @ $.already_published"),
        (reply(200, LIVE, flaw="over 1024 KiB"), "over 1024 KiB"),
        (reply(200, {"error": "no", "requestId": "r-1"}), "required field missing"),
    ],
)
def test_a_success_that_is_flawed_says_how(answer: Reply, text: str) -> None:
    """Even a whole result is none if the body was cut off after it, or if it is of another job."""
    error = error_of(answer)
    assert isinstance(error, UnexpectedResponseError)
    assert (error.effect, error.status) == ("unknown", 200)
    assert error.job_id == "job_1"
    assert error.message.startswith("answered 200 (no type) with something else than a publish result: ")
    assert text in error.message


def test_an_answer_about_another_job_is_none_about_this_one() -> None:
    """It says so, and of which draft nobody knows now what has become of it."""
    error = error_of(reply(200, LIVE | {"jobId": "job_2"}))
    assert error.message.endswith(" a publish result: an answer about another job")
    assert (error.job_id, error.effect) == ("job_1", "unknown")


def test_a_request_id_is_kept_where_there_is_one() -> None:
    """Also of a success that is none, so that support can look it up."""
    error = error_of(reply(200, {"requestId": "r-1"}))
    assert isinstance(error, UnexpectedResponseError)
    assert error.request_id == "r-1"


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("status", CLASSES)
def test_F41_a_status_has_its_class_whatever_the_body(status: int, name: str) -> None:
    """Pages of a gateway, cut JSON and worse change neither the class nor what is known of the effect."""
    error = error_of(reply(status, BODIES[name]))
    assert (type(error), error.effect, error.job_id) == (*CLASSES[status], "job_1")
    if isinstance(error, APIError):
        assert error.status == status
        assert dict(error.details) == ({"validation": []} if name == "new code" else {})
        assert (error.request_id, error.reason) == (None, None)
        assert str(error).isprintable()


@pytest.mark.parametrize(
    ("body", "raw"),
    [
        (b"<h1>\xff</h1>", "<h1>\ufffd</h1>"),
        (b"", ""),
        (b'{"code": "X", "n": [1]}', {"code": "X", "n": [1]}),
        (b"{}", {}),
        (b'["no"]', ["no"]),
        (b'"no"', "no"),
        (b"5", 5),
    ],
)
def test_the_whole_body_is_kept(body: bytes, raw: object) -> None:
    """As decoded JSON, or as text where it is none."""
    error = error_of(reply(404, body))
    assert isinstance(error, APIError)
    assert error.raw == raw


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (418, "BAD_REQUEST", BadRequestError),
        (418, "UNAUTHORIZED", AuthenticationError),
        (418, "FORBIDDEN", PermissionDeniedError),
        (418, "NOT_FOUND", NotFoundError),
        (418, "CONFLICT", ConflictError),
        (422, "BAD_REQUEST", BadRequestError),
        (404, "not_found", NotFoundError),
        (403, "RATE_LIMITED", PermissionDeniedError),
        (400, "INTERNAL_ERROR", BadRequestError),
        (408, "BAD_REQUEST", APIError),
        (425, "CONFLICT", APIError),
        (429, "FORBIDDEN", RateLimitedError),
        (500, "NOT_FOUND", ServerError),
        (503, "BAD_REQUEST", ServerError),
    ],
)
def test_a_known_code_refines_the_status(status: int, code: str, kind: type[APIError]) -> None:
    """Except where the status alone says whether the request was worked on: there no code can talk it away."""
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
    assert type(error_of(reply(status, {"details": details}))) is kind


@pytest.mark.parametrize(
    "body",
    [
        {"details": {"validation": {"missingFields": ["rate"]}}},
        {"details": {"validation": {}, "missingFields": [{"field": "rate"}]}},
        {"details": {"validation": {}}, "missingFields": ["rate"]},
    ],
)
def test_gaps_are_found_wherever_a_400_names_them(body: object) -> None:
    """The pages differ on the place."""
    error = error_of(reply(400, body))
    assert isinstance(error, NotPublishReadyError)
    assert [item.field for item in error.validation.missing_fields] == ["rate"]
    assert "Fill in rate, then publish again." in str(error)


def test_a_400_with_an_empty_validation_is_about_gaps_nobody_names() -> None:
    """The draft is not ready, and that is all that is known."""
    error = error_of(reply(400, {"details": {"validation": {}}}))
    assert isinstance(error, NotPublishReadyError)
    assert error.validation == Validation()
    assert "Fill in what is missing, then publish again." in str(error)


def test_what_a_400_finds_wrong_is_listed() -> None:
    """Item by item, with where it is."""
    found = [{"path": ["title"], "message": "Required", "code": "invalid_type"}, "no issue"]
    error = error_of(reply(400, {"details": {"issues": found}}))
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
        ("24", 24.0), ("24.0", 24.0), ("1", 1.0), ("0.5", 0.5), ("1e-3", 0.001), ("1e6", 1e6), ("0", None),
        ("0.0", None), ("-0", None), ("-24", None), ("true", None), ("false", None), ('"24"', None), ("1e400", None),
        ("-1e400", None), ("NaN", None), ("Infinity", None), ("null", None), ("[24]", None), ("{}", None),
        ("9" * 400, None), ("9" * 5000, None), ("9.9e299", 9.9e299), ("1e300", None),
    ],
)  # fmt: skip
def test_a_429_is_about_the_quota_if_it_names_a_window(hours: str, window: float | None) -> None:
    """A positive number of hours that a float can hold; any other 429 is one of too much traffic."""
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
        ('"3"', None), ("2.5", None), ("1e30", None), ("10000", 10000), ("10001", None), ("1e400", None),
        ("NaN", None), ("null", None), ("[]", None), ("9" * 400, None),
    ],
)  # fmt: skip
def test_a_limit_is_a_whole_number_from_1_or_none(limit: str, read: int | None) -> None:
    """A malformed one leaves the 429 what it is: an answer about the quota."""
    error = error_of(reply(429, f'{{"details": {{"windowHours": 24, "limit": {limit}}}}}'.encode()))
    assert isinstance(error, QuotaExceededError)
    assert (error.limit, type(error.limit)) == (read, type(read))


@pytest.mark.parametrize(
    ("hours", "seconds"),
    [(24.0, 86400.0), (0.5, 1800.0), (8784.0, 31_622_400.0), (8784.5, None), (1e299, None), (None, None)],
)
def test_a_window_longer_than_a_year_makes_no_sense(hours: float | None, seconds: float | None) -> None:
    """It is as good as none, and a leap year is a year."""
    assert window_seconds(hours) == seconds


@pytest.mark.parametrize("status", [300, 302, 399])
def test_a_redirect_has_its_status_and_changed_nothing(status: int) -> None:
    """It is what the run is stopped by, so that it can be looked into."""
    error = error_of(reply(status, LIVE, ("Location", "https://b.test/")))
    assert isinstance(error, UnexpectedResponseError)
    assert (error.status, error.job_id, error.effect) == (status, "job_1", "none")
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
        ({"error": {"message": "no"}, "code": "NOT_FOUND"}, "the server answered 400", None),
        ([], "the server answered 400", None),
    ],
)
def test_an_error_of_oauth_has_a_code_and_a_description(body: object, message: str, code: str | None) -> None:
    """What the API itself would say in other keys is not looked for."""
    with pytest.raises(BadRequestError) as caught:
        read_answer(reply(400, body), len, "a token", NOW, is_oauth=True)
    assert (caught.value.message, caught.value.code, caught.value.request_id) == (message, code, None)
    assert (caught.value.raw, dict(caught.value.details)) == (body, {})


def test_a_429_names_a_window_of_the_quota_only_where_a_publish_was_asked_for() -> None:
    """Anywhere else it is one of too much traffic, whatever its details say; the reading and its subject are told."""
    body = {"error": "no", "details": {"limit": 3, "windowHours": 24}}
    with pytest.raises(RateLimitedError) as caught:
        read_answer(reply(429, body, ("Retry-After", "5")), len, "a page", NOW, "job_1")
    assert (caught.value.retry_after, caught.value.details, caught.value.job_id) == (5.0, body["details"], "job_1")
    assert read_answer(reply(200, b"four"), len, "a page", NOW) == 4
