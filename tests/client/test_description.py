"""What a draft is made from: one description, in one form, and not too long."""

import math

import pytest

from opentrain_async._client.description import body_of_description
from opentrain_async.errors import ConfigurationError

LOOP: dict[str, object] = {}
LOOP["loop"] = LOOP


def body(**given: object) -> dict[str, object]:
    """The body of a description, the arguments that are not given being None."""
    return body_of_description(**{"description": None, "job": None, "json_ld": None, "indeed_xml": None, **given})


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"description": "Label cats."}, {"rawJobDescription": "Label cats."}),
        ({"description": "é" * 60_000}, {"rawJobDescription": "é" * 60_000}),
        ({"job": {"title": "x"}}, {"format": "opentrain_canonical", "job": {"title": "x"}}),
        ({"json_ld": {"title": ("a",)}}, {"format": "schema_org_job_posting", "jsonLd": {"title": ["a"]}}),
        ({"indeed_xml": "<a/>"}, {"format": "indeed_xml", "xml": "<a/>"}),
        ({"hr_xml": "<a/>"}, {"format": "hr_xml", "xml": "<a/>"}),
    ],
)
def test_each_form_has_its_key(given: dict[str, object], sent: dict[str, object]) -> None:
    """A text goes alone; any other form is named."""
    assert body(**given) == sent


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "exactly one of description, job, json_ld, indeed_xml, hr_xml"),
        ({"description": "x", "job": {"title": "x"}}, "exactly one of description"),
        ({"indeed_xml": "<a/>", "hr_xml": "<a/>"}, "exactly one of description"),
        ({"description": ""}, "description has to be a text that is not empty, not ''"),
        ({"description": " \n"}, "description has to be a text that is not empty"),
        ({"description": 5}, "description has to be a text that is not empty, not 5"),
        ({"description": "x" * 60_001}, "description has 60,001 characters; the service takes 60,000 at the most"),
        ({"hr_xml": b"<a/>"}, "hr_xml has to be a text that is not empty, not b'<a/>'"),
        ({"job": {}}, "job has to be a mapping that is not empty, not {}"),
        ({"job": [("title", "x")]}, "job has to be a mapping that is not empty"),
        ({"json_ld": "x" * 500}, "json_ld has to be a mapping that is not empty, not 'xxx"),
        ({"job": {"rate": math.nan}}, "job holds what JSON cannot say"),
        ({"job": {"tools": {"CVAT"}}}, "job holds what JSON cannot say"),
        ({"job": LOOP}, "job holds what JSON cannot say"),
    ],
)
def test_what_no_draft_can_be_made_of_is_refused_by_name(given: dict[str, object], text: str) -> None:
    """The text says which argument it is, and why, in one short line."""
    with pytest.raises(ConfigurationError) as caught:
        body(**given)
    assert text in str(caught.value)
    assert len(str(caught.value)) < 200
