"""The repr of a value is harmless, whatever is in it."""

from attrs import asdict, evolve, field

from opentrain_async._base.value import frozen

from ..support.raw import HOSTILE, assert_harmless


@frozen
class Title:
    """A value with a text."""

    text: str


@frozen
class Posting:
    """A value with a value, and with what has a `repr` of its own or none."""

    title: Title
    tags: tuple[str, ...] = ()
    size: int = field(default=0, repr=lambda size: f"<{size}>")
    raw: object = field(default=None, repr=False)


def test_the_repr_of_a_value_is_as_attrs_has_it() -> None:
    """As long as there is nothing to escape; a field's own way of being shown stays."""
    posting = Posting(Title("Label cats, ü"), ("a",), 5, "raw")
    assert repr(posting) == "Posting(title=Title(text='Label cats, ü'), tags=('a',), size=<5>)"


def test_F70_a_repr_shows_nothing_raw() -> None:
    """Not what Python's own repr takes to be printable either, and no text without end."""
    posting = Posting(Title(HOSTILE), (HOSTILE, "x" * 1_000_000))
    assert_harmless(repr(posting))
    assert len(repr(posting)) < 10_000
    assert (posting.title.text, posting.tags[0]) == (HOSTILE, HOSTILE)


def test_it_is_a_frozen_value_of_attrs_all_the_same() -> None:
    """It is equal by its fields, is hashed, copied and taken apart."""
    title = Title("a")
    assert evolve(title, text="b") == Title("b")
    assert {title, Title("a")} == {title}
    assert asdict(Posting(title))["title"] == {"text": "a"}
