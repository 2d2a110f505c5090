"""Text from elsewhere is escaped and cut."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrain_async._base.text import exact_str, one_line, shown

from ..support.cases import kind_of
from ..support.hostile import KINDS, Hostile, Impostor


@pytest.mark.parametrize(
    ("text", "line"),
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
        ("no redis://me:s3cr/et@x.test:6379/0", "no redis://***@x.test:6379/0"),
        ("https://x.test/ and me@x.test", "https://x.test/ and me@x.test"),
    ],
)
def test_text_from_elsewhere_is_one_line(text: object, line: str) -> None:
    """What does not print is escaped, a login is masked, and what is longer than 300 characters is cut."""
    assert one_line(text) == line


@given(st.text(max_size=400))
def test_F42_any_text_is_one_printable_line(text: str) -> None:
    """No text moves a terminal's cursor, begins a line of a log, or cannot be encoded."""
    line = one_line(text)
    assert line.isprintable()
    assert len(line.encode().splitlines()) <= 1


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(text=st.text(max_size=40))
def test_a_string_of_any_class_has_its_own_value(kind: Callable[[str], str], text: str) -> None:
    """Whatever its class says of it."""
    exact = exact_str(kind(text))
    assert (type(exact), exact) == (str, text)


@pytest.mark.parametrize("value", [None, 5, b"x", ["x"], Impostor()], ids=kind_of)
def test_what_is_not_a_string_has_no_value(value: object) -> None:
    """Not even what says that it is one."""
    assert exact_str(value) is None


def test_a_repr_is_an_exact_string_too() -> None:
    """Where a class gives none, its name stands for it."""
    assert (shown(Hostile("x")), type(shown(Hostile("x")))) == ("lie", str)
    assert shown(KINDS[1]("x")) == "<Broken>"


def test_a_text_with_many_addresses_takes_no_long_time() -> None:
    """None of which has a login."""
    assert shown("://" * 100_000).count("://") == 100_000
