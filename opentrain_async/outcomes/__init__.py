"""The outcome of each draft of a bulk run, and the report of all.

Read `_outcomes` for the values, and `_answer_table` for what each error means.
"""

from ._outcomes import OutcomeStatus, PublishOutcome, PublishProgress, PublishReport

__all__ = ["OutcomeStatus", "PublishOutcome", "PublishProgress", "PublishReport"]
