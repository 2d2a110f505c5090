"""The security policy says what is so: each name, file and version in it exists."""

import re
from importlib import import_module
from inspect import signature
from pathlib import Path

import pytest

from opentrain_async import AsyncOpenTrain, __version__

from ..support.readme import README

POLICY = README.parent / ".github" / "SECURITY.md"
HEADERS = {"Host", "Origin"}


def text() -> str:
    """The policy."""
    return POLICY.read_text(encoding="utf-8")


def is_public(name: str) -> bool:
    """Whether a dotted name is one of a public module's, or an argument of the client."""
    first, *rest = name.removesuffix("()").split(".")
    if first in signature(AsyncOpenTrain).parameters:
        return True
    for module in ("", ".errors", ".models", ".quota", ".sandbox"):
        found = getattr(import_module(f"opentrain_async{module}"), first, None)
        for attribute in rest:
            found = getattr(found, attribute, None)
        if found is not None:
            return True
    return False


def test_the_policy_has_what_a_policy_needs() -> None:
    """What is promised and what is not, for which versions, and how to report; short."""
    sections = re.findall(r"^## (.+)$", text(), re.MULTILINE)
    assert sections == ["What the library promises", "What it does not promise", "Supported versions", "How to report"]
    assert "private vulnerability reporting" in text()
    assert re.search(r"acknowledgement within \w+ days", text())
    assert len(text().splitlines()) < 60


@pytest.mark.parametrize("name", sorted({*re.findall(r"`([^`]+)`", text())} - HEADERS - {"repr"}))
def test_what_the_policy_names_exists(name: str) -> None:
    """A public name, or an argument of the client."""
    assert is_public(name)


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)]+)\)", text()))
def test_what_the_policy_links_to_exists(link: str) -> None:
    """A file of the repository."""
    assert (POLICY.parent / link).is_file()


def test_the_policy_names_the_present_series() -> None:
    """That of the version."""
    assert re.findall(r"series (\d+\.\d+)", text()) == [__version__.rpartition(".")[0]]


def test_the_readme_leads_to_the_policy() -> None:
    """From where a reader looks for it."""
    (link,) = re.findall(r"\]\((\S*SECURITY\S*)\)", README.read_text(encoding="utf-8"))
    assert (README.parent / Path(link)) == POLICY
