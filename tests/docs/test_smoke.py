"""The main job, as it works from the installed package alone."""

import pytest

from opentrain_async import AsyncOpenTrain
from opentrain_async.sandbox import Sandbox

pytestmark = pytest.mark.smoke


async def test_drafts_are_published_until_the_quota_is_used_up() -> None:
    """Of 25 drafts of a claimed account 20 go live, and 5 are told when they can."""
    async with Sandbox() as sandbox, AsyncOpenTrain(sandbox.token, base_url=sandbox.url) as client:
        report = await client.publish_many([sandbox.draft() for _ in range(25)])
        assert (len(report.published), len(report.deferred)) == (20, 5)
        assert len(sandbox.requests) == len(sandbox.live) == 20
