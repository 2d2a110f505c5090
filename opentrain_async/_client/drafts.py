"""The part of the client for drafts: create them, fill in their missing fields, and post a job in one call."""

import asyncio
import uuid
from collections.abc import Mapping
from typing import Unpack

from attrs import evolve

from .._base.text import SENTENCE, shown
from .._service import operations
from ..errors import ConfigurationError, NotPublishReadyError, _checks
from ..errors._refusing import refusing
from ..models import Draft, PublishResult
from ..models._fields import DraftFields, body_of
from . import gaps
from .core import ClientCore
from .description import body_of_description
from .gaps import Answer
from .publishing import Publishing


class Drafting(ClientCore):
    """Creates drafts and fills in their missing fields."""

    @refusing
    async def create_draft(
        self,
        description: str | None = None,
        *,
        job: Mapping[str, object] | None = None,
        json_ld: Mapping[str, object] | None = None,
        indeed_xml: str | None = None,
        hr_xml: str | None = None,
        external_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Draft:
        """Create a draft from a description, in exactly one of the service's formats. It publishes nothing.

        A lost reply makes no second draft: each attempt carries the same key, by which the service finds the draft that
        the first one has made (https://www.opentrain.ai/docs/developers/guides/post-a-job/). Cancelled, the draft may
        have been made; with the same key it is found again, which is in a note of the `CancelledError`.

        Args:
            description: The job in plain words, 1 to 60,000 characters; the service reads its fields from it.
            job: The job in the service's own form, ``opentrain_canonical``.
            json_ld: A JobPosting of schema.org.
            indeed_xml: A posting in Indeed's XML.
            hr_xml: A posting in HR-XML.
            external_id: A label of yours for it, or `None`.
            idempotency_key: What makes this creation one and the same whenever it is repeated. `None` makes one.

        Returns:
            The draft with its missing fields, and the key in `idempotency_key`.

        Raises:
            ConfigurationError: There is no description, or two, or one that is too long. Nothing was sent.
            APIError: The service refused; no draft was made, unless `effect` says that one may have been.
            ServerError: It failed. A draft may have been made; the error has the key.
            TransportError: No answer; `effect` says whether a draft may have been made, and the error has the key.
            UnexpectedResponseError: An answer that cannot be read. A draft may have been made.
            ClientClosedError: The client is closed.
        """
        body = body_of_description(
            description=description, job=job, json_ld=json_ld, indeed_xml=indeed_xml, hr_xml=hr_xml
        )
        if external_id is not None:
            body["externalId"] = _checks.name("external_id", external_id)
        given = idempotency_key is not None
        key = _checks.name("idempotency_key", idempotency_key) if given else str(uuid.uuid4())
        try:
            return await self._call(operations.create_draft(body, key))
        except asyncio.CancelledError as error:
            error.add_note(f"a draft may have been made: idempotency_key={shown(key, SENTENCE)} finds it")
            raise

    @refusing
    async def update_draft(self, job_id: str, **fields: Unpack[DraftFields]) -> Draft:
        """Set fields of a draft; the others stay as they are. It can be repeated safely. Cancelled, it may be applied.

        Args:
            job_id: The draft.
            **fields: The fields by their names in snake_case, such as ``price_per_hour=18``. What the service calls
                them, and which values are documented, is at
                https://www.opentrain.ai/docs/developers/api-reference/job-drafts/update/; prices are in USD and above
                0. `models.DraftFields` lists them. Further fields and choices are let through once `capabilities` has
                named them.

        Returns:
            The draft, with the fields that are still missing. The service does not repeat its other fields.

        Raises:
            ConfigurationError: There is no such field, it cannot have that value, there is none at all, or the id
                cannot be one. Nothing was sent.
            ConflictError: It is no draft any more; `job_status` says what it is.
            BadRequestError: The service does not take a value; `issues` says which. Nothing was changed.
            APIError: Any other refusal; nothing was changed, unless `effect` says that it may have been.
            TransportError: No answer; `effect` says whether it may have been applied.
            UnexpectedResponseError: An answer that cannot be read. It may have been applied.
            ClientClosedError: The client is closed.
        """
        checked = self._checked_job_id(job_id)
        return await self._update(checked, self._body(checked, fields))

    @refusing
    async def fill_gaps(self, draft: Draft | NotPublishReadyError, answer: Answer) -> Draft:
        """Ask for what a draft lacks, round by round, until it can be published.

        In each round *answer* is called for each missing field, one after another; the answers are checked, and sent
        in one request. What has been sent stays, so whatever ends this, it can be called again.

        Args:
            draft: The draft, or the error with which the service refused to publish it.
            answer: Takes a `MissingField` and returns its value, or something to await for it; `None` where there is
                no answer. Its `question` and `choices` are for a person; a number may be written out, and a list as
                text with commas. For a field with several update keys a mapping gives each its value.

        Returns:
            The draft, ready to be published.

        Raises:
            DraftIncompleteError: There is no answer for a field, a round has filled in no field, or the service asks
                for other fields after 50 rounds. It has the draft.
            ConfigurationError: An answer cannot be right, by the service's choices or its documented ranges: the text
                says of which field and why. Of that round nothing was sent. `MissingField.update` tells beforehand.
            OpenTrainError: As from `update_draft`.
            Exception: What *answer* raised.
        """
        self._check_usable()
        _checks.callback("answer", answer)
        if isinstance(draft, NotPublishReadyError):
            draft = Draft(draft.job_id or "", validation=evolve(draft.validation, publish_ready=False))
        _checks.kind("draft", draft, Draft)
        draft = evolve(draft, job_id=self._checked_job_id(draft.job_id))
        return await gaps.fill(draft, answer, self._update)

    async def _update(self, job_id: str, body: Mapping[str, object]) -> Draft:
        return await self._call(operations.update_draft(job_id, body))

    def _body(self, job_id: str, fields: Mapping[str, object]) -> dict[str, object]:
        try:
            return body_of(fields, self._drafts.update_keys, self._drafts.enums)
        except ValueError as error:
            raise ConfigurationError(f"{job_id}: {error}", job_id=job_id) from None


class Posting(Drafting, Publishing):
    """Goes from a description to a live job."""

    @refusing
    async def post(
        self,
        description: str,
        *,
        answer: Answer | None = None,
        external_id: str | None = None,
        idempotency_key: str | None = None,
        max_wait: float = 0.0,
    ) -> PublishResult:
        """From a description to a live job: create the draft, fill in its missing fields, publish it.

        Whatever ends this after the draft was made says so in a note of the exception, with the draft's id and the key
        with which to resume. Cancelled, it leaves what each step leaves.

        Args:
            description: As in `create_draft`.
            answer: As in `fill_gaps`. `None`: there are no answers, so a draft with gaps is a `DraftIncompleteError`.
            external_id: As in `create_draft`.
            idempotency_key: As in `create_draft`; with the key of an earlier call it resumes with that draft.
            max_wait: As in `publish`.

        Returns:
            The job, as from `publish`: `is_live` is false if it was accepted and awaits approval.

        Raises:
            OpenTrainError: As from `create_draft`, `fill_gaps` and `publish`.
            Exception: What *answer* raised.
        """
        if answer is not None:
            _checks.callback("answer", answer)
        _checks.patience("max_wait", max_wait)
        draft = await self.create_draft(description, external_id=external_id, idempotency_key=idempotency_key)
        try:
            ready = await self.fill_gaps(draft, answer or _no_answer)
            return await self.publish(ready.job_id, max_wait=max_wait)
        except BaseException as error:
            key = shown(draft.idempotency_key, SENTENCE)
            error.add_note(f"the draft is {draft.job_id}; idempotency_key={key} goes on with it")
            raise


def _no_answer(_field: object) -> None:
    """Whoever wants no questions has no answers."""
