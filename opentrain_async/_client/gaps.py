"""Fill in a draft's missing fields: ask for them, check the answers, send them together, repeat."""

from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable

from attrs import evolve

from .._base.text import listed, one_line
from ..errors import ConfigurationError, DraftIncompleteError, Effect
from ..models import Draft, MissingField
from ..models._fields import RATES

Answer = Callable[[MissingField], object]
"""Answers for one missing field: with a value, something to await for it, or `None` for no answer."""
Update = Callable[[str, Mapping[str, object]], Awaitable[Draft]]
"""Sends the values of some keys of a draft."""

_MOST_ROUNDS = 50
"""More than a draft has fields. The service decides whether there is another round."""


async def fill(draft: Draft, answer: Answer, update: Update) -> Draft:
    """Fill in missing fields, round by round, until the draft can be published; one request for each round.

    A round that leads to fields which were missing before has changed nothing; so this ends whatever is answered. It
    also ends after 50 rounds, however new their fields are.

    Raises:
        DraftIncompleteError: There is no answer, or a round got nowhere.
        ConfigurationError: An answer cannot be right. Of its round nothing was sent.
    """
    seen: set[object] = set()
    effect: Effect = "none"
    while not draft.publish_ready:
        missing = (frozenset(field.field for field in draft.missing), draft.validation.missing_field_count)
        if missing in seen:
            raise _incomplete(draft, "the last round of answers filled no gap", effect)
        if len(seen) == _MOST_ROUNDS:
            raise _incomplete(draft, f"the service asks for other fields after each of {_MOST_ROUNDS} rounds", effect)
        if not draft.missing:
            raise _incomplete(draft, "the service says that it is not ready, and names no gap", effect)
        seen.add(missing)
        body, unanswered = await _ask(draft, answer)
        if body:
            draft = _after(draft, body, await update(draft.job_id, body))
            effect = "applied"
        named = {field.field for field in draft.missing}
        unanswered = [name for name in unanswered if name in named or not named]
        if unanswered and not draft.publish_ready:
            raise _incomplete(draft, f"there is no answer for {listed(unanswered)}", effect)
    return draft


async def _ask(draft: Draft, answer: Answer) -> tuple[dict[str, object], list[str]]:
    """The answers of a round, by the service's keys, and the fields for which there is none."""
    body: dict[str, object] = {}
    unanswered: list[str] = []
    for field in draft.missing:
        if body.keys() & {field.field, *field.update_keys}:
            continue  # an answer for several keys has filled it
        value = answer(field)
        if isawaitable(value):
            value = await value
        if value is None:
            unanswered.append(field.field)
            continue
        try:
            body |= field.update(value)
        except ValueError as error:
            raise ConfigurationError(f"the answer for {one_line(field.field)}: {error}", job_id=draft.job_id) from None
    return body, unanswered


def _after(before: Draft, body: Mapping[str, object], after: Draft) -> Draft:
    """The draft after an update, whose answer may count the missing fields without naming them, or say nothing of them.

    The page of the update shows a count alone. Then those are left that were not answered, and the rate that goes with
    a payment type which has just been set.
    """
    after = evolve(after, idempotency_key=before.idempotency_key)
    validation = after.validation
    says_nothing = validation.publish_ready is None and validation.missing_field_count is None
    if validation.missing_fields or (after.publish_ready and not says_nothing):
        return after
    left = [field for field in before.missing if not body.keys() & {field.field, *field.update_keys}]
    count = validation.missing_field_count
    rate = RATES.get(str(body.get("paymentType")))
    if rate and rate not in body and len(left) != count and all(field.field != rate for field in left):
        left.append(MissingField(rate, type="number"))
    if count is not None and len(left) != count:
        return after  # it is not these, or not only
    is_ready = False if left else validation.publish_ready
    return evolve(after, validation=evolve(validation, publish_ready=is_ready, missing_fields=tuple(left)))


def _incomplete(draft: Draft, why: str, effect: Effect) -> DraftIncompleteError:
    error = DraftIncompleteError(why, job_id=draft.job_id, effect=effect, draft=draft)
    error.operation = "fill_gaps"
    return error
