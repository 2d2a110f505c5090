"""Tokens: what is certainly wrong is refused by name, and never shown."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrain_async._base.secret import Secret
from opentrain_async._client.account.tokens import checked_claim_token, checked_token, is_of_sandbox
from opentrain_async.errors import ConfigurationError

from ..support.cases import kind_of
from ..support.hostile import KINDS, Impostor

SECRET = "8f2a_SECRET"
MARKS = string.ascii_letters + string.digits + "-._~+/"


def refusal(value: object, *, is_claim: bool = False) -> str:
    """The text with which a token is refused."""
    with pytest.raises(ConfigurationError) as caught:
        (checked_claim_token if is_claim else checked_token)(value, "OT_API_TOKEN")
    assert SECRET not in f"{caught.value} {caught.value!r} {vars(caught.value)}"
    return str(caught.value).removeprefix("OT_API_TOKEN ")


@pytest.mark.parametrize("prefix", ["ot_pat_", "ot_clm_"])
@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"', '"', "is in quotes: remove them"),
        ("“", "”", "is in quotes: remove them"),
        ("", "'", "is in quotes: remove them"),
        ("<", ">", "is a placeholder"),
        ("${", "}", "is a placeholder"),
        ("Bearer ", "", "begins as a header does: give the token alone, without Bearer"),
        ("bearer\t", "", "begins as a header does"),
        ("BEARER:", "", "begins as a header does"),
        ("Authorization: Bearer ", "", "begins as a header does"),
        (" ", "", "holds blanks"),
        ("", "\n", "holds blanks"),
        ("", "\ufeff", "holds blanks"),
        ("OT_API_TOKEN=", "", "holds a character that no token has"),
        ("", ";", "holds a character that no token has"),
        ("", ",x", "holds a character that no token has"),
        ("https://", "@a.test", "holds a character that no token has"),
    ],
)
def test_a_token_that_was_pasted_wrongly_is_refused_unseen(prefix: str, before: str, after: str, said: str) -> None:
    """The text says what to do; so it does of a claim token."""
    token = f"{before}{prefix}{SECRET}{after}"
    for value in (token, Secret(token)):
        assert refusal(value, is_claim=prefix == "ot_clm_").startswith(said)


@pytest.mark.parametrize("value", ["", None, 5, b"ot_pat_x", ["ot_pat_x"], Impostor()], ids=kind_of)
def test_what_is_not_a_string_is_not_a_token(value: object) -> None:
    """Not even bytes."""
    assert refusal(value) == refusal(value, is_claim=True)
    assert refusal(value).startswith("must be a string that is not empty")


@given(st.text(MARKS, min_size=1, max_size=60), st.text("=", max_size=2))
def test_a_token_of_the_characters_of_tokens_is_let_through(text: str, end: str) -> None:
    """Its form is for the service to choose."""
    if not text.endswith("...") or end:
        assert checked_token(f"t{text}{end}", "token") == Secret(f"t{text}{end}")
    if not end:
        assert checked_claim_token(f"ot_clm_{text}0", "claim_token") == Secret(f"ot_clm_{text}0")


@given(st.text(max_size=60))
def test_any_other_text_is_refused_in_one_line(text: str) -> None:
    """Whatever it holds."""
    if not text.strip(MARKS + "="):
        return
    assert refusal(text).isprintable()


def test_each_kind_of_token_has_its_place() -> None:
    """A claim token is not for the API, and no other one is a claim token."""
    for prefix in ("ot_clm_", "ot_cat_", "ot_ptk_", "whsec_"):
        assert refusal(f"{prefix}{SECRET}") == f"begins with {prefix}, but a token for the API begins with ot_pat_"
    assert refusal(f"ot_pat_{SECRET}", is_claim=True) == "must begin with ot_clm_"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_token_of_any_class_has_its_own_value(kind: type[str]) -> None:
    """As a secret that shows nothing."""
    token = checked_token(kind("ot_pat_x"), "token")
    assert (type(token), token.reveal(), repr(token)) == (Secret, "ot_pat_x", "Secret('***')")


@pytest.mark.parametrize(
    ("token", "is_one"),
    [
        ("ot_pat_sandbox1_0123456789abcdef", True),
        ("ot_clm_sandbox_0123456789abcdef", True),
        ("ot_pat_8f2a91cd_sandbox", False),
        ("sandbox", False),
    ],
)
def test_a_sandbox_s_token_is_recognised_by_its_beginning(token: str, is_one: bool) -> None:
    """Not by what its secret may hold."""
    assert is_of_sandbox(Secret(token)) == is_one
