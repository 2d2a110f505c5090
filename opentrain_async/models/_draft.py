"""A draft and its missing fields.

Sources: https://www.opentrain.ai/docs/developers/api-reference/job-drafts/create/ and …/update/, and
…/guides/post-a-job/ and …/quickstart-http/, which differ among themselves about missing fields: all their forms are
read into the same values.
"""

from collections.abc import Mapping
from typing import cast

import attrs

from .._base.text import exact_str, one_line
from .._base.value import frozen
from ._fields import DOCUMENTED, Rule, camel, parsed, rule_for, snake

_no_raw: Mapping[str, object] = {}

NAMELESS = "?"
"""The name of a missing field whose own name cannot be read."""


@frozen
class MissingField:
    """One missing field of a draft, and the question to ask for it.

    Attributes:
        field: The field's name; ``"?"`` where the service gave none.
        label: Its name for the eye.
        message: What is wrong, in a sentence.
        code: The service's code; two styles are documented.
        prompt: The question to ask.
        type: ``"enum"`` and ``"number"`` are documented; others may come.
        enum_values: The values to choose from, or `None` where it is no enumeration.
        update_keys: The keys of the draft update that fill in the field.
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

    @property
    def choices(self) -> tuple[str, ...]:
        """The values to choose from, by the service's word or else by its documentation; empty where there are none."""
        return self._rule.choices

    @property
    def question(self) -> str:
        """The prompt without the ``ask:`` that some pages put before it; where there is none, one made of the name."""
        prompt = (self.prompt or "").strip().removeprefix("ask:").strip()
        return prompt or f"{self.label or snake(self.field).replace('_', ' ').capitalize()}?"

    def update(self, answer: object) -> Mapping[str, object]:
        """Return what a draft update sends to fill in this field, by the service's keys.

        Args:
            answer: The value. A number may be written out, and a list as text with commas, as people do it. A mapping
                gives the values of several keys at once, by their names here or at the service.

        Returns:
            The keys and their values.

        Raises:
            ValueError: The answer cannot be right. The text says why.
        """
        if isinstance(answer, Mapping):
            return self._update_of_several(cast("Mapping[object, object]", answer))
        if self._key == NAMELESS:
            raise ValueError("the service does not name the field: an answer needs its name, as in {'job_title': …}")
        return {self._key: parsed(self._key, answer, self._rule)}

    @property
    def _rule(self) -> Rule:
        return rule_for(self._key, choices=self.enum_values, type_name=self.type)

    @property
    def _key(self) -> str:
        """The key that takes an answer: that of the field's own name, where the service names it among others."""
        return self.field if self.field in self.update_keys or not self.update_keys else self.update_keys[0]

    def _update_of_several(self, answer: Mapping[object, object]) -> Mapping[str, object]:
        given = [(exact_str(name), value) for name, value in answer.items()]
        named = {camel(name): value for name, value in given if name is not None}
        if not named or len(named) < len(given):
            raise ValueError(f"{one_line(self.field)}: an answer for several keys needs their names")
        for key in named:
            if key not in DOCUMENTED and key not in {*self.update_keys, self.field}:
                name = one_line(self.field)
                raise ValueError(f"{name}: an answer for {one_line(key)}, which a draft does not have")
        return {
            key: parsed(key, value, self._rule if key == self._key else rule_for(key)) for key, value in named.items()
        }


@frozen
class Validation:
    """How far a draft is from being publishable.

    Attributes:
        publish_ready: The service's verdict; `None` where it gave none.
        missing_field_count: How many missing fields it counts; `None` where it gave no count.
        issue_count: How many issues it counts; `None` where it gave no count.
        missing_fields: The missing fields, in whichever documented form they came.
        issues: Other findings as they came; no page shows one.
        raw: The whole object as it came.
    """

    publish_ready: bool | None = None
    missing_field_count: int | None = None
    issue_count: int | None = None
    missing_fields: tuple[MissingField, ...] = ()
    issues: tuple[object, ...] = attrs.field(default=(), hash=False)
    raw: Mapping[str, object] = attrs.field(default=_no_raw, repr=False, eq=False)

    @property
    def is_ready(self) -> bool:
        """Whether nothing stands against publishing: the service's verdict, or else its count, or else its list."""
        if self.publish_ready is not None:
            return self.publish_ready
        return not (self.missing_field_count or self.missing_fields or self.issue_count)


@frozen
class UnmappedField:
    """Something in what a draft was made from for which the service has no field.

    Attributes:
        path: Where it stood.
        reason: Why it was left out, or `None`.
        value_preview: The beginning of its value, or `None`.
        raw: The item as it came.
    """

    path: str | None = None
    reason: str | None = None
    value_preview: str | None = None
    raw: Mapping[str, object] = attrs.field(default=_no_raw, repr=False, eq=False)


@frozen
class Draft:
    """A draft as the service had it when it was created or updated. It cannot be read back otherwise.

    Attributes:
        job_id: The id, by which it is updated and published.
        status: ``"DRAFT"``; of one that an idempotency key has found again it may be another.
        draft_url: The editor's page, or `None`.
        review_url: The page to review it, or `None`.
        validation: How far it is from being publishable.
        normalized_fields: What the service has read from the description, by its own keys; empty after an update.
        warnings: What it remarked.
        unmapped_fields: What it had no field for.
        low_confidence_fields: What it has read and is not sure of, as it came; no page shows one.
        idempotency_key: The key with which it was created: creating again with it finds this draft. `None` where it
            comes from an update alone.
        raw: The whole body as it came.
    """

    job_id: str
    status: str = "DRAFT"
    draft_url: str | None = None
    review_url: str | None = None
    validation: Validation = Validation()
    normalized_fields: Mapping[str, object] = attrs.field(default=_no_raw, hash=False)
    warnings: tuple[str, ...] = ()
    unmapped_fields: tuple[UnmappedField, ...] = ()
    low_confidence_fields: tuple[object, ...] = attrs.field(default=(), hash=False)
    idempotency_key: str | None = None
    raw: Mapping[str, object] = attrs.field(default=_no_raw, repr=False, eq=False)

    @property
    def missing(self) -> tuple[MissingField, ...]:
        """The fields that must be filled in before it can be published."""
        return self.validation.missing_fields

    @property
    def publish_ready(self) -> bool:
        """Whether it can be published, as far as the service has said."""
        return self.validation.is_ready
