"""The result of a publish: a live job."""

import json
from collections.abc import Mapping
from typing import cast

import attrs
from attrs import Factory, frozen


@frozen
class SideEffects:
    """What a publish set in motion at the service.

    Attributes:
        dispatched: Whether follow-up work was handed on; `None` where the service did not say.
        status: Its state, such as ``"queued"``; `None` where the service did not say.
    """

    dispatched: bool | None = None
    status: str | None = None


def _not_already_published(result: "PublishResult") -> bool:
    return not result.already_published


@frozen
class PublishResult:
    """A job that is live.

    Attributes:
        job_id: The job's id.
        status: The job's status, ``"OPEN"`` as documented, and as assumed where the service left it out.
        already_published: The server's word: this very request found the job live. After a lost reply that is
            also what the replay of one's own publish says.
        newly_published: Whether this call put it live, also where only a replay could tell.
        job_url: The public page, or `None`.
        publish_attempt_id: The service's id of the attempt, or `None`.
        warnings: What the service remarked; usually empty.
        side_effects: What was set in motion.
        body: The whole body as it came, as JSON text; `raw` decodes it.
    """

    job_id: str
    already_published: bool
    status: str = "OPEN"
    job_url: str | None = None
    publish_attempt_id: str | None = None
    warnings: tuple[str, ...] = ()
    side_effects: SideEffects = SideEffects()
    newly_published: bool = attrs.field(default=Factory(_not_already_published, takes_self=True))
    body: bytes = attrs.field(default=b"", repr=False, eq=False)

    @property
    def raw(self) -> Mapping[str, object]:
        """The whole body as it came, with what this version does not know of."""
        return cast("Mapping[str, object]", json.loads(self.body or b"{}"))
