"""The values that go over the wire, frozen, in the service's own terms and in snake_case.

Keys that the service adds later are kept in `raw`; values it adds to its enumerations pass as the strings they are.
"""

from .._base.secret import Secret
from ._account import (
    Account,
    Actor,
    Capabilities,
    Claim,
    DraftCapabilities,
    Identity,
    Registration,
    Token,
    TokenGrant,
)
from ._draft import Draft, MissingField, UnmappedField, Validation
from ._fields import DraftFields
from ._issue import Issue
from ._job import JOB_STATUSES, ClosedJob, Job, JobPage, JobUpdate, Moderation, ProposalCounts
from ._publish import PublishResult, SideEffects

__all__ = [
    "JOB_STATUSES",
    "Account",
    "Actor",
    "Capabilities",
    "Claim",
    "ClosedJob",
    "Draft",
    "DraftCapabilities",
    "DraftFields",
    "Identity",
    "Issue",
    "Job",
    "JobPage",
    "JobUpdate",
    "MissingField",
    "Moderation",
    "ProposalCounts",
    "PublishResult",
    "Registration",
    "Secret",
    "SideEffects",
    "Token",
    "TokenGrant",
    "UnmappedField",
    "Validation",
]
