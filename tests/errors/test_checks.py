"""Arguments that cannot be right are refused by name."""

import math
import string
from enum import IntEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from opentrain_async._base.clock import SystemClock
from opentrain_async._service.operations import publish_request
from opentrain_async.errors import ConfigurationError, _checks
from opentrain_async.errors._checks import checked_job_id, shown_job_id

from ..support.cases import kind_of
from ..support.hostile import KINDS

HUGE = 10**400


@pytest.mark.parametrize("value", [0, 0.0, 5, 2.5, 1e300])
def test_a_number_in_range_is_a_float(value: float) -> None:
    """Whole numbers are numbers too."""
    checked = _checks.number("timeout", value)
    assert (checked, type(checked)) == (value, float)


@pytest.mark.parametrize(
    "value", [-0.1, math.inf, -math.inf, math.nan, True, "5", None, [], HUGE, -HUGE, 10**5000], ids=kind_of
)
def test_a_number_out_of_range_is_refused_by_name(value: object) -> None:
    """Neither strings nor truth values are numbers, and none is too large to be refused."""
    with pytest.raises(ConfigurationError, match=r"^timeout has to be a "):
        _checks.number("timeout", value)


@pytest.mark.parametrize(("value", "fits"), [(0.0, False), (-1, False), (1e-9, True), (1, True)])
def test_a_bound_that_is_excluded_is_named(value: float, fits: bool) -> None:
    """*above* leaves its own value out, and the text says so."""
    if fits:
        assert _checks.number("timeout", value, above=0.0) == value
    else:
        with pytest.raises(ConfigurationError) as caught:
            _checks.number("timeout", value, above=0.0)
        assert str(caught.value) == f"timeout has to be a finite number above 0, not {value!r}"


def test_a_bound_that_is_included_is_named() -> None:
    """*at_least* is itself let through."""
    assert _checks.number("share", 1, at_least=1) == 1.0
    with pytest.raises(ConfigurationError, match=r"^share has to be a finite number at least 1, not 0\.5$"):
        _checks.number("share", 0.5, at_least=1)


@pytest.mark.parametrize("value", [0, 0.0, 3, 1.5, math.inf])
def test_patience_may_be_endless(value: float) -> None:
    """Seconds from 0 up to infinity are let through."""
    assert _checks.patience("max_wait", value) == value


@pytest.mark.parametrize("value", [-1e-9, -math.inf, math.nan, False, "inf", None, -HUGE], ids=kind_of)
def test_patience_that_is_none_is_refused_by_name(value: object) -> None:
    """Less than none cannot be waited."""
    with pytest.raises(ConfigurationError, match=r"^max_wait has to be "):
        _checks.patience("max_wait", value)


@pytest.mark.parametrize(("value", "at_least"), [(1, 1), (0, 0), (10**30, 1)])
def test_a_whole_number_in_range_is_let_through(value: int, at_least: int) -> None:
    """As it is."""
    assert _checks.whole("concurrency", value, at_least=at_least) == value


def test_what_is_let_through_is_exact() -> None:
    """Whatever its class says of it."""

    class Two(IntEnum):
        TWO = 2

    assert type(_checks.whole("concurrency", Two.TWO)) is int
    for kind in KINDS:
        for checked, text in (
            (_checks.name("account", kind("acme")), "acme"),
            (_checks.email("email", kind("a@b.test")), "a@b.test"),
            (checked_job_id(kind("job_1")), "job_1"),
            (shown_job_id(kind("no/id")), "no/id"),
        ):
            assert (type(checked), checked) == (str, text)
        assert str(_checks.path("journal", kind("run.jsonl"))) == "run.jsonl"


@pytest.mark.parametrize(
    "token", ["ot_pat_8f2a_SECRET", "ot_clm_SECRET", "ot_cat_SECRET", "ot_ptk_SECRET", "whsec_SECRET"]
)
def test_a_token_is_not_an_id_and_is_not_shown(token: str) -> None:
    """It would end up in a URL, an outcome and a journal."""
    with pytest.raises(ConfigurationError, match=r"^not a job id: it begins with .* as a token does") as caught:
        checked_job_id(token)
    assert "SECRET" not in f"{caught.value} {vars(caught.value)}"
    assert (caught.value.job_id, shown_job_id(token), shown_job_id("a/b"), shown_job_id(5)) == (None, "***", "a/b", "5")


