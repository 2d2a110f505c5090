"""What became of each draft of a bulk run."""

from ._outcomes import OutcomeStatus, PublishOutcome, PublishProgress, PublishReport

__all__ = ["OutcomeStatus", "PublishOutcome", "PublishProgress", "PublishReport"]
