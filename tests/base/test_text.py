"""Text from elsewhere is escaped and cut."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrain_async._base.text import SENTENCE, escaped, exact_str, lines, listed, one_line, shown

from ..support.cases import kind_of
from ..support.hostile import KINDS, Hostile, Impostor
from ..support.raw import HOSTILE, assert_harmless, raw_in


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
        ("https://x.test/@acme/cats", "https://x.test/@acme/cats"),
        ("HTTPS://me:s3cret@x.test/@acme", "HTTPS://***@x.test/@acme"),
        ("pilot_pat_20240101 and robot_cat_pictures", "pilot_pat_20240101 and robot_cat_pictures"),
        (r"in JSON\not_pat_2f81c0de", r"in JSON\n***"),
        ("x_ot_pat_2f81c0de", "x_***"),
    ],
)
def test_text_from_elsewhere_is_one_line(text: object, line: str) -> None:
    """What does not print is escaped, a login is masked, and what is longer than 300 characters is cut."""
    assert one_line(text) == line


def test_the_check_of_these_tests_sees_each_kind() -> None:
    """Of each there is one in the hostile text."""
    assert len(raw_in(HOSTILE)) > 50


@pytest.mark.parametrize("longest", [1, 40, 300, SENTENCE])
@given(text=st.text(max_size=400) | st.sampled_from([HOSTILE, HOSTILE * 9, "ot_pat_" + "x" * 9000]))
def test_F70_a_text_that_comes_twice_is_escaped_once(longest: int, text: str) -> None:
    """What is harmless and short enough stays as it is."""
    line = one_line(text, longest)
    assert one_line(line, longest) == line
    assert len(line) <= longest + 1
    assert_harmless(line)


def test_F70_foreign_words_in_a_row_are_one_harmless_line() -> None:
    """However many there are, and of whatever kind."""
    assert listed(["EXPERT", 5]) == "EXPERT, 5"
    assert_harmless(listed([HOSTILE, 5] * 1000))
    assert len(listed(["x" * 100] * 1000)) == SENTENCE + 1


def test_F70_a_text_of_many_lines_keeps_its_lines_and_no_more_than_a_thousand() -> None:
    """Each is harmless and cut."""
    assert lines("a\n\n b\x1b") == "a\n\n b\\x1b"
    assert_harmless(lines(HOSTILE * 100), may_begin_a_line=True)
    assert lines("x" * 5000 + "\n" * 5000) == "x" * SENTENCE + "…" + "\n" * 999


def test_a_page_is_shown_whole() -> None:
    """With the token that is in its address."""
    page = "https://app.example/claim?token=ot_cat_8f2a91cd_S3cret&x=" + "y" * 1000
    assert escaped(page) == page


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
    """It is harmless and cut; where a class gives none, its name stands for it."""
    assert_harmless(shown([HOSTILE]))
    assert (shown("x" * 1000), shown("x" * 200, 300)) == ("'" + "x" * 99 + "…", repr("x" * 200))
    assert (shown(Hostile("x")), type(shown(Hostile("x")))) == ("lie", str)
    assert shown(KINDS[1]("x")) == "<Broken>"


def test_a_text_with_many_addresses_takes_no_long_time() -> None:
    """None of which has a login."""
    assert one_line("://" * 100_000, 3000).count("://") == 1000
