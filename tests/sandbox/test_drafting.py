"""The sandbox creates drafts and has their gaps filled, in each way in which the service's pages show it."""

import pytest

from opentrain_async.sandbox import BLOCKED_PHRASE, Dialect, Sandbox

from ..support.plain_http import Answered, ask

CANONICAL = {
    "title": "Label cats",
    "description": "Cats on photographs.",
    "paymentType": "PAY_PER_LABEL",
    "rateAmount": 0.05,
    "languages": ["English"],
    "countries": ["NL"],
    "labelTypes": ["boxes"],
    "experienceLevel": "EXPERT",
    "tools": ["CVAT"],
}
POSTING = {"@type": "JobPosting", "title": "Label cats", "description": "Photographs.", "industry": "pets"}
TWO_ISSUES = [("invalid_type", ["jobTitle"]), ("invalid_enum_value", ["experienceLevel"])]
XML = '<feed xmlns="urn:x"><job><title> Label cats </title><description>All <b>cats</b>.</description></job></feed>'


async def create(sandbox: Sandbox, **body: object) -> Answered:
    return await ask(sandbox, "POST /job-drafts", body)


async def update(sandbox: Sandbox, job_id: object, body: object) -> Answered:
    return await ask(sandbox, f"PATCH /job-drafts/{job_id}", body)


def issues(answered: Answered) -> list[tuple[str, list[object]]]:
    """The codes and paths of a 400's issues."""
    status, body = answered
    assert (status, body["code"]) == (400, "BAD_REQUEST")
    assert isinstance(body["details"], dict)
    assert all(set(one) == {"code", "path", "message"} for one in body["details"]["issues"])
    return [(one["code"], one["path"]) for one in body["details"]["issues"]]


def gaps(body: dict[str, object]) -> list[str]:
    """The fields that the items beside `validation` ask for."""
    assert isinstance(body["missingFields"], list)
    return [item["field"] for item in body["missingFields"]]


async def test_a_draft_of_a_description_has_everything_the_reference_names(sandbox: Sandbox) -> None:
    """Its first line is the title, its whole text the description, and the rest is asked for."""
    sandbox.draft("job_1")
    text = "\n  Label cats  \nin photographs."
    status, body = await create(sandbox, rawJobDescription=text)
    items = body.pop("missingFields")
    assert (status, body) == (
        200,
        {
            "ok": True,
            "jobId": "job_2",
            "status": "DRAFT",
            "draftUrl": "https://app.opentrain.ai/jobs/new?jobId=job_2",
            "reviewUrl": "https://app.opentrain.ai/jobs/job_2/review",
            "validation": {
                "publishReady": False,
                "issueCount": 0,
                "missingFieldCount": 3,
                "missingFields": [],
                "issues": [],
            },
            "normalizedFields": {"jobTitle": "Label cats", "jobDescription": text},
            "warnings": [],
            "unmappedFields": [],
            "lowConfidenceFields": [],
        },
    )
    assert gaps({"missingFields": items}) == ["experienceLevel", "dataVolumeUnit", "paymentType"]
    assert (await ask(sandbox, "POST /jobs/job_2/publish"))[0] == 400


async def test_a_draft_goes_live_when_its_gaps_are_filled(sandbox: Sandbox) -> None:
    """Each answer asks for what is left; the payment type brings the question for its rate."""
    job_id = (await create(sandbox, rawJobDescription="Label cats."))[1]["jobId"]
    first = (await update(sandbox, job_id, {"experienceLevel": "EXPERT", "dataVolumeUnit": "NUMBER_OF_FILES"}))[1]
    second = (await update(sandbox, job_id, {"paymentType": "FIXED_PRICE"}))[1]
    assert (gaps(first), gaps(second)) == (["paymentType"], ["fixedPrice"])
    status, last = await update(sandbox, job_id, {"fixedPrice": 12.5})
    assert (status, gaps(last), last["validation"]["publishReady"]) == (200, [], True)  # type: ignore[index]
    assert set(last) == {"ok", "jobId", "status", "draftUrl", "validation", "missingFields"}
    assert (await ask(sandbox, f"POST /jobs/{job_id}/publish"))[0] == 200


async def test_a_text_can_say_all(sandbox: Sandbox) -> None:
    """Lines of the form ``key: value`` fill fields in; what cannot be held is shown with the reason."""
    text = """jobTitle: Cats
        experienceLevel: EXPERT
        dataVolumeUnit: NUMBER_OF_FILES
        dataVolume: 2.5
        paymentType: PAY_PER_HOUR
        pricePerHour: 18
        headcount: several
        languages: English, French,
        colour: red"""
    body = (await create(sandbox, source={"type": "text", "text": text}))[1]
    assert body["validation"]["publishReady"] is True  # type: ignore[index]
    assert body["normalizedFields"] == {
        "jobTitle": "Cats",
        "experienceLevel": "EXPERT",
        "dataVolumeUnit": "NUMBER_OF_FILES",
        "dataVolume": 2.5,
        "paymentType": "PAY_PER_HOUR",
        "pricePerHour": 18,
        "languages": ["English", "French"],
        "jobDescription": text,
    }
    assert body["unmappedFields"] == [
        {"path": "headcount", "reason": "Expected number.", "valuePreview": "several"},
    ]


