"""Whatever an answer looks like, it is a model or a typed error; and what the pages show is read as they mean it."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrain_async import models
from opentrain_async._base.secret import Secret
from opentrain_async._service import operations, validation
from opentrain_async._service.answers import read_answer
from opentrain_async._service.http.messages import Reply
from opentrain_async._service.operations import Operation
from opentrain_async.errors import (
    APIError,
    BadRequestError,
    ConflictError,
    ModerationBlockedError,
    OpenTrainError,
    QuotaExceededError,
    RateLimitedError,
    UnexpectedResponseError,
)
from opentrain_async.models import Draft, Issue, Job, MissingField, Moderation, ProposalCounts, UnmappedField

from ..support import documented
from ..support.depth import DEPTHS, nested, travels

NOW = 1_800_000_000.0
STATUSES = (200, 400, 403, 409, 429, 500)
SECRET = Secret("ot_clm_x")
OPERATIONS: dict[str, Operation[object]] = {
    operation.name: operation  # type: ignore[misc]
    for operation in (
        operations.whoami(),
        operations.capabilities(),
        operations.create_draft({}, "key"),
        operations.update_draft("job_1", {}),
        operations.jobs_mine(None, None),
        operations.update_job("job_1", {}),
        operations.close_job("job_1"),
        operations.register({}),
        operations.start_claim(SECRET, "a@example.com"),
        operations.claimed_token(SECRET),
    )
}
KEYS = [
    "ok", "jobId", "status", "validation", "missingFields", "publishReady", "missingFieldCount", "field", "label",
    "enumValues", "updateKeys", "normalizedFields", "warnings", "unmappedFields", "path", "jobs", "nextCursor", "id",
    "createdAt", "proposalCounts", "total", "moderation", "reasons", "alreadyClosed", "actor", "token", "account",
    "scopes", "capabilities", "draft", "enums", "access_token", "claim_token", "user_code", "verification_uri",
    "expires_in", "interval", "error", "error_description", "code", "requestId", "details", "issues", "reason",
    "windowHours", "limit", "message", "claimed",
]  # fmt: skip
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["job_1", "moderation_blocked", "2026-06-01T09:00:00Z", "0001-01-01T00:00:00+14:00", "\ud800"])
)  # fmt: skip
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=8),
    max_leaves=20,
)
BODIES: dict[str, documented.Body] = {
    "update_draft": documented.UPDATED,
    "iter_jobs": documented.LISTED,
    "update_job": documented.EDITED,
    "close_job": documented.CLOSED,
    "create_draft": documented.CREATED["api-reference/job-drafts/create"],
}


def read(name: str, body: object, status: int = 200) -> object:
    """What an operation takes an answer for; a body that is no bytes becomes JSON."""
    operation = OPERATIONS[name]
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    reply = Reply(status, content)
    return read_answer(
        reply, operation.read, operation.what, NOW, operation.job_id, is_oauth=operation.is_oauth
    )  # fmt: skip


def error_of(name: str, body: object, status: int) -> OpenTrainError:
    """The error that an operation takes an answer for."""
    with pytest.raises(OpenTrainError) as caught:
        read(name, body, status)
    return caught.value


def draft_of(body: object) -> Draft:
    """The draft that a body of a creation is read as."""
    draft = read("create_draft", body)
    assert isinstance(draft, Draft)
    return draft


def is_read_or_refused(name: str, body: object, status: int) -> None:
    """A success is a model or an unexpected response; anything else is a typed error; both can be shown."""
    refusal: OpenTrainError | None = None
    try:
        assert repr(read(name, body, status))
    except OpenTrainError as error:
        refusal = error
    if status == 200:
        assert refusal is None or (isinstance(refusal, UnexpectedResponseError) and refusal.effect == "unknown")
    else:
        assert isinstance(refusal, APIError | QuotaExceededError | UnexpectedResponseError)
    assert str(refusal).isprintable()


@pytest.mark.parametrize("name", OPERATIONS)
@given(status=st.sampled_from(STATUSES), body=JSON)
def test_any_json_is_a_model_or_a_typed_error(name: str, status: int, body: object) -> None:
    """No JSON makes the reading of an answer fail in another way, whatever was asked."""
    is_read_or_refused(name, body, status)


@pytest.mark.parametrize("name", BODIES)
@given(data=st.data())
def test_a_documented_body_with_one_key_astray_is_a_model_or_a_typed_error(name: str, data: st.DataObject) -> None:
    """Also where all but one thing is as it should be."""
    body = json.loads(json.dumps(BODIES[name]))
    place = body
    while True:
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            place[key] = data.draw(JSON)
            break
        place = inner
    is_read_or_refused(name, body, 200)


@pytest.mark.parametrize("name", OPERATIONS)
@given(status=st.sampled_from(STATUSES), body=st.binary(max_size=40))
def test_any_bytes_are_a_typed_error(name: str, status: int, body: bytes) -> None:
    """What is no JSON is neither a model nor a surprise."""
    is_read_or_refused(name, body, status)


def travels_as_read(name: str, body: str, status: int) -> object:
    """See that a model or an error travels, with all models in it; return it."""
    try:
        result = read(name, body.encode(), status)
    except OpenTrainError as error:
        travels(error)
        return error
    travels(result)
    for job in result.jobs if isinstance(result, models.JobPage) else ():
        travels(job)
    for gap in result.missing if isinstance(result, Draft) else ():
        travels(gap)
    return result


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("name", BODIES)
def test_a_documented_body_with_a_deep_part_is_the_same_model(name: str, depth: int) -> None:
    """In each of its places a key that nobody knows changes nothing, and what is read can be pickled and copied."""
    body = json.dumps(BODIES[name])
    known = travels_as_read(name, body, 200)
    for place in range(len(body)):
        if body[place] == "{":
            empty = body[place + 1] == "}"
            strange = f'{body[: place + 1]}"x": {nested(depth, "both")}{"" if empty else ","}{body[place + 1 :]}'
            read_so = travels_as_read(name, strange, 200)
            assert type(read_so) is type(known)
            if name in {"update_job", "close_job", "iter_jobs"}:  # the others show what they do not know
                assert read_so == known


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("status", STATUSES[1:])
def test_a_refusal_that_nests_deep_is_the_service_s_word(name: str, status: int, depth: int) -> None:
    """However deep its details are."""
    envelope = f'{{"error": "no", "code": "X", "details": {{"reason": "no", "deep": {nested(depth, "objects")}}}}}'
    error = travels_as_read(name, envelope, status)
    assert isinstance(error, APIError)
    assert (error.code, error.reason, error.status) == ("X", "no", status)


@pytest.mark.parametrize("page", documented.CREATED)
def test_each_page_s_draft_is_the_same_draft(page: str) -> None:
    """Where the gaps stand, how their codes are written and whether a prompt begins with "ask:" makes no difference."""
    draft = draft_of(documented.CREATED[page])
    assert (draft.job_id, draft.status, draft.publish_ready) == ("job_1", "DRAFT", False)
    assert (draft.validation.missing_field_count, draft.validation.issue_count, draft.validation.issues) == (2, 0, ())
    assert draft.normalized_fields["dataVolume"] == 5000
    assert draft.idempotency_key == "key"
    assert draft.raw == documented.CREATED[page]
    level, rate = draft.missing
    assert [type(gap) for gap in draft.missing] == [MissingField, MissingField]
    assert (level.field, level.choices, level.update_keys) == (
        "experienceLevel", tuple(documented.LEVELS), ("experienceLevel",),
    )  # fmt: skip
    assert (level.question, rate.question) == (
        "What experience level do you need?", "How much do you pay per label, in USD?",
    )  # fmt: skip
    assert (rate.field, rate.type, rate.enum_values, rate.choices) == ("pricePerLabel", "number", None, ())
    assert (rate.example, rate.hint, rate.label) == ("0.05", "In USD.", "Price per label")
    assert {**level.update("EXPERT"), **rate.update("0.05")} == {"experienceLevel": "EXPERT", "pricePerLabel": 0.05}


def test_codes_and_addresses_are_as_each_page_has_them() -> None:
    """They are the service's own: nobody takes them apart."""
    reference, guide, quickstart = map(draft_of, documented.CREATED.values())
    assert {gap.code for gap in (*reference.missing, *quickstart.missing)} == {"missing_required_field"}
    assert [gap.code for gap in guide.missing] == ["MISSING_EXPERIENCE_LEVEL", "MISSING_PRICE_PER_LABEL"]
    assert str(reference.draft_url).endswith("?jobId=job_1")
    assert str(guide.draft_url).endswith("?job=job_1")
    assert (reference.review_url, guide.review_url) == ("https://app.opentrain.ai/jobs/job_1/review", None)
    (unmapped,) = reference.unmapped_fields
    assert unmapped == UnmappedField("job.tools", "unsupported", '["CVAT"]')
    assert (guide.unmapped_fields, guide.low_confidence_fields, guide.warnings) == ((), (), ())


