"""The header with the token is whole where aiohttp writes it, and shows nothing elsewhere."""

from multidict import CIMultiDict

from opentrain_async._base.secret import Secret
from opentrain_async._service.http.authorization import bearer

HEADER = bearer(Secret("ot_pat_8f2a_SECRET"))


def test_the_header_is_a_string_that_shows_nothing() -> None:
    """Its text is there for who writes the header; its repr and its pieces are not."""
    assert (str(HEADER), type(str(HEADER)), f"{HEADER}") == ("Bearer ot_pat_8f2a_SECRET", str, str(HEADER))
    headers = CIMultiDict({"Authorization": HEADER}).copy()
    for shown in (repr(HEADER), repr([HEADER]), repr(headers), HEADER[:20], HEADER[3], HEADER[7:][0]):
        assert "ot_p" not in shown
        assert "SEC" not in shown