async def test_a_long_first_line_is_cut(sandbox: Sandbox) -> None:
    """A title has 80 characters at most."""
    fields = (await create(sandbox, rawJobDescription="x" * 60_000))[1]["normalizedFields"]
    assert isinstance(fields, dict)
    assert fields["jobTitle"] == "x" * 80


@pytest.mark.parametrize(
    "body",
    [
        {"format": "opentrain_canonical", "job": CANONICAL},
        {"source": {"type": "opentrain_canonical", "job": CANONICAL}},
    ],
)
async def test_a_canonical_job_is_mapped(sandbox: Sandbox, body: dict[str, object]) -> None:
    """Its rate is the one that goes with its payment type."""
    _, created = await create(sandbox, **body)
    assert created["normalizedFields"] == {
        "jobTitle": "Label cats",
        "jobDescription": "Cats on photographs.",
        "paymentType": "PAY_PER_LABEL",
        "pricePerLabel": 0.05,
        "languages": ["English"],
        "countries": ["NL"],
        "labelTypes": ["boxes"],
        "experienceLevel": "EXPERT",
    }
    assert isinstance(created["unmappedFields"], list)
    assert [item["path"].split(".")[-1] for item in created["unmappedFields"]] == ["tools"]
    assert created["unmappedFields"][0]["valuePreview"] == "['CVAT']"
    assert gaps(created) == ["dataVolumeUnit"]


async def test_a_rate_without_a_payment_type_is_no_ones(sandbox: Sandbox) -> None:
    """It is left, and so is what a field cannot hold."""
    body = (await create(sandbox, format="opentrain_canonical", job={"rateAmount": 5, "title": 7}))[1]
    assert body["normalizedFields"] == {}
    assert isinstance(body["unmappedFields"], list)
    assert [item["path"] for item in body["unmappedFields"]] == ["job.rateAmount", "job.title"]


@pytest.mark.parametrize(
    ("body", "description", "left"),
    [
        ({"format": "schema_org_job_posting", "jsonLd": POSTING}, "Photographs.", ["jsonLd.industry"]),
        ({"format": "indeed_xml", "xml": XML}, "All cats.", []),
        ({"source": {"type": "hr_xml", "xml": XML}}, "All cats.", []),
        ({"format": "hr_xml", "source": {"xml": XML}}, "All cats.", []),
    ],
)
async def test_foreign_postings_give_title_and_description(
    sandbox: Sandbox, body: dict[str, object], description: str, left: list[str]
) -> None:
    """Namespaces and markup do not matter."""
    _, created = await create(sandbox, **body)
    assert created["normalizedFields"] == {"jobTitle": "Label cats", "jobDescription": description}
    assert isinstance(created["unmappedFields"], list)
    assert [item["path"] for item in created["unmappedFields"]] == left


@pytest.mark.parametrize(
    ("body", "issue"),
    [
        ({}, ("invalid_union", [])),
        (None, ("custom", [])),
        ([], ("invalid_type", [])),
        (b"{", ("custom", [])),
        (b"[" * 100_000, ("custom", [])),
        (b'{"rawJobDescription": NaN}', ("custom", [])),
        ({"rawJobDescription": ""}, ("too_small", ["rawJobDescription"])),
        ({"rawJobDescription": " \n"}, ("too_small", ["rawJobDescription"])),
        ({"rawJobDescription": "x" * 60_001}, ("too_big", ["rawJobDescription"])),
        (b'{"rawJobDescription": "' + b"x" * 1_000_000 + b'"}', ("too_big", ["rawJobDescription"])),
        ({"rawJobDescription": 7}, ("invalid_type", ["rawJobDescription"])),
        ({"rawJobDescription": "x", "jobTitle": "x"}, ("unrecognized_keys", [])),
        ({"rawJobDescription": "x", "job": {}}, ("invalid_union", [])),
        ({"rawJobDescription": "x", "format": "hr_xml"}, ("custom", ["rawJobDescription"])),
        ({"rawJobDescription": "x", "idempotencyKey": 7}, ("invalid_type", ["idempotencyKey"])),
        ({"job": {"title": "x"}}, ("invalid_enum_value", ["format"])),
        ({"job": {"title": "x"}, "format": "text"}, ("custom", ["job"])),
        ({"job": {"title": "x"}, "format": ["text"]}, ("invalid_enum_value", ["format"])),
        ({"job": {}, "format": "opentrain_canonical"}, ("custom", ["job"])),
        ({"job": [], "format": "opentrain_canonical"}, ("invalid_type", ["job"])),
        ({"xml": "<a>", "format": "hr_xml"}, ("custom", ["xml"])),
        ({"xml": "", "format": "hr_xml"}, ("too_small", ["xml"])),
        ({"source": "x"}, ("invalid_type", ["source"])),
        ({"source": {}}, ("invalid_enum_value", ["format"])),
        ({"source": {"type": "text"}}, ("invalid_type", ["source", "text"])),
        ({"source": {"type": "pdf", "text": "x"}}, ("invalid_enum_value", ["source", "type"])),
        ({"source": {"type": "text", "text": "x", "url": "x"}}, ("unrecognized_keys", ["source"])),
        ({"source": {"type": "text", "text": "x", "xml": "x"}}, ("custom", ["source", "xml"])),
    ],
)  # fmt: skip
async def test_what_no_draft_can_be_made_of_is_refused(
    sandbox: Sandbox, body: object, issue: tuple[str, list[object]]
) -> None:
    """The issue says where, and no draft is made."""
    assert issues(await ask(sandbox, "POST /job-drafts", body)) == [issue]
    assert (await ask(sandbox, "GET /jobs/mine"))[1]["jobs"] == []


