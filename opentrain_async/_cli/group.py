"""All commands in one group, and how an interrupt or a closed pipe ends any of them."""

import io
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

import click

from .._version import __version__
from .commands.account import claim, register, whoami
from .commands.demo import demo
from .commands.drafts import drafts
from .commands.plan import plan
from .commands.post import post
from .commands.publish import publish
from .commands.quota import quota
from .commands.sandbox import sandbox
from .common import CannotRunError
from .signals import exit_code
from .views import output

_NOBODY_READS = 128 + 13
"""As if SIGPIPE had ended it, which Python leaves out in favour of an error."""


class _Commands(click.Group):
    """A group that ends without a traceback when it is interrupted, or when nobody reads what it writes."""

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        with _escaped_errors():
            return super().make_context(*args, **options)

    def invoke(self, ctx: click.Context) -> object:
        with _escaped_errors():
            return self._invoke(ctx)

    def _invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            output.say("Interrupted.", err=True)
            ctx.exit(exit_code(stop))
        except BrokenPipeError:
            _forget_stdout()
            ctx.exit(_NOBODY_READS)
        except OSError as error:
            _forget_stdout()
            raise CannotRunError(str(error.strerror or error)) from None


@contextmanager
def _escaped_errors() -> Generator[None, None, None]:
    """Have click show an error without anything raw: some of its own are about what stands on the command line."""
    try:
        yield
    except click.ClickException as error:
        text = output.for_stderr(error.format_message())
        error.format_message = lambda: text  # type: ignore[method-assign]
        raise


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="opentrain-async")
def main() -> None:
    """Post jobs to OpenTrain: publish many drafts at once, and know for every draft what happened.

    New here? `opentrain-async demo` shows it all, and nothing leaves this machine.
    """
    if cast("TextIO | None", sys.stdout) is None:
        raise click.UsageError("stdout is closed, so nobody would learn what was done; >/dev/null is how to ignore it")
    # A terminal that lacks a character of a job's text must not cost the report of what was published.
    with suppress(AttributeError):  # of a stream that somebody put in its place
        cast("io.TextIOWrapper", sys.stdout).reconfigure(errors="backslashreplace")


def _forget_stdout() -> None:
    """Let what could not be written go: the interpreter would try again as it exits, and complain."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


for command in (demo, post, drafts, publish, plan, quota, whoami, register, claim, sandbox):
    main.add_command(command)
