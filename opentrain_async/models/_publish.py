"""The result of a publish: a job that is live, or on its way there."""

from collections.abc import Mapping

import attrs
from attrs import Factory

from .._base.json import as_object, decode
from .._base.value import frozen


@frozen
class SideEffects:
    """What a publish set in motion at the service.

    Attributes:
        dispatched: Whether follow-up work was handed on; `None` where the service did not say.
        status: Its state, such as ``"queued"``; `None` where the service did not say.
    """

    dispatched: bool | None = None
    status: str | None = None


_LIVE = "OPEN"
ENDED = {"ONGOING", "COMPLETED", "ARCHIVED"}
"""The states of a job that takes no more proposals."""


def _is_put_live(result: "PublishResult") -> bool:
    return result.is_live and not result.already_published


@frozen
class PublishResult:
    """A job that the service has taken: `is_live` says whether it is live, `is_pending` whether it is not yet.

    Attributes:
        job_id: The job's id.
        status: The job's status: ``"OPEN"`` if it is live, as documented, and as assumed where the service left it out;
            ``"ONGOING"`` or ``"COMPLETED"`` if it was live before; any other, such as ``"PENDING_APPROVAL"``, if it is
            accepted and not live yet.
        already_published: The server's word: this very request found the job published, or accepted, before. After a
            lost reply that is also what the replay of one's own publish says. Assumed where the service left it out of
            an answer about a job that is not live.
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
    newly_published: bool = attrs.field(default=Factory(_is_put_live, takes_self=True))
    body: bytes = attrs.field(default=b"", repr=False, eq=False)

    @property
    def is_live(self) -> bool:
        """True if the job is live now."""
        return self.status == _LIVE

    @property
    def is_pending(self) -> bool:
        """True if the publish is accepted, counts, and the job is not live yet."""
        return not self.is_live and not self.has_ended

    @property
    def has_ended(self) -> bool:
        """True if the job takes no more proposals: ongoing, completed or archived."""
        return self.status in ENDED

    @property
    def raw(self) -> Mapping[str, object]:
        """The whole body as it came, with what this version does not know of."""
        return as_object(decode(self.body or b"{}"))
