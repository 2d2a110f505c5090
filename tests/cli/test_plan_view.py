"""The view of a plan: for the eye, and as JSON."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from opentrain_async import PlannedPublish, PublishPlan
from opentrain_async._base.json import encode
from opentrain_async._cli.views import plan_view

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=3)
PLAN = PublishPlan(
    NOW,
    (*(PlannedPublish(f"job_{number}", NOW) for number in range(5)), PlannedPublish("job_9", LATER)),
    limit=20,
    limit_is_assumed=True,
    invalid=("../x\x1b",),
)


def test_drafts_of_the_same_minute_share_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    """The first few are named, and the others counted."""
    plan_view.show(PLAN)
    shown = capsys.readouterr().out
    assert "job_0, job_1, job_2 and 2 more" in shown
    assert "25 Nov 2026 15:00 UTC" in shown
    assert "Limit: 20 a day, assumed, as nobody has said yet" in shown


def test_what_is_no_id_is_shown_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """An id paints no terminal."""
    plan_view.show(PLAN)
    assert "No ids of drafts: ../x\\x1b" in capsys.readouterr().out


def test_a_plan_of_nothing_has_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Two lines say all that there is."""
    plan_view.show(PublishPlan(NOW, (), limit=3))
    assert capsys.readouterr().out.splitlines() == ["0 drafts: 0 now, 0 later", "Limit: 3 a day"]


def test_as_json_each_draft_has_its_time() -> None:
    """And the plan its sums."""
    facts = json.loads(encode(plan_view.facts_of(PLAN)))
    assert (facts["now"], facts["later"], facts["limit"], facts["limit_is_assumed"]) == (5, 1, 20, True)
    assert facts["drafts"][-1] == {"job_id": "job_9", "at": LATER.isoformat()}
    assert (facts["made_at"], facts["ends_at"]) == (NOW.isoformat(), LATER.isoformat())