async def test_the_same_key_gives_the_same_draft(sandbox: Sandbox) -> None:
    """It comes as it now is, wherever the key stands; keys of other accounts, and labels, are apart."""
    other = sandbox.add_account()
    body = {"rawJobDescription": "Label cats.", "idempotencyKey": "cats", "externalId": "7"}
    assert (await ask(sandbox, "POST /job-drafts", body))[1]["jobId"] == "job_1"
    await update(sandbox, "job_1", {"experienceLevel": "EXPERT"})
    source = {"type": "text", "text": "Label dogs.", "idempotencyKey": "cats"}
    status, again = await create(sandbox, source=source)
    assert (status, again["jobId"], gaps(again)) == (200, "job_1", ["dataVolumeUnit", "paymentType"])
    assert again["normalizedFields"]["jobTitle"] == "Label cats."  # type: ignore[index]
    assert (await ask(sandbox, "POST /job-drafts", body, other))[1]["jobId"] == "job_2"
    assert (await create(sandbox, rawJobDescription="Label cats.", externalId="7"))[1]["jobId"] == "job_3"
    await ask(sandbox, "POST /jobs/job_1/close")
    assert (await create(sandbox, source=source))[1]["status"] == "ARCHIVED"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, [("custom", [])]),
        ([], [("invalid_type", [])]),
        (b"", [("custom", [])]),
        (b"\xff", [("custom", [])]),
        ({"title": "x"}, [("unrecognized_keys", [])]),
        ({"jobTitle": 7, "experienceLevel": "SENIOR"}, TWO_ISSUES),
        ({"jobTitle": None}, [("invalid_type", ["jobTitle"])]),
        ({"jobDescription": "x" * 60_001}, [("too_big", ["jobDescription"])]),
        ({"paymentType": []}, [("invalid_enum_value", ["paymentType"])]),
        ({"pricePerHour": 0}, [("too_small", ["pricePerHour"])]),
        ({"pricePerHour": "18"}, [("invalid_type", ["pricePerHour"])]),
        ({"pricePerHour": True}, [("invalid_type", ["pricePerHour"])]),
        (b'{"pricePerHour": 1e999}', [("invalid_type", ["pricePerHour"])]),
        ({"pricePerHour": 10**400}, [("invalid_type", ["pricePerHour"])]),
        ({"dataVolume": -1}, [("too_small", ["dataVolume"])]),
        ({"headcount": 0}, [("too_small", ["headcount"])]),
        ({"headcount": 1.5}, [("invalid_type", ["headcount"])]),
        ({"languages": "English"}, [("invalid_type", ["languages"])]),
        ({"countries": ["NL", 7]}, [("invalid_type", ["countries", 1])]),
    ],
)  # fmt: skip
async def test_what_no_field_can_hold_changes_nothing(
    sandbox: Sandbox, change: object, expected: list[tuple[str, list[object]]]
) -> None:
    """Each issue says where, and other fields of the same body are not changed either."""
    job_id = sandbox.draft(missing=["pricePerHour"])
    if isinstance(change, dict) and change:
        change = {**change, "labelingOverview": "x"} | ({} if "pricePerHour" in change else {"pricePerHour": 18})
    assert issues(await update(sandbox, job_id, change)) == expected
    assert (await ask(sandbox, f"POST /jobs/{job_id}/publish"))[0] == 400


