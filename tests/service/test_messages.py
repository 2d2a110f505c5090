"""Requests and answers as values."""

from multidict import CIMultiDict, CIMultiDictProxy, istr

from opentrain_async._service.http.messages import Reply, Request


def test_an_answer_shows_neither_its_body_nor_its_headers() -> None:
    """Either may hold a token; what is shown of it is how it came."""
    assert (
        repr(Reply(200, b"ot_pat_SECRET", flaw="cut off"))
        == "Reply(status=200, flaw='cut off', is_cut_off=False, is_resent=False)"
    )


def test_an_answer_without_more_is_whole_and_empty() -> None:
    """No header, no body, nothing wrong with it."""
    reply = Reply(204)
    assert (reply.body, reply.header("retry-after"), reply.flaw, reply.is_cut_off) == (b"", None, None, False)


def test_a_request_has_json_for_a_body_if_it_has_one() -> None:
    """Of the rest, nothing is said twice."""
    request = Request("POST", "/path")
    assert (request.query, request.content, request.content_type) == (None, None, "application/json")


def test_headers_are_plain_strings_with_names_in_lower_case() -> None:
    """No type of the HTTP library leaves its room, and a header that was sent twice has both values."""
    sent = CIMultiDictProxy(CIMultiDict([(istr("Retry-After"), "7"), ("retry-after", istr("9")), ("Date", "now")]))
    reply = Reply(503, b"", sent)
    assert reply.headers == (("retry-after", "7"), ("retry-after", "9"), ("date", "now"))
    assert {type(text) for pair in reply.headers for text in pair} == {str}
    assert (reply.header("retry-after"), reply.headers_named("retry-after")) == ("7", ("7", "9"))
    assert (reply.header("location"), reply.headers_named("location")) == (None, ())
