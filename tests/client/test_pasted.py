"""Quotes and placeholders are recognised, in tokens and in addresses."""

import pytest

from opentrain_async._client.account.pasted import pasting_error

TOKEN = "ot_pat_8f2a_SECRET"


@pytest.mark.parametrize(
    "marks",
    [
        '""',
        "''",
        "``",
        "\u201c\u201d",
        "\u201e\u201c",
        "\u2018\u2019",
        "\u00ab\u00bb",
        "\u2039\u203a",
        "\uff02\uff02",
        "\uff07\uff07",
        "\u2032\u2032",
        "\u00b4\u00b4",
    ],
)
@pytest.mark.parametrize("text", [TOKEN, "https://a.test"])
def test_quotes_are_recognised(text: str, marks: str) -> None:
    """Of every kind, at both ends or at one."""
    for quoted in (marks[0] + text + marks[1], marks[0] + text, text + marks[1]):
        assert pasting_error(quoted) == "is in quotes: remove them"


@pytest.mark.parametrize(
    "text",
    [
        "${OT_API_TOKEN}", "$OT_API_TOKEN", "$(cat token)", "%OT_API_TOKEN%", "<token>", "<your token>", "{{ token }}",
        "{token}", "[token]", "ot_pat_...", "ot_pat_…", "ot_pat_<secret>", "https://${HOST}", "https://{{ host }}/",
        "https://<host>",
    ],
)  # fmt: skip
def test_placeholders_are_recognised(text: str) -> None:
    """Of shells, templates and documents."""
    assert pasting_error(text) == "is a placeholder that was not filled in: set the value itself"


@pytest.mark.parametrize("text", ["", TOKEN, "test", "a+b/c==", "https://a.test/", "http://[::1]", "http://[::1]:80/"])
def test_anything_else_is_not_the_matter_here(text: str) -> None:
    """Whether it is valid is another question."""
    assert pasting_error(text) is None
