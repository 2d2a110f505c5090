"""The errors: one tree, as it is written down; each travels, and shows itself in one printable line."""

import copy
import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrain_async import errors
from opentrain_async.errors import (
    APIError,
    ClientClosedError,
    ConfigurationError,
    ModerationBlockedError,
    NotPublishReadyError,
    OpenTrainError,
    PermissionDeniedError,
    QuotaExceededError,
    RequestTimeoutError,
    TransportError,
)
from opentrain_async.models import MissingField, Validation

from ..support.depth import DEPTHS, deep_list, travels
from ..support.every_error import AT, CLASSES, NASTY, full


def written_tree() -> dict[str, tuple[str, str | None]]:
    """The tree of the module's docstring: for each class its parent, and the standard type beside it."""
    tree: dict[str, tuple[str, str | None]] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.fullmatch(r" {4}((?:│  |   )*(?:[├└]─ )?)([A-Z]\w*Error)\b(.*)", line):
            stem, name, rest = found.groups()
            depth = len(stem) // 3
            standard = re.match(r"\s+\((\w+)\)", rest)
            tree[name] = (path[depth - 1] if depth else "Exception", standard[1] if standard else None)
            path[depth:] = [name]
    return tree


def test_the_tree_is_as_it_is_written_down() -> None:
    """The text at the head of the module names every class below its own parent, and the standard type it is too."""
    tree = {kind.__name__: tuple(base.__name__ for base in kind.__bases__) for kind in CLASSES}
    assert tree == {name: tuple(filter(None, bases)) for name, bases in written_tree().items()}
    assert len(tree) == 31


def test_what_the_tree_says_of_attributes_is_so() -> None:
    """Each attribute that stands beside a class is one of its instances'."""
    for line in (errors.__doc__ or "").splitlines():
        if found := re.search(r"([A-Z]\w*Error)\b.* (\.[a-z_]+(?: \.[a-z_]+)*)$", line):
            error = getattr(errors, found[1])()
            assert [name for name in found[2].split() if not hasattr(error, name[1:])] == []


@pytest.mark.parametrize("kind", CLASSES)
def test_every_class_says_what_it_is(kind: type[OpenTrainError]) -> None:
    """Its name ends in Error, it has a docstring of its own, and without arguments nothing was changed."""
    assert kind.__name__.endswith("Error")
    assert kind.__doc__ != OpenTrainError.__doc__ or kind is OpenTrainError
    assert (kind().effect, kind().job_id, kind().message, kind("x").args) == ("none", None, "", ("x",))


@pytest.mark.parametrize(
    ("kind", "standard"),
    [(ConfigurationError, ValueError), (ClientClosedError, RuntimeError), (RequestTimeoutError, TimeoutError)],
)
def test_misuse_is_also_of_the_standard_type(kind: type[OpenTrainError], standard: type[Exception]) -> None:
    """Who knows nothing of this library can catch it, as can who knows its root."""
    with pytest.raises(standard) as caught:
        raise kind("no", job_id="job_1")
    assert isinstance(caught.value, OpenTrainError)
    assert (caught.value.message, caught.value.job_id) == ("no", "job_1")


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("protocol", [*range(pickle.HIGHEST_PROTOCOL + 1), "copy", "deepcopy"])
def test_an_error_travels_whole(kind: type[OpenTrainError], protocol: int | str) -> None:
    """Through a pickle of any protocol or a copy, with all that it holds and the same text."""
    error = full(kind)
    error.add_note("seen")
    if isinstance(protocol, int):
        other = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301
    else:
        other = copy.copy(error) if protocol == "copy" else copy.deepcopy(error)
    assert other is not error
    assert (type(other), vars(other), str(other), other.args) == (kind, vars(error), str(error), (NASTY,))
    assert {"job_id", "effect", "message", "__notes__"} <= vars(other).keys()


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("kind", [kind for kind in CLASSES if issubclass(kind, APIError)])
def test_an_error_of_an_answer_that_nests_deep_travels(kind: type[APIError], depth: int) -> None:
    """Also one that a program makes itself."""
    deep = deep_list(depth)
    error = kind("no", details={"reason": "no", "deep": deep}, raw={"deep": [deep]})
    assert error.reason == "no"
    travels(error)


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_with_a_long_chain_of_causes_travels(kind: type[OpenTrainError]) -> None:
    """Its causes stay behind, as those of any exception do."""
    error: BaseException = kind("no")
    for _ in range(500):
        outer = kind("no")
        outer.__cause__ = outer.__context__ = error
        error = outer
    travels(error)


