"""Everything that an error or a log shows."""

import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest


def texts_of(error: BaseException) -> Iterator[str]:
    """All that a log, a debugger or a crash reporter would show of an error, but for the tests' own frames."""
    yield from (str(error), repr(error), repr(vars(error)), *getattr(error, "__notes__", ()))
    yield from _frames_of(traceback.TracebackException.from_exception(error, capture_locals=True))
    for link in (error.__cause__, error.__context__):
        if link is not None:
            yield from texts_of(link)


def _frames_of(trace: traceback.TracebackException) -> Iterator[str]:
    for frame in trace.stack:
        if Path(__file__).parents[1] not in Path(frame.filename).parents:
            yield f"{frame.filename}:{frame.name} {frame.locals}"


def records_of(caplog: pytest.LogCaptureFixture) -> str:
    """All log records, with everything they carry."""
    return "\n".join(f"{record.getMessage()} {vars(record)!r} {record.exc_text}" for record in caplog.records)