@pytest.mark.parametrize("value", [0, -1, True, 1.0, "1", None, math.inf, -(10**5000)], ids=kind_of)
def test_what_is_no_whole_number_is_refused_by_name(value: object) -> None:
    """Not even a float without a fraction is one, and none is too long to be refused."""
    with pytest.raises(ConfigurationError, match=r"^concurrency has to be a whole number from 1, not "):
        _checks.whole("concurrency", value)


def test_names_kinds_and_methods_are_checked_by_name() -> None:
    """Each of the texts says which argument, what it has to be, and what it was."""
    _checks.name("account", "acme")
    _checks.kind("retry", 5, int)
    _checks.method("clock", SystemClock(), "monotonic")
    assert _checks.name("account", "acme") == "acme"
    for value in ("", None, 5, b"acme"):
        with pytest.raises(ConfigurationError) as caught:
            _checks.name("account", value)
        assert str(caught.value) == f"account has to be a name, not {value!r}"
    with pytest.raises(ConfigurationError, match=r"^retry has to be a int, not 'five'$"):
        _checks.kind("retry", "five", int)
    with pytest.raises(ConfigurationError, match=r"^clock has to have a method monotonic\(\), unlike 5$"):
        _checks.method("clock", 5, "monotonic")
    with pytest.raises(ConfigurationError, match=r"^value has to have a method real\(\)"):
        _checks.method("value", 5, "real")


TOKENS = ("ot_pat_", "ot_clm_", "ot_cat_", "ot_ptk_", "whsec_")


class Unshowable:
    """What cannot even say what it is."""

    def __repr__(self) -> str:
        raise RuntimeError("not now")


@given(
    st.text(string.ascii_letters + string.digits + "._~-", min_size=1, max_size=128).filter(
        lambda text: text.strip(".") and not text.startswith(TOKENS)
    )
)
def test_an_id_of_the_allowed_characters_is_a_path_of_its_own(job_id: str) -> None:
    """It goes into the path as it is, and a URL takes it out again as it was."""
    assert checked_job_id(job_id) == job_id
    assert publish_request(job_id).path == f"/api/public/v1/jobs/{job_id}/publish"
    assert URL("https://a.test").with_path(publish_request(job_id).path, encoded=True).parts[5] == job_id


@given(st.text(max_size=140))
def test_any_other_text_is_no_id(text: str) -> None:
    """Whether an id is one depends on its length, its characters, and on its being no step in a path."""
    fits = 1 <= len(text) <= 128 and set(text) <= set(string.ascii_letters + string.digits + "._~-")
    if fits and text not in {".", ".."} and not text.startswith(TOKENS):
        assert checked_job_id(text) == text
    else:
        with pytest.raises(ConfigurationError) as caught:
            checked_job_id(text)
        assert caught.value.job_id in {text, "***"}
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("value", ["", ".", "..", "a/b", "a%2Fb", "a b", "job_1\n", "jöb", "\uff11", "a?b", "x" * 129])
def test_what_could_lead_elsewhere_is_no_id(value: str) -> None:
    """Nothing is sent for it, so the server changed nothing; 128 characters are the most there can be."""
    assert checked_job_id("x" * 128) == "x" * 128
    with pytest.raises(ConfigurationError, match=r"^not a job id: ") as caught:
        checked_job_id(value)
    assert (caught.value.job_id, caught.value.effect) == (value, "none")


@pytest.mark.parametrize("value", [None, 5, b"job_1", ["job_1"], True, 10**5000, Unshowable()], ids=kind_of)
def test_what_is_no_string_is_no_id(value: object) -> None:
    """Not even bytes, and not what cannot be shown."""
    with pytest.raises(ConfigurationError, match=r"^not a job id: ") as caught:
        checked_job_id(value)
    assert caught.value.job_id is None
