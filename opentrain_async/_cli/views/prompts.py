"""Answer the missing fields of a draft from a file, or by asking at the terminal."""

import json
import sys
from collections.abc import Mapping
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import cast

import click

from ..._base.text import listed, one_line
from ...models import MissingField
from ...models._fields import DOCUMENTED, camel
from ..signals import Interruption, ends_at_once
from . import output


class Asker:
    """Answers for one missing field after another.

    Args:
        known: Answers by the names of fields, in whichever spelling.
        asks: Whether somebody can be asked for what is not among them.
    """

    def __init__(self, known: Mapping[str, object], *, asks: bool) -> None:
        self._known = {camel(name): value for name, value in known.items()}
        self._unused = dict.fromkeys(known)
        self._asks = asks

    @property
    def unused(self) -> tuple[str, ...]:
        """The names of the answers that nobody has asked for, nor would: no field is known by them."""
        return tuple(name for name in self._unused if camel(name) not in DOCUMENTED)

    def __call__(self, field: MissingField) -> object:
        """The answer, or `None` where there is none."""
        for name in (field.field, *field.update_keys):
            if name in self._known:
                self._unused = {known: None for known in self._unused if camel(known) != name}
                return self._known[name]
        if not self._asks:
            return None
        answer = _ask(field)
        self._asks = answer is not None  # who has ended the input has ended it for all that would be asked
        return answer


def answers_in(path: Path | None) -> Mapping[str, object]:
    """The answers of a file: one JSON object, of the names of fields and their values.

    Raises:
        click.UsageError: It is none.
    """
    if path is None:
        return {}
    try:
        answers: object = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise click.UsageError(f"{one_line(path)} cannot be read: {error}") from None
    if not isinstance(answers, dict):
        raise click.UsageError(f"{one_line(path)} has to hold one JSON object: the names of fields and their values")
    return cast("Mapping[str, object]", answers)


def choices_of(field: MissingField) -> str:
    """Return the choices of a missing field, to stand behind its question; empty where it has none."""
    return f" ({listed(field.choices)})" if field.choices else ""


def _ask(field: MissingField) -> object:
    """Ask until the answer can be right; `None` if nobody answers any more. Blocks, as a person needs their time."""
    for more in (field.message, field.hint):
        if more:
            output.say(f"  {more}", err=True)

    def checked(text: str) -> str:
        try:
            field.update(text)
        except ValueError as error:
            raise click.UsageError(output.for_stderr(str(error))) from None
        return text

    question, default = one_line(field.question) + choices_of(field), _default_of(field)
    if not field.choices and field.example:
        question += f" (such as {one_line(field.example)})"
    if default is not None:
        question += f" [{one_line(default)}]"  # click would show it as it came
    # Before 8.4 click writes a blank to stdout for each question, whatever `err` says: to a terminal let it.
    apart = nullcontext() if sys.stdout.isatty() else redirect_stdout(sys.stderr)
    with ends_at_once() as ended_by, apart:
        try:
            return click.prompt(
                output.for_stderr(question), default=default, show_default=False, value_proc=checked, err=True
            )
        except click.Abort:
            output.say("", err=True)
            if ended_by:
                raise Interruption(ended_by[0]) from None
            return None


def _default_of(field: MissingField) -> str | None:
    """What Enter alone stands for: of a choice the service's example, if it would do. No price goes without saying."""
    if not field.choices:
        return None
    try:
        field.update(field.example)
    except ValueError:
        return None
    return field.example
