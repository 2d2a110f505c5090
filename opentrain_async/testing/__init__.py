"""For users' tests: values and errors as a client gives them, and checks for a quota store of your own.

Unit tests of what a bot does with an answer need no service. Each function makes what could have come of a true call,
with its parts in accord; of any other field, `attrs.evolve` changes it:

    async def publish_many(ids):
        return make_report(published=["job_1"], deferred=["job_2"])

    async def publish(job_id):
        raise make_error(ModerationBlockedError, job_id)

A store's check takes a function that opens a handle on one and the same storage, as another process of yours would have
it, and raises `AssertionError` where the storage does not keep a promise of a `LedgerStore`. Any test runner can run
them. With pytest and pytest-asyncio:

    import pytest
    from opentrain_async.testing import CHECKS

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    async def test_the_quota_in_postgres(check, database):
        await check(lambda: PostgresLedger(database.url))

The handles are not closed by the checks; keep them in your fixture if they have to be.
"""

from ._ledger_checks import CHECKS, OpenStore
from ._made_errors import make_error
from ._made_values import Drafts, make_draft, make_job, make_outcome, make_quota, make_report, make_result

__all__ = [
    "CHECKS",
    "Drafts",
    "OpenStore",
    "make_draft",
    "make_error",
    "make_job",
    "make_outcome",
    "make_quota",
    "make_report",
    "make_result",
]
