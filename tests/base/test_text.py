"""Text from elsewhere is escaped and cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrain_async._base.text import one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, ü and 漢", "plain text, ü and 漢"),
        ("two\nlines\r\n", "two\\nlines\\r\\n"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\u2028b\x00\x7f\x9b", "a\\u2028b\\x00\\x7f\\x9b"),
        ("\ud800", "\\ud800"),
        ("\U000e0001", "\\U000e0001"),
        ("x" * 300, "x" * 300),
        ("x" * 301, "x" * 300 + "…"),
        (5, "5"),
    ],
)
def test_text_from_elsewhere_is_one_line(text: object, shown: str) -> None:
    """What does not print is escaped, and what is longer than 300 characters is cut."""
    assert one_line(text) == shown


@given(st.text(max_size=400))
def test_F42_any_text_is_one_printable_line(text: str) -> None:
    """No text moves a terminal's cursor, begins a line of a log, or cannot be encoded."""
    shown = one_line(text)
    assert shown.isprintable()
    assert len(shown.encode().splitlines()) <= 1
