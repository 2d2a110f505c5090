"""What can be the id of a draft or a job."""

import re
from typing import TypeGuard

from .._base.text import shown
from . import ConfigurationError

_JOB_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}", re.ASCII)


def is_job_id(value: object) -> TypeGuard[str]:
    """Whether it can be one: 1 to 128 of ``A-Z a-z 0-9 . _ ~ -``, and neither ``.`` nor ``..``.

    An id becomes part of a path, so nothing else is let through, also of what the service says.
    """
    return isinstance(value, str) and _JOB_ID.fullmatch(value) is not None and value not in {".", ".."}


def checked_job_id(job_id: object) -> str:
    """The id, if it can be one.

    Raises:
        ConfigurationError: It cannot.
    """
    if is_job_id(job_id):
        return job_id
    raise ConfigurationError(
        f"not a job id: {shown(job_id)} (1 to 128 of A-Z a-z 0-9 . _ ~ -, and neither '.' nor '..')",
        job_id=job_id if isinstance(job_id, str) else None,
    )