def test_the_other_pages_bodies_are_read_key_by_key() -> None:
    """An updated draft, the list of jobs, an edited job and a closed one."""
    updated = read("update_draft", documented.UPDATED)
    assert isinstance(updated, Draft)
    assert (updated.publish_ready, updated.missing, updated.normalized_fields) == (True, (), {})
    assert (updated.idempotency_key, updated.validation.missing_field_count) == (None, 0)
    assert read("iter_jobs", documented.LISTED) == models.JobPage((
        Job(
            "job_1",
            "OPEN",
            title="Label cats",
            published=True,
            accepting_applicants=True,
            created_at=datetime(2026, 6, 1, 9, tzinfo=UTC),
            updated_at=datetime(2026, 6, 2, 10, 30, tzinfo=UTC),
            job_url="https://app.opentrain.ai/jobs/job_1",
            proposal_counts=ProposalCounts(4, 1),
        ),
    ))
    assert read("update_job", documented.EDITED) == models.JobUpdate("job_1", "OPEN", Moderation("ALLOW", ()))
    assert read("close_job", documented.CLOSED) == models.ClosedJob("job_1", already_closed=False, status="ARCHIVED")


def test_scopes_tell_that_an_account_is_claimed_and_never_that_it_is_not() -> None:
    """Unless the answer has a key that says so, which no page shows."""
    body: documented.Body = {"actor": {}, "token": {"scopes": []}, "account": {}}
    post_claim: documented.Body = {"token": {"scopes": ["proposals:write", "messages:write", "team:write"]}}
    said = [read("whoami", body | more) for more in ({}, post_claim, {"claimed": False}, {"claimed": "yes"})]
    assert [who.is_claimed for who in said if isinstance(who, models.Identity)] == [None, True, False, None]


