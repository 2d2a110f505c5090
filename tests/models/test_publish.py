"""The result of a publish."""

import attrs

from opentrain_async.models import PublishResult

RESULT = PublishResult("job_1", already_published=False, body=b'{"jobId": "job_1", "more": [1]}')


def test_a_result_s_raw_is_its_body_decoded() -> None:
    """Without a body there is nothing in it."""
    assert RESULT.raw == {"jobId": "job_1", "more": [1]}
    assert PublishResult("job_1", already_published=True).raw == {}


def test_a_result_is_equal_to_one_with_another_body() -> None:
    """The body is for the curious: neither the comparison nor the repr looks at it."""
    assert attrs.evolve(RESULT, body=b"{}") == RESULT
    assert "more" not in repr(RESULT)
