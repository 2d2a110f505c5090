"""What crash reporters and loggers show of an exception, with the local variables of its frames."""

import io
import json
import logging
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import sentry_sdk
import structlog
from loguru import logger
from rich.console import Console
from rich.scope import render_scope
from rich.text import Text
from rich.traceback import Stack, Trace, Traceback
from sentry_sdk.envelope import Envelope
from sentry_sdk.scrubber import EventScrubber
from sentry_sdk.transport import Transport
from sentry_sdk.utils import event_from_exception


def everything_shown(error: BaseException) -> str:
    """All that the tools show of an error and of what it is linked to, and what it is made of itself."""
    shown: list[str] = []
    left_out: set[int] = set()
    for linked in _linked_to(error):
        shown += [str(linked), repr(linked), repr(vars(linked)), repr(linked.args), *getattr(linked, "__notes__", ())]
        if linked is error or id(linked) in left_out:
            shown += [show(linked) for show in TOOLS.values()]
        if linked.__suppress_context__:  # the tools follow each link but this one
            left_out.add(id(linked.__context__))
    return "\n".join(shown)


def everything_logged(records: Iterable[logging.LogRecord]) -> str:
    """All that records carry: their text and arguments, and all that the tools show of their errors."""
    shown: list[str] = []
    for record in records:
        shown += [record.getMessage(), repr(vars(record))]
        carried = [
            record.exc_info[1] if record.exc_info else None,
            *(record.args if isinstance(record.args, tuple) else ()),
        ]
        shown += [everything_shown(each) for each in carried if isinstance(each, BaseException)]
    return "\n".join(shown)


def _linked_to(error: BaseException) -> Iterator[BaseException]:
    """The error, its causes and contexts, and the members of groups: each once."""
    found, seen = [error], set[int]()
    while found:
        each = found.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            links = (each.__cause__, each.__context__, *getattr(each, "exceptions", ()))
            found += [link for link in links if link is not None]


def by_traceback(error: BaseException) -> str:
    """What the standard library shows."""
    trace = traceback.TracebackException.from_exception(error, capture_locals=True)
    stack = traceback.StackSummary.extract(traceback.walk_tb(error.__traceback__), capture_locals=True)
    return "".join([*trace.format(), *stack.format()])


def by_rich(error: BaseException) -> str:
    """What rich shows of each frame: the beginning of each string. With whole strings it shows what `repr` does."""
    terminal = io.StringIO()
    trace = Traceback.extract(
        type(error), error, error.__traceback__, show_locals=True, locals_max_string=20, locals_max_length=100
    )
    # As it shows them itself, but without the source, which would take most of the time.
    console = Console(file=terminal, width=100, color_system=None)
    for stack in _stacks_of(trace):
        console.print(*(Text(text) for text in (stack.exc_type, stack.exc_value, *map(str, stack.notes))))
        for frame in stack.frames:
            console.print(render_scope(frame.locals or {}, max_length=100, max_string=20))
    return terminal.getvalue()


def _stacks_of(trace: Trace) -> Iterator[Stack]:
    for stack in trace.stacks:
        yield stack
        for inner in stack.exceptions:
            yield from _stacks_of(inner)


def by_structlog(error: BaseException) -> str:
    """What structlog shows: as values, with the help of rich and without, and on a terminal."""
    tracebacks, out = structlog.tracebacks, io.StringIO()
    renderers: list[list[Any]] = [
        [structlog.processors.ExceptionRenderer(transformer), structlog.processors.JSONRenderer()]
        for transformer in (
            tracebacks.ExceptionDictTransformer(show_locals=True, locals_max_length=100, max_frames=100),
            tracebacks.ExceptionDictTransformer(
                show_locals=True, locals_max_string=20, locals_max_length=100, max_frames=100, use_rich=False
            ),
        )
    ]
    # With rich it shows on a terminal what rich shows.
    renderers.append([structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)])
    renderers.append([structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()])
    for processors in renderers:
        structlog.wrap_logger(structlog.PrintLogger(out), processors=processors).error("failed", exc_info=error)
    return out.getvalue()


class _Collected(Transport):
    """A transport that sends nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.envelopes: list[Envelope] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.envelopes.append(envelope)


def by_sentry(error: BaseException) -> str:
    """What Sentry's SDK sends, with nothing scrubbed."""
    transport = _Collected()
    client = sentry_sdk.Client(
        dsn="http://key@127.0.0.1:9/1",
        transport=transport,
        default_integrations=False,
        auto_enabling_integrations=False,
        enable_backpressure_handling=False,
        include_local_variables=True,
        event_scrubber=EventScrubber(denylist=[], pii_denylist=[]),
    )
    event, hint = event_from_exception(error, client_options=client.options)
    client.capture_event(event, hint)
    client.close()
    return json.dumps([item.payload.json for envelope in transport.envelopes for item in envelope.items])


def by_loguru(error: BaseException, *, backtrace: bool = False) -> str:
    """What loguru shows of the names in each line.

    With *backtrace* it goes on to the frames outside: mostly the test's and pytest's, which take most of the time.
    """
    out = io.StringIO()
    logger.remove()
    logger.add(out, diagnose=True, backtrace=backtrace, catch=False, colorize=False)
    logger.opt(exception=error).error("failed")
    logger.remove()
    return out.getvalue()


TOOLS: Mapping[str, Callable[[BaseException], Any]] = {
    "traceback": by_traceback,
    "rich": by_rich,
    "structlog": by_structlog,
    "sentry-sdk": by_sentry,
    "loguru": by_loguru,
}