@pytest.mark.parametrize(("seconds", "read_as"), [(60, 60.0), (0.5, 0.5), ("60", 1800.0), (0, 1800.0), (True, 1800.0)])
def test_seconds_that_make_no_sense_are_the_documented_ones(seconds: object, read_as: float) -> None:
    """Neither a text nor nothing is a time for which a code is valid."""
    claim = read("start_claim", {"user_code": "1", "verification_uri": "https://x/?token=y", "expires_in": seconds})
    assert isinstance(claim, models.Claim)
    assert (claim.expires_in, claim.interval) == (read_as, 5.0)


@pytest.mark.parametrize("token", [None, 5, "", "two words", "line\nbreak", "\N{EURO SIGN}"])
def test_what_no_header_can_hold_is_no_token(token: object) -> None:
    """It could not be used, and must not be saved."""
    error = error_of("wait_for_claim", {"access_token": token}, 200)
    assert isinstance(error, UnexpectedResponseError)
    assert "access_token" in str(error)


def test_a_draft_in_the_list_may_have_next_to_nothing() -> None:
    """Neither title nor address nor times that can be read: what it is and which it is has to be there."""
    page = read("iter_jobs", {"jobs": [{"id": "job_1", "status": "DRAFT", "title": None, "createdAt": "soon"}]})
    assert page == models.JobPage((Job("job_1", "DRAFT"),))
    assert "status" in str(error_of("iter_jobs", {"jobs": [{"id": "job_1"}]}, 200))