@pytest.mark.parametrize("kind", CLASSES)
def test_a_copy_of_an_error_is_independent(kind: type[OpenTrainError]) -> None:
    """What one of them is told later the other does not say."""
    error = full(kind)
    other = copy.copy(error)
    other.effect = "applied"
    assert (error.effect, other.effect) == ("unknown", "applied")


@pytest.mark.parametrize("kind", CLASSES)
def test_F42_an_error_shows_itself_in_one_printable_line(kind: type[OpenTrainError]) -> None:
    """Whatever the server wrote, it moves no cursor, forges no line of a log and floods none."""
    error = full(kind)
    for shown in (str(error), repr(error)):
        assert shown.isprintable()
        assert "down\\r\\n\\x1b[31mred\\x1b[0m\\u202e\\x00\\u2028xxx" in shown
        assert "x" * 300 not in shown
        assert len(shown) < 2000
    assert repr(error) == f"<{kind.__name__}: {error}>"
    assert error.message == NASTY


@given(st.sampled_from(CLASSES), st.text(max_size=350))
def test_F42_any_text_is_shown_in_one_printable_line(kind: type[OpenTrainError], text: str) -> None:
    """Also in a job id, a request id or the name of a field."""
    error = full(kind, text)
    assert (str(error) + repr(error)).isprintable()
    assert error.message == text


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OpenTrainError("Gone."), "Gone. The server changed nothing."),
        (OpenTrainError("gone", job_id="job_1"), "job_1: gone. The server changed nothing."),
        (OpenTrainError("done", effect="applied"), "done. The server had applied the change."),
        (
            TransportError("lost", effect="unknown"),
            "lost. The server may have published it: publish it again to find out, it is charged once.",
        ),
        (ConfigurationError("no job id", job_id="a/b"), "no job id"),
        (ClientClosedError("closed"), "closed. The server changed nothing. Use a client that is open."),
        (QuotaExceededError("full"), "full. The server changed nothing."),
        (
            QuotaExceededError("full", retry_at=AT),
            "full. The server changed nothing. Try again at 2027-01-15 08:30:00 UTC.",
        ),
        (APIError("no", status=418), "no. The server changed nothing. (HTTP 418)"),
        (
            ModerationBlockedError("no", job_id="job_1", status=403, request_id="r-1"),
            "job_1: no. The server changed nothing. Change the draft, then publish again. (HTTP 403, request r-1)",
        ),
    ],
)
def test_an_error_says_what_happened_and_what_to_do(error: OpenTrainError, text: str) -> None:
    """The draft, the trouble, what the server had changed, the next step, and what to quote."""
    assert str(error) == text


def test_a_question_ends_with_its_own_mark() -> None:
    """And nothing is put behind it; what ends with a full stop has one."""
    assert str(OpenTrainError("Is that another file?")) == "Is that another file? The server changed nothing."
    assert str(OpenTrainError("It broke.")) == "It broke. The server changed nothing."


def test_no_more_than_five_gaps_are_named_in_a_text() -> None:
    """The attribute has them all."""
    gaps = tuple(MissingField(name) for name in "abcdefg")
    error = NotPublishReadyError("gaps", validation=Validation(missing_fields=gaps))
    assert "Fill in a, b, c, d, e, then publish again." in str(error)
    assert error.validation.missing_fields == gaps


@pytest.mark.parametrize(
    ("value", "strings"),
    [
        (["jobs:write", "jobs:read"], ("jobs:write", "jobs:read")),
        ("jobs:write", ("jobs:write",)),
        ([5, "a", None, {"a": 1}, ["b"]], ("a",)),
        ([], ()), ("", ("",)), (None, ()), (5, ()), ({"scope": 1}, ()), (True, ()),
    ],
)  # fmt: skip
def test_scopes_and_reasons_are_strings_in_whatever_form_they_come(value: object, strings: tuple[str, ...]) -> None:
    """The form of `requiredScopes` is not documented, so one alone, many or none are all read."""
    details = {"requiredScopes": value, "reasons": value}
    assert PermissionDeniedError(details=details).required_scopes == strings
    assert ModerationBlockedError(details=details).reasons == strings
    assert (PermissionDeniedError().required_scopes, ModerationBlockedError().reasons) == ((), ())


@pytest.mark.parametrize(("reason", "read"), [("no", "no"), (None, None), (5, None), (["no"], None), ("", "")])
def test_a_reason_is_a_string_or_none(reason: object, read: str | None) -> None:
    """Whatever stands in its place."""
    assert APIError(details={"reason": reason}).reason == read
