"""A secret is shown by nothing but `reveal`."""

import copy
import json
import pickle
import traceback
from collections.abc import Callable

import pytest

from opentrain_async._base.secret import NotText, Secret, sealed

from ..support.cases import kind_of

TOKEN = "ot_pat_8f2a_SECRET"
SECRET = Secret(TOKEN)


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        "{}".format,
        "{:>40}".format,
        "{!r:.40}".format,
        "%s".__mod__,
        ascii,
        lambda secret: repr([secret, {"t": secret}]),
        lambda secret: repr(secret.__reduce__),
        lambda secret: repr(secret._reveal),
        lambda secret: repr(object.__getstate__(secret)),
        lambda secret: repr(copy.copy(secret)),
        lambda secret: repr(copy.deepcopy([secret])),
    ],
)
def test_a_secret_does_not_show_itself(show: Callable[[Secret], str]) -> None:
    """Not however it is written, copied or taken apart."""
    assert TOKEN[:6] not in show(SECRET)


@pytest.mark.parametrize(
    "use",
    [
        lambda secret: secret[:4],
        lambda secret: secret.encode(),
        len,
        list,
        memoryview,
        bytes,
        json.dumps,
        "".join,
        pickle.dumps,
        lambda secret: pickle.dumps(secret, 0),
        lambda secret: "x" + secret,
        vars,
    ],
)
def test_a_secret_is_not_a_text(use: Callable[[Secret], object]) -> None:
    """It can be sliced, decoded, joined and pickled as little as any object, and no error shows it."""
    with pytest.raises((TypeError, AttributeError)) as caught:
        use(SECRET)
    assert TOKEN[:6] not in str(caught.value)


@pytest.mark.parametrize(
    "value", [b"ot_pat_8f2a", bytearray(b"ot_pat_8f2a"), ["ot_pat_8f2a"], 5, None, SECRET], ids=kind_of
)
def test_a_secret_holds_a_text(value: object) -> None:
    """Anything else is refused, without being shown, and not kept in the frame."""
    with pytest.raises(TypeError, match="a Secret holds a text") as caught:
        Secret(value)  # type: ignore[arg-type]
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    assert "8f2a" not in str(frames[-1].locals)


def test_its_text_is_revealed_on_demand() -> None:
    """It is an exact copy; two secrets of one text are equal, and no secret equals a text."""
    assert SECRET.reveal() == TOKEN
    assert (Secret(TOKEN) == SECRET, Secret("other") == SECRET, SECRET == TOKEN, SECRET != TOKEN) == (
        True, False, False, True,
    )  # fmt: skip
    assert len({SECRET, Secret(TOKEN), Secret("other")}) == 2
    assert Secret("\ud800") != Secret("ü")


def test_a_copy_is_the_secret_itself() -> None:
    """It never changes."""
    assert copy.copy(SECRET) is copy.deepcopy(SECRET) is SECRET


@pytest.mark.parametrize("value", [b"ot_pat_x", ["ot_pat_x"], 5, {"t": "ot_pat_x"}], ids=kind_of)
def test_what_is_not_a_text_is_dropped_when_it_is_sealed(value: object) -> None:
    """Only its type's name is kept, because a list, too, may hold a token."""
    assert sealed(value) == NotText(type(value).__name__)


def test_a_text_is_sealed_once() -> None:
    """A secret stays as it is, and `None` is no argument at all."""
    assert (sealed(TOKEN), sealed(SECRET), sealed(None)) == (SECRET, SECRET, None)
