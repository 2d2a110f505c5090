"""Requests and answers as values."""

from opentrain_async._service.http.messages import Reply, Request


def test_an_answer_shows_neither_its_body_nor_its_headers() -> None:
    """Either may hold a token; what is shown of it is how it came."""
    assert repr(Reply(200, b"ot_pat_SECRET", flaw="cut off")) == "Reply(status=200, flaw='cut off', is_cut_off=False)"


def test_an_answer_without_more_is_whole_and_empty() -> None:
    """No header, no body, nothing wrong with it."""
    reply = Reply(204)
    assert (reply.body, reply.headers.get("Retry-After"), reply.flaw, reply.is_cut_off) == (b"", None, None, False)


def test_a_request_has_json_for_a_body_if_it_has_one() -> None:
    """Of the rest, nothing is said twice."""
    request = Request("POST", "/path")
    assert (request.query, request.content, request.content_type) == (None, None, "application/json")
