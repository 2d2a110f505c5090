"""Journals for tests: of which service, when, and what stands in one."""

import json
from datetime import UTC, datetime
from pathlib import Path

from opentrain_async import PublishResult
from opentrain_async._publish.journal.account import JournalAccount
from opentrain_async.models import SideEffects

SERVICE = JournalAccount("https://app.opentrain.ai")
AT = datetime(2026, 11, 25, 12, 30, 15, tzinfo=UTC)
RESULT = PublishResult(
    "job_1", True, job_url="https://x/job_1", publish_attempt_id="p1", warnings=("w\x1b",),
    side_effects=SideEffects(True, "queued"), newly_published=True, body=b'{"ok": true}',
)  # fmt: skip


def lines(path: Path) -> list[dict[str, object]]:
    """What is written in a journal, line by line."""
    return [json.loads(line) for line in path.read_text().splitlines()]