async def test_a_whole_number_may_be_written_with_a_point(sandbox: Sandbox) -> None:
    """JSON knows one kind of number; a list replaces the one before it."""
    assert (await update(sandbox, sandbox.draft(), {"headcount": 2.0, "languages": []}))[0] == 200


async def test_only_a_draft_of_ones_own_can_be_filled_in(sandbox: Sandbox) -> None:
    """A live job is in conflict; somebody else's is absent."""
    change = {"jobTitle": "x"}
    status, body = await update(sandbox, sandbox.draft("live", status="OPEN"), change)
    assert (status, body["code"], body["details"]) == (409, "CONFLICT", {"jobId": "live", "status": "OPEN"})
    assert (await update(sandbox, sandbox.draft(token=sandbox.add_account()), change))[0] == 404
    assert (await update(sandbox, "job_none", change))[0] == 404


async def test_each_page_of_the_documentation_has_its_dialect() -> None:
    """Where the items are, and what they look like, differs; that something is missing does not."""
    answers: dict[Dialect, list[dict[str, object]]] = {}
    async with Sandbox(dialect=Dialect.GUIDE) as sandbox:
        for dialect in [sandbox.dialect, *set(Dialect) - {Dialect.GUIDE}]:
            sandbox.dialect = dialect
            created = (await create(sandbox, rawJobDescription="Label cats."))[1]
            updated = (await update(sandbox, created["jobId"], {"paymentType": "PAY_PER_HOUR"}))[1]
            refused = (await ask(sandbox, f"POST /jobs/{created['jobId']}/publish"))[1]["details"]
            assert isinstance(refused, dict)
            answers[dialect] = [created, updated, refused]
    names = ["experienceLevel", "dataVolumeUnit", "pricePerHour"]
    for dialect, (created, updated, refused) in answers.items():
        for answer in (created, updated, refused):
            validation = answer["validation"]
            assert isinstance(validation, dict)
            assert (validation["missingFieldCount"], validation["publishReady"]) == (3, False)
            if dialect is Dialect.QUICKSTART:
                assert len(validation["missingFields"]) == 3
                assert validation["missingFields"][0]["prompt"].startswith("ask: ")
                assert "missingFields" not in answer
            elif dialect is Dialect.BARE and answer is updated:
                assert (validation["missingFields"], "missingFields" in answer) == ([], False)
            else:
                assert validation["missingFields"] == (gaps(answer) if dialect is Dialect.GUIDE else [])
                assert len(gaps(answer)) == 3
        if dialect not in {Dialect.QUICKSTART, Dialect.BARE}:
            assert gaps(updated) == names
    guide = answers[Dialect.GUIDE][0]
    assert str(guide["draftUrl"]).endswith("?job=job_1")
    assert "reviewUrl" not in guide
    assert guide["missingFields"][0] == {  # type: ignore[index]
        "field": "experienceLevel",
        "label": "Experience level",
        "message": "Experience level is missing.",
        "code": "MISSING_EXPERIENCE_LEVEL",
        "prompt": "What is the experience level?",
        "type": "enum",
        "enumValues": ["EXPERT", "ENTRY_LEVEL", "INTERMEDIATE", "ANY_EXPERIENCE_LEVEL"],
        "updateKeys": ["experienceLevel"],
        "example": "EXPERT",
        "hint": None,
    }


async def test_moderation_blocks_a_draft_for_what_it_says(sandbox: Sandbox) -> None:
    """Clean words free it, unless it was made to be blocked."""
    job_id = sandbox.draft()
    await update(sandbox, job_id, {"jobDescription": f"Do {BLOCKED_PHRASE.title()} home."})
    assert (await ask(sandbox, f"POST /jobs/{job_id}/publish"))[0] == 403
    await update(sandbox, job_id, {"jobDescription": "Write to me here."})
    assert (await ask(sandbox, f"POST /jobs/{job_id}/publish"))[0] == 200
    blocked = sandbox.draft(blocked=True)
    await update(sandbox, blocked, {"jobDescription": "Write to me here."})
    assert (await ask(sandbox, f"POST /jobs/{blocked}/publish"))[0] == 403


async def test_moderation_blocks_a_draft_that_was_created_so(sandbox: Sandbox) -> None:
    """Its words count in each of its texts."""
    text = "experienceLevel: EXPERT\ndataVolumeUnit: NUMBER_OF_FILES\npaymentType: FIXED_PRICE\nfixedPrice: 9\n"
    job_id = (await create(sandbox, rawJobDescription=text + f"languages: Dutch, {BLOCKED_PHRASE} x"))[1]["jobId"]
    status, body = await ask(sandbox, f"POST /jobs/{job_id}/publish")
    assert (status, body["details"]["reason"]) == (403, "moderation_blocked")  # type: ignore[index]