@pytest.mark.parametrize("name", ["update_draft", "update_job", "close_job"])
def test_an_answer_about_another_job_is_not_taken(name: str) -> None:
    """Whatever it says, it says nothing of this one."""
    error = error_of(name, BODIES[name] | {"jobId": "job_2"}, 200)
    assert isinstance(error, UnexpectedResponseError)
    assert "another job" in str(error)


def test_a_conflict_says_what_the_job_is_and_what_it_would_have_to_be() -> None:
    """Its state is an attribute, and in the text."""
    error = error_of("update_job", documented.NOT_OPEN, 409)
    assert isinstance(error, ConflictError)
    assert (error.job_status, error.required_status) == ("ARCHIVED", "OPEN")
    assert "The job is ARCHIVED, and would have to be OPEN." in str(error)


def test_what_moderation_says_of_an_edit_is_kept() -> None:
    """409 it may be, yet it is what 403 is at a publish."""
    error = error_of("update_job", documented.TAKEN_DOWN, 409)
    assert isinstance(error, ModerationBlockedError)
    assert (error.reasons, error.details["status"]) == (("Asks for contact details.",), "DRAFT")


def test_the_schema_s_findings_are_values() -> None:
    """Each says where and what; all of it stays in `details`."""
    error = error_of("update_draft", documented.INVALID, 400)
    assert isinstance(error, BadRequestError)
    assert error.issues == (
        Issue((), "Unrecognized key(s) in object: 'title'", "unrecognized_keys"),
        Issue(("languages", 1), "Expected string, received number", "invalid_type"),
    )
    assert error.details == documented.INVALID["details"]
    assert "languages.1: Expected string, received number" in str(error)


@pytest.mark.parametrize("value", [None, {}, "x", 5, ["x", 5, None, {}], {"path": ["x"]}])
def test_what_is_no_finding_is_none(value: object) -> None:
    """It is left to `details`."""
    error = error_of("update_draft", documented.refused("no", "BAD_REQUEST", {"issues": value}), 400)
    assert isinstance(error, BadRequestError)
    assert (error.issues, error.details) == ((), {"issues": value})


def test_a_finding_s_path_has_only_steps() -> None:
    """Names and places; whatever else stands there is in `raw`."""
    item = {"path": ["jobTitle", 0, True, None, 1.5, {}], "message": 5, "code": []}
    (issue,) = validation.issues({"issues": [item]})
    assert (issue, issue.raw) == (Issue(("jobTitle", 0)), item)


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({"path": ["a", 0], "message": "Required."}, "Mend a.0: Required."),
        ({"path": ["a"], "code": "too_big"}, "Mend a: too_big."),
        ({"path": ["a"]}, "Mend a: not accepted."),
        ({"message": "Give at least one field."}, "Mend Give at least one field."),
        ({"expected": "string"}, "Mend not accepted."),
    ],
)
def test_a_finding_reads_as_a_sentence(item: object, text: str) -> None:
    """With one full stop, and with something to say also where there is no message."""
    error = error_of("update_draft", documented.refused("no", "BAD_REQUEST", {"issues": [item]}), 400)
    assert f" {text} (HTTP 400" in str(error)


def test_oauth_s_errors_have_another_shape() -> None:
    """There `error` is the code, and the text is its description, if there is one."""
    error = error_of("start_claim", {"error": "invalid_request", "error_description": "No such e-mail."}, 400)
    assert isinstance(error, BadRequestError)
    assert (error.code, error.message, error.details) == ("invalid_request", "No such e-mail.", {})
    assert error_of("register", {"error": "server_error"}, 500).message == "server_error"
    assert isinstance(error_of("register", {"error_description": 5}, 400), UnexpectedResponseError)
    limited = error_of("register", {"error": "rate_limit_exceeded"}, 429)
    assert isinstance(limited, RateLimitedError)
    assert limited.code == "rate_limit_exceeded"


def test_only_a_publish_has_a_quota() -> None:
    """A window that another call's refusal names says nothing of the day's publishes: it is kept in the details."""
    error = error_of("create_draft", documented.refused("no", "RATE_LIMITED", {"limit": 3, "windowHours": 24}), 429)
    assert isinstance(error, RateLimitedError)
    assert (error.details, error.effect) == ({"limit": 3, "windowHours": 24}, "none")
