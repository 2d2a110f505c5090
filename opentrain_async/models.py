"""What goes over the wire, as frozen values in the service's own terms, in snake_case.

Keys that the service adds later are kept in `raw`; values it adds to its enumerations pass as the strings they are.

Sources: `PublishResult` is https://www.opentrain.ai/docs/developers/api-reference/jobs/publish/; `Validation` and
`MissingField` are …/api-reference/job-drafts/create/ and …/update/ and …/guides/post-a-job/, which differ among
themselves: all their forms are read into the same values.
"""

import json
from collections.abc import Mapping
from typing import cast

import attrs
from attrs import Factory, frozen

_no_raw: Mapping[str, object] = {}


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


@frozen
class MissingField:
    """One gap of a draft, and the question that would fill it.

    Attributes:
        field: The field's name.
        label: Its name for the eye.
        message: What is wrong, in a sentence.
        code: The service's code; two styles are documented.
        prompt: The question to ask.
        type: ``"enum"`` and ``"number"`` are documented; others may come.
        enum_values: The values to choose from, or `None` where it is no enumeration.
        update_keys: The keys of the draft update that fill the gap.
        example: A value that would do, always as text.
        hint: More about it.
        raw: The item as it came.
    """

    field: str
    label: str | None = None
    message: str | None = None
    code: str | None = None
    prompt: str | None = None
    type: str | None = None
    enum_values: tuple[str, ...] | None = None
    update_keys: tuple[str, ...] = ()
    example: str | None = None
    hint: str | None = None
    raw: Mapping[str, object] = attrs.field(default=_no_raw, repr=False, eq=False)


@frozen
class Validation:
    """How far a draft is from being publishable.

    Attributes:
        publish_ready: The service's verdict; `None` where it gave none.
        missing_field_count: How many gaps it counts; `None` where it gave no count.
        issue_count: How many issues it counts; `None` where it gave no count.
        missing_fields: The gaps, by whichever of the documented forms they came.
        issues: Other findings as they came; no page shows one.
        raw: The whole object as it came.
    """

    publish_ready: bool | None = None
    missing_field_count: int | None = None
    issue_count: int | None = None
    missing_fields: tuple[MissingField, ...] = ()
    issues: tuple[object, ...] = ()
    raw: Mapping[str, object] = attrs.field(default=_no_raw, repr=False, eq=False)
