"""The result of a publish."""

import attrs
import pytest

from opentrain_async.models import PublishResult

from ..support.depth import DEPTHS, nested, travels

RESULT = PublishResult("job_1", already_published=False, body=b'{"jobId": "job_1", "more": [1]}')


def test_a_result_s_raw_is_its_body_decoded() -> None:
    """Without a body there is nothing in it."""
    assert RESULT.raw == {"jobId": "job_1", "more": [1]}
    assert PublishResult("job_1", already_published=True).raw == {}


def test_a_result_is_equal_to_one_with_another_body() -> None:
    """The body is for the curious: neither the comparison nor the repr looks at it."""
    assert attrs.evolve(RESULT, body=b"{}") == RESULT
    assert "more" not in repr(RESULT)


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_result_whose_body_nests_deep_travels(depth: int) -> None:
    """What nests too deep is text in its raw."""
    result = attrs.evolve(RESULT, body=f'{{"jobId": "job_1", "deep": {nested(depth)}}}'.encode())
    assert result.raw["jobId"] == "job_1"
    travels(result)
