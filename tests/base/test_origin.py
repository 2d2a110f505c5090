"""Origins, however they are written."""

import pytest

from opentrain_async._base.origin import is_loopback, is_same, normalised


@pytest.mark.parametrize(
    ("origin", "same"),
    [
        ("https://app.opentrain.ai", "https://app.opentrain.ai"),
        ("HTTPS://App.OpenTrain.AI:443/", "https://app.opentrain.ai"),
        ("https://app.opentrain.ai:", "https://app.opentrain.ai"),
        ("https://app.opentrain.ai:80", "https://app.opentrain.ai:80"),
        ("http://LOCALHOST:80", "http://localhost"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://127.0.0.1:0", "http://127.0.0.1:0"),
    ],
)
def test_an_origin_has_one_spelling(origin: str, same: str) -> None:
    """In lower case and without what says nothing."""
    assert normalised(origin) == same
    assert is_same(origin, same)
    assert not is_same(origin, "https://example.com")


@pytest.mark.parametrize("text", ["", "Sandbox", "http://[", "https://x:port", "https://"])
def test_text_that_is_not_an_origin_equals_itself(text: str) -> None:
    """It may stand in a journal, and is no reason to raise."""
    assert normalised(text) == text.lower()
    assert not is_loopback(text)


@pytest.mark.parametrize(
    ("origin", "is_local"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:80", True),
        ("https://LocalHost", True),
        ("https://app.opentrain.ai", False),
        ("https://10.0.0.1", False),
    ],
)
def test_an_origin_of_this_machine_is_loopback(origin: str, is_local: bool) -> None:
    """By its name, or by its address of either family."""
    assert is_loopback(origin) is is_local
