"""All commands in one group, and how an interrupt or a closed pipe ends any of them."""

import io
import os
import sys
from contextlib import suppress
from typing import TextIO, cast

import click

from .._base.text import one_line
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

_NOBODY_READS = 128 + 13
"""As if SIGPIPE had ended it, which Python leaves out in favour of an error."""


class _Commands(click.Group):
    """A group that ends without a traceback when it is interrupted, or when nobody reads what it writes."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            click.echo("Interrupted.", err=True)
            ctx.exit(exit_code(stop))
        except BrokenPipeError:
            _forget_stdout()
            ctx.exit(_NOBODY_READS)
        except OSError as error:
            _forget_stdout()
            raise CannotRunError(one_line(error.strerror or error)) from None


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
