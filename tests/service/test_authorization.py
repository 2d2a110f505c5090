"""The header and the body with a token are whole where aiohttp writes them, and show nothing elsewhere."""

from multidict import CIMultiDict

from opentrain_async._base.secret import Secret
from opentrain_async._service.http.authorization import bearer, sealed_body

HEADER = bearer(Secret("ot_pat_8f2a_SECRET"))


def test_the_header_is_a_string_that_shows_nothing() -> None:
    """Its text is there for who writes the header; its repr and its pieces are not."""
    assert (str(HEADER), type(str(HEADER)), f"{HEADER}") == ("Bearer ot_pat_8f2a_SECRET", str, str(HEADER))
    headers = CIMultiDict({"Authorization": HEADER}).copy()
    for shown in (repr(HEADER), repr([HEADER]), repr(headers), HEADER[:20], HEADER[3], HEADER[7:][0]):
        assert "ot_p" not in shown
        assert "SEC" not in shown


def test_the_body_is_bytes_that_show_nothing() -> None:
    """A slice shows nothing either, and is what its place says: asyncio writes what is left of it."""
    text = "claim_token=ot_clm_8f2a_SECRÈT"
    body = sealed_body(Secret(text))
    assert (bytes(body), b"".join([body[:12], body[12:]]), body[0]) == (text.encode(), text.encode(), ord("c"))
    assert not body[len(body) :]
    for shown in (repr(body), repr([body]), repr(body[:20]), repr(body[12:][3:])):
        assert "ot_c" not in shown
        assert "SEC" not in shown
