"""Secrets do not show themselves."""

from opentrain_async._base.secret import Secret, masked
from opentrain_async._client.account.settings import resolve

TOKEN = "ot_pat_8f2a_SECRET"


def test_a_secret_is_a_string_that_does_not_show_itself() -> None:
    """It works as the token that it is, and shows as asterisks wherever values are listed."""
    secret = Secret(TOKEN)
    assert (secret == TOKEN, f"Bearer {secret}", len(secret)) == (True, f"Bearer {TOKEN}", len(TOKEN))
    settings = resolve(TOKEN, None)
    for listing in (repr(secret), repr([secret]), f"{secret!r}", repr(settings), str(settings), repr({"t": secret})):
        assert TOKEN not in listing
        assert "'***'" in listing


def test_only_strings_are_masked() -> None:
    """What is no string stays as it is, to be refused for what it is."""
    assert (repr(masked("x")), masked(None), masked(5)) == ("'***'", None, 5)
